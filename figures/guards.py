"""How the same selection is told apart by its knobs, in a short word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_POOLS = frozenset(
    ("spectral", "balanced", "kmeans", "graph", "communities", "bandwidth", "matching", "spread"),
)
_PICKED = frozenset(("effective-rank", "ordered", "rho", "jest"))

KNOBS: dict[str, Any] = {
    "apart_labels": False,
    "apart_ids": False,
    "max_similarity": None,
    "skip_nearest": 0,
    "communities": None,
    "random_fraction": 0.0,
    "refresh": 1,
    "teacher": None,
    "reference": None,
    "neighbours": 16,
    "window_start": 0,
    "pool_factor": 4.0,
    "walk_candidates": 1000,
}
"""Settings of selections that have the same default in every preset, and that default."""

PRESET_KNOBS = ("candidates", "keep", "batches_per_pool", "replan")
"""Settings of selections whose default depends on the preset."""

HEEDED: dict[str, frozenset[str]] = {
    "replan": _POOLS,
    "neighbours": frozenset(("graph", "communities", "bandwidth", "matching")),
    "window_start": frozenset(("graph", "communities")),
    "pool_factor": _PICKED,
    "walk_candidates": frozenset(("walk",)),
    "candidates": frozenset(("osgd",)),
    "keep": frozenset(("osgd",)),
    "batches_per_pool": _POOLS | {"pooled-design"},
}
"""The selections that heed a knob; those that are not listed here all do. Elsewhere it may stand at any value."""


def heeds(selection: str, knob: str) -> bool:
    """Whether this selection depends on this knob; one that is not known yet is taken to."""
    return knob not in HEEDED or selection in HEEDED[knob]


def guards_word(settings: Mapping[str, Any]) -> str:
    """The knobs that are not at their default: "" or "apart_labels", "communities=4", "refresh=2 teacher=clip"."""
    words = []
    for name, default in KNOBS.items():
        value = settings.get(name, default)
        if value == default or value is None or not heeds(settings.get("selection", ""), name):
            continue
        words.append(name if value is True else f"{name}={_short(name, value)}")
    return " ".join(words)


def _short(name: str, value: Any) -> str:
    if name in ("teacher", "reference"):
        return Path(value).stem
    return f"{value:g}" if isinstance(value, float) else str(value)
