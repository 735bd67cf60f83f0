"""How the optimizer of lesson 09 was made, which paints."""

from l2o_kit.lessons.l09_art.art import neural_art, neural_art_training
from l2o_kit.recipes import Recipe

RECIPES = {
    "neural_art": Recipe(
        neural_art,
        {"preprocess": "normalized", "bounded": True, "output_scale": 0.05},
        (
            {
                "on": neural_art_training,
                "unroll": 16,
                "horizon": 128,
                "meta_steps": 800,
                "batch": 1,
                "lr": (3e-3, 1e-3),
                "second_derivatives": True,
            },
        ),
        judged_on=16,
        steps=128,
        start="digits_robust",
    ),
}
