"""Before the class: rehearsal and handouts."""
