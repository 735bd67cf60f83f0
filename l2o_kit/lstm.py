"""The small LSTM inside the learned optimizer, with its derivative written by hand.

Every coordinate of theta is one column; features are rows. All columns share the
weights phi, and each column has its own state (h, c). For one layer, one step::

     z       = [x; h; 1]                     what goes in, and a 1 for the bias
    [i f o]  = sigmoid(W z)                  gates: input, forget, output
     g       = tanh   (W z)                  candidate
     c'      = f * c + i * g
     h'      = o * tanh(c')

A layer's h' is the next layer's x. A linear read-out makes one number of the top
layer's: out = w . h' + b.

``LSTM.forward`` is the plain, differentiable form. ``Tape`` computes the same numbers
in buffers allocated once, keeps what the derivative needs, and walks back through
time: the calculus stands right under the arithmetic that it differentiates.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
Left out: peepholes, dropout, and one bias of the two that ``nn.LSTM`` keeps.
"""

import math
from copy import copy
from types import SimpleNamespace

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = dict[str, Tensor]  # "h" and "c": [layers, hidden, coords]


sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # d s (1 - s), one pass
tanh_backward = torch.ops.aten.tanh_backward.grad_input  # d (1 - g^2), one pass


class LSTM(nn.Module):
    """Stacked LSTM layers and a linear read-out, over columns of coordinates.

    Arguments: how many features a column has, the hidden size, the number of layers,
    and a generator for the initial weights, uniform within 1 / sqrt(hidden_size); the
    forget gates' bias starts one higher.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers = num_layers

        def weight(*shape):
            bound = 1 / math.sqrt(hidden_size)
            return nn.Parameter(
                (torch.rand(shape, generator=generator) * 2 - 1) * bound
            )

        rows = 4 * hidden_size  # i, f, o, g
        self.W = nn.ParameterList(
            [weight(rows, n + hidden_size + 1) for n in self.inputs()]
        )
        with torch.no_grad():  # remember at first: Jozefowicz et al. 2015
            for W in self.W:
                W[hidden_size : 2 * hidden_size, -1] += 1
        self.w_out = nn.Parameter(weight(1, hidden_size))
        self.b_out = nn.Parameter(torch.zeros(1, 1))

    def inputs(self) -> list[int]:
        """How many rows x has, for each layer."""
        return [self.input_size] + [self.hidden_size] * (self.num_layers - 1)

    def initial_state(self, coords: int) -> State:
        """Zeros: h and c, each [layers, hidden, coords]."""
        shape = self.num_layers, self.hidden_size, coords
        return {"h": self.w_out.new_zeros(shape), "c": self.w_out.new_zeros(shape)}

    def forward(self, x: Float[Tensor, "features coords"], state: State):
        """One step: x and the state to (out [coords], the next state)."""
        one, cut = torch.ones_like(x[:1]), 3 * self.hidden_size
        hs, cs = [], []
        for W, h, c in zip(self.W, state["h"], state["c"], strict=True):
            gates = W @ torch.cat([x, h, one])  # [4 hidden, coords]
            i, f, o = gates[:cut].sigmoid().chunk(3)
            g = gates[cut:].tanh()
            cs.append(f * c + i * g)
            x = o * cs[-1].tanh()
            hs.append(x)
        out = (self.w_out @ x + self.b_out)[0]
        return out, {"h": torch.stack(hs), "c": torch.stack(cs)}


def _gates(gates: Float[Tensor, "gates coords"]) -> dict[str, Tensor]:
    """The gates of a cell and their parts, by name."""
    i, f, o, g = gates.chunk(4)
    sigmoids = gates[: 3 * len(i)]
    return {"gates": gates, "sigmoids": sigmoids, "i": i, "f": f, "o": o, "g": g}


class Tape:
    """What a run of LSTM steps leaves behind for its derivative.

    Use: ``load(state)``, ``step(0, x)``, ``step(1, x)``, ..., then ``backward(d_out)``
    and, for what comes next, ``store(state)``. Every buffer is allocated once, for
    ``steps`` steps of ``coords`` columns: most of the time would else go into that.
    ``cells[t][k]`` names what step t of layer k reads and writes, parts of the buffers;
    ``d[k]`` names the derivatives of what a cell of layer k holds.

    ``forgetful()`` makes a tape that holds the state only, each step over the last:
    it has no way back.
    """

    def __init__(self, lstm: LSTM, steps: int, coords: int):
        def buffers(count, rows):
            return lstm.w_out.new_empty(count, rows, coords)

        hidden, sizes = lstm.hidden_size, lstm.inputs()
        self.lstm, self.steps, self.coords = lstm, steps, coords
        self.W = [W.detach() for W in lstm.W]
        self.W_T = [W.T for W in self.W]
        self.w_out, self.b_out = lstm.w_out.detach(), lstm.b_out.detach()
        self.out = buffers(steps, 1)
        self.z = [buffers(steps + 1, n + hidden + 1) for n in sizes]
        self.c = [buffers(steps + 1, hidden) for _ in sizes]
        self.gates = [buffers(steps, 4 * hidden) for _ in sizes]  # i, f, o, g
        self.tanh_c = [buffers(steps, hidden) for _ in sizes]
        for z in self.z:
            z[:, -1] = 1
        self.cells = [self._cells(t, t + 1) for t in range(steps)]
        self.d = [self._derivatives(n) for n in sizes]
        self.d_x = buffers(steps, lstm.input_size)

    def forgetful(self) -> "Tape":
        """A tape with a state of its own, which borrows all else from this one."""
        tape = copy(self)
        tape.z = [torch.ones_like(z[:1]) for z in self.z]
        tape.c = [torch.empty_like(c[:1]) for c in self.c]
        tape.cells = [tape._cells(0, 0)] * self.steps
        return tape

    def _cells(self, t, after):
        """Step t of every layer; the state after it goes to the given place."""
        return [self._cell(k, n, t, after) for k, n in enumerate(self.lstm.inputs())]

    def _cell(self, k, inputs, t, after):
        return SimpleNamespace(
            W=self.W[k],
            z=self.z[k][t],
            x=self.z[k][t, :inputs],
            h_next=self.z[k][after, inputs:-1],
            c=self.c[k][t],
            c_next=self.c[k][after],
            tanh_c=self.tanh_c[k][t],
            **_gates(self.gates[k][t]),
        )

    def _derivatives(self, inputs):
        rows = 4 * self.lstm.hidden_size
        z = self.out.new_empty(inputs + rows // 4 + 1, self.coords)
        gates = _gates(self.out.new_empty(rows, self.coords))
        return SimpleNamespace(
            z=z,
            x=z[:inputs],
            h=z[inputs:-1],
            c=torch.empty_like(gates["i"]),
            gates_T=gates["gates"].T,
            W_T=self.out.new_empty(len(z), rows),
            **gates,
        )

    @staticmethod
    def floats(lstm: LSTM, steps: int) -> int:
        """How many numbers a tape holds for each of its columns."""
        a_step = 1 + sum(n + 7 * lstm.hidden_size + 1 for n in lstm.inputs())
        return steps * (a_step + lstm.input_size)

    @torch.inference_mode()
    def load(self, state: State):
        """Set the state before step 0."""
        for k, n in enumerate(self.lstm.inputs()):
            self.z[k][0, n:-1] = state["h"][k]
            self.c[k][0] = state["c"][k]

    @torch.inference_mode()
    def store(self, state: State):
        """Write the state after the last step into ``state``."""
        for k, n in enumerate(self.lstm.inputs()):
            state["h"][k] = self.z[k][-1, n:-1]
            state["c"][k] = self.c[k][-1]

    @torch.inference_mode()
    def step(self, t: int, x: Float[Tensor, "features coords"]):
        """Step t: the features x to the outputs [1, coords]."""
        for cell in self.cells[t]:
            cell.x.copy_(x)
            torch.mm(cell.W, cell.z, out=cell.gates)
            cell.sigmoids.sigmoid_(), cell.g.tanh_()
            torch.mul(cell.f, cell.c, out=cell.c_next).addcmul_(cell.i, cell.g)
            torch.tanh(cell.c_next, out=cell.tanh_c)
            x = torch.mul(cell.o, cell.tanh_c, out=cell.h_next)
        return torch.mm(self.w_out, x, out=self.out[t]).add_(self.b_out)

    @torch.inference_mode()
    def backward(self, d_out: Float[Tensor, "steps coords"]):
        """Add d(sum of d_out * out)/d(weights) to every weight's ``.grad``.

        Walks back in time, and in each step from the top layer down: d_h and d_c are
        the derivatives with respect to the state that a step hands to the next one.
        Returns the derivative with respect to the inputs, [steps, features, coords].
        """
        lstm, w_out_T = self.lstm, self.w_out.T
        h_top = self.z[-1][1:, lstm.inputs()[-1] : -1]
        _grad(lstm.w_out).add_((d_out[:, None] @ h_top.mT).sum(0))
        _grad(lstm.b_out).add_(d_out.sum())
        for d in self.d:
            d.h.zero_(), d.c.zero_(), d.W_T.zero_()
        last = len(self.d) - 1
        d_outs, d_xs = d_out.split(1), self.d_x.unbind()
        for t in reversed(range(self.steps)):
            self.d[-1].h.addmm_(w_out_T, d_outs[t])
            for k in range(last, -1, -1):
                cell, d = self.cells[t][k], self.d[k]
                self._cell_backward(cell, d)
                d.W_T.addmm_(cell.z, d.gates_T)  # this way round: half the time
                torch.mm(self.W_T[k], d.gates, out=d.z)  # d.h, a part of it, is ready
                if k:
                    self.d[k - 1].h.add_(d.x)
            d_xs[t].copy_(d.x)
        for W, d in zip(lstm.W, self.d, strict=True):
            _grad(W).add_(d.W_T.T)
        return self.d_x

    @staticmethod
    def _cell_backward(cell, d):
        """d.h and d.c, after a cell, to d.gates before it; d.c goes one step back."""
        # h' = o tanh(c')
        torch.mul(d.h, cell.tanh_c, out=d.o)
        torch.mul(d.h, cell.o, out=d.g)
        d.c.add_(tanh_backward(d.g, cell.tanh_c, grad_input=d.g))
        # c' = f c + i g
        torch.mul(d.c, cell.g, out=d.i)
        torch.mul(d.c, cell.c, out=d.f)
        torch.mul(d.c, cell.i, out=d.g)
        d.c.mul_(cell.f)
        # [i f o] = sigmoid, g = tanh
        sigmoid_backward(d.sigmoids, cell.sigmoids, grad_input=d.sigmoids)
        tanh_backward(d.g, cell.g, grad_input=d.g)


class InPlace:
    """Steps with no way back, which move a state where it lies.

    The same numbers as a tape's, to the last bit, with fewer copies: the state is read
    once and written once, and both layers share the buffers of their gates.
    """

    def __init__(self, lstm: LSTM, coords: int):
        sizes, new = lstm.inputs(), lstm.w_out.new_empty
        self.W = [W.detach() for W in lstm.W]
        self.w_out, self.b_out = lstm.w_out.detach(), lstm.b_out.detach()
        self.z = [new(W.shape[1], coords).fill_(1) for W in self.W]
        self.x = [z[:n] for z, n in zip(self.z, sizes, strict=True)]
        self.h = [z[n:-1] for z, n in zip(self.z, sizes, strict=True)]
        self.gates = new(4 * lstm.hidden_size, coords)  # i, f, o, g
        self.sigmoids = self.gates[: 3 * lstm.hidden_size]
        self.out = new(1, coords)

    @torch.inference_mode()
    def step(self, x: Float[Tensor, "features coords"], state: State):
        """The features x to the outputs [1, coords]; h and c of the state move."""
        i, f, o, g = self.gates.chunk(4)
        for k, (h, c) in enumerate(zip(state["h"], state["c"], strict=True)):
            self.x[k].copy_(x), self.h[k].copy_(h)
            torch.mm(self.W[k], self.z[k], out=self.gates)
            self.sigmoids.sigmoid_(), g.tanh_()
            c.mul_(f).addcmul_(i, g)
            torch.tanh(c, out=g)
            x = torch.mul(o, g, out=i)
            h.copy_(x)
        return torch.mm(self.w_out, x, out=self.out).add_(self.b_out)


def _grad(weight):
    if weight.grad is None:
        with torch.inference_mode(False):  # others will change it in place
            weight.grad = torch.zeros_like(weight)
    return weight.grad


def same_shapes(expected: dict, tensors: dict):
    """Refuse a tensor that is missing, or of another shape than the expected one."""
    for name, tensor in expected.items():
        seen = list(tensors[name].shape) if name in tensors else "missing"
        if seen != list(tensor.shape):
            raise ValueError(f"{name} is {seen}, expected {list(tensor.shape)}")
