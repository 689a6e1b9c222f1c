"""The losses that `theory` knows, and what can be set of each beside its temperature."""

import math
from typing import Any

from theory.formulas.family import FAMILY
from theory.formulas.potentials import kernel_potential

SETTINGS: dict[str, dict[str, Any]] = {name: {} for name in FAMILY} | {
    "kcl": {"kernel": "gaussian", "parameter": 2.0, "gamma": 16.0},
    "align_uniform": {"alpha": 2.0, "t": 2.0, "weight": 1.0},
    "supcon": {"n_classes": None, "base_temperature": None},
    "siglip": {"bias": -10.0},
    "nce": {"log_noise": None},
    "spectral_contrastive": {},
}
"""Settings and their defaults. `n_classes` of `supcon`, C, stands for labels: N / C consecutive pairs are a class,
None makes every pair its own. `log_noise` of `nce` is one number; None is -log B."""

NO_ENTRY = {
    **dict.fromkeys(("n_pair", "vicreg", "barlow_twins"), "is made for embeddings of any length, not unit vectors"),
    **dict.fromkeys(("cosent", "angle"), "needs scores of the pairs"),
    **dict.fromkeys(("sogclr", "moco"), "depends on what earlier batches left behind, not on the embeddings alone"),
    "dclw": "has weights that carry no gradient, so that training minimises no value (dcl is without them)",
    **dict.fromkeys(
        ("hcl", "debiased"),
        "weighs its negatives and cuts them off below, and no minimum is known (nt_xent is without)",
    ),
    "arc_margin": "has a margin on the positive, for which no minimum is known (info_nce is margin 0)",
    **dict.fromkeys(
        ("triplet", "contrastive"), "has a margin beyond which nothing matters: many embeddings are optimal"
    ),
    "alignment": "has no negatives: every u = v has the minimum, 0",
}
"""Losses of the package that have no entry, and why."""


def chosen_settings(loss: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a loss, with defaults for what is not given.

    Raises:
        ValueError: if there is no such loss or setting, or one is out of its range.
    """
    if loss not in SETTINGS:
        why = f": {loss} {NO_ENTRY[loss]}" if loss in NO_ENTRY else ""
        raise ValueError(f"loss must be one of {', '.join(SETTINGS)}; received {loss!r}{why}")
    for name in settings:
        if name not in SETTINGS[loss]:
            known = ", ".join(SETTINGS[loss]) or "none beside the temperature"
            raise ValueError(f"{loss} has no setting {name}; its settings are: {known}")
    chosen = SETTINGS[loss] | settings
    for name, value in chosen.items():
        _check(name, value)
    if loss == "kcl":
        kernel_potential(chosen["kernel"], chosen["parameter"])
    return chosen


def _check(name: str, value: Any) -> None:
    if name == "kernel" or value is None:
        return
    if name == "n_classes":
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(f"n_classes must be a whole number of at least 1, received {value}")
        return
    if not (isinstance(value, int | float) and math.isfinite(value)):
        raise ValueError(f"{name} must be one finite number, received {value}")
    if name in ("alpha", "t", "base_temperature") and value <= 0:
        raise ValueError(f"{name} must be positive, received {value}")
    if name == "t" and not 1e-6 <= value <= 1e6:
        raise ValueError(f"t must lie between 1e-6 and 1e6, received {value}; 2 is usual")
    if name in ("gamma", "weight") and value < 0:
        raise ValueError(f"{name} must not be negative, received {value}")
