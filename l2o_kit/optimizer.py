"""The coordinatewise LSTM optimizer m: gradients in, update out.

    g_t, state_{t+1} = m(grad f(theta_t), state_t; phi)     theta_{t+1} = theta_t + g_t

The same weights phi for every coordinate, and a state of its own for each. A step is

    combine -> preprocess -> LSTM -> scale

Combine: of K sources each gives a gradient d_k; a coordinate gets one or more channels.

    concat:      d_1, ..., d_K
    softmax:     sum over k of lambda_k d_k,      lambda = softmax(alpha)
    mean_std:    the mean over the sources, the standard deviation over the sources
    difference:  d_1, d_2 - d_1, ..., d_K - d_1

Preprocess: each channel d is made readable.

    log_sign:    (log|d| / p, sign d)   where |d| >= e^-p,   else  (-1, e^p d)
    identity:    d
    normalized:  (m / sqrt(v), d / sqrt(v)), with Adam's running means m of d, v of d^2

Scale: the update is output_scale * out, or output_scale * tanh(out) where bounded.

Source: Andrychowicz et al. 2016 (arXiv 1606.04474), section 2.1 and appendix A;
normalized inputs and bounded updates: Lv, Jiang and Li 2017 (arXiv 1703.03633).
Left out: several groups of parameters with an optimizer each.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from l2o_kit.lstm import LSTM, State

FEATURES = {"log_sign": 2, "identity": 1, "normalized": 2}  # per channel
COMBINE = ("concat", "softmax", "mean_std", "difference")
BETA = 0.95  # how slowly m and v forget: RNNprop's choice
EPSILON = 1e-8


def log_sign(grads: Float[Tensor, "... channels coords"], p: float = 10.0):
    """Log-magnitudes and signs: [..., 2 channels, coords], all about -1 to 1.

    A gradient below e^-p goes through the linear branch, so that zero is no special
    case. Infinite and NaN gradients stay non-finite: whoever calls reports them.

    >>> log_sign(torch.tensor([[1.0, -0.1, 0.0]]), p=10.0).tolist()[1]
    [1.0, -1.0, 0.0]
    """
    # subtle: the two limits make the branches; log(e^-p) / p is -1
    logs = grads.abs().clamp(min=math.exp(-p)).log() / p
    signs = (math.exp(p) * grads).clamp(-1, 1)
    return torch.cat([logs, signs], -2)


def normalize(grads: Float[Tensor, "channels coords"], state: State):
    """(m / sqrt(v), d / sqrt(v)) as [2 channels, coords], and the state's m, v, decay.

    m and v are running means of d and d^2; "decay" is BETA^t, with which m / (1 -
    BETA^t) corrects the bias of means that began at zero, as in Adam.
    """
    m = BETA * state["m"] + (1 - BETA) * grads
    v = BETA * state["v"] + (1 - BETA) * grads.square()
    decay = BETA * state["decay"]
    # subtle: epsilon stands inside the root, whose slope at zero is else infinite
    root = (v / (1 - decay) + EPSILON**2).sqrt()
    return torch.cat([m / (1 - decay) / root, grads / root]), {
        "m": m,
        "v": v,
        "decay": decay,
    }


class LSTMOptimizer(nn.Module):
    """A learned optimizer: combine, preprocess, LSTM with a linear read-out, scale.

    Arguments:
        hidden_size, num_layers: of the LSTM; (20, 2) is the paper's.
        combine, num_sources: how the gradients of how many sources become channels.
        preprocess: "log_sign" (networks), "identity" (the paper's quadratics) or
            "normalized" (inputs as Adam's).
        p: how small a gradient "log_sign" still resolves, e^-p.
        output_scale: what the read-out is multiplied by; it sets the first step's size.
        bounded: whether a tanh keeps each update within output_scale.
        seed: of the initial weights; alpha starts at 0, so all sources weigh the same.

    Example: ``update, state = optimizer(grads, state)``, with grads [coords] or
    [sources, coords], update [coords], and ``state = optimizer.initial_state(coords)``
    at the first step.
    """

    config: dict[str, Any]  # the arguments, less the seed
    provenance: dict[str, Any]  # of what ``load`` gave

    def __init__(
        self,
        hidden_size: int = 20,
        num_layers: int = 2,
        *,
        combine: str = "concat",
        num_sources: int = 1,
        preprocess: str = "log_sign",
        p: float = 10.0,
        output_scale: float = 0.1,
        bounded: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        _check_choice("preprocess", preprocess, list(FEATURES))
        _check_choice("combine", combine, list(COMBINE))
        self.config = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "combine": combine,
            "num_sources": num_sources,
            "preprocess": preprocess,
            "p": p,
            "output_scale": output_scale,
            "bounded": bounded,
        }
        for name in ("hidden_size", "num_layers", "num_sources"):
            if self.config[name] < 1:
                raise ValueError(f"{name}={self.config[name]}: it must be at least 1.")
        self.num_sources, self.output_scale = num_sources, output_scale
        self.channels = {"softmax": 1, "mean_std": 2}.get(combine, num_sources)
        generator = torch.Generator().manual_seed(seed)
        inputs = self.channels * FEATURES[preprocess]
        self.lstm = LSTM(inputs, hidden_size, num_layers, generator)
        if combine == "softmax":
            self.alpha = nn.Parameter(torch.zeros(num_sources))

    @property
    def lambdas(self) -> Float[Tensor, "sources"]:
        """The weights that combine="softmax" gives the sources; they add up to 1."""
        if self.config["combine"] != "softmax":
            raise ValueError(
                f"combine={self.config['combine']!r} has no lambdas. Only an optimizer "
                'with combine="softmax" weighs its sources.'
            )
        return self.alpha.detach().softmax(0)

    def initial_state(self, coords: int) -> State:
        """The state before the first step: zeros, named, each [..., coords]."""
        state = self.lstm.initial_state(coords)
        if self.config["preprocess"] == "normalized":
            zeros = self.lstm.w_out.new_zeros(self.channels, coords)
            state |= {
                "m": zeros,
                "v": zeros.clone(),
                "decay": torch.ones_like(zeros[:1]),
            }
        return state

    def combine(self, grads: Float[Tensor, "sources coords"]):
        """What the gradients of the sources become: [channels, coords]."""
        match self.config["combine"]:
            case "concat":
                return grads
            case "softmax":
                return self.alpha.softmax(0)[None] @ grads
            case "mean_std":
                mean = grads.mean(0, keepdim=True)
                return torch.cat([mean, grads.std(0, correction=0, keepdim=True)])
            case "difference":
                return torch.cat([grads[:1], grads[1:] - grads[:1]])

    def read(self, grads: Float[Tensor, "sources coords"], state: State):
        """What the LSTM is shown, [features, coords], and the new m, v where it is."""
        channels = self.combine(grads)
        match self.config["preprocess"]:
            case "log_sign":
                return log_sign(channels, self.config["p"]), {}
            case "identity":
                return channels, {}
            case "normalized":
                return normalize(channels, state)

    def write(self, out: Tensor) -> Tensor:
        """The update that the LSTM's output stands for, of the same shape."""
        return self.output_scale * (out.tanh() if self.config["bounded"] else out)

    def forward(self, grads: Float[Tensor, "... coords"], state: State):
        """One step of the rule: gradients and state to (update [coords], new state)."""
        grads = grads if grads.ndim == 2 else grads[None]
        self.check_sources(len(grads))
        x, running = self.read(grads, state)
        out, hidden = self.lstm(x, state)
        return self.write(out), hidden | running

    def check_sources(self, seen: int):
        """Refuse gradients where the sources seen are not num_sources."""
        if seen != self.num_sources:
            raise ValueError(
                f"This optimizer reads num_sources={self.num_sources} gradient(s) a "
                f"step, and was given {seen}. Give one gradient per source, [sources, "
                "coords], or build it with another num_sources."
            )

    @property
    def num_weights(self) -> int:
        """How many numbers phi has."""
        return sum(w.numel() for w in self.parameters())

    def extra_repr(self) -> str:
        plain = {"combine": "concat", "num_sources": 1, "bounded": False}
        shown = ", ".join(
            f"{name}={value!r}"
            for name, value in self.config.items()
            if name not in plain or value != plain[name]
        )
        return f"{shown}  # phi: {self.num_weights:,} weights"

    def __repr__(self):
        return f"LSTMOptimizer({self.extra_repr()})"


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not known. Use one of {choices}.")
