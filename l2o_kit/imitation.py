"""Imitation: a teacher, Adam, whose updates draw the learned optimizer's to them.

The teacher reads the same gradients, on the roll-out of the learned optimizer, and says
what it would do, u_t. Beside the meta-loss there is then

    pull * sum over t of  |g_t - u_t|^2 / |u_t|^2,

whose derivative with respect to g_t, 2 pull (g_t - u_t) / |u_t|^2, adds to A_t. It is
for the beginning, when a random rule knows nothing: the pull falls to 0 over the run.

Source: Chen et al. 2020 (arXiv 2010.09089), who also imitate on the teacher's own
roll-outs, which is left out; Adam: Kingma and Ba 2015.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit import ranks

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Teacher:
    """Adam at a learning rate, which says what it would do and moves nothing.

    Arguments: the rate; a weight of phi, for device and type; how many coordinates.
    """

    def __init__(self, lr: float, like: Tensor, coords: int):
        self.lr, self.zeros = lr, like.detach().new_zeros(coords)
        self.reset()

    def reset(self):
        """A roll-out begins."""
        self.m, self.v, self.t = self.zeros.clone(), self.zeros.clone(), 0

    @torch.no_grad()
    def see(self, grads: Float[Tensor, "coords"]):
        """The gradient at theta_t."""
        self.m.lerp_(grads, 1 - BETAS[0])
        self.v.lerp_(grads.square(), 1 - BETAS[1])
        self.t += 1

    def update(self) -> Float[Tensor, "coords"]:
        """What Adam would do now, u_t."""
        m = self.m / (1 - BETAS[0] ** self.t)
        v = self.v / (1 - BETAS[1] ** self.t)
        return -self.lr * m / (v.sqrt() + EPSILON)

    @torch.no_grad()
    def pull(self, update: Float[Tensor, "coords"]) -> Float[Tensor, "coords"]:
        """The derivative of |g - u|^2 / |u|^2 at g = update."""
        mine = self.update()
        size = mine.square().sum()  # |u|^2
        ranks.add_up([size])
        return 2 * (update - mine) / size.clamp(min=torch.finfo(mine.dtype).tiny)

    def kept(self) -> dict[str, Tensor]:
        """The moments, from which ``go_on`` goes on; [coords] each."""
        return {"m": self.m, "v": self.v}

    def go_on(self, kept: dict[str, Tensor], t: int):
        """Go on from the moments after t gradients."""
        self.t = t
        for name, mine in self.kept().items():
            mine.copy_(kept[name])
