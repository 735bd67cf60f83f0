"""Learn whom to trust: lambda alone, on a shipped LSTM that stays as it is.

lambda = softmax(alpha) weighs the gradients of K sources before the LSTM reads them:

    d = sum over k of lambda_k d_k

Only alpha, K numbers, is trained, by the same meta-loss as ever. That takes seconds.
"""

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
