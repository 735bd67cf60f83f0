"""How every shipped optimizer was made: the library's recipes, and each lesson's own.

python -m l2o_kit.lessons.recipes            every recipe, in order
python -m l2o_kit.lessons.recipes digits     one of them
python -m l2o_kit.lessons.recipes digits --keep FOLDER   go on where it was stopped
torchrun --nproc-per-node=2 -m l2o_kit.lessons.recipes digits --keep FOLDER
                                     on several processes: see ``distributed.py``
"""

import argparse
from pathlib import Path

from l2o_kit import distributed, recipes
from l2o_kit.checkpoint import PRETRAINED
from l2o_kit.lessons import gathered
from l2o_kit.recipes import make

RECIPES = recipes.RECIPES | gathered("RECIPES")


def main():
    """The command line: make the recipes that are named, or all."""
    parser = argparse.ArgumentParser(description="Train the shipped optimizers again.")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(RECIPES)}")
    parser.add_argument("--folder", type=Path, default=PRETRAINED)
    parser.add_argument("--keep", type=Path, help="a folder for long trainings")
    parser.add_argument("--device", help='where to train, "cpu" or "cuda"')
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(RECIPES)
    if unknown:
        parser.error(
            f"no recipe is called {sorted(unknown)}; there are {list(RECIPES)}"
        )
    for name in arguments.names or RECIPES:
        path = make(
            name, RECIPES[name], arguments.folder, arguments.keep, arguments.device
        )
        if distributed.rank() == 0:
            print(f"{name}: {path.name}, {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
