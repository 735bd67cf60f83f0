"""One contestant at one size in a process of its own: rate and peak memory, as JSON.

    python -m tests.bench.rivals kit "784-20-10" 5

The contestants do the same work, the meta-gradient of one window of 20 steps:

    kit        this kit's trainer
    autograd   nn.LSTMCell and autograd through the window (gradients held constant)
    floor      the kit's matrix products and activation functions alone, on few buffers
               that stay in the processor's caches: nothing useful is computed
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from torch import nn

from tests.bench import sizes


class Cells(nn.Module):
    """The usual code: two LSTM cells and a linear layer, [coords, features]."""

    def __init__(self, features, hidden=20):
        super().__init__()
        self.first = nn.LSTMCell(features, hidden)
        self.second = nn.LSTMCell(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x, state):
        first = self.first(x, state[0])
        second = self.second(first[0], state[1])
        return self.out(second[0])[:, 0], (first, second)


def kit(name):
    """Windows of the trainer."""
    trainer = sizes.trainer(name)
    return trainer.meta_gradient, trainer.batch * trainer.optimizee.coords


def autograd(name):
    """Windows differentiated by autograd; the problem and the reading are the kit's."""
    trainer = sizes.trainer(name, memory_budget=1e9)
    trainer.engine = None
    optimizer, batch = trainer.optimizer, trainer.batch
    coords = batch * trainer.optimizee.coords
    cells = Cells(optimizer.lstm.input_size)
    trainer.draw()
    problem, minibatches = trainer.problem, trainer.minibatches
    zeros = torch.zeros(coords, 20)
    state = [((zeros, zeros), (zeros, zeros))]

    def window():
        theta, hidden = problem.theta0, state[0]
        _, grad = problem.value_and_grad(theta, problem.minibatch(minibatches))
        meta_loss = 0
        for _ in range(sizes.UNROLL):
            x, _ = optimizer.read(grad.detach().flatten()[None], {})
            out, hidden = cells(x.T, hidden)
            theta = theta + (0.1 * out).view_as(theta)
            loss = problem.loss(theta, problem.minibatch(minibatches)).sum()
            (grad,) = torch.autograd.grad(loss, theta, retain_graph=True)
            meta_loss = meta_loss + loss / batch
        cells.zero_grad()
        meta_loss.backward()

    return window, coords


def floor(name):
    """Products and activations of as many blocks as the kit has, forward and back."""
    trainer = sizes.trainer(name)
    engine, lstm = trainer.engine, trainer.optimizer.lstm
    width = engine.blocks[0].stop
    buffers = [
        (
            W.detach(),
            torch.randn(W.shape[1], width),
            torch.randn(80, width),
            torch.randn(20, width),
            torch.zeros_like(W.T),
        )
        for W in lstm.W
    ]

    @torch.inference_mode()
    def window():
        for _ in range(sizes.UNROLL * len(engine.blocks)):
            for W, z, gates, c, _ in buffers:
                torch.mm(W, z, out=gates)
                gates[:60].sigmoid_(), gates[60:].tanh_(), c.tanh_()
        for _ in range(sizes.UNROLL * len(engine.blocks)):
            for W, z, gates, _, d_W in buffers:
                d_W.addmm_(z, gates.T)
                torch.mm(W.T, gates, out=z)
        for _, z, _, c, d_W in buffers:  # numbers as large as before
            z.normal_(), c.normal_(), d_W.zero_()

    return window, trainer.batch * trainer.optimizee.coords


def report(window, coords, windows) -> str:
    """Seconds of each window after the first, and the peak memory of the process."""
    times = []
    for _ in range(windows + 1):
        began = time.perf_counter()
        window()
        times.append(time.perf_counter() - began)
    return json.dumps({"coords": coords, "seconds": times[1:], "peak": peak()})


def peak() -> float:
    """The most memory that this process had, in GB."""
    status = Path("/proc/self/status")  # getrusage would count the parent's as well
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


if __name__ == "__main__":
    torch.set_num_threads(2)
    contestant, name, windows = sys.argv[1:]
    print(report(*globals()[contestant](name), int(windows)))
