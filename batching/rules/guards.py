"""Guards against false negatives: which pairs must not meet in a batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from batching.algorithms.neighbours import nearest
from batching.embeddings import Embeddings, checked


@dataclass(frozen=True, eq=False)
class Guards:
    """Two pairs must not share a batch if any of these says so.

    Args:
        labels: Classes of all pairs: those of one class are kept apart.
        ids: The same for another label: numbers of the documents or images, so that duplicates are kept apart.
        max_similarity: r: pairs are kept apart if one's positive is nearly as near to the other's anchor as its
            own, max(u_i.v_j, v_i.u_j) > s - (1 - r) |s|, s = u_i.v_i. NV-Retriever's (Moreira et al., 2024,
            arXiv 2407.15831) is 0.95.
        skip_nearest: p: each pair is kept apart from its p nearest (by (u + v) / |u + v|), as B3 skips the first
            ranks (Thirukovalluru et al., 2025, arXiv 2505.11293).

    Raises:
        ValueError: If max_similarity is not in (0, 1], or skip_nearest negative.
    """

    labels: Int[Tensor, " n_pairs"] | None = None
    ids: Int[Tensor, " n_pairs"] | None = None
    max_similarity: float | None = None
    skip_nearest: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.max_similarity is not None and not 0 < self.max_similarity <= 1:
            raise ValueError(f"max_similarity must lie in (0, 1], got {self.max_similarity}; 0.95 is usual")
        if self.skip_nearest < 0:
            raise ValueError(f"skip_nearest must be at least 0, got {self.skip_nearest}")

    @property
    def by_similarity(self) -> bool:
        """Whether embeddings are needed."""
        return self.max_similarity is not None or self.skip_nearest > 0

    @property
    def active(self) -> bool:
        """Whether anything is forbidden at all."""
        return self.by_similarity or self.labels is not None or self.ids is not None

    def check(self, n_pairs: int, batch_size: int, *, n_batches: int | None = None, disjoint: bool = True) -> None:
        """Refuse what no batches can fulfil.

        k batches that share no pairs take at most min(count, k) pairs of each label, and k B altogether; batches
        that may share pairs need B different labels.

        Args:
            n_pairs: How many pairs have labels.
            batch_size: B.
            n_batches: k; None for n_pairs // batch_size.
            disjoint: Whether batches share no pairs.

        Raises:
            ValueError: If labels are not one for each pair, or too few different ones.
        """
        k = (n_pairs // batch_size if n_batches is None else n_batches) if disjoint else 1
        for name, values in (("labels", self.labels), ("ids", self.ids)):
            if values is None:
                continue
            if len(values) != n_pairs:
                raise ValueError(f"{name} must be one for each of the {n_pairs} pairs, got {len(values)}")
            count = values.unique(return_counts=True)[1]
            room, most = int(count.clamp(max=k).sum()), int(count.max())
            if room < k * batch_size:
                raise ValueError(
                    f"{name} can be kept apart if they fill the {k * batch_size} places of {k} batches with none "
                    f"twice in a batch, got {len(count)} different ones, the commonest {most} times, which fill "
                    f"{room}; lower batch_size to {max(1, n_pairs // most)} or less, or guard by max_similarity "
                    "instead"
                )

    def relation(self, n_pairs: int, embeddings: Embeddings | None) -> "Relation":
        """Who must not meet whom, ready to be asked.

        Args:
            n_pairs: How many pairs there are.
            embeddings: Of all pairs, in their order; None where similarity does not count.
        """
        keys = tuple(values for values in (self.labels, self.ids) if values is not None)
        if not self.by_similarity:
            return Relation(keys, None, None, self.max_similarity)
        assert embeddings is not None
        embeddings, near = checked(*embeddings), None
        if self.skip_nearest:
            count = min(self.skip_nearest, n_pairs - 1)
            sets = (x.reshape(-1, *x.shape[-2:]) for x in embeddings)
            tables = [nearest(u, v, count).index for u, v in zip(*sets, strict=True)]
            near = torch.stack(tables).reshape(*embeddings.u.shape[:-1], count)
        return Relation(keys, embeddings, near, self.max_similarity)


@dataclass(frozen=True, eq=False)
class Relation:
    """Which pairs must not meet; symmetric. Made by `Guards.relation`."""

    keys: tuple[Int[Tensor, " n_pairs"], ...]
    embeddings: Embeddings | None
    near: Int[Tensor, "*replicates n_pairs p"] | None
    max_similarity: float | None

    @property
    def by_similarity(self) -> bool:
        """Whether embeddings have a say."""
        return self.embeddings is not None

    @property
    def by_key_alone(self) -> bool:
        """Whether one label of each pair says it all."""
        return len(self.keys) == 1 and not self.by_similarity

    def __call__(self, index: Int[Tensor, "*replicates sets n"]) -> Bool[Tensor, "*replicates sets n n"]:
        """For sets of pairs: which two of each set must not meet, false on the diagonal."""
        device = index.device if self.embeddings is None else self.embeddings.u.device
        index = index.to(device)
        found = torch.zeros(*index.shape, index.shape[-1], dtype=torch.bool, device=device)
        for values in self.keys:
            mine = values.to(device)[index]
            found |= mine[..., None] == mine[..., None, :]
        if self.embeddings is not None and self.max_similarity is not None:
            u, v = (_rows(x, index) for x in self.embeddings)
            cross = u @ v.mT
            own = cross.diagonal(dim1=-2, dim2=-1)[..., None]
            above = torch.maximum(cross, cross.mT) > own - (1 - self.max_similarity) * own.abs()
            found |= above | above.mT
        if self.near is not None:
            for near in _rows(self.near, index).unbind(-1):  # one rank at a time: no n x n x p table
                mark = near[..., None] == index[..., None, :]
                found |= mark | mark.mT
        found.diagonal(dim1=-2, dim2=-1).fill_(False)
        return found

    def conflicts(self, batches: Int[Tensor, "*replicates k batch"]) -> Int[Tensor, "*replicates k batch"]:
        """How many others of its batch each row must not meet, some batches at a time."""
        at_once = max(1, 2**24 // batches.shape[-1] ** 2)
        return torch.cat([self(part).sum(-1).to(batches.device) for part in batches.split(at_once, -2)], -2)


def _rows(table: Tensor, index: Int[Tensor, "*replicates sets n"]) -> Tensor:
    """The rows of a table [*replicates, n_pairs, m] with these numbers: [*replicates, sets, n, m]."""
    flat = index.flatten(-2)[..., None]
    return table.gather(-2, flat.expand(*flat.shape[:-1], table.shape[-1])).unflatten(-2, index.shape[-2:])
