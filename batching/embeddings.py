"""What comes between a rule and the embeddings that it asks for: checks, and a memory."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from batching.plan import Embed


class Embeddings(NamedTuple):
    """Pairs of unit rows."""

    u: Float[Tensor, "*replicates n dim"]
    v: Float[Tensor, "*replicates n dim"]


def checked(
    u: Float[Tensor, "*any n dim"], v: Float[Tensor, "*any n dim"], index: Int[Tensor, "*any n"] | None = None
) -> Embeddings:
    """The same embeddings, if batches can be chosen by them; in float32 if they come in half precision.

    Args:
        u: What should be unit rows.
        v: Row i of v is the positive of row i of u.
        index: The numbers of the pairs, for the message; None where they are all, in their order.

    Raises:
        ValueError: If shapes differ, or a row is not finite or has not unit length (one of zeros, for instance).
    """
    if u.shape != v.shape:
        raise ValueError(f"u and v must have the same shape, got {tuple(u.shape)} and {tuple(v.shape)}")
    if u.dtype != v.dtype:
        raise ValueError(f"u and v must have the same precision, got {u.dtype} and {v.dtype}")
    half = u.dtype in (torch.float16, torch.bfloat16)
    u, v = (x.float() if half else x for x in (u, v))
    for name, x in (("u", u), ("v", v)):
        length = x.square().sum(-1)
        bad = ~((length - 1).abs() < (0.05 if half else 1e-3))  # not a number is not near 1
        if bad.any():
            *lead, at = bad.nonzero()[0].tolist()
            pair = at if index is None else int(index[(*lead, at)])
            where = f"{name}{[*lead, pair]}"
            raise ValueError(
                f"embeddings must be unit rows, got {int(bad.sum())} that are not: {where} has length "
                f"{length[bad][0].sqrt().item():.4g}; normalise them, and look for zeros or diverged weights"
            )
    return Embeddings(u, v)


class Remembered:
    """An `Embed` that keeps what it gave, so that others may use the same embeddings at no cost.

    Args:
        embed: Where embeddings come from.
        n_pairs: How many pairs there are.
    """

    def __init__(self, embed: Embed, n_pairs: int) -> None:
        """See the class."""
        self._embed, self._n_pairs = embed, n_pairs
        self._kept: Embeddings | None = None
        self._known: Tensor | None = None

    def __call__(self, index: Int[Tensor, "*replicates n"] | None) -> Embeddings:
        """Embeddings of these pairs (None: of all), asked for and kept; at no cost where they are known."""
        if self._kept is not None and self._known is not None:
            known = self._known if index is None else self._known.gather(-1, index.to(self._known.device))
            if known.all():
                return self._kept if index is None else self._rows(index)
        found = Embeddings(*self._embed(index))
        if index is None:
            self._kept = found
            self._known = torch.ones(*found.u.shape[:-2], self._n_pairs, dtype=torch.bool, device=found.u.device)
            return found
        if self._kept is None or self._known is None:
            shape = (*found.u.shape[:-2], self._n_pairs, found.u.shape[-1])
            self._kept = Embeddings(found.u.new_zeros(shape), found.v.new_zeros(shape))
            self._known = torch.zeros(shape[:-1], dtype=torch.bool, device=found.u.device)
        at = index.to(found.u.device)
        rows = at[..., None].expand_as(found.u)
        for kept, new in zip(self._kept, found, strict=True):
            kept.scatter_(-2, rows, new)
        self._known.scatter_(-1, at, True)
        return found

    def _rows(self, index: Int[Tensor, "*replicates n"]) -> Embeddings:
        assert self._kept is not None
        rows = index.to(self._kept.u.device)[..., None].expand(*index.shape, self._kept.u.shape[-1])
        return Embeddings(*(x.gather(-2, rows) for x in self._kept))

    @property
    def used(self) -> bool:
        """Whether any embeddings were asked for."""
        return self._kept is not None

    def knows(self, index: Int[Tensor, "*replicates k batch"]) -> Bool[Tensor, "*replicates k batch"]:
        """Which of these pairs were asked for."""
        assert self._known is not None
        return self._known.gather(-1, index.flatten(-2).to(self._known.device)).reshape(index.shape)

    def seen(self) -> Int[Tensor, "*replicates m"]:
        """The pairs that were asked for, as many of each replicate."""
        assert self._known is not None
        fewest = int(self._known.sum(-1).min())
        return self._known.int().argsort(dim=-1, descending=True, stable=True)[..., :fewest]

    def holding(self, index: Int[Tensor, "*replicates k batch"]) -> Embeddings:
        """A table of all pairs in which those of these batches are known; what is missing is asked for now."""
        wanted = torch.zeros(*index.shape[:-2], self._n_pairs, dtype=torch.bool, device=index.device)
        return self._with(wanted.scatter_(-1, index.flatten(-2), True))

    def all(self) -> Embeddings:
        """Embeddings of all pairs: those kept, and the others asked for now."""
        return self._with(None)

    def _with(self, wanted: Tensor | None) -> Embeddings:
        if self._kept is None or self._known is None:
            return self(None)
        missing = ~self._known if wanted is None else wanted.to(self._known.device) & ~self._known
        if missing.any():  # replicates may lack different ones
            self(missing.nonzero()[:, 0] if missing.dim() == 1 else None)
        return self._kept
