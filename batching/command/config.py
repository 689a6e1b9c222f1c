"""What `python -m batching` is asked for, and how its command line reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from batching.cli import cli
from batching.files import check_new
from batching.methods import METHODS
from batching.registry import SELECTIONS, canonical_name
from losses import PAIR_LOSSES

EVERY = "all-methods"
_UNSET: dict[str, Any] = {
    "loss": "clip",
    "candidates": None,
    "walk_candidates": 1000,
    "keep": 1,
    "batches_per_pool": None,
    "neighbours": 16,
    "window_start": 0,
    "pool_factor": 4.0,
    "teacher": (),
    "reference": (),
}
"""Defaults of the settings that only some methods heed."""


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """Choose batches for the pairs in a file, and write them down for any trainer."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE]")]
    """The pairs' embeddings: pairs.npz or pairs.pt with u, v [N, dim] and perhaps label, index [N], or u.npy v.npy,
    which are mapped and need not fit into memory."""
    selection: str
    """A method by name or alias; or all-methods, to compare all that fit the sizes."""
    batch_size: int
    """Pairs in a batch."""
    temperature: float = 0.1
    """Of the loss by which batches are chosen, and of the hardness in the table."""
    seed: int = 0
    """Of all that is random."""
    epoch: int = 0
    """Which epoch's batches; where a plan holds several epochs, which plan."""
    out: Path | None = None
    """Where to write the plan, an .npz file; for all-methods a folder of such files. None to print the table
    alone."""
    overwrite: bool = False
    """Replace files that exist."""

    label: Path | None = None
    """A .npy file of labels, where the pairs' own file has none."""
    index: Path | None = None
    """A .npy file of the pairs' own numbers, in which the plan then is written."""
    normalise: bool = False
    """Divide rows by their length; without it rows that have not unit length are refused."""

    loss: Annotated[str, tyro.conf.arg(help=f"For osgd, ordered, rho: one of {', '.join(PAIR_LOSSES)}.")] = "clip"
    candidates: int | None = None
    """For osgd: random batches to score; None for all that there are."""
    walk_candidates: int = 1000
    """For walk: random pairs for each pair, of which a tenth, the nearest, are its neighbours."""
    keep: int = 1
    """For osgd: how many of the candidates, those of largest loss, to keep."""
    batches_per_pool: int | None = None
    """For methods that cut pools: batches made from one pool; None for one pool of all pairs."""
    neighbours: int = 16
    """For graphs of nearest neighbours: edges of each pair."""
    window_start: int = 0
    """For graph and communities: nearest neighbours that are skipped."""
    pool_factor: float = 4.0
    """For methods that pick each batch from a pool of its own: size of the pool, in batches."""
    teacher: tuple[Path, ...] = ()
    """Pairs as above, to plan by instead of these."""
    reference: tuple[Path, ...] = ()
    """For rho and jest: the same pairs as a reference model embeds them."""

    communities: int | None = None
    """Groups of near pairs that are joined at random to a batch; None for the method's own, mostly 1."""
    random_fraction: float = 0.0
    """Part of each batch that is dealt anew at random, 0 to 1."""
    refresh: int = 1
    """Times that a plan is used, in new orders: so many epochs of batches are written."""
    apart: tuple[Literal["label", "index"], ...] = ()
    """Keep pairs of the same label, or of the same index, apart."""
    max_similarity: float | None = None
    """Keep pairs apart if one's positive is so near to the other's anchor as its own, 0.95 for instance."""
    skip_nearest: int = 0
    """Keep each pair apart from so many nearest others."""

    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """CPU threads; None for torch's choice."""

    def check(self) -> None:
        """Refuse what cannot work, before any file is read; not by `__post_init__`, whose errors tyro dresses up.

        Raises:
            ValueError: With requirement, received values and a remedy.
        """
        for name, least in (("batch_size", 1), ("epoch", 0), ("threads", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature must be positive and finite, got {self.temperature}; 0.05 to 0.5 is usual"
            )
        for name in self.names:
            if self.out is not None:
                check_new(self.target(name), self.inputs, overwrite=self.overwrite)
        if self.selection != EVERY:
            self._check_heeded(self.names[0])

    def _check_heeded(self, name: str) -> None:
        """Refuse settings that would do nothing."""
        heeded = METHODS[name].heeds
        if self.max_similarity is not None or self.skip_nearest:
            heeded += ("teacher",)  # similar by whom
        for setting, default in _UNSET.items():
            if setting not in heeded and getattr(self, setting) != default:
                others = [other for other, method in METHODS.items() if setting in method.heeds]
                raise ValueError(f"{name} takes no {setting}; leave it out, or choose one of {', '.join(others)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The methods, under this project's names."""
        return SELECTIONS if self.selection == EVERY else (canonical_name(self.selection),)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that are read."""
        alone = tuple(path for path in (self.label, self.index) if path is not None)
        return (*self.files, *self.teacher, *self.reference, *alone)

    def target(self, name: str) -> Path:
        """Where the plan of this method goes."""
        assert self.out is not None
        if self.selection == EVERY and self.out.suffix == ".npz":
            raise ValueError(f"{EVERY} writes a file for each method: --out must be a folder, got {self.out}")
        return self.out / f"{name}.npz" if self.selection == EVERY else self.out


def parse(arguments: Sequence[str]) -> PlanConfig:
    """The configuration of a command line."""
    return cli(PlanConfig, arguments, prog="python -m batching", description=_DESCRIPTION)


_DESCRIPTION = (
    "Choose batches for the pairs whose embeddings are in a file, write them to another, say how hard they are. "
    f"Methods: {', '.join(SELECTIONS)}. `python -m batching --list` tells what each does."
)
