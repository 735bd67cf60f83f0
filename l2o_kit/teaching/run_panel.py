"""A panel whose answer takes seconds: Run, Stop, a progress bar, and a stale cue.

Run starts one worker thread and returns, because all widgets share one kernel subshell:
a Run that blocked would block its own Stop. Stop sets an event that the work reads at
every step. ``panel.wait()`` joins the thread and re-raises what went wrong in it.
"""

import threading

import ipywidgets as widgets

from l2o_kit.teaching.panel import Panel


class Stopped(Exception):
    """Raised inside the work after Stop was pressed."""


class Job:
    """What the work tells and asks: ``step(fraction)`` at every step."""

    def __init__(self, bar: widgets.FloatProgress):
        self.stop, self._bar = threading.Event(), bar

    def step(self, fraction: float):
        """Report progress, 0 to 1; raises Stopped once Stop was pressed."""
        if self.stop.is_set():
            raise Stopped
        if fraction - self._bar.value > 0.01 or fraction >= 1:
            self._bar.value = fraction

    def step_or_interrupt(self, fraction: float):
        """The same for work that keeps what it has: raises KeyboardInterrupt."""
        try:
            self.step(fraction)
        except Stopped:
            raise KeyboardInterrupt from None


class RunPanel(Panel):
    """Subclasses define ``work(state, job) -> result`` instead of ``compute``.

    Moving a control computes nothing: the picture fades and a line says that it is out
    of date, until Run is pressed.
    """

    quick = False

    def first(self):
        """Before the first Run: empty axes, and what to do."""
        self.text = "Nothing was run yet."
        for artist in self.moving:
            artist.set_visible(False)
        self._show_picture()
        for artist in self.moving:
            artist.set_visible(True)
        self._show_sentence()
        self._say("Press Run to compute this picture.")

    def work(self, state: dict, job: Job):
        """The result for a state; calls ``job.step`` often. Pure, as compute is."""
        raise NotImplementedError

    def changed(self, _=None):
        """A control moved: what is shown belongs to the old setting."""
        if self.result is None:
            return
        with self._drawing:
            self._show_picture(opacity=0.35)
        self._say("This picture is out of date: press Run.")

    def _projector_changed(self, change):
        if self.result is not None:
            super()._projector_changed(change)
            return
        said, self._background = self._status.value, None
        self.first()  # nothing was shown yet: the axes stay empty
        self._status.value = said

    def run(self, _=None):
        """Start the work in a thread and return; a second Run does nothing."""
        if self._thread and self._thread.is_alive():
            return
        self._error, self._job = None, Job(self._bar)
        self._bar.value = 0.0
        self._run.disabled, self._stop.disabled = True, False
        self._say("Running ...")
        arguments = (self.state(), self._job)
        self._thread = threading.Thread(
            target=self._worker, args=arguments, daemon=True
        )
        self._thread.start()

    def stop(self, _=None):
        """Ask the work to end at its next step; what is shown stays."""
        if self._job:
            self._job.stop.set()

    def wait(self, timeout=None):
        """Until the work has ended, or timeout seconds; re-raises its exception."""
        if self._thread:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"{self.title} is still running after {timeout} s")
        if self._error:
            raise self._error

    def _worker(self, state, job):
        try:
            with self._errors_shown():
                result = self.work(state, job)
                self.show(result)
            if state != self.state():
                self.changed()
        except Stopped:
            self._say(f"Stopped at {self._bar.value:.0%}. What was shown is kept.")
        except Exception as error:  # wait() raises it where somebody can see it
            self._error = error
        finally:
            self._run.disabled, self._stop.disabled = False, True

    def _make_widgets(self, projector):
        super()._make_widgets(projector)
        self._thread = self._job = self._error = None
        self._run = widgets.Button(description="Run", button_style="primary")
        self._stop = widgets.Button(description="Stop", disabled=True)
        self._bar = widgets.FloatProgress(min=0.0, max=1.0, description="Progress")
        self._run.on_click(self.run)
        self._stop.on_click(self.stop)

    def _control_rows(self):
        rows = super()._control_rows()
        return [*rows, widgets.HBox([self._run, self._stop, self._bar])]
