"""What a teacher does before the class: rehearse, print handouts."""

import l2o_kit.teaching  # noqa: F401, says what to install where it is missing
