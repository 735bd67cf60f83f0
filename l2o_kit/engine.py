"""The machine of the meta-gradient: one window, forward and back, block by block.

Forward, without a graph, t = 0..U-1 (theta moves, and new gradients are seen, between):

    x_t = read(grads_t)      out_t = LSTM(x_t)      g_t = write(out_t)

Back, with the identity of ``trainer.py``:

    A_t = sum over s > t of w_s grad f_s(theta_s)
    dL/dphi = sum_t A_t . dg_t/dphi

Coordinates never meet in it, so that the way back goes one block of them after the
other, and adds up. The LSTM, where the time goes, has its derivative written by hand
(``lstm.py``); read and write, at its two ends, are left to autograd.

What is kept: the gradients, [U + 1, sources, coords]. What the LSTM computed is about
24 kB a coordinate at U = 20: it is kept as well where it fits ``memory_budget``;
otherwise each block is computed a second time, from the window's first state.

``Grouped`` is an engine for each group: the meta-gradient of a group needs nothing of
the others. ``autograd.py`` has the same face, and says which serves which optimizer.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit.groups import Assigned
from l2o_kit.lstm import State, Tape, same_shapes
from l2o_kit.optimizer import LSTMOptimizer

# Coordinates in a block: enough that one operation outlasts the call to it.
BLOCK_SIZE = {"cpu": 4096, "cuda": 2**18}
# A block's width is a multiple of this: rows then begin where vector units like it.
ALIGNED = 64
# Bytes for what the LSTM computed in a window.
MEMORY_BUDGET = {"cpu": 512e6, "cuda": 8e9}


class Engine:
    """The meta-gradient with the LSTM's inputs held constant. Use, for one window:

    ``begin()``, ``see(0, ...)`` if a roll-out begins, then for each t ``step(t)`` and
    ``see(t + 1, ...)``, and at the end ``backward(w)``.

    Arguments: the optimizer; steps of a window, U; how many coordinates; of how many
    coordinates a block is, and how many bytes may be kept of what the LSTM computed.
    """

    create_graph = False  # whether the gradients it is shown must carry a graph

    def __init__(
        self,
        optimizer: LSTMOptimizer,
        unroll: int,
        coords: int,
        *,
        block_size: int | None = None,
        memory_budget: int | float | None = None,
    ):
        weight = optimizer.lstm.w_out
        block_size = _default(BLOCK_SIZE, block_size, weight)
        memory_budget = _default(MEMORY_BUDGET, memory_budget, weight)
        column = Tape.floats(optimizer.lstm, unroll) * weight.element_size()
        _check(block_size, memory_budget, column)
        self.optimizer, self.unroll, self.coords = optimizer, unroll, coords
        self.keeps = coords * column <= memory_budget
        widest = min(block_size, int(memory_budget // column))
        width = _even_width(coords, widest)  # the end of the last block may be padding
        count = -(-coords // width)
        self.blocks = [slice(k * width, (k + 1) * width) for k in range(count)]
        tape = Tape(optimizer.lstm, unroll, width)
        if self.keeps:
            more = [Tape(optimizer.lstm, unroll, width) for _ in self.blocks[1:]]
            self.tapes = [tape, *more]
        else:  # one tape, which every block fills again before it goes back
            self.tape, self.tapes = tape, [tape.forgetful() for _ in self.blocks]
        self.grads = weight.new_zeros(
            unroll + 1, optimizer.num_sources, width * count
        )  # what the LSTM reads
        self.targets: Tensor | None = (
            None  # [U, coords], where the target is none of the sources
        )
        self.out = weight.new_zeros(1, width * count)
        self.state = optimizer.initial_state(width * count)
        # views of all these, made once: a block's state, gradients and outputs
        self.states = [_part(self.state, block) for block in self.blocks]
        self.reads = [[g[:, block] for block in self.blocks] for g in self.grads]
        self.outs = [self.out[:, block] for block in self.blocks]

    @torch.no_grad()
    def reset(self):
        """A roll-out begins: the state is the initial one."""
        for name, value in self.optimizer.initial_state(1).items():
            self.state[name].copy_(value.expand_as(self.state[name]))

    @torch.no_grad()
    def begin(self):
        """A window begins where the last one ended."""
        self.start = {name: part.clone() for name, part in self.state.items()}
        self.grads[0] = self.grads[self.unroll]
        for tape, state in zip(self.tapes, self.states, strict=True):
            tape.load(state)

    @torch.no_grad()
    def see(
        self,
        t: int,
        losses: Tensor | None,
        sources: Float[Tensor, "sources coords"],
        target: Tensor | None,
    ):
        """The gradients at theta_t; t = 0 is the window's first theta."""
        self.grads[t, :, : self.coords] = sources
        if target is not None:
            if self.targets is None:
                self.targets = self.out.new_zeros(self.unroll + 1, self.out.shape[1])
            self.targets[t, : self.coords] = target

    def kept(self) -> State:
        """What the next window begins with: the gradients at theta_b, and the state.

        The last axis is over the coordinates; padding is left out.
        """
        kept = {"grads": self.grads[self.unroll], **self.state}
        return _part(kept, slice(self.coords))

    @torch.no_grad()
    def go_on(self, kept: State):
        """Take up what another run kept."""
        same_shapes(self.kept(), kept)
        for name, mine in self.kept().items():
            mine.copy_(kept[name])

    @torch.no_grad()
    def step(self, t: int) -> Float[Tensor, "coords"]:
        """The update g_t."""
        for k, (state, out) in enumerate(zip(self.states, self.outs, strict=True)):
            x, running = self.optimizer.read(self.reads[t][k], state)
            for name, value in running.items():
                state[name].copy_(value)
            out.copy_(self.tapes[k].step(t, x))
            if t == self.unroll - 1:
                self.tapes[k].store(state)
        return self.optimizer.write(self.out[0, : self.coords])

    @torch.no_grad()
    def backward(self, w: Float[Tensor, "unroll"], pull: Tensor | None = None):
        """Add dL/dphi to every weight's ``.grad``; L = sum over s of w_s f_s(theta_s).

        w is given for s = a+1..b; L adds up all problems, unless w divides by them.
        pull [U, coords], where there is one, adds to A.
        """
        grads = self.grads[:, 0] if self.targets is None else self.targets
        for k, block in enumerate(self.blocks):
            A = suffix_sum(w[:, None] * grads[1:, block])  # [U, width]
            if pull is not None:  # which knows of no padding
                here = pull[:, block]
                A[:, : here.shape[1]] += here
            # subtle: processors take many times as long for products of almost nothing
            A[A.abs() < 1e18 * torch.finfo(A.dtype).tiny] = 0
            tape = self.tapes[k] if self.keeps else self.tape
            x = self.replay(block, tape)
            d_x = tape.backward(self.through_write(tape.out[:, 0], A))
            if x is not None and x.requires_grad:
                torch.autograd.backward(x, d_x)

    def through_write(self, out: Tensor, A: Tensor) -> Tensor:
        """A_t . dg_t/dout_t: back through the scale, and the bound if there is one."""
        with torch.enable_grad():
            out = out.clone().requires_grad_()
            return torch.autograd.grad(self.optimizer.write(out), out, A)[0]

    def replay(self, block: slice, tape: Tape):
        """Read a block's gradients again: x, [U, features, width], and the tape filled.

        With a graph where alpha is to learn: through m and v too, from their values at
        the window's start. None where nothing of this is needed.
        """
        learns = self.optimizer.config["combine"] == "softmax"
        if self.keeps and not learns:
            return None
        state, xs = _part(self.start, block), []
        if not self.keeps:
            tape.load(state)
        with torch.set_grad_enabled(learns):
            for t in range(self.unroll):
                x, running = self.optimizer.read(self.grads[t, :, block], state)
                state = state | running
                xs.append(x)
                if not self.keeps:
                    tape.step(t, x)
            return torch.stack(xs)


class Grouped:
    """An ``Engine`` for each group: its own weights, states and blocks."""

    create_graph = False

    def __init__(self, optimizer: Assigned, unroll: int, coords: int, **engine: Any):
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

    def see(
        self, t: int, losses: Tensor | None, sources: Tensor, target: Tensor | None
    ):
        """The gradients at theta_t, to each group its own."""
        for name, places in self.places.items():
            theirs = None if target is None else target[places]
            self.engines[name].see(t, losses, sources[:, places], theirs)

    def step(self, t: int) -> Float[Tensor, "coords"]:
        """The update g_t, of all groups."""
        for name, places in self.places.items():
            self.update[places] = self.engines[name].step(t)
        return self.update.clone()

    def backward(self, w: Float[Tensor, "unroll"], pull: Tensor | None = None):
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


def suffix_sum(terms: Float[Tensor, "unroll coords"]):
    """A[t] = sum over s >= t of terms[s]: the running sum from the end.

    >>> suffix_sum(torch.tensor([[1.0], [2.0], [3.0]])).T
    tensor([[6., 5., 3.]])
    """
    return terms.flip(0).cumsum(0).flip(0)


def _part(state: State, block: slice) -> State:
    """The columns of a block, as views."""
    return {name: part[..., block] for name, part in state.items()}


def _even_width(coords, widest):
    """A width of at most ``widest`` that cuts the coordinates into equal blocks."""
    lanes = ALIGNED if widest >= ALIGNED else 1
    count = -(-coords // (widest // lanes * lanes))
    return -(-coords // (count * lanes)) * lanes


def _default(table, value, weight):
    return table.get(weight.device.type, table["cpu"]) if value is None else value


def _check(block_size, memory_budget, column):
    if block_size < 1:
        raise ValueError(
            f"block_size={block_size}: a block needs at least 1 coordinate."
        )
    if memory_budget < column:
        raise ValueError(
            f"memory_budget={memory_budget:g} bytes is below what one coordinate needs "
            f"in a window, {column:,} bytes. Raise it, or lower unroll."
        )
