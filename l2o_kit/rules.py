"""Six hand-designed update rules, each in the two or three lines that it is.

A rule maps the gradient and its memory to the update and the new memory::

    update, memory = rule(grad, memory, t, lr, beta)          theta <- theta + update

grad may have any shape; lr anything that broadcasts with it, so that many rates run
side by side. t counts from 1. memory begins as ``(0.0, 0.0)``.

    SGD        g = -lr d                               d = grad f(theta)
    Momentum   v = beta v + d          g = -lr v       (Polyak 1964, the heavy ball)
    NAG        v = beta v + d          g = -lr (d + beta v)         (Nesterov 1983)
    RMSprop    s = 0.99 s + 0.01 d^2   g = -lr d / sqrt(s)            (Hinton 2012)
    Adagrad    s = s + d^2             g = -lr d / sqrt(s)      (Duchi et al. 2011)
    Adam       m, s running means of d, d^2, bias corrected
                                       g = -lr m / sqrt(s)   (Kingma and Ba 2015)

They compute what ``torch.optim`` computes; a test compares the two step by step. The
rivals that are judged (``baselines.py``) are torch.optim's own.
"""

SMALL = 1e-8  # keeps a division by zero away
KEEP = {"RMSprop": 0.99, "Adam": 0.999}  # how much of s stays each step


def sgd(grad, memory, t, lr, beta):
    """Plain gradient descent."""
    return -lr * grad, memory


def momentum(grad, memory, t, lr, beta):
    """The heavy ball: a running sum of gradients."""
    v = beta * memory[0] + grad
    return -lr * v, (v, memory[1])


def nag(grad, memory, t, lr, beta):
    """Nesterov's: the running sum, looked at one step ahead."""
    v = beta * memory[0] + grad
    return -lr * (grad + beta * v), (v, memory[1])


def rmsprop(grad, memory, t, lr, beta):
    """Each coordinate divided by the size of its recent gradients."""
    s = KEEP["RMSprop"] * memory[1] + (1 - KEEP["RMSprop"]) * grad**2
    return -lr * grad / (s**0.5 + SMALL), (memory[0], s)


def adagrad(grad, memory, t, lr, beta):
    """Each coordinate divided by the size of all its gradients."""
    s = memory[1] + grad**2
    return -lr * grad / (s**0.5 + SMALL), (memory[0], s)


def adam(grad, memory, t, lr, beta):
    """Momentum and RMSprop together, both corrected for their start at zero."""
    m = beta * memory[0] + (1 - beta) * grad
    s = KEEP["Adam"] * memory[1] + (1 - KEEP["Adam"]) * grad**2
    root = (s / (1 - KEEP["Adam"] ** t)) ** 0.5 + SMALL
    return -lr * m / (1 - beta**t) / root, (m, s)


HAND_MADE = {
    "SGD": sgd, "Momentum": momentum, "NAG": nag,
    "RMSprop": rmsprop, "Adagrad": adagrad, "Adam": adam,
}  # fmt: skip
REMEMBER = ("Momentum", "NAG", "Adam")  # the rules that beta means something to
