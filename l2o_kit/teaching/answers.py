"""What every check of an exercise does: call the answer, and say what is wrong with it.

A check is a function that raises ``Wrong`` where the answer is not right, made friendly
by ``exercise``.
"""

import functools

import torch

RETURNED_NONE = "Your function returned None. Did you forget the word return?"


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
            except Exception as error:  # whatever the answer is, the lesson goes on
                print(error if isinstance(error, Wrong) else _unreadable(error))
                print("Until it is right, the next cells use the kit's own.")
                return own
            print(f"Right: {praise}")
            return answer

        return check

    return decorate


def _unreadable(error: Exception) -> str:
    return (
        f"The check cannot read what yours returns ({type(error).__name__}: {error}). "
        "What does the exercise ask you to return?"
    )


def ask(function, *arguments):
    """What a student's function returns; Wrong where it returns nothing of use."""
    if not callable(function):
        raise Wrong(f"This is a {type(function).__name__}; give the function itself.")
    given = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    try:
        value = function(*given)
    except NotImplementedError:
        raise Wrong("Not yet: fill in the function, then run its cell again.") from None
    except (Exception, SystemExit) as error:
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
        raise Wrong(RETURNED_NONE)
    if isinstance(value, torch.Tensor) and value.is_complex():
        raise Wrong("You returned complex numbers; return real ones.")
    return value


def ask_shapes(function, *arguments, hint):
    """As ``ask``, with a hint where shapes do not fit."""
    try:
        return ask(function, *arguments)
    except Wrong as wrong:
        words = (
            "shapes cannot be multiplied",
            "IndexError",
            "Sizes of tensors",
            "number of dimensions",
        )
        if any(word in str(wrong) for word in words):
            raise Wrong(f"{wrong} {hint}") from None
        raise


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
    except OverflowError:
        raise Wrong(
            f"You returned a number ({type(value).__name__}) that is too large for a "
            "float. Is there a power too many?"
        ) from None


def compare(value, right, wrongs: dict, otherwise: str, tolerance: float = 1e-4):
    """Wrong where a value is not the right one: what a misconception gives, or another.

    Arguments: the value; the right one; why -> what it would then be, or a tuple of
    that; what to say of anything else; how near is near.
    """
    named(value, wrongs, tolerance)
    if not near(value, right, tolerance):
        raise Wrong(otherwise)


def named(value, wrongs: dict, tolerance: float = 1e-4):
    """Wrong, with its why, where the value is what a misconception gives."""
    for why, each in wrongs.items():
        for wrong in each if isinstance(each, tuple) else (each,):
            if near(value, wrong, tolerance):
                raise Wrong(why)


def slope(value: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """The gradient of a result's sum; 0 where the result does not depend on ``at``."""
    try:
        (grad,) = torch.autograd.grad(
            value.sum(), at, retain_graph=True, allow_unused=True
        )
    except RuntimeError as error:
        raise Wrong(f"autograd cannot differentiate yours: {error}") from None
    return torch.zeros_like(at) if grad is None else grad


def read_off(answer, truth: int | float, within: int | float, hint: str, wrongs: dict):
    """Judge a number that was read in a figure; Wrong where it is another one.

    Arguments: a function without arguments; the number; how far off eyes may be, as a
    share of it; where to look, in a sentence; and why -> the number that a typical slip
    gives: the nearest is named.
    """
    value = number(ask(answer))
    if _off(value, truth) <= within:
        return
    slips = [(_off(value, wrong), why) for why, wrong in wrongs.items()]
    off, why = min(slips, key=lambda slip: slip[0])
    if off <= within:
        raise Wrong(why)
    raise Wrong(f"You read {value:g}, and that is not it. {hint}")


def _off(value: float, aim: int | float) -> float:
    """The distance to the aim, as a share of it. Of nan it is nan, never near."""
    return abs(value - aim) / abs(aim)


def reaches(values, level: int | float) -> float:
    """Where falling values first come down to a level: an index, between two if so.

    >>> reaches([4.0, 2.0, 1.0], 3.0)
    0.5
    """
    k = next(k for k, value in enumerate(values) if value <= level)
    if k == 0:
        return 0.0
    return k - float((level - values[k]) / (values[k - 1] - values[k]))


def letters(value, known) -> set[str]:
    """The letters in an answer, as {"A", "B"}, ["a", "b"] or "A, B" say it."""
    if isinstance(value, str):
        value = set(value.replace(",", " ").replace(" ", ""))
    if not isinstance(value, set | list | tuple):
        raise Wrong('Return a set of letters, as in {"A", "B"}.')
    found = {str(letter).strip().upper() for letter in value}
    if found - set(known):
        raise Wrong(f"There is no line {', '.join(sorted(found - set(known)))}.")
    return found


def near(a, b, tolerance: float = 1e-4) -> bool:
    """Whether two tensors or numbers agree, relative to the second's size."""
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return bool((a - b).norm() <= tolerance * b.norm().clamp(min=1e-12))
