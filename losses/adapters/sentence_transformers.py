"""Our losses in `SentenceTransformerTrainer` (sentence-transformers >= 6.2), with every model that it trains.

    loss = PairLoss(model, make_loss("dcl", temperature=0.05))
    SentenceTransformerTrainer(model, args, train_dataset=..., loss=loss).train()

The columns of the data set are anchor, positive and, for losses that take them, any number of negatives. A `label`
column of row numbers is for losses that keep something for every pair, and for `ids`:

    dataset = dataset.add_column("label", range(len(dataset)))
    PairLoss(model, make_loss("sogclr", n_pairs=len(dataset)))
    PairLoss(model, make_loss("info_nce"), ids=numbers)          # rows of one number are no negatives
    PairLoss(model, make_loss("info_nce"), chunk_size=32)        # the memory of 32 texts, whatever the batch

In several processes the trainer averages gradients, which is what losses with a `group` expect: made after the
training arguments, with `make_loss(..., group=torch.distributed.group.WORLD)`, the loss is that of the pairs of all
processes, and its gradient that of one process with all of them.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.distributed as dist
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from losses.numerics import in_full_precision
from losses.pairs import takes_index
from losses.registry import LOSSES, PAIR_LOSSES, Entry

try:
    from sentence_transformers.base.losses import CachedLossMixin, has_static_embedding_input
except ImportError as error:
    raise ImportError(
        "losses.adapters.sentence_transformers needs sentence-transformers >= 6.2; "
        'pip install "sentence-transformers[train]>=6.2"'
    ) from error

Features = dict[str, Any]


class PairLoss(CachedLossMixin, nn.Module):
    """One of our losses as a loss of sentence-transformers: forward(sentence_features, labels) -> a scalar.

    Embeddings become unit rows (as they are, for losses of raw embeddings) in float32, and the loss is computed in
    float32 under autocast, too. The trainer optimises parameters of the loss (a learned temperature) beside those
    of the model, but saves neither them nor running averages with its checkpoints: `loss_callback` of
    `losses.adapters.transformers` does.

    With `chunk_size`, value and gradient are those of the whole batch, up to rounding (GradCache), and so are
    those of parameters of the loss.

    Args:
        model: The `SentenceTransformer` that is trained.
        loss: Of paired embeddings: a function, what `make_loss` returns, or a module of yours that is called with
            (u, v), and with index=... if it has `takes_index`.
        chunk_size: Texts of each column that go through the model at a time, twice; None for whole columns.
        ids: A number for every row of the data set, which the `label` column numbers; or "label", if that column
            holds these numbers itself. Rows of one number are no negatives of each other; for `supcon` they are
            positives.
        normalise: Scale embeddings to unit length; None for all losses but those made for raw ones.

    Raises:
        ValueError: If the loss needs what a data set of pairs cannot give, takes no `ids`, or the chunks are
            refused; with the first batch, if its columns do not fit the loss.

    References:
        Gao et al., 2021, Section 3, arXiv 2101.06983 (GradCache).
    """

    numbers: Tensor | None

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Tensor],
        *,
        chunk_size: int | None = None,
        ids: Int[Tensor, " rows"] | Literal["label"] | None = None,
        normalise: bool | None = None,
    ) -> None:
        """See the class."""
        super().__init__()
        self.name, entry = _known(loss)
        self._options = _options(loss) if entry is None else entry.options
        if entry is not None and entry.needs:
            raise ValueError(f"{self.name} needs {entry.needs}; take one of {', '.join(PAIR_LOSSES)}")
        if ids is not None and not self._options & {"ids", "labels"}:
            raise ValueError(f"ids are for {_takers('ids')} and supcon, got {self.name}: leave them out")
        if isinstance(ids, str) and ids != "label":
            raise ValueError(f'ids must be numbers, or "label" for the label column, got {ids!r}')
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, got {chunk_size}; 32 is usual")
        if chunk_size is not None and has_static_embedding_input(model):
            raise ValueError("a StaticEmbedding has no rows to cut, got chunk_size; leave it out")
        self.model = model
        self.criterion = loss
        self.normalise = normalise if normalise is not None else entry is None or not entry.raw
        self.uses_gradient_cache = chunk_size is not None
        self.mini_batch_size = chunk_size or 0
        self.ids_are_labels = isinstance(ids, str)
        self.register_buffer("numbers", ids if isinstance(ids, Tensor) else None, persistent=False)
        self._slopes: list[tuple[Tensor | None, ...]] = []
        for parameter in self._own_parameters():
            parameter.register_hook(_mean_over_processes)

    @override
    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Float[Tensor, ""]:
        """The loss of a batch: a dictionary of inputs for each column, and the `label` column if there is one.

        Raises:
            ValueError: If columns are missing or not for this loss, or there are no row numbers and it needs them.
        """
        columns = list(sentence_features)
        self._check(len(columns), labels)
        if not self.uses_gradient_cache:
            return self.compute_loss_from_embeddings([self.model(x)["sentence_embedding"] for x in columns], labels)
        value = self.forward_cached(columns, labels)
        taken, self._slopes = self._slopes, []
        # The model's gradient flows when the trainer calls backward, times its factors; so shall the loss's own.
        for slopes in taken:
            for parameter, slope in zip(self._own_parameters(), slopes, strict=True):
                if slope is not None:
                    value = value + ((parameter - parameter.detach()) * slope).sum()
        return value

    def compute_loss_from_embeddings(
        self, embeddings: Sequence[Float[Tensor, "batch dim"]], labels: Tensor | None = None
    ) -> Float[Tensor, ""]:
        """The loss of the columns' embeddings as the model gives them."""
        self._check(len(embeddings), labels)
        with torch.autocast(embeddings[0].device.type, enabled=False):
            u, v, *more = (in_full_precision(x) for x in embeddings)
            if self.normalise:
                u, v, *more = (functional.normalize(x, dim=-1) for x in (u, v, *more))
            options = self._told(labels, u.device)
            if more:
                options["negatives"] = torch.cat(more)
            return self.criterion(u, v, **options)

    @override
    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Float[Tensor, ""]:
        """The loss of embeddings in chunks; `with_backward` leaves its gradient at them."""
        value = self.compute_loss_from_embeddings([torch.cat(chunks) for chunks in reps], labels)
        if not with_backward:
            return value
        parameters = self._own_parameters()
        if parameters:
            self._slopes.append(torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True))
        value.backward(inputs=[chunk for chunks in reps for chunk in chunks])
        return value.detach()

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card says of the loss."""
        settings = self.criterion.keywords if isinstance(self.criterion, partial) else vars(self.criterion)
        plain = {k: x for k, x in settings.items() if isinstance(x, str | int | float) and k[0] != "_"}
        config = {"loss": self.name} | {k: x for k, x in plain.items() if k != "training"}
        return config | {"chunk_size": self.mini_batch_size or None, "unit_embeddings": self.normalise}

    @property
    def citation(self) -> str:
        """BibTeX of the loss's source, for the model card."""
        found = (
            re.fullmatch(r"(.*?) (\d{4})(?:, (\S+))?", LOSSES[self.name].source) if self.name in LOSSES else None
        )
        if found is None:
            return ""
        author, year, paper = found.groups()
        fields = {"author": author, "title": f"The loss {self.name}", "year": year}
        if paper:
            fields |= {"eprint": paper, "archivePrefix": "arXiv", "url": f"https://arxiv.org/abs/{paper}"}
        lines = "\n".join(f"    {name} = {{{value}}}," for name, value in fields.items())
        return f"\n@misc{{{self.name},\n{lines}\n}}\n"

    def _own_parameters(self) -> list[nn.Parameter]:
        if not isinstance(self.criterion, nn.Module):
            return []
        return [p for p in self.criterion.parameters() if p.requires_grad]

    def _told(self, labels: Tensor | None, device: torch.device) -> dict[str, Any]:
        """What the loss is told of the batch beside its embeddings."""
        options: dict[str, Any] = {}
        if takes_index(self.criterion) and labels is not None:
            options["index"] = labels.to(device)
        if (self.ids_are_labels or self.numbers is not None) and labels is not None:
            ids = labels.to(device) if self.numbers is None else self.numbers.to(device)[labels.to(device)]
            options["ids" if "ids" in self._options else "labels"] = ids
        return options

    def _check(self, columns: int, labels: Shaped[Tensor, " batch"] | None) -> None:
        if columns < 2:
            raise ValueError(f"the data set must have columns of anchors and of positives, got {columns} column")
        if columns > 2 and "negatives" not in self._options:
            raise ValueError(
                f"{self.name} takes no negatives, got {columns} columns of texts; select the first two, or take "
                f"one of {_takers('negatives')}"
            )
        if columns > 3 and self.name == "triplet":
            raise ValueError(f"triplet takes one negative of each pair, got {columns - 2}; select three columns")
        needs = takes_index(self.criterion) or self.ids_are_labels or self.numbers is not None
        if needs and (labels is None or labels.is_floating_point()):
            raise ValueError(
                f"{self.name} asks for a label column of whole numbers, got "
                f"{'none' if labels is None else labels.dtype}; "
                'dataset = dataset.add_column("label", range(len(dataset))) numbers the rows'
            )
        if takes_index(self.criterion) and _world_size() > 1 and getattr(self.criterion, "group", self) is None:
            raise ValueError(
                f"{self.name} remembers every pair, and must in all {_world_size()} processes alike, got no group; "
                "make_loss(..., group=torch.distributed.group.WORLD), after the training arguments"
            )


def _known(loss: Callable[..., Tensor]) -> tuple[str, Entry | None]:
    """The loss's name, and what is known of it if it is one of ours."""
    function: Any = loss.func if isinstance(loss, partial) else type(loss) if isinstance(loss, nn.Module) else loss
    for name, entry in LOSSES.items():
        if entry.function is function:
            return name, entry
    return getattr(function, "__name__", type(loss).__name__), None


def _options(loss: Callable[..., Tensor]) -> frozenset[str]:
    """What a loss of somebody else's may be told of the batch: what it has a parameter for."""
    return frozenset(inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters)


def _takers(option: str) -> str:
    return ", ".join(name for name in PAIR_LOSSES if option in LOSSES[name].options)


def _world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _mean_over_processes(slope: Tensor) -> Tensor:
    """What DistributedDataParallel does for the model, and nobody for parameters of a loss."""
    if _world_size() == 1:
        return slope
    total = slope.clone()
    dist.all_reduce(total)
    return total / _world_size()
