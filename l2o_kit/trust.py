"""Learn whom to trust: lambda alone, on a shipped LSTM that stays as it is.

lambda = softmax(alpha) weighs the gradients of K sources before the LSTM reads them:

    d = sum over k of lambda_k d_k

Only alpha, K numbers, is trained, by the same meta-loss as ever. That takes seconds.
"""

import torch

from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.log import Log
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train

RATE = (0.1, 0.01)  # of alpha


def trusting(name: str, num_sources: int) -> LSTMOptimizer:
    """A shipped optimizer that reads K sources through a softmax; all lambda 1 / K.

    Example: ``trusting("quadratic", 4).lambdas``
    """
    shipped = load(name)
    config = shipped.config | {"combine": "softmax", "num_sources": num_sources}
    optimizer = LSTMOptimizer(**config)
    weights = shipped.state_dict() | {"alpha": optimizer.alpha.detach()}
    optimizer.load_state_dict(weights)
    return optimizer


@torch.no_grad()
def weighing(name: str, lambdas) -> LSTMOptimizer:
    """A shipped optimizer with these lambdas, which must add up to 1; 0 is legal.

    >>> weighing("quadratic", [0.75, 0.25]).lambdas
    tensor([0.7500, 0.2500])
    """
    lambdas = torch.as_tensor(lambdas, dtype=torch.float32)
    if (lambdas < 0).any() or abs(float(lambdas.sum()) - 1) > 1e-4:
        raise ValueError(
            f"lambdas={[round(x, 4) for x in lambdas.tolist()]}: they must not be "
            "negative, and add up to 1."
        )
    optimizer = trusting(name, len(lambdas))
    optimizer.alpha.copy_(lambdas.clamp(min=1e-30).log())
    return optimizer


def learn_lambda(optimizer: LSTMOptimizer, concurrent: Concurrent, *, lr=RATE,
                 **settings) -> Log:  # fmt: skip
    """Train alpha and nothing else; settings as of ``meta_train``. Returns its log.

    Raises ValueError where the optimizer has no softmax: then there is no lambda.
    """
    if optimizer.config["combine"] != "softmax":
        raise ValueError(
            f"combine={optimizer.config['combine']!r} has no lambda to learn. Take "
            'combine="softmax", or trusting(name, num_sources).'
        )
    frozen = [w for name, w in optimizer.named_parameters() if name != "alpha"]
    before = [w.requires_grad for w in frozen]
    for weight in frozen:
        weight.requires_grad_(False)
    try:
        return meta_train(optimizer, concurrent, lr=lr, **settings)
    finally:
        for weight, was in zip(frozen, before, strict=True):
            weight.requires_grad_(was)
