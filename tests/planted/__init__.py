"""175 small faults, written before any run and without looking at the tests.

``python -m tests.planted.run`` plants them one at a time. The first run, on the tests
as they then were, is in ``first_run.jsonl``: 151 of 175 were noticed (86 %). It ran in
pieces, and the runner itself was mended on the way: it had overlooked some tests that
do import the changed file. The 24 that nobody noticed ran again after the tests were
mended, and 11 of a notebook that only the forms of the exercises had given away:
``after_mending.jsonl``, all noticed.
"""
