"""Predict first: a question keeps a panel locked until it is answered or skipped."""

from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets as widgets


@dataclass(frozen=True)
class Guess:
    """A question, the answers to choose from, and the truth.

    options: the answers; left out, the answer is a number.
    truth: one of the options or a number, or a function that measures it.
    because: one sentence that is shown with the truth.
    """

    question: str
    truth: object
    because: str = ""
    options: tuple[str, ...] = ()

    def measured(self):
        """The truth, measured if it must be."""
        return self.truth() if isinstance(self.truth, Callable) else self.truth

    def answer(self, guessed) -> str:
        """Guess and truth side by side, as HTML."""
        truth = self.measured()
        if guessed is None:
            opening = "You skipped the guess."
        elif not self.options:
            opening = f"You guessed {guessed:g}. {_how_near(guessed, truth)}."
        else:
            opening = (
                f"You guessed: {guessed}. {'Right' if guessed == truth else 'No'}."
            )
        shown = truth if self.options else f"{truth:.3g}"
        return f"<b>{opening}</b> The answer: {shown}. {self.because}"


def _how_near(guessed: float, truth: float) -> str:
    """Right within 1 %, close within 20 %."""
    error = abs(guessed - truth)
    if error <= 0.01 * abs(truth):
        return "Right"
    return "Close" if error <= 0.2 * abs(truth) else "No"


class GuessBox(widgets.VBox):
    """The question with its answers, a button to lock the guess in, and one to skip.

    Calls ``done(guessed)`` with the answer, or None where it was skipped.
    """

    def __init__(self, guess: Guess, done: Callable):
        wide = widgets.Layout(width="auto")
        if guess.options:
            self.field = widgets.RadioButtons(
                options=guess.options, value=None, layout=wide
            )
        else:
            self.field = widgets.FloatText(
                value=None, layout=widgets.Layout(width="8em")
            )
        self.go = widgets.Button(description="Lock in my guess", button_style="primary",
                                 layout=wide)  # fmt: skip
        self.skip = widgets.Button(description="Skip", layout=wide,
                                   tooltip="Show it without a guess")  # fmt: skip
        self.hint = widgets.HTML()
        self.done = done
        self.go.on_click(self._answered)
        self.skip.on_click(lambda _: done(None))
        question = widgets.HTML(f"<b>Predict first.</b> {guess.question}")
        super().__init__(
            [question, self.field, widgets.HBox([self.go, self.skip]), self.hint]
        )

    def _answered(self, _):
        if self.field.value is None:
            self.hint.value = "Choose an answer first, or press Skip."
        else:
            self.done(self.field.value)
