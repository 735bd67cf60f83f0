"""Predict first: a question keeps a panel locked until it is answered or skipped."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets as widgets

from l2o_kit.plots import html_table


@dataclass(frozen=True)
class Guess:
    """A question, what kind of answer it wants, and the truth.

    options: the answers to choose from.
    bars: the names of the parts of a whole; the answer is a share for each. Left out
    both, the answer is a number.
    truth: one of the options, the shares (they add up to 1) or a number; or a function
    that measures it.
    because: one sentence that is shown with the truth.
    """

    question: str
    truth: object
    because: str = ""
    options: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()

    def measured(self):
        """The truth, measured if it must be."""
        return self.truth() if isinstance(self.truth, Callable) else self.truth

    def answer(self, guessed) -> str:
        """Guess and truth side by side, as HTML; guessed is None where skipped."""
        truth = self.measured()
        if guessed is None:
            opening = "You skipped the guess."
        elif self.bars:
            off = sum(abs(g - t) for g, t in zip(guessed, truth, strict=True))
            opening = f"Your bars are off by {off:.2f} in all."
        elif self.options:
            opening = (
                f"You guessed: {html.escape(guessed)}. "
                f"{'Right' if guessed == truth else 'No'}."
            )
        else:
            opening = f"You guessed {guessed:g}. {_how_near(guessed, truth)}."
        return f"<b>{opening}</b> {self._told(guessed, truth)}"

    def on_paper(self) -> str:
        """The question, what there is to choose from, and the truth folded, as HTML."""
        choices = "".join(
            f"<li>{html.escape(each)}</li>" for each in self.options or self.bars
        )
        choices = f"<ul>{choices}</ul>" if choices else ""
        answer = f"<summary>Answer</summary><p>{self._told(None, self.measured())}</p>"
        return (
            "<p><b>Predict first.</b> "
            f"{self.question}</p>{choices}<details>{answer}</details>"
        )

    def _told(self, guessed, truth) -> str:
        """The truth and why; bars in a table, with the guess where there is one."""
        if self.bars:
            return f"{self.because} {self._table(guessed, truth)}"
        shown = html.escape(truth) if self.options else f"{truth:.3g}"
        return f"The answer: {shown}. {self.because}"

    def _table(self, guessed, truth) -> str:
        """A row of shares for the guess, if there is one, and one for the truth."""
        accounts = {"your guess": guessed, "the answer": truth}
        rows = [
            [name, *(f"{share:.2f}" for share in shares)]
            for name, shares in accounts.items()
            if shares is not None
        ]
        return html_table(["share", *self.bars], rows)


def shares(parts: Sequence[int | float]) -> tuple[float, ...]:
    """Parts as shares that add up to 1; as given where all are 0."""
    return tuple(float(part) / (sum(parts) or 1) for part in parts)


def _how_near(guessed: int | float, truth: int | float) -> str:
    """Right within 1 %, close within 20 %."""
    error = abs(guessed - truth)
    if error <= 0.01 * abs(truth):
        return "Right"
    return "Close" if error <= 0.2 * abs(truth) else "No"


class GuessBox(widgets.VBox):
    """The question with its answers, a button to lock the guess in, and one to skip.

    Calls ``done(guessed)`` with the answer, or None where it was skipped. All of it
    works by keyboard: arrows choose or move a bar, Enter ends a number, Tab goes on to
    the buttons.
    """

    def __init__(self, guess: Guess, done: Callable):
        wide = widgets.Layout(width="auto")
        self.guess, self.done, self.bars = guess, done, ()
        self.hint = widgets.HTML()
        self.field = self._make_field(wide)
        self.go = widgets.Button(
            description="Lock in my guess", button_style="primary", layout=wide
        )
        self.skip = widgets.Button(
            description="Skip", layout=wide, tooltip="Show it without a guess"
        )
        self.go.on_click(self._answered)
        self.skip.on_click(lambda _: done(None))
        question = widgets.HTML(f"<b>Predict first.</b> {guess.question}")
        super().__init__(
            [question, self.field, widgets.HBox([self.go, self.skip]), self.hint]
        )

    def parts(self) -> tuple:
        """Every widget that a click or a key changes."""
        return (self.go, self.skip, *(self.bars or (self.field,)))

    def _make_field(self, wide):
        """Buttons for options, a slider for each bar, or a field for a number."""
        if self.guess.options:
            return widgets.RadioButtons(
                options=self.guess.options, value=None, layout=wide
            )
        if not self.guess.bars:
            return widgets.FloatText(
                value=None,
                description="Your guess",
                style={"description_width": "initial"},
                layout=widgets.Layout(width="16em"),
            )
        self.bars = tuple(
            widgets.IntSlider(
                50,
                0,
                100,
                description=name,
                style={"description_width": "9em"},
                layout=widgets.Layout(width="min(34em, 98%)"),
            )
            for name in self.guess.bars
        )
        for bar in self.bars:
            bar.observe(self._say_shares, names="value")
        self._say_shares()
        return widgets.VBox(self.bars)

    def _shares(self) -> tuple[float, ...]:
        return shares([bar.value for bar in self.bars])

    def _say_shares(self, _=None):
        """The bars as shares, in words: only their ratios matter."""
        said = ", ".join(
            f"{html.escape(name)} gets {share:.2f}"
            for name, share in zip(self.guess.bars, self._shares(), strict=True)
        )
        self.hint.value = f'<div aria-live="polite">Your shares: {said}.</div>'

    def _answered(self, _):
        value = self._shares() if self.bars else self.field.value
        if value is None:
            self.hint.value = "Choose an answer first, or press Skip."
        elif self.bars and not any(value):
            self.hint.value = "Raise a bar first, or press Skip."
        else:
            self.done(value)
