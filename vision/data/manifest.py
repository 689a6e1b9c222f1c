"""What a folder of corrupted images says of itself, and which corruptions it must hold.

A recomputed set has a manifest.json, written before its first corruption and after each:

    recomputed    true
    dataset, n, side, severities, seed
    asked         the corruptions that are to be made
    corruptions   those that are finished

A published set has none, and must hold the 15 standard corruptions. Whoever wants others, or fewer, puts a
manifest.json beside them: {"dataset": "cifar100", "asked": ["fog", "snow"]}.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
STANDARD = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""Those that every published set has, in the published order."""
EXTRA = ("gaussian_blur", "saturate", "spatter", "speckle_noise")
"""Those that CIFAR-10-C and CIFAR-100-C have, too."""


def read_manifest(folder: Path, dataset: str, *, needed: bool) -> dict[str, Any]:
    """What a set says of itself; empty where it says nothing and need not.

    Raises:
        ValueError: If it says nothing and must, or it cannot be read, or is of another data set.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if needed:
            raise ValueError(
                f"{folder} must have a {MANIFEST}, which is written first: it is damaged; remove it, and run "
                f"`python -m vision.corruptions {dataset} --data {folder.parent}`"
            )
        return {}
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, but cannot be read ({error}); remove {folder}") from error
    if manifest.get("dataset") != dataset:
        raise ValueError(
            f"{path} must be of dataset {dataset!r}, got {manifest.get('dataset')!r}; remove {folder} or rename it"
        )
    return manifest


def complete_names(folder: Path, dataset: str, there: Sequence[str], manifest: dict[str, Any]) -> tuple[str, ...]:
    """The corruptions of a set that is whole.

    Args:
        folder: Of the set.
        dataset: That it is of.
        there: Corruptions whose files are there.
        manifest: What the set says of itself. Where it does not say what is asked for, the standard ones are.

    Raises:
        ValueError: If some that are asked for are missing.
    """
    asked, finished = manifest.get("asked"), manifest.get("corruptions", there)
    missing = [name for name in asked or STANDARD if name not in finished]
    if not missing:
        return tuple(asked or finished)
    if manifest.get("recomputed"):
        raise ValueError(
            f"{folder} must hold all corruptions that were asked for, but {', '.join(missing)} are not made yet; "
            f"give the same command again, or `{_remaking(folder, missing, manifest)}`"
        )
    wanted = "corruptions that its manifest asks for" if asked else "standard corruptions"
    raise ValueError(
        f"{folder} must hold the {len(asked or STANDARD)} {wanted}, but "
        f"{', '.join(missing)} are missing; unpack it again, or say in {folder / MANIFEST} which ones are meant: "
        + json.dumps({"dataset": dataset, "asked": list(finished)})
    )


def _remaking(folder: Path, names: Sequence[str], manifest: dict[str, Any]) -> str:
    """The command that makes these."""
    words = [manifest["dataset"], "--data", folder.parent, "--n", manifest["n"]]
    words += ["--severities", *manifest["severities"], "--seed", manifest["seed"]]
    words += ["--side", manifest["side"]] if manifest["dataset"] == "folder" else []
    return " ".join(map(str, ["python -m vision.corruptions", *words, "--names", *names]))
