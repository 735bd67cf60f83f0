"""The lessons: one room each, a folder ``lNN_name`` beside notebook NN.

A room holds what its lesson needs beyond the library: experiments with their panels and
questions, checks of exercises, claims, recipes, and in ``stored/`` what takes too long
for a slider. Rooms never import each other. The files beside the rooms gather over all
of them: ``claims``, ``papers``, ``bench``, ``stored``, ``recipes``.
"""

import importlib
import pkgutil
from types import ModuleType

from l2o_kit.teaching.panel import Panel


def rooms() -> list[ModuleType]:
    """The package of every lesson, in order."""
    found = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)
    return [importlib.import_module(f"{__name__}.{name}") for name in found]


def files(room: ModuleType) -> list[ModuleType]:
    """Every module of a room, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(room.__path__))
    return [importlib.import_module(f"{room.__name__}.{name}") for name in names]


def gathered(name: str) -> dict:
    """The tables of that name of all files of all rooms, as one.

    Raises ValueError where two tables hold the same key.
    """
    found, owners = {}, {}
    for module in (module for room in rooms() for module in files(room)):
        table = getattr(module, name, {})
        for key in table:
            owner, first = owners.setdefault(key, (module.__name__, table))
            if first is not table:  # an imported table is no second one
                raise ValueError(f"{name}: {key!r} is in {owner} and {module.__name__}")
        found |= table
    return found


def panels(room: ModuleType) -> list[type[Panel]]:
    """The panels that a lesson shows, in the order of its table of contents."""
    kinds = (value for value in vars(room).values() if isinstance(value, type))
    return [kind for kind in kinds if issubclass(kind, Panel)]
