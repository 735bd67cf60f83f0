"""A debugger for meta-learners: a trained optimizer and its log, seen from six sides.

``diagnose(log)`` lets a copy of the optimizer loose on a few problems that it was not
trained on, and measures

    position     |dL_s/dphi|, where L_s is the mean loss at step s of the unroll alone
    inputs       how often the LSTM is shown what a gradient of zero would look like
    gates        how often i, f and o are shut or open: below 0.01 or above 0.99
    step size    |g_t| / |theta_0|
    rival        the mean loss over a horizon, over that of SGD at its best rate
    norms        how far the training's largest meta-gradients are above the median

What lies outside its bounds is marked LOOK, with what to try. The bounds are rules of
thumb: wide enough for what works, narrow enough for what is plainly broken.

Source: Metz et al. 2019 (arXiv 1810.10180) for meta-gradients that explode with the
unroll; Karpathy, Johnson and Fei-Fei 2015 (arXiv 1506.02078) for saturated gates; Lv,
Jiang and Li 2017 (arXiv 1703.03633) for inputs that keep their size.
Left out: which layer or coordinate it is; shortcuts where theta is large.
"""

import copy
import html
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit.baselines import GRID, Baseline, tune
from l2o_kit.engine import Engine, Grouped
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.lstm import Tape
from l2o_kit.plots import VERMILION, html_table, img, new_figure, png, rounded
from l2o_kit.window import Log, Trainer

COORDS = 4096  # so many side by side, unless the fewest problems need more
MARKS = {True: "ok  ", False: "LOOK", None: "--  "}
EXPLODES = "a smaller output_scale, bounded=True, or a shorter unroll."
VANISHES = "a discount below 1, for which late losses weigh more, or a shorter unroll."
INPUTS = (
    'preprocess="log_sign" with a larger p, or "normalized". Where gradients are '
    "exactly zero, look for dead ReLUs."
)
GATES = 'a smaller lr for phi, smaller inputs (preprocess="log_sign"), or a new seed.'
RIVAL = "a longer training, another lr for phi, or what else says LOOK."
NORMS = "clip=1, a smaller lr for phi, or horizon=(low, high) with curriculum=True."


@dataclass(frozen=True)
class Finding:
    """One thing measured: its name, a sentence with the number, and the verdict.

    ok is None where it could not be measured; cure is what to try where it is False.
    """

    name: str
    measured: str
    ok: bool | None
    cure: str = ""

    def __repr__(self):
        cure = f" Try: {self.cure}" if self.ok is False else ""
        return f"{MARKS[self.ok]} {self.name}: {self.measured}{cure}"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What ``diagnose`` found; positions[s - 1] is |dL_s/dphi|."""

    findings: list[Finding]
    positions: Float[Tensor, "unroll"]

    def __repr__(self):
        return "\n".join(map(repr, self.findings))

    def figure(self):
        """The norm of the meta-gradient by position, on a logarithmic axis."""
        figure, (ax,) = new_figure(6.0, 3.0)
        norms = self.positions.tolist()
        ax.plot(range(1, len(norms) + 1), norms, color=VERMILION, marker="o")
        ax.set(xlabel="step s of the unroll", ylabel="|dL_s / dphi|")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if bool((self.positions > 0).any()):
            ax.set_yscale("log")
        return figure

    def _repr_html_(self):
        rows = [
            [f.name, MARKS[f.ok], _cell(f.measured), _cell("" if f.ok else f.cure)]
            for f in self.findings
        ]
        alt = f"Norm of the meta-gradient against position. {self.findings[0]!r}"
        table = html_table(["finding", "", "measured", "what to try"], rows)
        return img(png(self.figure()), alt) + table


def _cell(text):
    wrap = "white-space:normal; text-align:left"  # sentences, not numbers
    return f'<div style="{wrap}">{html.escape(text)}</div>'


def diagnose(log: Log) -> Diagnosis:
    """Look for what commonly breaks meta-training, in what ``meta_train`` returned.

    Nothing is changed: not phi, not its gradients, not the state of any generator. The
    same log gives the same findings.

    Arguments:
        log: what ``meta_train`` returned in this session, or its error's ``.log``.

    Returns a Diagnosis. Raises ValueError for a log that knows of no optimizer.

    Example: ``diagnose(meta_train(LSTMOptimizer(), Quadratic(), seconds=20, ...))``
    """
    if log.trained is None:
        raise ValueError(
            "This log does not know its optimizer (log.trained is None): meta_train "
            "did not make it in this session. Train for a step, with resume= where "
            "there is a checkpoint, and diagnose the log of that."
        )
    optimizer, optimizee, settings = log.trained
    optimizer, horizon = copy.deepcopy(optimizer).to("cpu"), settings["horizon"]
    settings = settings | {
        "horizon": horizon if isinstance(horizon, int) else max(horizon),
        "batch": max(1, min(8, COORDS // optimizee.coords)),
        "seed": -1 - settings["seed"],  # nobody trains with a negative seed
    }
    positions = position_norms(Trainer(optimizer, optimizee, **settings))
    stepwise = settings | {"unroll": 1, "second_derivatives": False}
    inputs, gates, size = watch(Trainer(optimizer, optimizee, **stepwise))
    zero = "are within 0.01 of those of a gradient of zero."
    findings = [
        _positions(positions),
        _share("inputs", inputs, zero, INPUTS),
        _share("gates", gates, "are below 0.01 or above 0.99.", GATES),
        _size(size),
        _rival(optimizer, optimizee, settings["horizon"]),
        _norms(log.norms, settings["clip"]),
    ]
    return Diagnosis(findings, positions)


def position_norms(trainer: Trainer) -> Float[Tensor, "unroll"]:
    """|dL_s/dphi| for s = 1..U: the mean of a roll-out's first and last window.

    The meta-gradient is the sum of these gradients, each times its w_s.
    """
    last, norms = trainer.horizon // trainer.unroll - 1, []
    for k in range(last + 1):
        trainer.begin_window()
        trainer.roll_out()
        if k in (0, last):
            grads = (position_grad(trainer, s) for s in range(trainer.unroll))
            norms.append(torch.stack([grad.norm() for grad in grads]))
    return torch.stack(norms).mean(0)  # [U]


def position_grad(trainer: Trainer, s: int) -> Float[Tensor, "weights"]:
    """dL_s/dphi of the window just rolled out, s = 0..U-1, all of phi in one row."""
    trainer.optimizer.zero_grad()
    if isinstance(trainer.engine, Engine | Grouped):
        w = torch.zeros_like(trainer.w)
        w[s] = 1 / trainer.batch
        trainer.engine.backward(w)
    else:
        (trainer.engine.losses[s] / trainer.batch).backward(retain_graph=True)
    return torch.cat([w.grad.flatten() for w in trainer.optimizer.parameters()])


def watch(trainer: Trainer) -> tuple[float | None, float | None, float | None]:
    """Along a horizon, in windows of one step: (dead inputs, shut gates, step size).

    Two shares, None where the forward is not the kit's; and the median of |g_t| /
    |theta_0|, None where theta_0 is zero.
    """
    sizes, shares = [], []
    for _ in range(trainer.horizon):
        trainer.begin_window()
        before = trainer.theta
        trainer.roll_out()
        sizes.append((trainer.theta - before).norm(dim=1))  # [batch]
        if isinstance(trainer.engine, Engine | Grouped):
            shares.append(_shares(trainer.engine))
    length = trainer.problem.theta0.norm(dim=1)
    sizes = (torch.stack(sizes) / length)[:, length > 0]
    shares = torch.tensor(shares).mean(0).tolist() if shares else (None, None)
    return *shares, float(sizes.median()) if sizes.numel() else None


@torch.no_grad()
def _shares(engine: Engine | Grouped) -> tuple[float, ...]:
    """Of the step just made: the dead inputs, and the gates shut or open."""
    if isinstance(engine, Grouped):
        parts = [
            (part.coords / engine.coords, *_shares(part))
            for part in engine.engines.values()
        ]
        return tuple(sum(part[0] * part[k] for part in parts) for k in (1, 2))
    here, lstm = slice(engine.coords), engine.optimizer.lstm
    grads = engine.grads[0, :, here]
    state = {name: part[..., here] for name, part in engine.start.items()}
    x, _ = engine.optimizer.read(grads, state)
    silent, _ = engine.optimizer.read(torch.zeros_like(grads), state)
    tape = Tape(lstm, 1, engine.coords)
    tape.load(state)
    tape.step(0, x)
    gates = torch.cat(tape.gates)[:, : 3 * lstm.hidden_size]  # i, f, o of every layer
    dead, shut = (x - silent).abs() < 0.01, (gates < 0.01) | (gates > 0.99)
    return float(dead.all(0).double().mean()), float(shut.double().mean())


def _positions(norms) -> Finding:
    name, U = "meta-gradient by position", len(norms)
    bad = int((~norms.isfinite()).sum())
    if bad:
        measured = f"not finite at {bad} of the {U} steps of the unroll."
        return Finding(name, measured, False, EXPLODES)
    (high, top), (low, bottom) = norms.max(0), norms.min(0)
    if not high:
        return Finding(name, f"zero at all {U} steps of the unroll.", False, GATES)
    factor, explodes = float(high / low), top > bottom
    measured = (
        f"{rounded(high)} at step {top + 1} of the unroll's {U}, {rounded(low)} at "
        f"step {bottom + 1}: it {'grows' if explodes else 'falls'} "
        f"{rounded(factor, 3)} times."
    )
    return Finding(name, measured, factor <= 1000, EXPLODES if explodes else VANISHES)


def _share(name, share, what, cure) -> Finding:
    if share is None:
        return Finding(name, "not measured: the optimizer's forward is its own.", None)
    return Finding(name, f"{share:.1%} {what}", share <= 0.5, cure)


def _size(size) -> Finding:
    if size is None:
        return Finding("step size", "not measured: theta_0 is zero.", None)
    measured = f"the median of |g_t| / |theta_0| is {rounded(size)}."
    cure = "a larger output_scale." if size < 1e-5 else EXPLODES
    return Finding("step size", measured, 1e-5 <= size <= 1, cure)


def _rival(optimizer, optimizee, steps) -> Finding:
    """Against SGD, tuned and judged on problems that nobody has seen."""
    name, many = "against SGD", max(2, min(64, COORDS // optimizee.coords))

    def losses(rule, purpose, batch):
        curves = optimize(rule, optimizee, steps=steps, batch=batch, purpose=purpose)
        return curves.mean_loss().nan_to_num(math.inf, math.inf)  # [batch]

    def score(rule):
        return float(losses(rule, "tuning", many).mean())

    try:
        sgd = tune(Baseline("SGD", GRID[0]), score)
        ours, theirs = (losses(r, "diagnosis", max(8, many)) for r in (optimizer, sgd))
    except (ValueError, NotImplementedError) as error:  # no plain loss
        reason = str(error) or "these problems have no loss of their own."
        return Finding(name, f"not measured: {reason}", None)
    bad = int(ours.isinf().sum())
    if bad:
        measured = f"the loss is not finite on {bad} of {len(ours)} problems."
        return Finding(name, measured, False, EXPLODES)
    ratio, low, high = paired_ratio(ours, theirs)
    measured = (
        f"{rounded(ratio)} times [{rounded(low)}, {rounded(high)}] its mean loss over "
        f"{steps} steps; its best constant rate is {rounded(sgd.lr)}."
    )
    return Finding(name, measured, high < 1, RIVAL)


def _norms(norms, clip) -> Finding:
    name, count = "norms in training", len(norms)
    if count < 2:
        return Finding(name, f"not measured: {count} meta-steps are too few.", None)
    norms = torch.tensor(norms, dtype=torch.float64)
    middle, most, largest = norms.quantile(norms.new_tensor([0.5, 0.99, 1])).tolist()
    clipped = f"{(norms > (clip or math.inf)).double().mean():.0%}"
    measured = (
        f"the median is {rounded(middle)}, one in a hundred above {rounded(most)}, the "
        f"largest {rounded(largest)}; {clipped} were clipped."
    )
    return Finding(name, measured, most <= 1000 * middle, NORMS)
