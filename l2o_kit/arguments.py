"""What ``meta_train`` refuses, and how it says so: the value seen, what to do next."""


def check_arguments(meta_steps, seconds, horizon, unroll, batch, lr):
    """Refuse numbers with which no training makes sense."""
    if (meta_steps is None) == (seconds is None):
        raise ValueError(
            f"Give exactly one of meta_steps and seconds; got meta_steps={meta_steps} "
            f"and seconds={seconds}."
        )
    horizons = horizon if isinstance(horizon, tuple) else (horizon,)
    numbers = {"meta_steps": meta_steps, "batch": batch, "unroll": unroll}
    for name, value in {**numbers, "horizon": min(horizons)}.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds={seconds}: it must be above 0.")
    for steps in horizons:
        if steps < unroll:
            raise ValueError(
                f"unroll={unroll} is longer than horizon={steps}: a window cannot be "
                "longer than its roll-out. Lower unroll."
            )
        if steps % unroll:
            raise ValueError(
                f"unroll={unroll} does not divide horizon={steps}: the last window "
                f"would be cut. Try horizon={steps - steps % unroll}."
            )
    if min(lr if isinstance(lr, tuple | list) else (lr,), default=0) <= 0:
        raise ValueError(f"lr={lr}: it must be above 0.")


def check_cures(horizon, curriculum, imitate, clip):
    """Refuse cures that could do nothing."""
    if curriculum and not (isinstance(horizon, tuple) and horizon[0] < horizon[1]):
        raise ValueError(
            f"curriculum=True with horizon={horizon}: it has nothing to grow to. Give "
            "two numbers, as in horizon=(20, 200)."
        )
    for name, value in {"imitate": imitate, "clip": clip}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name}={value}: it must be above 0, or None for none.")


def move(optimizer, device):
    """Bring phi to a device; refuse one that is not there."""
    if device is None:
        return
    try:
        optimizer.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={str(device)!r} is not to be had ({str(error).splitlines()[0]}). "
            'Use device="cpu", or leave it out.'
        ) from None


def one_device(optimizer):
    """One weight of phi; all the others must lie on its device."""
    weights = list(optimizer.parameters())
    devices = sorted({str(w.device) for w in weights})
    if len(devices) > 1:
        raise ValueError(
            f"phi lies on several devices: {devices}. Move all of it to one, for "
            'instance with optimizer.to("cpu").'
        )
    return weights[0]


def check_theta(theta, weight):
    """theta must be of phi's type."""
    if theta.dtype != weight.dtype:
        raise ValueError(
            f"theta_0 is {theta.dtype} and phi is {weight.dtype}. theta moves by what "
            "phi computes: give both the same real type (sample() is told which)."
        )


def same_shapes(expected: dict, tensors: dict):
    """Refuse a tensor that is missing, or of another shape than the expected one."""
    for name, tensor in expected.items():
        seen = list(tensors[name].shape) if name in tensors else "missing"
        if seen != list(tensor.shape):
            raise ValueError(f"{name} is {seen}, expected {list(tensor.shape)}")
