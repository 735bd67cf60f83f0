"""Lesson 04: a loss, the traps of a comparison, a fair rate, a race read, its cost."""

from functools import partial

import torch
from torch.nn import functional as F

from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l04_networks.standings import HORIZONS, NAMES, PLACES
from l2o_kit.optimizees import Quadratic
from l2o_kit.teaching.answers import (
    RETURNED_NONE,
    Wrong,
    ask,
    compare,
    exercise,
    letters,
    near,
    number,
    reaches,
    read_off,
)


def _own_loss(outputs, y):
    return (F.softplus(outputs) - y * outputs).mean()


@exercise(_own_loss, "it agrees with torch's, for large outputs too.")
def cross_entropy(answer):
    """Outputs z [n, 1] and targets y [n, 1] of 0 or 1 to one number."""
    z = torch.tensor([[0.5], [-1.0], [2.0], [-0.3]])
    y = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    value = ask(answer, z, y)
    if isinstance(value, torch.Tensor) and value.shape == (4, 1):
        raise Wrong("Yours gives one number per example. Take the mean over them.")
    seen, right = number(value), _own_loss(z, y)
    probability = z.sigmoid()
    compare(
        seen,
        right,
        {
            "You add up the examples. With the mean, the size of the minibatch does "
            "not change the size of the gradient.": 4 * right,
            "The sign is turned: a loss is large where the answer is bad.": -right,
            "The outputs z go in as they are: the formula has the sigmoid in it. Yours "
            "puts them through a sigmoid first.": _own_loss(probability, y),
            "Classes 0 and 1 have changed places: y multiplies z.": _own_loss(-z, y),
            "The second term, y z, is missing: yours does not look at the "
            "targets.": F.softplus(z).mean(),
            "That is the squared error of the probability.": F.mse_loss(probability, y),
        },
        f"For z = 0.5, -1, 2, -0.3 and y = 1, 0, 0, 1 yours gives {seen:.4f}, expected "
        f"{float(right):.4f}.",
    )
    far = torch.tensor([[200.0], [-200.0]]), torch.tensor([[0.0], [1.0]])
    if not near(number(ask(answer, *far)), 200.0):
        raise Wrong(
            "For outputs of 200 and -200 with the wrong class yours gives "
            f"{number(ask(answer, *far)):.4g}, expected 200: e^200 is more than a "
            "number can hold. torch.nn.functional.softplus(z) is log(1 + e^z), safely."
        )
    if not getattr(ask(answer, z.requires_grad_(), y), "requires_grad", False):
        raise Wrong("The number is right, but it has lost its graph (.item(), .data?).")


TRAPS = {"C", "D", "F", "H"}
HARMLESS = {
    "A": "Eight networks make the answer uncertain, to both sides alike: that is what "
    "an interval is for",
    "B": "A fixed seed only makes the answer the same tomorrow",
    "E": "A new minibatch at each step is how both are trained",
    "G": "A hundred steps for both is fair, if one says so",
}
MISSED = {
    "C": "Has anybody tried another learning rate than the one of line C?",
    "D": "theta begins again on line D. What about Adam's own memory, its running "
    "means?",
    "F": "Look at line F. The loss is a sum over separate networks: what does each "
    "network's gradient have to do with how many others there are?",
    "H": "Compare the two numbers of line H: on which examples is each measured?",
}


def _own_traps():
    return set(TRAPS)


@exercise(
    _own_traps,
    "an untuned rival, a memory that is not emptied, gradients cut by eight, and two "
    "different measures.",
)
def traps(answer):
    """The letters of the lines that make the comparison unfair."""
    named = letters(ask(answer), TRAPS | HARMLESS.keys())
    for letter in sorted(named & HARMLESS.keys()):
        raise Wrong(f"{letter} is no trap. {HARMLESS[letter]}.")
    for letter in sorted(TRAPS - named):
        raise Wrong(f"{len(named)} right, and there are more. {MISSED[letter]}")


# Best by the steps 91 to 100: 1. By all, the first ten, or two of the problems: 0.3; by
# the last step alone: 10.
RATES = (1e20, 0.3, 1.0, 10.0)
JUDGED = 3


def _own_rate(optimizee, rates, judged):
    losses = {}
    for lr in rates:
        adam = partial(torch.optim.Adam, lr=lr)
        curves = optimize(adam, optimizee, steps=100, batch=8, seed=judged + 1)
        losses[lr] = float(curves.losses[91:].mean().nan_to_num(torch.inf))
    return min(losses, key=losses.get)


class _Watched(Quadratic):
    """Quadratics that remember which ones were drawn, and are the same for each seed.

    So no seed is unlucky: by each measure, right or wrong, one rate is clearly best.
    """

    def __init__(self):
        super().__init__(3)
        self.drawn = []

    def sample(self, batch, generator, dtype=torch.float32):
        self.drawn.append(super().sample(batch, generator, dtype).theta0[0])
        return super().sample(batch, stream(13, "best rate"), dtype)


@exercise(_own_rate, "every rate on the same problems, and those are not the judged.")
def best_rate(answer):
    """(optimizee, rates, seed of the judged problems) to the best of Adam's rates."""
    optimizee = _Watched()
    value = number(ask(answer, optimizee, RATES, JUDGED))
    drawn = list(optimizee.drawn)
    if not drawn:
        raise Wrong(
            "You drew no problem from the optimizee. Try each rate: l2o.optimize(adam, "
            "optimizee, batch=8, seed=...)."
        )
    judged = Quadratic(3).sample(8, stream(JUDGED, "problems")).theta0[0]
    if any(torch.equal(theta, judged) for theta in drawn):
        raise Wrong(
            "You tune on the very problems that will be judged, those of seed=judged. "
            "A rate chosen there looks better than it is. Take another seed."
        )
    if len(drawn) > 1 and not all(torch.equal(t, drawn[0]) for t in drawn):
        raise Wrong(
            "Each rate saw other problems, so luck has a say. Give every rate the same "
            "seed."
        )
    if len(drawn) < len(RATES):
        raise Wrong(f"You tried {len(drawn)} of {len(RATES)} rates.")
    if value == RATES[0]:
        _name_why_the_first(answer, optimizee)
    if value not in RATES:
        raise Wrong(f"{value:g} is none of the rates. Return the rate, not its loss.")
    if value != _own_rate(optimizee, RATES, JUDGED):
        raise Wrong(
            f"Yours picks {value:g}. The best rate has the *lowest* mean loss over the "
            "steps 91 to 100: the last ten of the 101 rows of .losses."
        )


def _name_why_the_first(answer, optimizee):
    """Raises Wrong: why the rate that diverges was picked, where that can be told."""
    turned = number(ask(answer, optimizee, RATES[::-1], JUDGED))
    if turned == _own_rate(optimizee, RATES, JUDGED):  # as the nan is not the first now
        raise Wrong(
            "One rate diverges, its loss is not a number, and comparing with that is "
            "always false: min() took it for the best. Turn it into infinity first, "
            "with .nan_to_num(torch.inf)."
        )
    if turned == RATES[-1]:
        raise Wrong(
            "Yours picks the first rate, whichever that is. Where each loss is nan or "
            "infinite, none is the least. Do you run Adam, with "
            "partial(torch.optim.Adam, lr=lr)?"
        )
    sane = number(ask(answer, optimizee, RATES[1:], JUDGED))
    if sane == _own_rate(optimizee, RATES, JUDGED):  # the lowest, but of 1e20
        raise Wrong(
            f"Yours picks {RATES[0]:g}, which diverges: its loss is not a number. "
            ".nan_to_num() alone turns nan into 0, the lowest of all. Turn it into "
            "infinity, with .nan_to_num(torch.inf)."
        )


def _own_break_even(training, learned, rival):
    return training / (rival - learned) if rival > learned else float("inf")


@exercise(_own_break_even, "and it never pays where a run saves nothing.")
def break_even(answer):
    """Seconds of meta-training, of a learned run, of a rival's: runs until it pays."""
    training, learned, rival = 601.0, 2.0, 5.0  # no whole number of runs
    seen = number(ask(answer, training, learned, rival))
    compare(
        seen,
        training / (rival - learned),
        {
            "That is how many runs take as long as the training. What does each run "
            "*save*?": training / learned,
            "The learned optimizer's run takes time too: what "
            "does a run save?": training / rival,
            "A run saves the difference of the two times.": training
            / (rival + learned),
            "Upside down: yours is what part of the training one run pays back.": (
                rival - learned
            )
            / training,
            "Divide: n runs save n times the difference.": training * (rival - learned),
        },
        f"601 s of training, runs of 2 s in place of 5 s: yours gives {seen:g}, "
        "expected 601 / 3 = 200.333, not rounded: each run saves 3 s.",
    )
    for slow in (5.0, 7.0):
        does = _instead_of_never(answer, training, slow, rival)
        if does:
            raise Wrong(
                f"A learned run of {slow:g} s against a rival's 5 s saves nothing: it "
                f'never pays. Return float("inf") there; yours {does}.'
            )


def _instead_of_never(answer, *seconds) -> str:
    """What an answer does where it never pays, in words; nothing if it is infinite."""
    try:
        value = ask(answer, *seconds)
    except Wrong as wrong:
        if str(wrong) == RETURNED_NONE:
            return "returns None"
        if "ZeroDivisionError" in str(wrong):
            return "divides by zero"
        raise
    if isinstance(value, str):
        return f"gives the text {value!r}"
    never = number(value)
    return "" if never == float("inf") else f"gives {never:g}"


def _curves() -> dict:
    """name -> training loss at every second of 100 steps, digits 28x28."""
    losses = stored("networks", __file__)["losses"].astype(float)
    place, horizon = list(PLACES).index("digits, 28x28"), HORIZONS.index(100)
    return dict(zip(NAMES, losses[place, horizon, :, 0], strict=True))


def _own_level() -> float:
    curves = _curves()
    return 2 * reaches(curves["learned"], curves["Adam"][-1])


@exercise(_own_level, "you compared steps at one loss, not losses at one step.")
def step_of_equal_loss(answer):
    """The step at which the learned optimizer has the loss Adam ends with."""
    curves, step = _curves(), _own_level()
    read_off(
        answer,
        step,
        0.13,
        "Digits 28x28, 100 steps, against steps. From the end of Adam's curve go left, "
        "level, until you meet the learned one.",
        {
            "There Adam ends. Go left from there: when had the learned optimizer "
            "that loss?": 100,
            "That is how many steps it saves. Asked is the step at which it "
            "arrives.": 100 - step,
            "That is how many times lower it ends, a distance up and down. Asked "
            "is one from right to left.": curves["Adam"][-1] / curves["learned"][-1],
            "That is Adam's last loss. Asked is a step.": curves["Adam"][-1],
            "There it has the loss that SGD ends with. Adam has the green crosses: "
            "see the picture "
            "on the right.": 2 * reaches(curves["learned"], curves["SGD"][-1]),
        },
    )
