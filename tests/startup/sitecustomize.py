"""Python's start-up hook for tests: with L2O_JITTER, every gradient is jittered.

    L2O_JITTER=1 PYTHONPATH=$PWD/tests/startup python ...

Each gradient of autograd, and each that a problem computes by a formula, moves by one
unit in the last place (``l2o_kit.variations.jitter``): what another processor might do.
Python runs a file of this name whenever it starts, so that the kernels of notebooks and
the processes that tests start inherit it. Without the variable nothing happens.
"""

import os
import sys
import threading


class Count(threading.local):
    """How many gradients were jittered in this thread, so far."""

    jittered = 0


count = Count()


def jitter(grad):
    """The gradient, moved; what is none stays."""
    from l2o_kit.optimizees import jitter as move

    if grad is None or not grad.is_floating_point() or grad.is_sparse:
        return grad
    count.jittered += 1
    return move(grad)


def leaves(tensors):
    """The tensors whose .grad a backward pass from these fills."""
    nodes, seen, found = [t.grad_fn for t in tensors], set(), []
    found = [t for t in tensors if t.grad_fn is None]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        nodes += [following for following, _ in node.next_functions]
    return found


def change_autograd(autograd):
    """autograd.grad and autograd.backward, and with it Tensor.backward."""
    grad, backward = autograd.grad, autograd.backward

    def jittered_grad(*args, **kwargs):
        return tuple(map(jitter, grad(*args, **kwargs)))

    def jittered_backward(tensors, *args, **kwargs):
        several = isinstance(tensors, list | tuple)
        filled = kwargs.get("inputs") or leaves(tensors if several else [tensors])
        filled = filled if isinstance(filled, list | tuple) else [filled]
        backward(tensors, *args, **kwargs)
        for leaf in filled:
            if leaf.grad is not None and leaf.grad.requires_grad:
                leaf.grad = jitter(leaf.grad)
            elif leaf.grad is not None:
                leaf.grad.copy_(jitter(leaf.grad))

    autograd.grad, autograd.backward = jittered_grad, jittered_backward


def change_formula(kind):
    """A problem's own value_and_grad, where no gradient in it was jittered already."""
    plain = vars(kind).get("value_and_grad")
    if plain is None:
        return

    def value_and_grad(self, theta, minibatch=None):
        before = count.jittered
        loss, grad = plain(self, theta, minibatch)
        return loss, jitter(grad) if count.jittered == before else grad

    kind.value_and_grad = value_and_grad


def change_problems(problem):
    """Every kind of problem, those to come as well."""
    kinds = [problem]
    while kinds:
        kind = kinds.pop()
        change_formula(kind)
        kinds += kind.__subclasses__()

    def __init_subclass__(cls, **kwargs):
        super(problem, cls).__init_subclass__(**kwargs)
        change_formula(cls)

    problem.__init_subclass__ = classmethod(__init_subclass__)


waiting = [True]


def watch(event, arguments):
    """At the first import after l2o_kit's problems are there, change what they use."""
    problems = sys.modules.get("l2o_kit.optimizees")
    if waiting and event == "import" and hasattr(problems, "Problem"):
        waiting.clear()
        change_autograd(sys.modules["torch"].autograd)
        change_problems(problems.Problem)


if os.environ.get("L2O_JITTER"):
    sys.addaudithook(watch)
