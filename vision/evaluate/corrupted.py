"""Retrieval with corrupted images: does noise, blur or weather hide what a picture shows?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from losses import positive_ranks, recall_at
from vision.augmentation import Augmentation, two_views
from vision.data import Corruptions, Images
from vision.evaluate.features import check_finite, embeddings, evaluating
from vision.evaluate.result import Result
from vision.model import Encoder

_VIEWS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class _OnCorruptions(Result):
    dataset: str
    recomputed: bool
    """The corruptions are not the published files, but made by their recipe."""
    corruptions: tuple[str, ...]
    n_corruptions: int
    severity: int
    n_images: int
    size: int


@dataclass(frozen=True, kw_only=True)
class AmongCorruptions(_OnCorruptions):
    """Fractions in [0, 1] of the views whose nearest, among the same image's corruptions, is their partner."""

    MEASURED: ClassVar[tuple[str, ...]] = ("recall_at_1", "u_to_v", "v_to_u")

    u_to_v: float
    v_to_u: float
    augmentation: Augmentation
    seed: int
    """Of the views."""
    protocol: str = "two augmented views of each corruption, top-1 among the corruptions of one image"

    @property
    def recall_at_1(self) -> float:
        """The mean of both directions; guessing scores 1 / number of corruptions."""
        return (self.u_to_v + self.v_to_u) / 2


def among_corruptions(
    encoder: Encoder,
    corrupted: Corruptions,
    clean: Images,
    *,
    severity: int,
    augmentation: Augmentation,
    size: int,
    seed: int,
    rows: Int64[Tensor, " n_images"] | None = None,
) -> AmongCorruptions:
    """The corrupted retrieval of Cho et al.: which corruption of this image is this a view of?

    Of each image, each of its C corruptions at one severity is augmented twice, and a first view asks for its
    partner among the C second views of the same image; then the other way round. It rewards an encoder that tells
    corruptions apart, which robustness does not.

    Args:
        encoder: Gives unit rows; normalisation layers use their running statistics.
        corrupted: At least two corruptions.
        clean: Tells the mean and the standard deviation by which images are normalised.
        severity: Of the corruptions.
        augmentation: Of the views, that of training.
        size: Of the views, in pixels.
        seed: Of the views.
        rows: Which images; None for all.

    Raises:
        ValueError: If there is no such severity, or only one corruption.

    References:
        Cho et al., 2024, Section 6 and the code's `corrupted_top1_accuracy`, arXiv 2307.05906.
    """
    check_corrupted(corrupted, severity=severity)
    rows = torch.arange(corrupted.n) if rows is None else rows
    loaded = [corrupted.load(name, severity) for name in corrupted.names]
    found = []
    with evaluating(encoder):
        for part in rows.split(max(1, _VIEWS_AT_ONCE // len(loaded))):
            u, v = _two_embeddings(encoder, loaded, part, clean, augmentation=augmentation, size=size, seed=seed)
            scores = torch.einsum("icd,ikd->ick", u, v)
            found.append(torch.stack([_finds_own(scores), _finds_own(scores.mT)]))
    u_to_v, v_to_u = torch.cat(found, dim=1).double().mean((1, 2)).tolist()
    return AmongCorruptions(
        u_to_v=u_to_v,
        v_to_u=v_to_u,
        augmentation=augmentation,
        seed=seed,
        **_measured_on(corrupted, severity, rows, size),
    )


@dataclass(frozen=True, kw_only=True)
class AcrossCorruption(_OnCorruptions):
    """Fractions in [0, 1] of the images that find themselves among all images, corrupted another way."""

    MEASURED: ClassVar[tuple[str, ...]] = ("recall_at_1", "to_corrupted", "from_corrupted", "by_corruption")

    to_corrupted: float
    """The clean image asks; the mean over corruptions. So with other corruptions where no image is clean."""
    from_corrupted: float
    """The corrupted image asks."""
    by_corruption: dict[str, float]
    """The mean of both directions of each."""
    asked: str
    """By what, and for what."""
    protocol: str = "unaugmented, top-1 among all images"

    @property
    def recall_at_1(self) -> float:
        """The mean of both directions; guessing scores 1 / n_images."""
        return (self.to_corrupted + self.from_corrupted) / 2


def across_corruption(
    encoder: Encoder,
    corrupted: Corruptions,
    clean: Images,
    *,
    severity: int,
    size: int,
    rows: Int64[Tensor, " n_images"] | None = None,
) -> AcrossCorruption:
    """Does a clean image find its corrupted version among those of all images, and the other way round?

    Nothing is augmented. Where no clean image is known of a corrupted one (the published Tiny-ImageNet-C, whose
    file names are those of other pictures in Tiny ImageNet), each corruption asks each other one instead.

    Args:
        encoder: Gives unit rows; normalisation layers use their running statistics.
        corrupted: Some corruptions.
        clean: The whole test split of which the first ones are corrupted, and how images are normalised.
        severity: Of the corruptions.
        size: To which images are resized, in pixels.
        rows: Which images; None for all.

    Raises:
        ValueError: If there is no such severity, or the clean images are not those that were corrupted.

    Cost: C n^2 dim multiplications for C corruptions, and C - 1 times as many without clean images.
    """
    check_corrupted(corrupted, severity=severity, clean=clean)
    rows = torch.arange(corrupted.n) if rows is None else rows

    def embedded(pixels: Tensor) -> Tensor:
        return embeddings(encoder, clean, size=size, pixels=pixels[rows.to(pixels.device)])

    points = {name: embedded(corrupted.load(name, severity)) for name in corrupted.names}
    if corrupted.aligned:
        reference = embedded(clean.pixels)
        recalls = {name: (_recall(reference, x), _recall(x, reference)) for name, x in points.items()}
        asked = "clean and corrupted"
    else:
        recalls = _all_against_all(points)
        asked = "one corruption and another, for want of clean images"
    to, back = (fmean(pair[i] for pair in recalls.values()) for i in (0, 1))
    return AcrossCorruption(
        to_corrupted=to,
        from_corrupted=back,
        by_corruption={name: sum(pair) / 2 for name, pair in recalls.items()},
        asked=asked,
        **_measured_on(corrupted, severity, rows, size),
    )


def check_corrupted(corrupted: Corruptions, *, severity: int, clean: Images | None = None) -> None:
    """Refuse what cannot be measured.

    Raises:
        ValueError: See `among_corruptions` and `across_corruption`.
    """
    if severity not in corrupted.severities:
        there = ", ".join(map(str, corrupted.severities))
        raise ValueError(f"severity must be one of {there} for {corrupted.dataset}, got {severity}")
    if len(corrupted.names) < 2:
        raise ValueError(
            f"retrieval among corruptions needs at least two of them, got {', '.join(corrupted.names) or 'none'}"
        )
    if clean is None or not corrupted.aligned:
        return
    side = clean.pixels.shape[-1]
    if (clean.name, side) != (corrupted.dataset, corrupted.side) or len(clean) < corrupted.n:
        raise ValueError(
            f"clean images must be the {corrupted.n} of the test split of {corrupted.dataset} at {corrupted.side} "
            f"pixels, got {len(clean)} of {clean.name} at {side}; pass the whole split, and `rows` for some of it"
        )


def _measured_on(corrupted: Corruptions, severity: int, rows: Int64[Tensor, " n"], size: int) -> dict[str, Any]:
    """For the record."""
    return {
        "dataset": corrupted.dataset,
        "recomputed": corrupted.recomputed,
        "corruptions": corrupted.names,
        "n_corruptions": len(corrupted.names),
        "severity": severity,
        "n_images": len(rows),
        "size": size,
    }


def _two_embeddings(
    encoder: Encoder,
    loaded: Sequence[UInt8[Tensor, "n 3 side side"]],
    rows: Int64[Tensor, " images"],
    clean: Images,
    **settings: Any,
) -> tuple[Float[Tensor, "images n_corruptions dim"], Float[Tensor, "images n_corruptions dim"]]:
    """Of the two views of every corruption of these images; every one has random numbers of its own."""
    device = next(encoder.parameters()).device
    pixels = torch.stack([images[rows] for images in loaded], dim=1).flatten(0, 1).to(device)
    index = (rows[:, None] * len(loaded) + torch.arange(len(loaded))).flatten().to(device)
    mean, std = clean.mean.to(device), clean.std.to(device)
    views = two_views(pixels, index, mean=mean, std=std, purpose="corrupted", counter=0, **settings)
    u, v = (encoder(view).unflatten(0, (len(rows), len(loaded))) for view in views)
    check_finite(torch.cat([u, v]))
    return u, v


def _finds_own(scores: Float[Tensor, "images n n"]) -> Bool[Tensor, "images n"]:
    """Whether the diagonal's entry is the largest of its row; ties count against it."""
    return (scores >= scores.diagonal(dim1=1, dim2=2)[..., None]).sum(-1) == 1


def _recall(queries: Float[Tensor, "n dim"], documents: Float[Tensor, "n dim"]) -> float:
    return recall_at(positive_ranks(queries, documents), 1)


def _all_against_all(points: dict[str, Float[Tensor, "n dim"]]) -> dict[str, tuple[float, float]]:
    """Of each corruption: how well it is found by the others, and finds them; means over the others."""
    found = {(a, b): _recall(points[a], points[b]) for a, b in permutations(points, 2)}

    def mean(name: str, side: int) -> float:
        return fmean(recall for pair, recall in found.items() if pair[side] == name)

    return {name: (mean(name, 1), mean(name, 0)) for name in points}
