"""What scores passages for queries: embeddings here, counts of words in `text.evaluate.baselines`."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from text.evaluate.search import Block, products


@runtime_checkable
class System(Protocol):
    """What scores passages for the queries of a set."""

    @property
    def device(self) -> torch.device:
        """Of the scores."""
        ...

    def blocks(self, pool: Int64[np.ndarray, " m"] | None) -> Iterator[Block]:
        """Scores of all queries and these passages (None: all), whose numbers count within the pool."""
        ...

    def couples(
        self, queries: Int64[np.ndarray, " total"], passages: Int64[np.ndarray, " total"]
    ) -> Float32[Tensor, " total"]:
        """The score of each query and the passage beside it."""
        ...


class Embedded:
    """A system of embeddings, scored by inner product.

    Args:
        queries: Of all queries of a set, on the device where to search.
        passages: Of its passages, on any device.
        number: Row of `passages` that holds each passage of the set; None if it holds all, in order.
    """

    def __init__(
        self,
        queries: Float[Tensor, "n dim"],
        passages: Float[Tensor, "m dim"],
        number: Int64[np.ndarray, " all"] | None = None,
    ) -> None:
        """See the class."""
        self.queries, self.passages, self.number = queries, passages, number
        self.device = queries.device

    def blocks(self, pool: Int64[np.ndarray, " m"] | None) -> Iterator[Block]:
        """See `System`."""
        return products(self.queries, self.passages if pool is None else self._rows(pool))

    def couples(
        self, queries: Int64[np.ndarray, " total"], passages: Int64[np.ndarray, " total"]
    ) -> Float32[Tensor, " total"]:
        """See `System`."""
        first = torch.from_numpy(queries).to(self.device)
        at_once = 2**16
        parts = [
            (self.queries[some].float() * self._rows(rows).to(self.device).float()).sum(1)
            for some, rows in zip(
                first.split(at_once), np.split(passages, range(at_once, len(passages), at_once)), strict=False
            )
        ]
        return torch.cat([torch.empty(0, device=self.device), *parts])

    def _rows(self, passages: Int64[np.ndarray, " some"]) -> Float[Tensor, "some dim"]:
        rows = passages if self.number is None else self.number[passages]
        return self.passages[torch.from_numpy(np.ascontiguousarray(rows)).to(self.passages.device)]
