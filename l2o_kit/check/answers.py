"""What every check of an exercise does: call the answer, and say what is wrong with it.

A check is a function that raises ``Wrong`` where the answer is not right, made friendly
by ``exercise``.
"""

import functools

import torch


class Wrong(Exception):
    """Why an answer is not right, in words for the student."""


def exercise(own, praise: str):
    """Make a check of a function that raises Wrong.

    Arguments: the kit's own answer, a function; and what to say of a right one.
    """

    def decorate(judge):
        @functools.wraps(judge)
        def check(answer):
            try:
                judge(answer)
            except Wrong as wrong:
                print(wrong)
                print("Until it is right, the next cells use the kit's own.")
                return own
            print(f"Right: {praise}")
            return answer

        return check

    return decorate


def ask(function, *arguments):
    """What a student's function returns; Wrong where it returns nothing of use."""
    if not callable(function):
        raise Wrong(f"This is a {type(function).__name__}; give the function itself.")
    given = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    try:
        value = function(*given)
    except NotImplementedError:
        raise Wrong("Not yet: fill in the function, then run its cell again.") from None
    except Exception as error:
        raise Wrong(
            f"Your function raised {type(error).__name__}: {error}. Try it on a small "
            "example by hand."
        ) from None
    for before, after in zip(arguments, given, strict=True):
        if isinstance(before, torch.Tensor) and not torch.equal(before, after):
            raise Wrong(
                "Your function changed its argument in place (with +=, or with a "
                "method that ends in _). It is still needed: compute a new one."
            )
    if value is None:
        raise Wrong("Your function returned None. Did you forget the word return?")
    return value


def tensor_like(value, like, reason: str) -> torch.Tensor:
    """The value, if it is a finite tensor of the same shape; ``reason`` says why so."""
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"You returned a {type(value).__name__}; return a tensor.")
    if value.shape != like.shape:
        raise Wrong(
            f"Yours has shape {list(value.shape)}, expected {list(like.shape)}: "
            f"{reason}"
        )
    if not value.isfinite().all():
        raise Wrong(
            "Yours is not finite. Do you divide by a gradient that may be zero?"
        )
    return value


def number(value) -> float:
    """The value as a float, if it is one number."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(
            f"You returned a {type(value).__name__}; return one number."
        ) from None


def near(a, b, tolerance: float = 1e-4) -> bool:
    """Whether two tensors or numbers agree, relative to the second's size."""
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return bool((a - b).norm() <= tolerance * b.norm().clamp(min=1e-12))
