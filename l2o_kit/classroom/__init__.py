"""What a teacher does before the class: rehearse, print handouts."""
