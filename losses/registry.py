"""Every loss by name: what command lines choose from, and what the README's table is made of."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from losses.infonce import clip, clip_sum, info_nce, nt_xent
from losses.pairs import Loss


@dataclass(frozen=True)
class Entry:
    """A loss of paired embeddings."""

    function: Callable[..., Tensor]
    """The function; its docstring has the formula, the shapes and the source."""
    value: str
    """The loss of a pair or an anchor, in a line."""
    source: str
    """Author, year, arXiv id."""
    equal_to: str = ""
    """What it is the same as, or differs from by a known factor."""
    state: Callable[[int], nn.Module] | None = None
    """Makes the module that keeps the loss's state, from the number of pairs; its forward takes `index` too."""

    @property
    def settings(self) -> dict[str, Any]:
        """Its own settings and their defaults, those of its paper."""
        shared = {"u", "v", "reduction", "batches", "group", "chunk_size", "ids", "negatives"}
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in shared and p.kind is p.KEYWORD_ONLY}


LOSSES: dict[str, Entry] = {
    "info_nce": Entry(info_nce, "-log p(v_i | u_i)", "van den Oord et al. 2018, 1807.03748"),
    "clip": Entry(clip, "mean of both directions", "Radford et al. 2021, 2103.00020"),
    "clip_sum": Entry(clip_sum, "sum of both directions", "Cho et al. 2024, 2307.05906"),
    "nt_xent": Entry(nt_xent, "all 2B anchors", "Chen et al. 2020, 2002.05709"),
}


def make_loss(name: str, *, temperature: float | None = None, n_pairs: int | None = None, **settings: Any) -> Loss:
    """The loss of this name with its settings bound: a function of paired embeddings.

    Args:
        name: One of `LOSSES`.
        temperature: tau, for those that have one; None for the default of its paper.
        n_pairs: Size of the training set, for the losses that keep an average for every pair.
        **settings: What else this loss takes.

    Raises:
        ValueError: If there is no such loss or setting, or the temperature is not positive.
    """
    if name not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {name!r}")
    entry = LOSSES[name]
    if temperature is not None and "temperature" in entry.settings:
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}; 0.02 to 0.5 is usual")
        settings["temperature"] = temperature
    for setting in settings:
        if setting not in entry.settings:
            raise ValueError(f"{name} has no {setting}; it takes {', '.join(entry.settings) or 'no settings'}")
    if entry.state is not None:
        if n_pairs is None:
            raise ValueError(f"{name} keeps an average for every pair and must know n_pairs, how many there are")
        return entry.state(n_pairs, **settings)
    return partial(entry.function, **settings)
