"""What ``LearnedOptimizer`` refuses, and how it says so: parameters, rules, states."""

import torch

from l2o_kit.groups import GroupedOptimizer, Learned, group_of

WRAPPERS = ("_orig_mod.", "module.")  # of torch.compile and DistributedDataParallel
NON_FINITE = ("error", "skip")


def names(group: dict) -> list[str]:
    """What its parameters are called, without the prefixes of wrappers."""
    given = group.get("param_names")
    if given is None:
        return [f"parameter {k} of its group" for k in range(len(group["params"]))]
    plain = []
    for name in given:
        for prefix in WRAPPERS:
            name = name.removeprefix(prefix)
        plain.append(name)
    return plain


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
    for name, parameter in zip(names(group), group["params"], strict=True):
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
    ids = [k for group in groups for k in group["params"]]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for k, parameter in zip(ids, parameters, strict=False):
        for name, part in state_dict["state"].get(k, {}).items():
            if part.shape[-1] != parameter.numel():
                raise ValueError(
                    f"this state belongs to another model: {name!r} of parameter {k} "
                    f"has {part.shape[-1]} coordinates, the parameter "
                    f"{parameter.numel()}."
                )
