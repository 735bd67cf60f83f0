"""What a picture is compared by: fixed random filters, or the layers of VGG-19.

``features(images)`` gives (maps for the style, a map for the content). Of each map for
the style its Gram matrix is compared, which knows what goes together, but not where:

    G_jk = mean over the pixels of  map_j map_k

Random filters need no download: one layer of convolutions of several sizes at once,
rectified. Their content map is the picture itself, blurred. VGG-19 is the network of
the paper; it needs torchvision, and 548 MB once.

Source: Gatys, Ecker and Bethge 2015 (arXiv 1508.06576); Ustyuzhaninov, Brendel, Gatys
and Bethge 2016 (arXiv 1606.00021) for random filters of many sizes.
Left out: pooling pyramids, which leave a grid in the picture.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SIZES = (3, 5, 7, 11)  # pixels; larger ones cost time and change nothing visible


class RandomFilters(nn.Module):
    """ReLU of fixed random convolutions of several sizes, all in one map.

    Arguments: filters, how many of each size; sizes, odd, in pixels; the seed.

    >>> maps, content = RandomFilters(filters=2)(torch.rand(1, 3, 16, 16))
    >>> [m.shape for m in maps]
    [torch.Size([1, 8, 16, 16])]
    """

    def __init__(self, filters: int = 12, sizes=SIZES, seed: int = 0):
        super().__init__()
        if filters < 1:
            raise ValueError(f"filters={filters}: give at least 1 of each size.")
        if not sizes or any(size < 1 or size % 2 == 0 for size in sizes):
            raise ValueError(f"sizes={sizes}: filters have an odd number of pixels.")
        self.filters, self.sizes, self.seed = filters, tuple(sizes), seed
        self.least = max(sizes) // 2 + 1  # pixels a side, for the reflection
        generator = torch.Generator().manual_seed(seed)
        for size in self.sizes:
            weight = 2 * torch.rand(filters, 3, size, size, generator=generator) - 1
            weight = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
            self.register_buffer(f"weight{size}", weight)

    def __repr__(self):
        return f"RandomFilters(filters={self.filters}, sizes={self.sizes})"

    def forward(self, images: Float[Tensor, "batch 3 height width"]):
        """([maps [batch, channels, height, width]], the images, a little blurred)."""
        shifted, maps = images - 0.5, []
        for size in self.sizes:
            padded = F.pad(shifted, [size // 2] * 4, mode="reflect")
            maps.append(F.conv2d(padded, getattr(self, f"weight{size}")).relu())
        return [torch.cat(maps, 1)], blur(images)


class VGG19(nn.Module):
    """The layers of VGG-19 that Gatys et al. compare, trained on ImageNet.

    Needs torchvision, which is no dependency of the kit, and downloads the weights
    once. Raises ValueError where either cannot be had.
    """

    STYLE = (1, 6, 11, 20, 29)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
    CONTENT = 22  # relu4_2
    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self):
        super().__init__()
        self.layers = _vgg19_layers()[: max(self.STYLE) + 1].eval()
        self.requires_grad_(False)
        for name, values in (("mean", self.MEAN), ("std", self.STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        self.least = 16  # four poolings

    def __repr__(self):
        return "VGG19()"

    def forward(self, images: Float[Tensor, "batch 3 height width"]):
        """(the maps of the five style layers, that of the content layer)."""
        maps, x = {}, (images - self.mean) / self.std
        for k, layer in enumerate(self.layers):
            x = layer(x)
            maps[k] = x
        return [maps[k] for k in self.STYLE], maps[self.CONTENT]


FEATURES = {"random": RandomFilters, "vgg19": VGG19}


def _vgg19_layers() -> nn.Sequential:
    """torchvision's layers with their trained weights."""
    try:
        from torchvision import models
    except ImportError:
        raise ValueError(
            'features="vgg19" needs torchvision, which is not installed. Run "pip '
            'install torchvision" (the version that belongs to your torch), or take '
            'features="random", which needs nothing.'
        ) from None
    try:
        return models.vgg19(weights=models.VGG19_Weights.IMAGENET1K_V1).features
    except (OSError, RuntimeError) as error:
        raise ValueError(
            "The weights of VGG-19 (548 MB) could not be downloaded or read "
            f"({str(error).splitlines()[0]}). Check the network and try again, or take "
            'features="random", which needs no download.'
        ) from None


def gram(maps: Float[Tensor, "batch channels height width"]):
    """G [batch, channels, channels]: the mean product of every two maps.

    >>> gram(torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])).tolist()
    [[[5.0, 1.0], [1.0, 2.0]]]
    """
    flat = maps.flatten(2)  # [batch, channels, pixels]
    return flat @ flat.mT / flat.shape[2]


def blur(images: Float[Tensor, "batch channels height width"], sigma: float = 1.0):
    """Gaussian blur of ``sigma`` pixels: along rows, then columns; edges reflect."""
    reach = math.ceil(2 * sigma)
    line = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = (-(line**2) / (2 * sigma**2)).exp()
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1, 1)  # [c, 1, 1, n]
    padded = F.pad(images, [reach] * 4, mode="reflect")
    rows = F.conv2d(padded, kernel, groups=images.shape[1])
    return F.conv2d(rows, kernel.mT, groups=images.shape[1])
