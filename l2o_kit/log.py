"""What a meta-training did, step by step, as a record that can be plotted."""

import html
from dataclasses import dataclass, field

from l2o_kit.plots import VERMILION, img, new_figure, png


class MetaTrainingDiverged(FloatingPointError):
    """Meta-training met a NaN or an infinity and stopped; ``.log`` is what was done."""

    def __init__(self, message: str = "", log: "Log | None" = None):
        super().__init__(message)
        self.log = log


@dataclass
class Log:
    """What a meta-training did: one entry per meta-step.

    meta_losses are L(phi), averaged over the batch; starts are the step a at which each
    window began; seconds is the wall clock so far; norms are those of the
    meta-gradient before it was clipped. ``trained`` is (optimizer, optimizee, settings)
    of the run, for ``diagnose``; it is not stored with the rest.
    """

    unroll: int
    meta_losses: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    interrupted: bool = False
    trained = None

    def interrupt(self):
        """Mark the run as stopped; drop an entry that the stop cut in the middle."""
        self.interrupted = True
        lists = self.meta_losses, self.norms, self.starts, self.seconds
        whole = min(map(len, lists))
        for entries in lists:
            del entries[whole:]

    def rollouts(self) -> list[float]:
        """Mean loss per step of each finished or running roll-out, in order."""
        sums, steps = [], []
        for start, loss in zip(self.starts, self.meta_losses, strict=True):
            if start == 0:
                sums.append(0.0), steps.append(0)
            sums[-1] += loss
            steps[-1] += self.unroll
        return [total / count for total, count in zip(sums, steps, strict=True)]

    def recent(self) -> float:
        """Mean loss per step over about the last roll-out."""
        last = self.meta_losses[-max(1, len(set(self.starts))) :]
        return sum(last) / (len(last) * self.unroll)

    def figure(self):
        """Mean loss of each roll-out against the meta-step at which it began."""
        figure, (ax,) = new_figure(6.0, 3.0)
        begun = [k for k, start in enumerate(self.starts) if start == 0]
        ax.plot(begun, self.rollouts(), color=VERMILION, marker=".")
        ax.set(yscale="log", xlabel="meta-step", ylabel="mean loss of a roll-out")
        return figure

    def _repr_html_(self):
        picture = img(png(self.figure()), f"Mean loss against meta-step. {self!r}")
        return f"{picture}<br>{html.escape(repr(self))}"

    def __repr__(self):
        if not self.meta_losses:
            return "Log(no meta-step finished)"
        means = self.rollouts()
        return (
            f"Log({len(self.meta_losses)} meta-steps in {self.seconds[-1]:.0f} s, "
            f"{len(means)} roll-outs; mean loss {means[0]:.3g} -> {means[-1]:.3g}"
            f"{', interrupted' if self.interrupted else ''})"
        )
