"""LearnedOptimizer: a learned optimizer as a torch.optim.Optimizer.

    theta_{t+1} = (1 - lr weight_decay) theta_t + lr g_t      g_t = m(grad, state; phi)

It is used as Adam is: ``step``, ``zero_grad``, parameter groups, schedulers,
``state_dict``. ``lr`` multiplies the update, so that 1 is the rule as it was learned.
``optimizer.py`` computes g_t; here is only whose each coordinate is, and what is kept.

The coordinates of a group's parameters form one long row, which goes through the LSTM
in blocks. Each coordinate has a state of its own: 80 numbers for the shipped
optimizers, and 3 more where inputs are normalized. (Adam keeps 2.)

Left out: fused and capturable variants.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from l2o_kit.checkpoint import load
from l2o_kit.groups import GroupedOptimizer, Learned, assign, group_of
from l2o_kit.lstm import InPlace
from l2o_kit.optimizer import LSTMOptimizer

BLOCK_SIZE = 4096  # coordinates: 5 MB of temporary memory
MOST_WIDTHS = 8  # widths of blocks whose buffers are kept
WRAPPERS = ("_orig_mod.", "module.")  # of torch.compile and DistributedDataParallel
NON_FINITE = ("error", "skip")


class NonFiniteGradient(ValueError):
    """A gradient holds NaN or infinity; nothing was changed."""


class Owned(NamedTuple):
    """A parameter in a step: its coordinates in a row, their gradient, their state."""

    theta: Tensor
    grad: Tensor
    state: dict[str, Tensor]


class LearnedOptimizer(torch.optim.Optimizer):
    """A learned optimizer that trains any model.

    Arguments:
        params: parameters, named parameters, or groups of them, as for every optimizer.
            A GroupedOptimizer needs names: ``model.named_parameters()``.
        rule: the name of a shipped optimizer, the path of a file, or an LSTMOptimizer
            or GroupedOptimizer, of which a copy is taken.
        lr: multiplies every update.
        weight_decay: decoupled, as AdamW's: theta shrinks by lr weight_decay a step.
        non_finite: at a gradient that is not finite, an "error", or "skip" the step
            (``.skipped`` counts). Parameters and states stay as they were in both.
        state_dtype: of the LSTM's state; torch.bfloat16 takes half the memory. None is
            that of the computation: float64 for float64 parameters, else float32.
        block_size: coordinates that go through the LSTM at once.

    Example: ``LearnedOptimizer(model.parameters(), "digits_robust")``
    """

    def __init__(
        self,
        params: Iterable,
        rule: str | Path | Learned = "digits",
        *,
        lr: int | float = 1.0,
        weight_decay: int | float = 0.0,
        non_finite: str = "error",
        state_dtype: torch.dtype | None = None,
        block_size: int = BLOCK_SIZE,
    ):
        rule = rule if isinstance(rule, nn.Module) else load(rule)
        check_rule(rule, non_finite, block_size)
        self.rule: Any = copy.deepcopy(rule).requires_grad_(False)
        self.non_finite, self.skipped = non_finite, 0
        self.state_dtype, self.block_size = state_dtype, block_size
        self._members, self._buffers = {}, {}
        defaults = {"lr": lr, "weight_decay": weight_decay, "phi": fingerprint(rule)}
        super().__init__(params, defaults)
        if isinstance(rule, GroupedOptimizer):
            assign(rule.rule, self._shapes())  # refuses a group that has nothing to do

    def add_param_group(self, param_group: dict):
        """Add param_group, {"params": ...}; what could not be stepped is refused."""
        super().add_param_group(each_once(param_group))
        try:
            check_group(self.param_groups[-1])
            if isinstance(self.rule, GroupedOptimizer):
                check_names(self.param_groups[-1], self.rule)
        except ValueError:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """Move every parameter that has a gradient; returns the closure's loss.

        Raises NonFiniteGradient, which names the parameter, unless told to skip.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        bad = self._bad_gradient()
        if bad and self.non_finite == "skip":
            self.skipped += 1
        elif bad:
            raise NonFiniteGradient(
                f"the gradient of {bad} is not finite. Nothing was changed. Look at "
                'the loss and the data, clip gradients, or say non_finite="skip".'
            )
        else:
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _step_group(self, group: dict):
        """Parameters of one LSTM, device and type together, in blocks."""
        kinds = {}
        for name, parameter in named(group):
            if parameter.grad is not None:
                kind = self._member(name, parameter)
                kinds.setdefault(kind, []).append(parameter)
        for rule, parameters in kinds.items():
            owned = [self._own(parameter, rule) for parameter in parameters]
            for block in blocks([one.theta.numel() for one in owned], self.block_size):
                self._step_block(rule, [take(owned[k], at) for k, at in block], group)
            for parameter, one in zip(parameters, owned, strict=True):
                if not parameter.is_contiguous():
                    parameter.copy_(one.theta.view(parameter.shape))

    def _step_block(self, rule: LSTMOptimizer, block: list[Owned], group: dict):
        """The update of a block, and its states after it, in place."""
        dtype, sizes = rule.lstm.w_out.dtype, [one.theta.numel() for one in block]
        grads = torch.cat([one.grad.to(dtype) for one in block])
        state = {
            name: join([one.state[name] for one in block], dtype)
            for name in block[0].state
        }
        update, state = self._run(rule, grads, state)
        for name, new in state.items():
            kept = [one.state[name] for one in block]
            if new is not kept[0]:  # it is where the state moved in place
                for old, part in zip(kept, new.split(sizes, -1), strict=True):
                    old.copy_(part)
        for one, part in zip(block, (group["lr"] * update).split(sizes), strict=True):
            if group["weight_decay"]:
                one.theta.mul_(1 - group["lr"] * group["weight_decay"])
            one.theta.add_(part)

    def _run(self, rule: LSTMOptimizer, grads: Tensor, state: dict[str, Tensor]):
        """(update [coords], the next state); h and c move in place.

        A forward of your own makes new ones instead.
        """
        if type(rule).forward is not LSTMOptimizer.forward:
            return rule(grads, state)
        x, running = rule.read(grads[None], state)
        out = self._steps_of(rule, grads.numel()).step(x, state)
        return rule.write(out[0]), state | running

    def _own(self, parameter: nn.Parameter, rule: LSTMOptimizer) -> Owned:
        """A parameter in a row; its state is the initial one before its first step."""
        state = self.state[parameter]
        if not state:
            state.update(rule.initial_state(parameter.numel()))
            for name in ("h", "c"):  # the large ones; m and v stay as they are
                state[name] = state[name].to(self.state_dtype or state[name].dtype)
        return Owned(parameter.reshape(-1), parameter.grad.reshape(-1), state)

    def _member(self, name: str, parameter: nn.Parameter) -> LSTMOptimizer:
        """The LSTM that this parameter goes through, on its device and in its type."""
        member = ""
        if isinstance(self.rule, GroupedOptimizer):
            member = group_of(name, self.rule.rule)
        double = parameter.dtype == torch.float64
        key = (member, parameter.device, double)
        if key not in self._members:
            rule = self.rule.groups[member] if member else self.rule
            rule = copy.deepcopy(rule).to(parameter.device)
            self._members[key] = rule.double() if double else rule.float()
        return self._members[key]

    def _steps_of(self, rule: LSTMOptimizer, width: int) -> InPlace:
        """Buffers for a block of this width, allocated once."""
        key = (rule, width)
        if key not in self._buffers:
            if len(self._buffers) >= MOST_WIDTHS:
                self._buffers.clear()
            self._buffers[key] = InPlace(rule.lstm, width)
        return self._buffers[key]

    def _bad_gradient(self) -> str | None:
        """The first parameter whose gradient is not finite; refuses odd kinds."""
        for group in self.param_groups:
            for name, parameter in named(group):
                grad = parameter.grad
                if grad is not None and grad.is_sparse:
                    raise ValueError(
                        f"{name} has a sparse gradient: every coordinate has a state "
                        "that must move at each step. Use sparse=False."
                    )
                if grad is not None and not grad.isfinite().all():
                    return name
        return None

    def _shapes(self) -> dict[str, torch.Size]:
        """name -> shape of all parameters."""
        return {
            name: parameter.shape
            for group in self.param_groups
            for name, parameter in named(group)
        }

    def load_state_dict(self, state_dict: dict):
        """Go on from what ``state_dict`` gave; states keep their own types.

        Raises ValueError for the state of another optimizer or of another model.
        """
        check_state(self, state_dict)
        super().load_state_dict(state_dict)
        for _, parameter, saved in saved_states(self, state_dict):
            for name, part in saved.items():  # torch gave them the parameter's type
                kept = part.detach().clone().to(parameter.device)
                self.state[parameter][name] = kept

    def __getstate__(self):
        """What a copy or a pickle holds: all but the buffers."""
        own = ("rule", "non_finite", "skipped", "state_dtype", "block_size")
        return super().__getstate__() | {name: vars(self)[name] for name in own}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._members, self._buffers = {}, {}


def blocks(sizes: list[int], most: int) -> Iterator[list[tuple[int, slice]]]:
    """A row of these sizes in blocks of ``most``: [(which, from where to where)].

    >>> list(blocks([2, 3], 4))
    [[(0, slice(0, 2, None)), (1, slice(0, 2, None))], [(1, slice(2, 3, None))]]
    """
    block, room = [], most
    for k, size in enumerate(sizes):
        start = 0
        while start < size:
            stop = min(size, start + room)
            block.append((k, slice(start, stop)))
            room, start = room - (stop - start), stop
            if room == 0:
                yield block
                block, room = [], most
    if block:
        yield block


def join(parts: list[Tensor], dtype: torch.dtype) -> Tensor:
    """Parts side by side, in a type; a part that is alone is itself, if of the type."""
    return (torch.cat(parts, -1) if len(parts) > 1 else parts[0]).to(dtype)


def take(one: Owned, at: slice) -> Owned:
    """Some coordinates of a parameter: views, so that they move in place."""
    state = {name: part[..., at] for name, part in one.state.items()}
    return Owned(one.theta[at], one.grad[at], state)


def fingerprint(rule: Learned) -> str:
    """A name for phi, by which a state finds its optimizer again."""
    digest = hashlib.sha256(repr(rule.config).encode())
    for name, weight in rule.state_dict().items():
        digest.update(name.encode() + weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def names(group: dict) -> list[str]:
    """What its parameters are called, without the prefixes of wrappers."""
    given = group.get("param_names")
    if given is None:
        return [f"parameter {k} of its group" for k in range(len(group["params"]))]
    compiled, parallel = WRAPPERS
    return [name.removeprefix(compiled).removeprefix(parallel) for name in given]


def named(group: dict) -> list[tuple[str, nn.Parameter]]:
    """Its parameters, each with its name."""
    return list(zip(names(group), group["params"], strict=True))


def check_rule(rule: Learned, non_finite: str, block_size: int):
    if not isinstance(rule, Learned):
        raise TypeError(
            f"{type(rule).__name__} is no learned optimizer. Give a shipped one's "
            "name, a file, an LSTMOptimizer or a GroupedOptimizer."
        )
    if rule.num_sources > 1:
        raise ValueError(
            f"this optimizer reads num_sources={rule.num_sources} gradients a step, "
            "and a model has one. Take one that was trained with one source."
        )
    if non_finite not in NON_FINITE:
        raise ValueError(f"non_finite={non_finite!r}: use one of {NON_FINITE}.")
    if block_size < 1:
        raise ValueError(f"block_size={block_size}: it must be at least 1.")


def each_once(group: dict) -> dict:
    """The group with its parameters as a list; refused where one is there twice."""
    params = group["params"]
    if isinstance(params, torch.Tensor | set):  # which torch takes, or refuses
        return group
    params = list(params)
    owned = [id(p[1] if isinstance(p, tuple) else p) for p in params]
    if len(set(owned)) < len(owned):
        raise ValueError("a parameter is in the group twice: it would move twice.")
    return group | {"params": params}


def check_group(group: dict):
    """Refuse what no step could be taken with."""
    for name in ("lr", "weight_decay"):
        if not 0 <= float(group[name]) < float("inf"):
            raise ValueError(
                f"{name}={group[name]}: it must be a number of at least 0."
            )
    for name, parameter in named(group):
        if not parameter.is_floating_point():
            raise ValueError(
                f"{name} is {parameter.dtype}: the LSTM reads real numbers only."
            )


def check_names(group: dict, rule: GroupedOptimizer):
    """Each parameter must belong to one group of the rule, by its name."""
    if group.get("param_names") is None:
        raise ValueError(
            f"{rule!r} goes by the parameters' names, and there are none. Give "
            "model.named_parameters() in place of model.parameters()."
        )
    for name in names(group):
        group_of(name, rule.rule)


def saved_states(optimizer: torch.optim.Optimizer, state_dict: dict):
    """(its number, parameter, its saved state), of every parameter in both."""
    ids = [k for group in state_dict["param_groups"] for k in group["params"]]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for k, parameter in zip(ids, parameters, strict=False):
        yield k, parameter, state_dict["state"].get(k, {})


def check_state(optimizer: torch.optim.Optimizer, state_dict: dict):
    """Refuse the state of another optimizer, or of another model."""
    groups = state_dict["param_groups"]
    seen = {group.get("phi") for group in groups}
    mine = {group["phi"] for group in optimizer.param_groups}
    if seen != mine:
        raise ValueError(
            "this state belongs to another optimizer: its phi is "
            f"{sorted(map(str, seen))}, here it is {sorted(mine)}. Build it with the "
            "same rule."
        )
    for k, parameter, saved in saved_states(optimizer, state_dict):
        for name, part in saved.items():
            if part.shape[-1] != parameter.numel():
                raise ValueError(
                    f"this state belongs to another model: {name!r} of parameter {k} "
                    f"has {part.shape[-1]} coordinates, the parameter "
                    f"{parameter.numel()}."
                )
