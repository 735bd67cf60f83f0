"""Which engine computes the meta-gradient of which optimizer; and one for groups.

    LSTMOptimizer        Engine: by hand, block by block
    GroupedOptimizer     Grouped: an Engine for each group
    one of your own      FirstOrder: autograd, if it has another forward
    any of them          Exact: autograd, where second derivatives are wanted

The meta-gradient of a group needs nothing of the others: coordinates never meet in it.
"""

from jaxtyping import Float
from torch import Tensor

from l2o_kit.arguments import same_shapes
from l2o_kit.engine import Engine, Exact, FirstOrder
from l2o_kit.groups import Assigned, GroupedOptimizer
from l2o_kit.lstm import State
from l2o_kit.optimizer import LSTMOptimizer


class Grouped:
    """An ``Engine`` for each group: its own weights, states and blocks."""

    create_graph = False

    def __init__(self, optimizer: Assigned, unroll: int, coords: int, **engine):
        self.optimizer, self.places = optimizer, optimizer.places(coords)
        self.engines = {
            name: Engine(optimizer.members[name], unroll, len(places), **engine)
            for name, places in self.places.items()
        }
        self.coords, self.unroll = coords, unroll
        self.update = optimizer.lstm.w_out.new_zeros(coords)

    def reset(self):
        """A roll-out begins: the state is the initial one."""
        for engine in self.engines.values():
            engine.reset()

    def begin(self):
        """A window begins where the last one ended."""
        for engine in self.engines.values():
            engine.begin()

    def see(self, t: int, losses, sources, target):
        """The gradients at theta_t, to each group its own."""
        for name, places in self.places.items():
            theirs = None if target is None else target[places]
            self.engines[name].see(t, losses, sources[:, places], theirs)

    def step(self, t: int) -> Float[Tensor, "coords"]:
        """The update g_t, of all groups."""
        for name, places in self.places.items():
            self.update[places] = self.engines[name].step(t)
        return self.update.clone()

    def backward(self, w: Float[Tensor, "unroll"], pull=None):
        """Add dL/dphi to every weight's ``.grad``."""
        for name, places in self.places.items():
            theirs = None if pull is None else pull[:, places]
            self.engines[name].backward(w, theirs)

    def kept(self) -> State:
        """What the next window begins with; the group "fc" has "fc.grads", "fc.h"."""
        return {
            f"{name}.{part}": value
            for name, engine in self.engines.items()
            for part, value in engine.kept().items()
        }

    def go_on(self, kept: State):
        """Take up what another run kept."""
        same_shapes(self.kept(), kept)
        for name, engine in self.engines.items():
            engine.go_on({part: kept[f"{name}.{part}"] for part in engine.kept()})


def make_engine(optimizer, optimizee, unroll: int, coords: int, *,
                second_derivatives: bool, **engine):  # fmt: skip
    """What computes the meta-gradient of this optimizer, on this optimizee."""
    kind = engine_for(optimizer, second_derivatives)
    if engine and kind not in (Engine, Grouped):
        raise ValueError(
            f"{', '.join(engine)}: autograd keeps everything and has no blocks. Leave "
            "it out, or take second_derivatives=False and the kit's forward."
        )
    grouped = isinstance(optimizer, GroupedOptimizer)
    rule = optimizer.on(optimizee) if grouped else optimizer
    return kind(rule, unroll, coords, **engine)


def engine_for(optimizer, second_derivatives: bool) -> type:
    """Which of the four computes the meta-gradient of this optimizer."""
    if second_derivatives:
        return Exact
    if isinstance(optimizer, GroupedOptimizer):
        return Grouped
    # subtle: the derivative by hand is that of the kit's forward, of no other
    own = type(optimizer).forward is not LSTMOptimizer.forward
    return FirstOrder if own else Engine
