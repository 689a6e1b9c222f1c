"""What a synthetic study is made of, and how its command line reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Annotated, Any, Literal

import tyro

from batching import ALIASES, SELECTIONS, canonical_name, make_selection
from batching.cli import cli
from losses import PAIR_LOSSES, Loss, make_loss
from theory import LOSS_NAMES

PUBLISHED = ("fixed", "shuffled", "full", "all", "osgd", "spectral")
"""The selections of the study by Cho et al."""
_SELECTIONS = f"Selection rules: {', '.join(SELECTIONS)}; or by other names: {', '.join(ALIASES)}."
_PROVED = tuple(name for name in PAIR_LOSSES if name in LOSS_NAMES)


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """Contrastive learning with the embeddings themselves as parameters.

    Every selection starts from the same embeddings for a seed, and many seeds run side by side as one tensor.
    The defaults are the settings of Cho et al., 2024, arXiv 2307.05906: temperature 1, both directions added,
    plain gradient descent with learning rate 0.5 on raw Gaussian vectors that the forward pass normalises.
    """

    n_pairs: Annotated[int, tyro.conf.arg(aliases=["--N"])] = 8
    """Number of pairs, N."""
    dim: Annotated[int, tyro.conf.arg(aliases=["--d"])] = 16
    """Dimension of the embeddings, d. For every loss here the optimum is known where N <= d + 1, for some also
    where N = 2d or d = 2; `python -m theory N d` says which."""
    batch_sizes: Annotated[tuple[int, ...], tyro.conf.arg(aliases=["--batch-size-list"])] = (2,)
    """Batch sizes, B; each makes a run of its own."""
    selections: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--batch-selections"], help=_SELECTIONS)] = (
        PUBLISHED
    )
    n_steps: Annotated[int, tyro.conf.arg(aliases=["--num-steps"])] = 1000
    """Steps. For full and all a step is one update, for the others an epoch of N/B updates."""
    learning_rate: Annotated[float, tyro.conf.arg(aliases=["--lr-full"])] = 0.5
    """Of plain gradient descent."""
    log_every: Annotated[int, tyro.conf.arg(aliases=["--logging-step"])] = 100
    """Steps between two points of the curves."""
    equal_init: bool = False
    """Start with v = u."""
    grad_accum: bool = False
    """Add the gradients of a plan and take one update with them: a step of osgd is then one update instead of
    N/B, and an epoch of the partitions counts as one (on disjoint batches it moves the same)."""
    loss: Literal[_PROVED] = "clip_sum"  # pyright: ignore[reportInvalidTypeForm]
    """Loss of a batch, of those with a proved optimum to be measured against; clip_sum is that of Cho et al."""
    temperature: float = 1.0
    """Temperature of the loss and of the spectral weights."""
    seeds: int = 64
    """How many replicates."""
    first_seed: int = 0
    """Replicates have the seeds first_seed, first_seed + 1, ...; each result depends on its own seed alone."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of the embeddings."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 1
    """CPU threads. The problems are so small that more only wait for each other; worth raising for N in the
    hundreds."""
    figures: bool = True
    """Draw heat maps and curves into the run folder."""
    out: str = ""
    """Run folder; by default runs/synthetic/<sizes>-<time>. Several batch sizes make one folder each inside."""
    overwrite: bool = False
    """Discard a finished run in that folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        _at_least("n_pairs (--N)", self.n_pairs, 2)
        _at_least("dim (--d)", self.dim, 1)
        _at_least("n_steps (--num_steps)", self.n_steps, 1)
        _at_least("log_every (--logging_step)", self.log_every, 1)
        _at_least("seeds", self.seeds, 1)
        _at_least("threads", self.threads, 1)
        for name, value in (("learning_rate (--lr_full)", self.learning_rate), ("temperature", self.temperature)):
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not self.selections or not self.batch_sizes:
            raise ValueError("at least one batch size and one selection are needed, got none; name some")
        names = [canonical_name(name) for name in self.selections]
        for values, what in ((names, "selections"), (self.batch_sizes, "batch sizes")):
            if len(set(values)) < len(values):
                raise ValueError(f"{what} must differ from each other, got {', '.join(map(str, values))}")
        for size in self.batch_sizes:
            if not 2 <= size <= self.n_pairs or self.n_pairs % size:
                divisors = [b for b in range(2, self.n_pairs + 1) if self.n_pairs % b == 0]
                raise ValueError(
                    f"a batch size must divide the number of pairs and be at least 2, got {size} for "
                    f"{self.n_pairs} pairs; possible are {', '.join(map(str, divisors))}"
                )
            for name in names:
                self.selection(name).check(self.n_pairs, size)
            if "all" in names and comb(self.n_pairs, size) > 10_000_000:
                raise ValueError(
                    f"'all' takes at most 10,000,000 batches at each update, got C({self.n_pairs}, {size}) = "
                    f"{comb(self.n_pairs, size):,}; leave it out or take smaller sizes"
                )

    def selection(self, name: str) -> Any:
        """The rule of this name, with this study's loss and temperature."""
        return make_selection(
            name, loss=self.loss_function(), temperature=self.temperature, pool_factor=2.0, neighbours=8
        )

    def loss_function(self) -> Loss:
        """The loss of this study, its temperature bound."""
        return make_loss(self.loss, temperature=self.temperature)

    @property
    def names(self) -> tuple[str, ...]:
        """The selections under this project's names."""
        return tuple(canonical_name(name) for name in self.selections)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def parse(arguments: Sequence[str]) -> SyntheticConfig:
    """The configuration of a command line."""
    return cli(SyntheticConfig, arguments, prog="synthetic.py", description=_DESCRIPTION)


_DESCRIPTION = (
    "Train free embeddings with every selection rule and compare with the proved optimum. Names of the original "
    f"code keep working: {', '.join(ALIASES)}."
)
