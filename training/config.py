"""What every training run of an encoder is made of, whatever it encodes, checked as soon as it is written down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from hashlib import sha256
from math import comb
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

import torch
import tyro
from jaxtyping import Int
from torch import Tensor, nn

from batching import ALIASES, SELECTIONS, Embed, Guards, Selection, canonical_name, make_selection, settings_in
from batching.files import PairFile, read_pairs
from losses import PAIR_LOSSES, Loss, make_loss
from losses.distributed import Group
from training.record import from_json, parsed_settings

Replan = Literal["epoch", "pool"]
SelectionName = Annotated[
    str,
    tyro.conf.arg(
        help=f"Which pairs meet in a batch: {', '.join(SELECTIONS)}; or by other names: {', '.join(ALIASES)}."
    ),
]
LossName = Annotated[str, tyro.conf.arg(help=f"What is minimised: {', '.join(PAIR_LOSSES)}.")]

Ranges = dict[str, tuple[float, float]]
Config = TypeVar("Config")
UNBOUNDED = float("inf")
_MOST_PAIRS_AT_ONCE = 16_384
"""In one update; more would not fit into memory, or never end."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Which pairs meet, what is minimised on them, and for how long.

    An experiment extends it: with its data and its encoder, with a default for what has none here (the command
    line then shows the help below), with more `RANGES`, and with checks of its own in `__post_init__`.
    """

    RANGES: ClassVar[Ranges] = {
        "candidates": (1, UNBOUNDED),
        "batches_per_pool": (1, UNBOUNDED),
        "pool_factor": (1, UNBOUNDED),
        "neighbours": (1, UNBOUNDED),
        "walk_candidates": (1, UNBOUNDED),
        "window_start": (0, UNBOUNDED),
        "communities": (1, UNBOUNDED),
        "random_fraction": (0, 1),
        "refresh": (1, UNBOUNDED),
        "max_similarity": (0, 1),
        "skip_nearest": (0, UNBOUNDED),
        "batch_size": (2, UNBOUNDED),
        "encode_batch_size": (1, UNBOUNDED),
        "updates": (1, UNBOUNDED),
        "learning_rate": (0, UNBOUNDED),
        "warmup": (0, 1),
        "weight_decay": (0, UNBOUNDED),
        "log_every": (1, UNBOUNDED),
        "checkpoint_every": (0, UNBOUNDED),
    }
    """The least and the greatest value of the settings that have them; None is allowed where the type has it."""
    NOT_RECORDED: ClassVar[tuple[str, ...]] = ("out", "overwrite", "tensorboard")
    """Settings that change where results go, and not what they are."""
    USUAL_TEMPERATURES: ClassVar[str]
    """The remedy for a temperature that is not positive."""

    selection: SelectionName = "shuffled"
    candidates: int | None
    """For osgd: random batches to score; None for all that there are."""
    keep: int
    """For osgd: how many of them, those of largest loss, to train on."""
    batches_per_pool: int | None
    """For partitions (spectral, balanced, kmeans, graph, communities, bandwidth, matching, spread) and
    pooled-design: batches made from one pool of pairs; None for one pool of all (pooled-design: B)."""
    walk_candidates: int = 1000
    """For walk: random pairs for each pair, of which a tenth, the nearest, are its neighbours."""
    replan: Replan = "epoch"
    """For partitions: form all batches at the start of an epoch, or pool by pool with the weights of then."""
    neighbours: int = 16
    """For graph, communities, bandwidth, and matching in large pools: edges of each pair."""
    window_start: int = 0
    """For graph and communities: nearest neighbours that get no edge."""
    pool_factor: float = 4.0
    """For ordered, rho, jest and effective-rank: pairs from which a batch is picked, in batches."""
    teacher: Path | None = None
    """For partitions, clusters and guards by similarity: a file of a teacher's embeddings of the training pairs, in
    their order, to plan by instead of the current ones; .npz or .pt, as `python -m batching` reads them."""
    reference: Path | None = None
    """For rho and jest: a file of a reference model's embeddings."""
    communities: int | None = None
    """Batches of B / communities pairs that are joined at random to one batch; None for the method's own way."""
    random_fraction: float = 0.0
    """Part of each batch, from 0 to 1, that is dealt anew at random."""
    refresh: int = 1
    """Times that a plan is used, in new orders, before the next is made; a partition's are epochs."""
    max_similarity: float | None = None
    """Pairs never share a batch if one is as near to the other as this part of its positive; 0.95 is usual."""
    skip_nearest: int = 0
    """Pairs never share a batch with so many of their nearest."""

    loss: LossName
    loss_settings: tuple[str, ...] = ()
    """Settings of the loss beside its temperature: gamma=0.5 for sogclr, sigma=0.3 for dclw; `python -m losses`
    lists them."""
    temperature: float
    """Of the loss where it has one, of the scores by which batches are chosen, and of the logged diagnostics."""
    batch_size: int
    """Pairs in a batch."""
    encode_batch_size: int | None = None
    """Pairs that go through the encoder at a time in training. A larger batch then needs the memory of so few, has
    the same gradient (but for batch normalisation, which sees the few), and takes one forward pass more. None for
    whole batches."""
    updates: int | None
    """How long to train."""
    learning_rate: float
    """Peak of the learning rate; it ends at 0 along half a cosine."""
    warmup: float
    """Part of the updates, from 0 to 1, in which the learning rate rises to its peak."""
    weight_decay: float
    """Of all weights; under lars of those alone that are no bias and no part of a normalisation."""

    seed: int = 0
    """Of the weights, of the batches and of all else that is random."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    log_every: int
    """Updates between two lines of metrics.jsonl."""
    checkpoint_every: int
    """Updates between two checkpoints; 0 for none."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard too, into the folder tensorboard of the run."""
    out: Path | None = None
    """Folder of the run; an unfinished run there is continued. runs/KIND/PRESET-SELECTION-TIME if left out."""
    overwrite: bool = False
    """Discard a run that is in the folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is read or built."""
        object.__setattr__(self, "selection", canonical_name(self.selection))
        for field in fields(self):
            value = getattr(self, field.name)
            choices = get_args(field.type)
            if get_origin(field.type) is Literal and value not in choices:
                raise ValueError(f"{field.name} must be one of {', '.join(choices)}, got {value!r}")
            lowest, highest = self.RANGES.get(field.name, (-UNBOUNDED, UNBOUNDED))
            if field.name in self.RANGES and value is not None and not lowest <= value <= highest:
                bounds = f"at least {lowest}" if highest == UNBOUNDED else f"from {lowest} to {highest}"
                usual = "leave it out" if field.default is None else f"the default is {field.default}"
                raise ValueError(f"{field.name} must be {bounds}, got {value}; {usual}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; {self.USUAL_TEMPERATURES}")
        self.rule()

    def check_sizes(self, n_pairs: int) -> None:
        """Refuse a number of training pairs that cannot be trained on.

        Raises:
            ValueError: If the selection cannot plan for so many, or an update would take too many of them.
        """
        for name in ("teacher", "reference"):
            path: Path | None = getattr(self, name)
            if path is not None and (found := _read(path, path.stat().st_mtime).n_pairs) != n_pairs:
                raise ValueError(
                    f"{name} must hold the embeddings of the {n_pairs} training pairs, got {found} in {path}"
                )
        self.rule().check(n_pairs, self.batch_size)
        if self.selection == "all":
            at_once = comb(n_pairs, self.batch_size) * self.batch_size
        else:
            at_once = n_pairs if self.selection == "full" else self.batch_size
            at_once = min(at_once, self.encode_batch_size or at_once)
        if at_once > _MOST_PAIRS_AT_ONCE:
            raise ValueError(
                f"an update may take at most {_MOST_PAIRS_AT_ONCE:,} pairs, but {self.selection!r} with batch_size "
                f"{self.batch_size} takes {at_once:,} of {n_pairs:,}; lower n_pairs or batch_size, set "
                "encode_batch_size, or use 'shuffled'"
            )

    def loss_function(
        self, n_pairs: int, device: torch.device | str = "cpu", *, group: Group | None = None
    ) -> Loss:
        """The loss with its settings bound; a module, with its state on the device, where it keeps one.

        Args:
            n_pairs: Size of the training set.
            device: Of the embeddings.
            group: Processes that share each batch.
        """
        settings = parsed_settings(self.loss_settings)
        loss = make_loss(self.loss, temperature=self.temperature, n_pairs=n_pairs, group=group, **settings)
        return loss.to(device) if isinstance(loss, nn.Module) else loss

    def scoring_loss(self) -> Loss:
        """What batches and pairs are scored with by rules that do so: the loss.

        For a loss with a state it is nt_xent, as in the code of Cho et al. (2024, arXiv 2307.05906).
        """
        loss = self.loss_function(2)  # the number of pairs matters to losses with a state alone
        return make_loss("nt_xent", temperature=self.temperature) if isinstance(loss, nn.Module) else loss

    def rule(self, labels: Int[Tensor, " n_pairs"] | None = None, *, group: Group | None = None) -> Selection:
        """The selection rule with its settings.

        Args:
            labels: Those of the pairs, if the ones of a class are to be kept apart.
            group: Processes that share the work of planning.
        """
        others = {
            "loss": self.scoring_loss(),
            # Pools that are planned together are shared out; a single one would be one process's alone.
            "group": group if self.replan == "epoch" and self.batches_per_pool is not None else None,
            "guards": Guards(labels=labels, max_similarity=self.max_similarity, skip_nearest=self.skip_nearest),
            "teacher": _embeddings_in(self.teacher),
            "reference": _embeddings_in(self.reference),
        }
        return make_selection(self.selection, **settings_in(self, **others))

    def record(self) -> dict[str, Any]:
        """Everything that the result depends on, ready for JSON; `from_record` is the way back."""
        kept = asdict(self)
        for name in self.NOT_RECORDED:
            kept.pop(name, None)
        for name in ("teacher", "reference"):
            if (path := kept[name]) is not None:
                kept[f"{name}_sha256"] = sha256(path.read_bytes()).hexdigest()
        return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}

    @classmethod
    def from_record(cls: type[Config], record: Mapping[str, Any]) -> Config:
        """The configuration that gave this record, as config.json of a run has it.

        Raises:
            ValueError: If it has settings that there are no longer.
        """
        of_the_run = {name for name in record if name.endswith("_sha256")} | {"processes"}
        return from_json(cls, {name: value for name, value in record.items() if name not in of_the_run})


def _embeddings_in(path: Path | None) -> Embed | None:
    return None if path is None else _read(path, path.stat().st_mtime if path.exists() else 0.0).embed


@lru_cache(maxsize=4)
def _read(path: Path, modified: float) -> PairFile:  # noqa: ARG001 (a file that has changed is read again)
    """The pairs of a file, which is looked through once however often a rule is made."""
    return read_pairs([path], normalise=True)
