"""How strong the random changes of a view are."""

from dataclasses import dataclass
from typing import Literal, get_args

Policy = Literal["none", "autoaugment", "randaugment", "trivialaugment"]

_RANGES = {
    "flip": (0.0, 1.0),
    "jitter": (0.0, 1.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "grey": (0.0, 1.0),
    "blur": (0.0, 1.0),
    "solarize": (0.0, 1.0),
}
"""The least and the greatest value of what can be switched off by 0."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strong the random changes are; all zero but `min_area` 1 shows the image as it is.

    The changes come in this order: policy (in the place of the colours and of the grey), crop, flip, colours, grey,
    blur, solarisation.

    The defaults are those of Cho et al. (2024, arXiv 2307.05906) except for the blur, which recipes for images of
    32 pixels leave out. Their code blurs every view, at 224 pixels, with Pillow's blur (a Gaussian approximated by
    running means, of radius 0.1 to 2): `blur=1` is the nearest to it here, with a true Gaussian.
    """

    min_area: float = 0.08
    """Smallest part of the image's area that a crop may show, in (0, 1]."""
    max_aspect: float = 4 / 3
    """Largest ratio of a crop's sides before it is made square again, at least 1."""
    flip: float = 0.5
    """Probability of mirroring left to right."""
    jitter: float = 0.8
    """Probability that colours change."""
    brightness: float = 0.4
    """Colours change by a factor within 1 - brightness .. 1 + brightness, in [0, 1]."""
    contrast: float = 0.4
    """The same for the distance from the mean grey, in [0, 1]."""
    saturation: float = 0.2
    """The same for the distance from grey, in [0, 1]."""
    hue: float = 0.1
    """Largest turn of the hue either way; 0.5 is half the colour circle."""
    grey: float = 0.2
    """Probability of taking all colour away."""
    blur: float = 0.0
    """Probability of blurring; SimCLR takes 0.5."""
    blur_sigma_min: float = 0.1
    """Least standard deviation of the blur, in pixels of the view."""
    blur_sigma_max: float = 2.0
    """Greatest standard deviation of the blur; the Gaussian is cut off at about a tenth of the view's side."""
    solarize: float = 0.0
    """Probability of inverting what is brighter than half of white; BYOL takes 0.2 for one view of two."""
    policy: Policy = "none"
    """Changes of torchvision that replace jitter and grey: autoaugment, randaugment, trivialaugment. One image at a
    time on the CPU, about four times slower."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.min_area <= 1:
            raise ValueError(f"min_area must lie in (0, 1], got {self.min_area}; SimCLR takes 0.08")
        if not 1 <= self.max_aspect < float("inf"):
            raise ValueError(f"max_aspect must be at least 1, got {self.max_aspect}; SimCLR takes 4/3")
        for name, (least, greatest) in _RANGES.items():
            if not least <= getattr(self, name) <= greatest:
                raise ValueError(
                    f"{name} must lie between {least:g} and {greatest:g}, got {getattr(self, name)}; "
                    "0 switches it off"
                )
        if not 0 < self.blur_sigma_min <= self.blur_sigma_max < float("inf"):
            raise ValueError(
                "blur_sigma_min must be positive and at most blur_sigma_max, got "
                f"{self.blur_sigma_min} and {self.blur_sigma_max}; SimCLR takes 0.1 and 2"
            )
        if self.policy not in get_args(Policy):
            raise ValueError(f"policy must be one of {', '.join(get_args(Policy))}, got {self.policy!r}")
