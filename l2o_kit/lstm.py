"""The small LSTM inside the learned optimizer, with its derivative written by hand.

Every coordinate of theta is one column; features are rows. All columns share the
weights phi, and each column has its own state (h, c). For one layer, one step::

    [i f o]  = sigmoid(W_x x + W_h h + b)          gates: input, forget, output
     g       = tanh   (W_x x + W_h h + b)          candidate
     c'      = f * c + i * g
     h'      = o * tanh(c')

A linear read-out makes one number of the top layer's h: out = w . h' + b.

``LSTM.forward`` is the plain, differentiable form. ``Tape`` computes the same numbers
in buffers allocated once, keeps what the derivative needs, and walks back through
time: the calculus stands right under the arithmetic that it differentiates.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
Left out: peepholes, dropout, and one bias of the two that ``nn.LSTM`` keeps.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = tuple[list[Tensor], list[Tensor]]  # (h, c), one [hidden, coords] per layer


class LSTM(nn.Module):
    """Stacked LSTM layers and a linear read-out, over columns of coordinates.

    Arguments: how many features a column has, the hidden size, the number of layers,
    and a generator for the initial weights, uniform within 1 / sqrt(hidden_size); the
    forget gates' bias starts one higher.
    """

    def __init__(self, input_size, hidden_size, num_layers, generator):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers = num_layers
        sizes = [input_size] + [hidden_size] * (num_layers - 1)

        def weight(*shape):
            bound = 1 / math.sqrt(hidden_size)
            return nn.Parameter(
                (torch.rand(shape, generator=generator) * 2 - 1) * bound
            )

        rows = 4 * hidden_size  # i, f, o, g
        self.w_x = nn.ParameterList([weight(rows, size) for size in sizes])
        self.w_h = nn.ParameterList([weight(rows, hidden_size) for _ in sizes])
        self.bias = nn.ParameterList([weight(rows, 1) for _ in sizes])
        with torch.no_grad():  # remember at first: Jozefowicz et al. 2015
            for bias in self.bias:
                bias[hidden_size : 2 * hidden_size] += 1
        self.w_out = nn.Parameter(weight(1, hidden_size))
        self.b_out = nn.Parameter(torch.zeros(1, 1))

    def initial_state(self, coords: int) -> State:
        """Zeros: (h, c), each a list over layers of [hidden, coords]."""
        zeros = self.w_out.new_zeros(self.hidden_size, coords)
        layers = range(self.num_layers)
        return [zeros.clone() for _ in layers], [zeros.clone() for _ in layers]

    def forward(self, x: Float[Tensor, "features coords"], state: State):
        """One step: x and the state to (out [coords], the next state)."""
        h, c = list(state[0]), list(state[1])
        for k in range(self.num_layers):
            gates = self.bias[k] + self.w_x[k] @ x + self.w_h[k] @ h[k]  # [4 hidden, n]
            i, f, o = gates[: 3 * self.hidden_size].sigmoid().chunk(3)
            g = gates[3 * self.hidden_size :].tanh()
            c[k] = f * c[k] + i * g
            h[k] = x = o * c[k].tanh()
        return (self.w_out @ x + self.b_out)[0], (h, c)


class Tape:
    """What one window of LSTM steps leaves behind for its derivative.

    Holds ``steps`` steps of ``coords`` columns: about 22 kB a column for 20 steps of
    two layers of 20. Use: ``step(0, x)``, ``step(1, x)``, ..., ``backward(d_out)``,
    then ``carry()`` to start the next window from the last state.
    """

    def __init__(self, lstm: LSTM, steps: int, coords: int):
        def buffers(steps, rows):
            shape = (steps, rows, coords)
            return [lstm.w_out.new_zeros(shape) for _ in range(lstm.num_layers)]

        hidden = lstm.hidden_size
        self.lstm, self.steps = lstm, steps
        self.x = lstm.w_out.new_zeros(steps, lstm.input_size, coords)
        self.gates = buffers(steps, 4 * hidden)  # after their nonlinearity: i, f, o, g
        self.h, self.c = buffers(steps + 1, hidden), buffers(steps + 1, hidden)
        self.tanh_c = buffers(steps, hidden)
        self.d_gates = lstm.w_out.new_zeros(4 * hidden, coords)
        self.scratch = lstm.w_out.new_zeros(4 * hidden, coords)

    @torch.no_grad()
    def step(self, t: int, x: Float[Tensor, "features coords"]):
        """Step t of the window: the features x to the outputs [coords]."""
        lstm, cut = self.lstm, 3 * self.lstm.hidden_size
        x = self.x[t].copy_(x)
        for k in range(lstm.num_layers):
            gates = self.gates[k][t]
            torch.addmm(lstm.bias[k].expand_as(gates), lstm.w_x[k], x, out=gates)
            gates.addmm_(lstm.w_h[k], self.h[k][t])
            gates[:cut].sigmoid_(), gates[cut:].tanh_()
            i, f, o, g = gates.chunk(4)
            c = torch.mul(f, self.c[k][t], out=self.c[k][t + 1]).addcmul_(i, g)
            tanh_c = torch.tanh(c, out=self.tanh_c[k][t])
            x = torch.mul(o, tanh_c, out=self.h[k][t + 1])
        return (lstm.w_out @ x + lstm.b_out)[0]

    @torch.no_grad()
    def backward(self, d_out: Float[Tensor, "steps coords"]):
        """Add d(sum of d_out * out)/d(weights) to every weight's ``.grad``.

        Walks back in time; in each step from the top layer down. d_h and d_c are the
        derivatives with respect to the state that a step hands to the next one.
        """
        lstm = self.lstm
        grads = {w: _grad(w) for w in lstm.parameters()}
        d_h = [torch.zeros_like(h[0]) for h in self.h]
        d_c = [torch.zeros_like(c[0]) for c in self.c]
        grads[lstm.b_out] += d_out.sum()
        for t in reversed(range(self.steps)):
            d_y = d_out[t, None]  # [1, coords]
            grads[lstm.w_out].addmm_(d_y, self.h[-1][t + 1].T)
            d_h[-1].addmm_(lstm.w_out.T, d_y)
            for k in reversed(range(lstm.num_layers)):
                below = self.h[k - 1][t + 1] if k else self.x[t]
                d_gates = self._gates_backward(k, t, d_h[k], d_c[k])
                grads[lstm.w_x[k]].addmm_(d_gates, below.T)
                grads[lstm.w_h[k]].addmm_(d_gates, self.h[k][t].T)
                grads[lstm.bias[k]] += d_gates.sum(1, keepdim=True)
                torch.mm(lstm.w_h[k].T, d_gates, out=d_h[k])
                if k:
                    d_h[k - 1].addmm_(lstm.w_x[k].T, d_gates)

    def _gates_backward(self, k, t, d_h, d_c):
        """d_h and d_c of layer k, step t, to its pre-activations; d_c one step back."""
        hidden = self.lstm.hidden_size
        gates, tanh_c, d_gates = self.gates[k][t], self.tanh_c[k][t], self.d_gates
        i, f, o, g = gates.chunk(4)
        d_i, d_f, d_o, d_g = d_gates.chunk(4)
        slope, small = self.scratch[: 3 * hidden], self.scratch[:hidden]
        # h' = o tanh(c'): d_c += d_h o (1 - tanh(c')^2)
        torch.mul(tanh_c, tanh_c, out=small).neg_().add_(1).mul_(o)
        d_c.addcmul_(d_h, small)
        # c' = f c + i g, and the product rule
        torch.mul(d_c, g, out=d_i)
        torch.mul(d_c, self.c[k][t], out=d_f)
        torch.mul(d_h, tanh_c, out=d_o)
        torch.mul(d_c, i, out=d_g)
        d_c.mul_(f)
        # sigmoid' = s (1 - s) and tanh' = 1 - g^2
        sigmoids = gates[: 3 * hidden]
        torch.mul(sigmoids, sigmoids, out=slope)
        d_gates[: 3 * hidden].mul_(torch.sub(sigmoids, slope, out=slope))
        torch.mul(g, g, out=small)
        d_g.addcmul_(d_g, small, value=-1)
        return d_gates

    def carry(self):
        """The last state becomes the first one of the next window."""
        for buffer in (*self.h, *self.c):
            buffer[0].copy_(buffer[-1])

    def reset(self):
        """Start a new roll-out: the state is zero."""
        for buffer in (*self.h, *self.c):
            buffer[0].zero_()


def _grad(weight):
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
