"""Every panel and every check of an exercise, by name, for tests that go over all."""

from l2o_kit.lessons import panels, rooms

ROOMS = {room.__name__.rpartition(".l")[2][:2]: room for room in rooms()}
PANELS = {kind.__name__: kind for room in rooms() for kind in panels(room)}
ALL = tuple(PANELS.values())
CHECKS = {
    name: check
    for room in rooms()
    for name, check in vars(room.check).items()
    if hasattr(check, "__wrapped__") and check.__module__ == room.check.__name__
    if not name.startswith("_")
}
