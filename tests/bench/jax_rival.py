"""The same window in JAX, jit and scan: a process of its own, without torch.

    .venv-jax/bin/python tests/bench/jax_rival.py problem.npz 5

problem.npz holds phi, the problem and its minibatches, and what the kit computed from
them: the meta-loss and the meta-gradient, to which JAX's must be equal.
"""

import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

HIDDEN = 20


def lstm(phi, x, state):
    """One step over columns of coordinates: (out [coords], the next state)."""
    hs, cs = [], []
    for W, h, c in zip(phi["W"], *state, strict=True):
        gates = W @ jnp.concatenate([x, h, jnp.ones_like(x[:1])])
        i, f, o = jnp.split(jax.nn.sigmoid(gates[: 3 * HIDDEN]), 3)
        c = f * c + i * jnp.tanh(gates[3 * HIDDEN :])
        x = o * jnp.tanh(c)
        hs.append(x), cs.append(c)
    return (phi["w_out"] @ x + phi["b_out"])[0], (hs, cs)


def log_sign(d, p=10.0):
    """The paper's preprocessing: [coords] to [2, coords]."""
    large = jnp.abs(d) >= jnp.exp(-p)
    logs = jnp.where(large, jnp.log(jnp.where(large, jnp.abs(d), 1.0)) / p, -1.0)
    return jnp.stack([logs, jnp.where(large, jnp.sign(d), jnp.exp(p) * d)])


def quadratic(theta, _, problem):
    """|W theta - y|^2: [batch]."""
    residual = jnp.einsum("bij,bj->bi", problem["W"], theta) - problem["y"]
    return jnp.square(residual).sum(1)


def network(sizes):
    """Mean cross-entropy of sigmoid networks on their minibatches: [batch]."""
    inputs, hidden, outputs = sizes
    cuts = np.cumsum([hidden * inputs, hidden, outputs * hidden])

    def one(theta, X, y):
        w, b, v, c = jnp.split(theta, cuts)
        h = jax.nn.sigmoid(X @ w.reshape(hidden, inputs).T + b)
        logits = h @ v.reshape(outputs, hidden).T + c
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
        return -picked.mean()

    def loss(theta, rows, problem):
        return jax.vmap(one)(theta, problem["X"][rows], problem["y"][rows])

    return loss


def meta_gradient(loss, read):
    """A jitted function: (phi, theta, problem, minibatches) to (L, dL/dphi)."""
    value_and_grad = jax.value_and_grad(lambda *a: loss(*a).sum())

    def window(phi, theta, problem, minibatches):
        batch, coords = len(theta), theta.size
        zeros = [jnp.zeros((HIDDEN, coords))] * 2
        _, grad = value_and_grad(theta, minibatches[0], problem)

        def step(carry, rows):
            theta, state, grad = carry
            x = read(jax.lax.stop_gradient(grad).reshape(-1))
            out, state = lstm(phi, x, state)
            theta = theta + 0.1 * out.reshape(theta.shape)
            value, grad = value_and_grad(theta, rows, problem)
            return (theta, state, grad), value / batch

        _, losses = jax.lax.scan(step, (theta, (zeros, zeros), grad), minibatches[1:])
        return losses.sum()

    return jax.jit(jax.value_and_grad(window))


def main(path, windows):
    """Check against the kit, then time."""
    given = dict(np.load(path))
    phi = {
        "W": [given["W0"], given["W1"]],
        "w_out": given["w_out"],
        "b_out": given["b_out"],
    }
    if "sizes" in given:
        loss, read = network(given["sizes"].tolist()), log_sign
        problem = {"X": given["X"], "y": given["y"]}
    else:
        loss, read = quadratic, lambda grad: grad[None]
        problem = {"W": given["W"], "y": given["y"]}
    run = meta_gradient(loss, read)
    arguments = jax.tree.map(
        jnp.asarray, (phi, given["theta0"], problem, given["minibatches"])
    )
    times = []
    for _ in range(windows + 1):
        began = time.perf_counter()
        _, grads = jax.block_until_ready(run(*arguments))
        times.append(time.perf_counter() - began)
    ours = np.concatenate([np.ravel(g) for g in (*grads["W"], grads["w_out"])])
    error = np.linalg.norm(ours - given["expected"]) / np.linalg.norm(given["expected"])
    assert error < 1e-2, f"JAX's meta-gradient differs by {error:.2g}"
    status = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(x for x in status if x.startswith("VmHWM")).split()[1]) / 1e6  # GB
    print(
        json.dumps(
            {
                "coords": given["theta0"].size,
                "seconds": times[1:],
                "peak": peak,
                "error": float(error),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
