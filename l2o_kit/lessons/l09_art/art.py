"""Neural art: theta is a picture, f how far it is from a content in a style.

    f(theta) = style_weight S + content_weight C + tv_weight TV + range_weight R

    S    the squared distance of the Gram matrices from the style's, over that of the
         colour-matched content's, so that S = 1 where nothing was painted yet
    C    the squared distance of the content maps, over their variance
    TV   the mean absolute difference between neighbouring pixels
    R    the mean squared amount by which a pixel leaves [0, 1]

The content is first given the style's colours: the mean and the covariance of its
pixels. Without that, random filters push colours to the edge and the picture is noise.

Every problem draws a content and a style of its own. theta is red, green, blue, each
row after row, 3 height width numbers; it starts as the colour-matched content with a
little noise.

Source: Andrychowicz et al. 2016, section 3.4; Gatys, Ecker and Bethge 2015 (arXiv
1508.06576), and 2016 (arXiv 1606.05897) for matching colours.
Left out: several styles in one picture.
"""

import copy
import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit.lessons.l09_art import photographs, styles
from l2o_kit.lessons.l09_art.features import FEATURES, gram
from l2o_kit.optimizees import Problem

Picture = Float[Tensor, "3 _height _width"]
Pictures = Float[Tensor, "batch 3 _height _width"]
FLOOR = 1e-3  # of a variance: what has none, an empty sky, divides by this


class StyleTransfer:
    """Pictures to paint: a content each, in a style each.

    Arguments:
        style: the name of one or several (``styles.names()``), or pictures.
        content: "train", "validation" or "test", from where squares of the shipped
            photographs are cut; or one or several pictures of one size.
        size: pixels a side of those squares; a picture keeps its own size.
        content_weight, style_weight, tv_weight, range_weight: of the four terms.
        start, noise: theta_0 is the colour-matched "content" or "grey", plus normal
            noise of this standard deviation.
        features: "random", "vgg19", or a module as those of ``features.py``.

    Example: ``StyleTransfer("mosaic", size=64).sample(2, generator).theta0``
    """

    def __init__(
        self,
        style=styles.KNOWN,
        content="train",
        *,
        size: int = 64,
        content_weight=0.05,
        style_weight=1.0,
        tv_weight=0.2,
        range_weight=10.0,
        start: str = "content",
        noise=0.02,
        features="random",
    ):
        self.weights = {
            "style": style_weight,
            "content": content_weight,
            "tv": tv_weight,
            "range": range_weight,
        }
        _check(self.weights, start, noise)
        self.start, self.noise, self.features = start, noise, _features(features)
        self.style_names, self.styles = _styles(style)
        self.content = content if isinstance(content, str) else _pictures(content)
        if isinstance(content, str):
            photographs.regions(content)  # an unknown split shows now
            self.shape = (3, size, size)
        else:
            self.shape = tuple(self.content[0].shape)
        if min(self.shape[1:]) < self.features.least:
            raise ValueError(
                f"A picture of {self.shape[1]} x {self.shape[2]} pixels is too small: "
                f"these features need {self.features.least} a side."
            )
        self.coords = self.shape[0] * self.shape[1] * self.shape[2]
        self.grams = self._style_grams()

    def __repr__(self):
        where = self.content if isinstance(self.content, str) else "given pictures"
        return (
            f"StyleTransfer({where} in {', '.join(self.style_names)}; "
            f"{self.shape[1]}x{self.shape[2]} from {self.start}, noise {self.noise:g}; "
            f"{self.features}, {_numbers(self.weights)}; theta has {self.coords:,} "
            "coordinates)"
        )

    def sample(self, batch: int, generator, dtype=torch.float32) -> "Painting":
        """Draw content, style and theta_0 of ``batch`` pictures, in this dtype."""
        drawn = torch.randint(len(self.styles), (batch,), generator=generator).tolist()
        contents = [
            match_colours(self._draw_content(generator), self.styles[k]) for k in drawn
        ]
        content = torch.stack(contents)
        grams = [layer[drawn] for layer in self.grams]
        theta0 = content if self.start == "content" else torch.full_like(content, 0.5)
        theta0 = theta0 + self.noise * torch.randn(content.shape, generator=generator)
        return Painting(self, content, grams, theta0.flatten(1), dtype)

    def _draw_content(self, generator) -> Picture:
        if isinstance(self.content, str):
            return photographs.crop(self.content, self.shape[1], generator)
        k = torch.randint(len(self.content), (), generator=generator)
        return self.content[int(k)]

    @torch.no_grad()
    def _style_grams(self) -> list[Tensor]:
        """Of each layer, the Gram matrices of all styles: [styles, c, c]."""
        each = [[gram(m)[0] for m in self.features(s[None])[0]] for s in self.styles]
        return [torch.stack(layer) for layer in zip(*each, strict=True)]


class Painting(Problem):
    """``batch`` pictures in the making; content is the colour-matched one."""

    def __init__(
        self,
        transfer: StyleTransfer,
        content: Pictures,
        grams,
        theta0,
        dtype=torch.float32,
    ):
        self.shape, self.weights = transfer.shape, transfer.weights
        self.content, self.theta0 = content.to(dtype), theta0.to(dtype)
        self.features = _copy(transfer.features, dtype)
        self.grams = [layer.to(dtype) for layer in grams]
        self._measure()

    @torch.no_grad()
    def _measure(self):
        """What S and C are relative to."""
        maps, self.content_map = self.features(self.content)
        distances = self._style_distances(maps)
        least = [FLOOR * g.square().sum((1, 2)) for g in self.grams]
        self.scales = [
            torch.maximum(far, floor).clamp(min=1e-30)  # a layer may be all zero
            for far, floor in zip(distances, least, strict=True)
        ]
        spread = self.content_map.var((2, 3), correction=0).sum(1)
        self.spread = spread.clamp(min=FLOOR) * self.content_map[0, 0].numel()

    def images(self, theta: Float[Tensor, "batch coords"]) -> Pictures:
        """theta as pictures to look at, within [0, 1]."""
        return theta.detach().view(-1, *self.shape).clamp(0, 1)

    def terms(self, theta: Float[Tensor, "batch coords"]) -> dict[str, Tensor]:
        """S, C, TV and R, before their weights: name -> [batch]."""
        images = theta.view(-1, *self.shape)
        maps, content_map = self.features(images)
        distances = zip(self._style_distances(maps), self.scales, strict=True)
        style = torch.stack([distance / scale for distance, scale in distances])
        content = (content_map - self.content_map).square().sum((1, 2, 3))
        outside = images - images.clamp(0, 1)
        return {
            "style": style.mean(0),
            "content": content / self.spread,
            "tv": total_variation(images),
            "range": outside.square().mean((1, 2, 3)),
        }

    def loss(self, theta, minibatch=None):
        """The weighted sum of the terms: [batch]."""
        terms = self.terms(theta)
        return sum(self.weights[name] * terms[name] for name in terms)

    def to(self, device) -> "Painting":
        """Move everything; the pictures that share the features keep theirs."""
        super().to(device)
        self.grams = [g.to(device) for g in self.grams]
        self.scales = [s.to(device) for s in self.scales]
        self.features = _copy(self.features, device)
        return self

    def _style_distances(self, maps) -> list[Tensor]:
        """Of each layer, |G - G_style|^2: [batch]."""
        pairs = zip(maps, self.grams, strict=True)
        return [(gram(m) - g).square().sum((1, 2)) for m, g in pairs]


def total_variation(images: Pictures) -> Float[Tensor, "batch"]:
    """The mean absolute difference between neighbours, its corner a little rounded."""

    def mean(steps):
        return (steps.square() + 1e-6).sqrt().mean((1, 2, 3))

    return mean(images.diff(dim=2)) + mean(images.diff(dim=3))


def match_colours(content: Picture, style: Picture) -> Picture:
    """The content in the style's colours: their mean and covariance.

    Of the linear maps between the two covariances it takes the one that moves colours
    least (that of optimal transport), so that what was light stays light.
    """
    a, b = content.flatten(1).double(), style.flatten(1).double()  # [3, pixels]
    root = _root(_covariance(a))
    inverse = torch.linalg.inv(root)
    middle = _root(root @ _covariance(b) @ root)
    moved = inverse @ middle @ inverse @ (a - a.mean(1, keepdim=True))
    matched = moved + b.mean(1, keepdim=True)
    return matched.clamp(0, 1).to(content.dtype).view_as(content)


def _covariance(pixels: Float[Tensor, "3 pixels"]):
    """Of the colours; a little noise is added, so that grey can be turned round."""
    centred = pixels - pixels.mean(1, keepdim=True)
    eye = torch.eye(3, dtype=pixels.dtype, device=pixels.device)
    return centred @ centred.T / pixels.shape[1] + FLOOR * eye


def _root(matrix: Float[Tensor, "3 3"]):
    """The symmetric square root of a symmetric, positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def _check(weights: dict, start: str, noise):
    for name, value in weights.items():
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"{name}_weight={value}: a weight is a number of at least 0."
            )
    if not any(weights.values()):
        raise ValueError("All four weights are 0: there is nothing to optimize.")
    if start not in ("content", "grey"):
        raise ValueError(f'start={start!r}: use "content" or "grey".')
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise={noise}: the size of noise cannot be negative.")


def _features(features):
    """A module by its name, or the module itself."""
    if not isinstance(features, str):
        return features
    if features not in FEATURES:
        raise ValueError(
            f"features={features!r} is not known. Use one of {list(FEATURES)}."
        )
    return FEATURES[features]()


def _styles(style) -> tuple[list[str], list[Picture]]:
    """(names, pictures) of one style or several, by name or as pictures."""
    several = list(style) if isinstance(style, list | tuple) else [style]
    if not several:
        raise ValueError("style is empty. Give at least one name or picture.")
    names = [s if isinstance(s, str) else "a picture" for s in several]
    pictures = [styles.style(s) if isinstance(s, str) else s for s in several]
    for picture in pictures:
        _check_picture(picture)
    return names, pictures


def _pictures(content) -> list[Picture]:
    """One picture or several of one size, checked."""
    several = list(content) if isinstance(content, list | tuple) else [content]
    if not several:
        raise ValueError("content is empty. Give a split's name or a picture.")
    for picture in several:
        _check_picture(picture)
    shapes = sorted({tuple(picture.shape[1:]) for picture in several})
    if len(shapes) > 1:
        raise ValueError(
            f"The contents have several sizes, {shapes}. Bring them to one, for "
            "instance with photographs.square(picture, 64)."
        )
    return several


def _check_picture(picture):
    """A float tensor [3, height, width] with numbers in [0, 1]."""
    shape = list(getattr(picture, "shape", []))
    if not isinstance(picture, Tensor) or len(shape) != 3 or shape[0] != 3:
        raise ValueError(
            "A picture is a tensor [3, height, width], and this is a "
            f"{type(picture).__name__} {shape}. photographs.open_picture makes one of "
            "a file."
        )
    if not picture.is_floating_point():
        raise ValueError(
            f"This picture is {picture.dtype}; its numbers must be real, from 0 to 1. "
            "Use picture.float() / 255."
        )
    if not (picture.min() >= 0 and picture.max() <= 1):  # NaN is refused too
        raise ValueError(
            f"This picture's numbers are {float(picture.min()):.3g} to "
            f"{float(picture.max()):.3g}; they must be from 0 to 1. Divide by 255, or "
            "clamp."
        )


def _numbers(weights: dict) -> str:
    return " ".join(f"{name} {value:g}" for name, value in weights.items())


def _copy(module, where):
    """A module in another type or on another device; itself where nothing changes."""
    tensor = next(itertools.chain(module.buffers(), module.parameters()))
    same = where in (tensor.dtype, tensor.device)
    return module if same else copy.deepcopy(module).to(where)


def neural_art() -> StyleTransfer:
    """Neural art: pictures in a mosaic or in waves, of contents never trained on."""
    return StyleTransfer(content="validation")


def neural_art_training() -> StyleTransfer:
    """The same, of contents from the training regions."""
    return StyleTransfer(content="train")
