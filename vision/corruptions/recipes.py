"""The constants of each corruption at its five severities, for images of 32 and of 64 pixels.

Both columns of numbers are those of the scripts that made CIFAR-10-C, CIFAR-100-C (32 pixels) and Tiny-ImageNet-C,
ImageNet-64x64-C (64 pixels, where the two share every constant). Another size is a `dataclasses.replace` away.

References:
    Hendrycks and Dietterich, 2019, Section 4.1 and Appendix B, arXiv 1903.12261. The numbers are not in the paper
    but in make_cifar_c.py and make_tinyimagenet_c.py of github.com/hendrycks/robustness (Apache-2.0).
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

_Constant = TypeVar("_Constant")
Five = tuple[_Constant, _Constant, _Constant, _Constant, _Constant]
"""One for each severity, 1 to 5."""


class Glass(NamedTuple):
    """Of glass_blur."""

    sigma: float
    """Of the Gaussian blur before and after, in pixels."""
    reach: int
    """Pixels come from -reach .. reach - 1 rows and columns away."""
    passes: int


class Defocus(NamedTuple):
    """Of defocus_blur, in pixels."""

    radius: float
    sigma: float
    """Of the Gaussian that softens the disk."""


class Motion(NamedTuple):
    """Of motion_blur, in pixels."""

    radius: float
    sigma: float


class Snow(NamedTuple):
    """Of snow."""

    mean: float
    std: float
    zoom: float
    threshold: float
    """Flakes are where the enlarged noise is above."""
    radius: float
    sigma: float
    """The flakes' motion blur, in pixels."""
    keep: float
    """How much of the image stays beside its brightened self."""


class Frost(NamedTuple):
    """Of frost: weights of the sum."""

    image: float
    frost: float


class Fog(NamedTuple):
    """Of fog."""

    strength: float
    decay: float
    """What random steps are divided by as the height map's grid is halved."""


class Spatter(NamedTuple):
    """Of spatter."""

    mean: float
    std: float
    sigma: float
    threshold: float
    """Liquid is where the blurred noise is above."""
    amount: float
    """Opacity of the deepest water; for mud the Gaussian blur of its edges, in pixels."""
    mud: bool


class Saturate(NamedTuple):
    """Of saturate: saturation becomes factor * saturation + shift."""

    factor: float
    shift: float


class Elastic(NamedTuple):
    """Of elastic_transform, as parts of the image's side."""

    strength: float
    sigma: float
    corner: float
    """How far the three points that fix the affine map may move, either way."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Constants for images of one size."""

    side: int
    """In pixels."""
    frost_scale: float
    """By which the pictures of frost are made smaller."""
    gaussian_noise: Five[float]
    """Standard deviation, where 1 is white."""
    shot_noise: Five[float]
    """Photons for white."""
    impulse_noise: Five[float]
    """Part of the values that become 0 or 1."""
    defocus_blur: Five[Defocus]
    glass_blur: Five[Glass]
    motion_blur: Five[Motion]
    zoom_blur: Five[float]
    """The largest zoom is below; they begin at 1 and are 0.01 apart, as `numpy.arange` counts them."""
    snow: Five[Snow]
    frost: Five[Frost]
    fog: Five[Fog]
    brightness: Five[float]
    """Added to the value of the HSV colour."""
    contrast: Five[float]
    """Factor of the distance from the mean."""
    elastic_transform: Five[Elastic]
    pixelate: Five[float]
    """Factor of the side."""
    jpeg_compression: Five[int]
    """Quality."""
    gaussian_blur: Five[float]
    """Standard deviation in pixels."""
    saturate: Five[Saturate]
    spatter: Five[Spatter]
    speckle_noise: Five[float]
    """Standard deviation, in parts of the pixel's value."""


_OF_32 = Recipe(
    side=32,
    frost_scale=0.2,
    gaussian_noise=(0.04, 0.06, 0.08, 0.09, 0.10),
    shot_noise=(500.0, 250.0, 100.0, 75.0, 50.0),
    impulse_noise=(0.01, 0.02, 0.03, 0.05, 0.07),
    defocus_blur=(Defocus(0.3, 0.4), Defocus(0.4, 0.5), Defocus(0.5, 0.6), Defocus(1.0, 0.2), Defocus(1.5, 0.1)),
    glass_blur=(Glass(0.05, 1, 1), Glass(0.25, 1, 1), Glass(0.4, 1, 1), Glass(0.25, 1, 2), Glass(0.4, 1, 2)),
    motion_blur=(Motion(6.0, 1.0), Motion(6.0, 1.5), Motion(6.0, 2.0), Motion(8.0, 2.0), Motion(9.0, 2.5)),
    zoom_blur=(1.06, 1.11, 1.16, 1.21, 1.26),
    snow=(
        Snow(0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.95),
        Snow(0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.9),
        Snow(0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.9),
        Snow(0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.85),
        Snow(0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.8),
    ),
    frost=(Frost(1.0, 0.2), Frost(1.0, 0.3), Frost(0.9, 0.4), Frost(0.85, 0.4), Frost(0.75, 0.45)),
    fog=(Fog(0.2, 3.0), Fog(0.5, 3.0), Fog(0.75, 2.5), Fog(1.0, 2.0), Fog(1.5, 1.75)),
    brightness=(0.05, 0.1, 0.15, 0.2, 0.3),
    contrast=(0.75, 0.5, 0.4, 0.3, 0.15),
    elastic_transform=(
        Elastic(0.0, 0.0, 0.08),
        Elastic(0.05, 0.2, 0.07),
        Elastic(0.08, 0.06, 0.06),
        Elastic(0.1, 0.04, 0.05),
        Elastic(0.1, 0.03, 0.03),
    ),
    pixelate=(0.95, 0.9, 0.85, 0.75, 0.65),
    jpeg_compression=(80, 65, 58, 50, 40),
    gaussian_blur=(0.4, 0.6, 0.7, 0.8, 1.0),
    saturate=(Saturate(0.3, 0.0), Saturate(0.1, 0.0), Saturate(1.5, 0.0), Saturate(2.0, 0.1), Saturate(2.5, 0.2)),
    spatter=(
        Spatter(0.62, 0.1, 0.7, 0.7, 0.5, False),
        Spatter(0.65, 0.1, 0.8, 0.7, 0.5, False),
        Spatter(0.65, 0.3, 1.0, 0.69, 0.5, False),
        Spatter(0.65, 0.1, 0.7, 0.69, 0.6, True),
        Spatter(0.65, 0.1, 0.5, 0.68, 0.6, True),
    ),
    speckle_noise=(0.06, 0.1, 0.12, 0.16, 0.2),
)

_OF_64 = Recipe(
    side=64,
    frost_scale=0.3,
    gaussian_noise=(0.04, 0.08, 0.12, 0.15, 0.18),
    shot_noise=(250.0, 100.0, 50.0, 30.0, 15.0),
    impulse_noise=(0.01, 0.02, 0.05, 0.08, 0.14),
    defocus_blur=(Defocus(0.5, 0.6), Defocus(1.0, 0.1), Defocus(1.5, 0.1), Defocus(2.5, 0.01), Defocus(3.0, 0.1)),
    glass_blur=(Glass(0.1, 1, 1), Glass(0.5, 1, 1), Glass(0.6, 1, 2), Glass(0.7, 2, 1), Glass(0.9, 2, 2)),
    motion_blur=(Motion(10.0, 1.0), Motion(10.0, 1.5), Motion(10.0, 2.0), Motion(10.0, 2.5), Motion(12.0, 3.0)),
    zoom_blur=(1.06, 1.11, 1.16, 1.21, 1.26),
    snow=(
        Snow(0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.8),
        Snow(0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.8),
        Snow(0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.7),
        Snow(0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.65),
        Snow(0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.6),
    ),
    frost=(Frost(1.0, 0.3), Frost(0.9, 0.4), Frost(0.8, 0.45), Frost(0.75, 0.5), Frost(0.7, 0.55)),
    fog=(Fog(0.4, 3.0), Fog(0.7, 3.0), Fog(1.0, 2.5), Fog(1.5, 2.0), Fog(2.0, 1.75)),
    brightness=(0.1, 0.2, 0.3, 0.4, 0.5),
    contrast=(0.4, 0.3, 0.2, 0.1, 0.05),
    elastic_transform=(
        Elastic(0.0, 0.0, 0.08),
        Elastic(0.05, 0.3, 0.06),
        Elastic(0.1, 0.08, 0.06),
        Elastic(0.1, 0.03, 0.03),
        Elastic(0.16, 0.03, 0.02),
    ),
    pixelate=(0.9, 0.8, 0.7, 0.6, 0.5),
    jpeg_compression=(65, 58, 50, 40, 25),
    gaussian_blur=(0.5, 0.75, 1.0, 1.25, 1.5),
    saturate=(Saturate(0.3, 0.0), Saturate(0.1, 0.0), Saturate(2.0, 0.0), Saturate(5.0, 0.1), Saturate(30.0, 0.2)),
    spatter=(
        Spatter(0.62, 0.1, 0.7, 0.7, 0.6, False),
        Spatter(0.65, 0.1, 0.8, 0.7, 0.6, False),
        Spatter(0.65, 0.3, 1.0, 0.69, 0.6, False),
        Spatter(0.65, 0.1, 0.7, 0.68, 0.6, True),
        Spatter(0.65, 0.1, 0.5, 0.67, 0.6, True),
    ),
    speckle_noise=(0.15, 0.2, 0.25, 0.3, 0.35),
)

RECIPES: dict[int, Recipe] = {recipe.side: recipe for recipe in (_OF_32, _OF_64)}
"""By side, in pixels."""
