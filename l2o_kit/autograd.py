"""The meta-gradient by autograd, exact or of first order; and who is served by which.

LSTMOptimizer        Engine: by hand, block by block
GroupedOptimizer     Grouped: an Engine for each group
one of your own      FirstOrder: autograd, if it has another forward
any of them          Exact: autograd, where second derivatives are wanted
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from l2o_kit.engine import Engine, Grouped
from l2o_kit.groups import Assigned, GroupedOptimizer, Learned
from l2o_kit.lstm import State, same_shapes
from l2o_kit.optimizees import Optimizee
from l2o_kit.optimizer import LSTMOptimizer


class Exact:
    """The whole meta-gradient: autograd through everything, second derivatives too.

    Simple, slow and large. Nothing is held constant inside the window: theta_s moves
    with phi also because the gradients that the LSTM read do.
    """

    create_graph = True

    def __init__(self, optimizer: LSTMOptimizer | Assigned, unroll: int, coords: int):
        self.optimizer, self.unroll, self.coords = optimizer, unroll, coords
        self.reset()

    def reset(self):
        """A roll-out begins: the state is the initial one."""
        self.state = self.optimizer.initial_state(self.coords)
        shape = self.optimizer.num_sources, self.coords
        self.grads = self.optimizer.lstm.w_out.detach().new_zeros(shape)

    def begin(self):
        """A window begins: what came before is a constant."""
        self.state = {name: part.detach() for name, part in self.state.items()}
        self.losses, self.updates = [], []

    def see(self, t: int, losses: Tensor, sources: Tensor, target: Tensor | None):
        """The losses [batch] and gradients at theta_t, with their graph where t > 0."""
        self.grads = sources if t < self.unroll else sources.detach()
        if t:
            self.losses.append(losses.sum())

    def kept(self) -> State:
        """What the next window begins with: the gradients at theta_b, and the state."""
        return {"grads": self.grads, **self.state}

    def go_on(self, kept: State):
        """Take up what another run kept."""
        same_shapes(self.kept(), kept)
        device = self.optimizer.lstm.w_out.device
        self.state = {name: kept[name].to(device) for name in self.state}
        self.grads = kept["grads"].to(device)

    def step(self, t: int) -> Float[Tensor, "coords"]:
        """The update g_t, with its graph."""
        grads = self.grads[0] if len(self.grads) == 1 else self.grads
        update, self.state = self.optimizer(grads, self.state)
        self.updates.append(update)
        return update

    def backward(self, w: Float[Tensor, "unroll"], pull: Tensor | None = None):
        """Add dL/dphi to every weight's ``.grad``, L being sum_s w_s f_s(theta_s)."""
        L = w @ torch.stack(self.losses)
        if pull is not None:  # constants: their product has the derivative wanted
            L = L + (pull * torch.stack(self.updates)).sum()
        L.backward()


class FirstOrder(Exact):
    """Autograd through the updates; what the optimizer reads is held constant.

    The numbers of ``Engine``, several times slower, for any forward.
    """

    def see(self, t: int, losses: Tensor, sources: Tensor, target: Tensor | None):
        """The losses and gradients at theta_t, these without their graph."""
        super().see(t, losses, sources.detach(), target)


def make_engine(
    optimizer: Learned,
    optimizee: Optimizee,
    unroll: int,
    coords: int,
    *,
    second_derivatives: bool,
    **engine: Any,
):
    """What computes the meta-gradient of this optimizer, on this optimizee."""
    kind = engine_for(optimizer, second_derivatives)
    if engine and kind not in (Engine, Grouped):
        raise ValueError(
            f"{', '.join(engine)}: autograd keeps everything and has no blocks. Leave "
            "it out, or take second_derivatives=False and the kit's forward."
        )
    if isinstance(optimizer, GroupedOptimizer):
        optimizer = optimizer.on(optimizee)
    return kind(optimizer, unroll, coords, **engine)


def engine_for(optimizer: nn.Module, second_derivatives: bool) -> type:
    """Which of the four computes the meta-gradient of this optimizer."""
    if second_derivatives:
        return Exact
    if isinstance(optimizer, GroupedOptimizer):
        return Grouped
    # subtle: the derivative by hand is that of the kit's forward, of no other
    own = type(optimizer).forward is not LSTMOptimizer.forward
    return FirstOrder if own else Engine
