"""How the optimizers of lesson 08 were made, for convolutional networks.

Training takes 8 channels and runs on 16: training on 16 for as long, so fewer
meta-steps, was worse. Windows of 50 steps made it worse too.
"""

from collections.abc import Callable

from l2o_kit.groups import CONV_AND_FC
from l2o_kit.network import Network
from l2o_kit.problems import conv, conv_small
from l2o_kit.recipes import Recipe, stage


def conv_narrow() -> Network:
    """All labels, 8 channels."""
    return conv(channels=8)


def conv_others_narrow() -> Network:
    """The labels 5 to 9, 8 channels."""
    return conv("others", channels=8)


SMALL_STEPS = {"preprocess": "log_sign", "output_scale": 0.01}
TWO = {"groups": {"conv": SMALL_STEPS, "fc": SMALL_STEPS}, "rule": CONV_AND_FC}


def conv_stages(on: Callable, meta_steps: int = 2_500) -> tuple[dict, ...]:
    """A hundred windows drawn to an Adam, then the others."""
    return (
        stage(20, 100, 1, 5e-3, imitate=3e-3, on=on),
        stage(20, meta_steps, 1, (3e-3, 3e-4), on=on),
    )


RECIPES = {
    "conv": Recipe(conv, TWO, conv_stages(conv_narrow), judged_on=4),
    "conv_sub": Recipe(conv, TWO, conv_stages(conv_others_narrow), judged_on=4),
    "conv_shared": Recipe(conv, SMALL_STEPS, conv_stages(conv_narrow), judged_on=4),
    "conv_small": Recipe(conv_small, TWO, conv_stages(conv_small, 1_500), judged_on=16),
}
