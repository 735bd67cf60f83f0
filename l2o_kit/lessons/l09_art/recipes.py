"""How the optimizer of lesson 09 was made, which paints."""

from l2o_kit.lessons.l09_art.art import neural_art, neural_art_training
from l2o_kit.recipes import ROBUST, Recipe, stage

WINDOWS = stage(
    16,
    800,
    1,
    (3e-3, 1e-3),
    horizon=128,
    second_derivatives=True,
    on=neural_art_training,
)
RECIPES = {
    "neural_art": Recipe(
        neural_art,
        ROBUST | {"output_scale": 0.05},
        (WINDOWS,),
        judged_on=16,
        steps=128,
        start="digits_robust",
    ),
}
