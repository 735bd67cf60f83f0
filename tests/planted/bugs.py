"""Small faults, planted one at a time, to see whether the tests and notebooks notice.

The list was written before any run, and without looking at the tests: file by file,
from the code and the notebooks alone, the fault that would hurt a user, a teacher or a
student. There is at least one for every module, every check, every panel and every
notebook.

    bugs_core      modules, from art to groups
    bugs_base      modules, from horizons to variations
    bugs_class     the classroom's tools, and the ledger of claims
    bugs_rounding  what hides behind rounding, or is said of it (written later)
    bugs_panels    what moves in the notebooks
    bugs_lessons   the checks of exercises, and the notebooks
"""

from tests.planted.bug import Bug
from tests.planted.bugs_base import BASE
from tests.planted.bugs_class import CLASS
from tests.planted.bugs_core import CORE
from tests.planted.bugs_lessons import LESSONS
from tests.planted.bugs_panels import PANELS
from tests.planted.bugs_rounding import ROUNDING

__all__ = ["BUGS", "Bug"]

BUGS = (*CORE, *BASE, *CLASS, *ROUNDING, *PANELS, *LESSONS)
