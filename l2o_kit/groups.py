"""One learned optimizer for each group of parameters.

    theta = (theta_A, theta_B, ...)        g_A = m_A(grad_A),   g_B = m_B(grad_B),  ...

Each group has its own weights phi and states. A readable rule says which parameter of a
network belongs to which group, by patterns of their names::

    {"conv": "conv*.weight", "fc": "everything else"}

Source: Andrychowicz et al. 2016, section 3.3: on convolutional networks one shared LSTM
did worse than two.
"""

from fnmatch import fnmatchcase
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from l2o_kit.lstm import State
from l2o_kit.optimizees import Optimizee
from l2o_kit.optimizer import LSTMOptimizer

EVERYTHING_ELSE = "everything else"
CONV_AND_FC = {"conv": "conv*.weight", "fc": EVERYTHING_ELSE}


class GroupedOptimizer(nn.Module):
    """Named groups of parameters, each with an LSTMOptimizer of its own.

    Arguments:
        groups: name -> LSTMOptimizer.
        rule: name -> a pattern of parameters' names, as of files: "conv*.weight". One
            group may have "everything else". Each parameter must belong to one group.

    Example: ``GroupedOptimizer({"conv": LSTMOptimizer(seed=0), "fc":
    LSTMOptimizer(seed=1)}, CONV_AND_FC)``
    """

    groups: Any  # nn.ModuleDict, which takes its members for any modules
    provenance: dict[str, Any]  # of what ``load`` gave

    def __init__(self, groups: dict[str, LSTMOptimizer], rule: dict[str, str]):
        super().__init__()
        _check_rule(groups, rule)
        self.groups, self.rule = nn.ModuleDict(groups), dict(rule)
        self.num_sources = next(iter(groups.values())).num_sources

    @property
    def config(self) -> dict:
        """How it is built: the rule, and each group's own config."""
        groups = {name: member.config for name, member in self.groups.items()}
        return {"groups": groups, "rule": self.rule}

    @property
    def num_weights(self) -> int:
        """How many numbers phi has, of all groups."""
        return sum(member.num_weights for member in self.groups.values())

    def check_sources(self, seen: int):
        """Refuse gradients where the sources seen are not num_sources."""
        for member in self.groups.values():
            member.check_sources(seen)

    def on(self, optimizee: Optimizee) -> "Assigned":
        """This optimizer for one optimizee, whose parameters' names the rule reads.

        Raises ValueError where a parameter belongs to no group or to two, and where a
        group has none.
        """
        return Assigned(self, assign(self.rule, shapes(optimizee)))

    def __repr__(self):
        rule = ", ".join(f"{name}: {pattern}" for name, pattern in self.rule.items())
        return f"GroupedOptimizer({rule})  # phi: {self.num_weights:,} weights"


Learned = LSTMOptimizer | GroupedOptimizer  # what can be trained, saved and loaded


class Assigned:
    """A GroupedOptimizer that knows whose each coordinate of a network is.

    columns: name -> the group's places in one problem's theta. It is used as an
    LSTMOptimizer is, on coords that are whole problems, one after the other; a state
    "h" of the group "fc" is called "fc.h".
    """

    def __init__(self, optimizer: GroupedOptimizer, columns: dict[str, Tensor]):
        self.optimizer, self.columns = optimizer, columns
        self.members: dict[str, Any] = dict(optimizer.groups.items())
        self.num_sources = optimizer.num_sources
        self.check_sources = optimizer.check_sources
        self.coords = sum(map(len, columns.values()))  # of one problem
        self.lstm = next(iter(self.members.values())).lstm

    def places(self, coords: int) -> dict[str, Int[Tensor, "columns"]]:
        """Each group's columns among those of coords / self.coords problems."""
        firsts = torch.arange(0, coords, self.coords)[:, None]
        device = self.lstm.w_out.device
        return {
            name: (firsts + columns).flatten().to(device)
            for name, columns in self.columns.items()
        }

    def initial_state(self, coords: int) -> State:
        """The state before the first step, of all groups."""
        return {
            f"{name}.{part}": value
            for name, places in self.places(coords).items()
            for part, value in self.members[name].initial_state(len(places)).items()
        }

    def __call__(self, grads: Float[Tensor, "... coords"], state: State):
        """One step of every group: (update [coords], new state)."""
        update, after = torch.zeros_like(grads.reshape(-1, grads.shape[-1])[0]), {}
        for name, places in self.places(grads.shape[-1]).items():
            moved, new = self.members[name](grads[..., places], _of(name, state))
            update = update.index_put((places,), moved)
            after |= {f"{name}.{part}": value for part, value in new.items()}
        return update, after


def assign(rule: dict[str, str], named: dict[str, torch.Size]):
    """name of a group -> its places [columns] in the flat theta of these parameters."""
    columns, start = {name: [] for name in rule}, 0
    for parameter, shape in named.items():
        end = start + shape.numel()
        columns[group_of(parameter, rule)].append(torch.arange(start, end))
        start = end
    empty = [name for name, parts in columns.items() if not parts]
    if empty:
        raise ValueError(
            f"the group {empty[0]!r} ({rule[empty[0]]!r}) has no parameter: there are "
            f"{list(named)}. Change its pattern, or leave the group out."
        )
    return {name: torch.cat(parts) for name, parts in columns.items()}


def group_of(parameter: str, rule: dict[str, str]) -> str:
    """The one group that a parameter belongs to."""
    found = [name for name, pattern in rule.items() if fnmatchcase(parameter, pattern)]
    rest = [name for name, pattern in rule.items() if pattern == EVERYTHING_ELSE]
    found = found or rest
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"the parameter {parameter!r} belongs to two groups, {found[0]!r} and "
            f"{found[1]!r}. Make their patterns narrower: {rule}."
        )
    raise ValueError(
        f"the parameter {parameter!r} belongs to no group of {rule}. Widen a pattern, "
        f"or give one group {EVERYTHING_ELSE!r}."
    )


def shapes(optimizee: Optimizee) -> dict[str, torch.Size]:
    """The names and shapes of a network's parameters, in theta's order."""
    while not hasattr(optimizee, "shapes") and hasattr(optimizee, "optimizee"):
        optimizee = optimizee.optimizee  # of a variation, of several sources
    if not hasattr(optimizee, "shapes"):
        raise ValueError(
            f"{optimizee!r} has no named parameters to group. A GroupedOptimizer is "
            "for a Network; take an LSTMOptimizer."
        )
    return optimizee.shapes


def _of(name: str, state: State) -> State:
    """The part of a state that belongs to one group."""
    return {
        key.removeprefix(f"{name}."): value
        for key, value in state.items()
        if key.startswith(f"{name}.")
    }


def _check_rule(groups, rule):
    if not groups or groups.keys() != rule.keys():
        raise ValueError(
            f"the groups are {list(groups)}, and the rule is for {list(rule)}. Give "
            "each group an optimizer and a pattern, under the same name."
        )
    if any("." in name for name in groups):
        raise ValueError(f"the groups are {list(groups)}: a name may hold no dot.")
    if list(rule.values()).count(EVERYTHING_ELSE) > 1:
        raise ValueError(f"two groups of {rule} have {EVERYTHING_ELSE!r}: one may.")
    sources = {name: member.num_sources for name, member in groups.items()}
    if len(set(sources.values())) > 1:
        raise ValueError(
            f"the groups read different numbers of sources, {sources}. Give all of "
            "them the same num_sources."
        )
