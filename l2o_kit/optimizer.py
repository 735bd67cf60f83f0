"""The coordinatewise LSTM optimizer m: gradient in, update out.

    g_t, state_{t+1} = m(grad f(theta_t), state_t; phi)     theta_{t+1} = theta_t + g_t

The same weights phi for every coordinate, and a state of its own for each. A gradient
is first made readable (preprocessing), then goes through the LSTM, then is scaled::

    log_sign:  (log|d| / p, sign d)   where |d| >= e^-p,   else  (-1, e^p d)
    identity:  d

Source: Andrychowicz et al. 2016 (arXiv 1606.04474), section 2.1 and appendix A.
Left out: several gradients per coordinate; one gradient, one channel.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from l2o_kit.lstm import LSTM, State

PREPROCESS = {"log_sign": 2, "identity": 1}  # name: features per gradient


def log_sign(grads: Float[Tensor, "coords"], p: float = 10.0):
    """Log-magnitude and sign: [coords] to [2, coords], both about -1 to 1.

    A gradient below e^-p goes through the linear branch, so that zero is no special
    case. Infinite and NaN gradients stay non-finite: whoever calls reports them.

    >>> log_sign(torch.tensor([1.0, -0.1, 0.0]), p=10.0).tolist()[1]
    [1.0, -1.0, 0.0]
    """
    size = grads.abs()
    readable = size >= math.exp(-p)
    logs = torch.where(readable, size.clamp(min=math.exp(-p)).log() / p, -1.0)
    signs = torch.where(readable, grads.sign(), math.exp(p) * grads)
    return torch.stack([logs, signs])  # [2, coords]


class LSTMOptimizer(nn.Module):
    """A learned optimizer: preprocess, LSTM, linear read-out, scale.

    Arguments:
        hidden_size, num_layers: of the LSTM; (20, 2) is the paper's.
        preprocess: "log_sign" (networks) or "identity" (the paper's quadratics).
        p: how small a gradient "log_sign" still resolves, e^-p.
        output_scale: what the read-out is multiplied by; it sets the first step's size.
        seed: of the initial weights.

    Example: ``update, state = optimizer(grads, state)``, with grads and update [coords]
    and ``state = optimizer.initial_state(coords)`` at the first step.
    """

    def __init__(self, hidden_size: int = 20, num_layers: int = 2, *,
                 preprocess: str = "log_sign", p: float = 10.0,
                 output_scale: float = 0.1, seed: int = 0):  # fmt: skip
        super().__init__()
        if preprocess not in PREPROCESS:
            raise ValueError(
                f"preprocess={preprocess!r} is not known. Use one of "
                f"{list(PREPROCESS)}."
            )
        for name, value in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value < 1:
                raise ValueError(f"{name}={value}: it must be at least 1.")
        self.config = {
            "hidden_size": hidden_size, "num_layers": num_layers,
            "preprocess": preprocess, "p": p, "output_scale": output_scale,
        }  # fmt: skip
        generator = torch.Generator().manual_seed(seed)
        self.lstm = LSTM(PREPROCESS[preprocess], hidden_size, num_layers, generator)
        self.output_scale = output_scale

    def initial_state(self, coords: int) -> State:
        """The LSTM's state before the first step: zeros."""
        return self.lstm.initial_state(coords)

    def features(
        self, grads: Float[Tensor, "coords"]
    ) -> Float[Tensor, "features coords"]:
        """What the LSTM is shown of the gradients."""
        if self.config["preprocess"] == "log_sign":
            return log_sign(grads, self.config["p"])
        return grads[None]

    def forward(self, grads: Float[Tensor, "coords"], state: State):
        """One step of the rule: gradients and state to (update, next state)."""
        out, state = self.lstm(self.features(grads), state)
        return self.output_scale * out, state

    @property
    def num_weights(self) -> int:
        """How many numbers phi has."""
        return sum(w.numel() for w in self.parameters())

    def extra_repr(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"{shown}  # phi: {self.num_weights:,} weights"

    def __repr__(self):
        return f"LSTMOptimizer({self.extra_repr()})"
