"""The 19 corruptions by name, and how they are applied to images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int, Num, UInt8

from vision.corruptions import blur, digital, noise, weather
from vision.corruptions.draws import Draws
from vision.corruptions.pictures import FOLDER, check_pictures, load_pictures
from vision.corruptions.recipes import RECIPES, Recipe
from vision.corruptions.spatter import opencv, spatter

_AT_ONCE = 512
"""Images whose values are held as float64 together."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A corruption of images."""

    family: Literal["noise", "blur", "weather", "digital"]
    apply: Callable[..., Num[np.ndarray, "n side side 3"]]
    """From images, constants and random numbers to values between 0 and 255."""
    standard: bool = True
    """One of the 15 that the mean corruption error is over; the other four are for validation."""
    needs: Literal["nothing", "pictures", "opencv"] = "nothing"


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(family="noise", apply=noise.gaussian_noise),
    "shot_noise": Corruption(family="noise", apply=noise.shot_noise),
    "impulse_noise": Corruption(family="noise", apply=noise.impulse_noise),
    "defocus_blur": Corruption(family="blur", apply=blur.defocus_blur),
    "glass_blur": Corruption(family="blur", apply=blur.glass_blur),
    "motion_blur": Corruption(family="blur", apply=blur.motion_blur),
    "zoom_blur": Corruption(family="blur", apply=blur.zoom_blur),
    "snow": Corruption(family="weather", apply=weather.snow),
    "frost": Corruption(family="weather", apply=weather.frost, needs="pictures"),
    "fog": Corruption(family="weather", apply=weather.fog),
    "brightness": Corruption(family="weather", apply=weather.brightness),
    "contrast": Corruption(family="digital", apply=digital.contrast),
    "elastic_transform": Corruption(family="digital", apply=digital.elastic_transform),
    "pixelate": Corruption(family="digital", apply=digital.pixelate),
    "jpeg_compression": Corruption(family="digital", apply=digital.jpeg_compression),
    "gaussian_blur": Corruption(family="blur", apply=blur.gaussian_blur, standard=False),
    "saturate": Corruption(family="digital", apply=digital.saturate, standard=False),
    "spatter": Corruption(family="weather", apply=spatter, standard=False, needs="opencv"),
    "speckle_noise": Corruption(family="noise", apply=noise.speckle_noise, standard=False),
}
"""In the published order: the 15 standard ones, and the four extra."""


def corrupt(
    images: UInt8[np.ndarray, "n side side 3"],
    name: str,
    severity: int,
    *,
    seed: int = 0,
    index: Int[np.ndarray, " n"] | None = None,
    recipe: Recipe | None = None,
    frost: Path | None = None,
) -> UInt8[np.ndarray, "n side side 3"]:
    """Corrupt images. Values are cut, not rounded, to bytes, as the published code does.

    The randomness of an image is a function of (seed, name, severity, its number) alone.

    Args:
        images: Red, green and blue.
        name: One of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: Of all that is random.
        index: Numbers of the images; None for 0, 1, 2, ...
        recipe: Constants; None for the published ones of this size, 32 or 64 pixels.
        frost: Folder of the pictures of frost; None for data/imagenet-c-frost.

    Raises:
        ValueError: If the name, the severity or the size is unknown, images are no bytes, numbers are not one for
            each image, or something that the corruption needs is absent.

    References:
        Hendrycks and Dietterich, 2019, Section 4.1 and Appendix B (the four extra), arXiv 1903.12261.
    """
    folder = frost if frost is not None else Path("data") / FOLDER
    check_known((name,), (severity,))
    check_images(images, index)
    check_needs((name,), folder)
    recipe = recipe or recipe_for(images.shape[1])
    if recipe.side != images.shape[1]:
        raise ValueError(
            f"a recipe's side must be that of the images, got {recipe.side} for images of {images.shape[1]}; "
            "take dataclasses.replace(recipe, side=...) where its constants shall hold for other images"
        )
    numbers = np.arange(len(images)) if index is None else index.astype(np.int64)
    corruption, constants = CORRUPTIONS[name], getattr(recipe, name)[severity - 1]
    given: dict[str, Any] = (
        {"pictures": load_pictures(folder, recipe.frost_scale)} if corruption.needs == "pictures" else {}
    )
    corrupted = np.empty_like(images)
    for begin in range(0, len(images), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        draws = Draws.of(seed, name, severity, numbers[part])
        corrupted[part] = np.uint8(corruption.apply(images[part], constants, draws, **given))
    return corrupted


def check_images(images: np.ndarray, index: np.ndarray | None) -> None:
    """Refuse what are no images, and numbers that are not one for each.

    Raises:
        ValueError: Saying what they must be.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (images.shape[1], images.shape[1], 3):
        raise ValueError(
            f"images must be uint8 [n, side, side, 3], got {images.dtype} {list(images.shape)}; "
            "bring the channels to the end, and values to 0..255"
        )
    if index is not None and index.shape != images.shape[:1]:
        raise ValueError(f"index must hold a number for each of the {len(images)} images, got {list(index.shape)}")


def recipe_for(side: int) -> Recipe:
    """The published constants for images of this side.

    Raises:
        ValueError: If none are published.
    """
    if side not in RECIPES:
        raise ValueError(
            f"constants are published for images of {' and '.join(map(str, RECIPES))} pixels, got {side}; "
            "resize the images, or pass a recipe of your own: dataclasses.replace(RECIPES[64], side=...)"
        )
    return RECIPES[side]


def check_known(names: tuple[str, ...], severities: tuple[int, ...]) -> None:
    """Refuse names and severities that do not exist.

    Raises:
        ValueError: Saying which do.
    """
    for name in names:
        if name not in CORRUPTIONS:
            raise ValueError(f"a corruption must be one of {', '.join(CORRUPTIONS)}, got {name!r}")
    for severity in severities:
        if severity not in range(1, 6):
            raise ValueError(f"a severity must be 1, 2, 3, 4 or 5, got {severity}")


def check_needs(names: tuple[str, ...], frost: Path) -> None:
    """Refuse corruptions that need what is absent.

    Raises:
        ValueError: Saying what it is, and where to get it.
    """
    needs = {CORRUPTIONS[name].needs for name in names}
    if "opencv" in needs:
        opencv()
    if "pictures" in needs:
        check_pictures(frost)
