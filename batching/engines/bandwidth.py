"""Batches along the order of least bandwidth (GCBS)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.algorithms.neighbours import Search, k_nearest_graph, nearest
from batching.engines.engine import Cut, Engine

if TYPE_CHECKING:
    import scipy.sparse  # a fifth of a second that starting need not wait for

_MOST_DENSE = 8192
"""Pairs of a pool beyond which the quantile of all products is refused."""


@dataclass(frozen=True)
class Bandwidth(Engine):
    """Consecutive runs of an order in which neighbours are close: reverse Cuthill-McKee.

    1. Join pairs that are among each other's nearest, and each with its nearest one; or, with `quantile`, i with
       j where u_i.v_j is above that quantile of all. (To join where one lists the other gives long shortcuts,
       and batches far easier.)
    2. Order the pairs so that the joined ones are close (small bandwidth), and cut the order into batches.

    Args:
        neighbours: Of each pair.
        quantile: The published rule. At 0.999 and 1,280 pairs most entries above it are the positives
            themselves, which join nothing: batches are then hardly harder than random ones; 0.99 does better.
        method: How neighbours are found, see `nearest`.

    Raises:
        ValueError: If a number is out of range, or a pool too large for `quantile`.

    Cost: that of `nearest`, then about linear in the number of edges.

    References:
        Sachidananda, Yang and Zhu, 2023, "Global selection of contrastive batches via optimization on sample
        permutations", arXiv 2210.12874 (there the quantile and Cuthill-McKee, whose reverse has the same
        bandwidth).
        Cuthill and McKee, 1969, "Reducing the bandwidth of sparse symmetric matrices".
    """

    neighbours: int = 16
    quantile: float | None = None
    method: Search = "auto"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, got {self.neighbours}")
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise ValueError(
                f"quantile must lie strictly between 0 and 1, got {self.quantile}; None uses neighbours"
            )

    @override
    def check(self, pool: int, batch_size: int) -> None:
        if self.quantile is not None and pool > _MOST_DENSE:
            raise ValueError(
                f"the quantile of all products needs pools of at most {_MOST_DENSE:,} pairs, got {pool:,}; make "
                "pools smaller, or leave quantile out"
            )

    @override
    def cut(
        self,
        u: Float[Tensor, "pools n dim"],
        v: Float[Tensor, "pools n dim"],
        batch_size: int,
        *,
        seed: Int[Tensor, " pools"],
        epoch: int,
    ) -> Cut:
        n = u.shape[1]
        self.check(n, batch_size)
        if self.quantile is None:
            found = nearest(u, v, self.neighbours, method=self.method, seed=seed)
            orders = [near_order(index) for index in found.index]
        else:
            products = (left @ right.T for left, right in zip(u, v, strict=True))
            orders = [_narrow(_above(product, self.quantile)) for product in products]
        batches = torch.from_numpy(np.stack(orders)).to(u.device)
        return Cut(batches.unflatten(-1, (-1, batch_size)))


def near_order(index: Int[Tensor, "n k"]) -> Int[np.ndarray, " n"]:
    """An order of all pairs in which those among each other's nearest are close."""
    return _narrow(k_nearest_graph(index, torch.ones(index.shape, device=index.device), mutual=True))


def _narrow(graph: "scipy.sparse.csr_array") -> Int[np.ndarray, " n"]:
    """The vertices of an undirected graph in reverse Cuthill-McKee order."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    return reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)


def _above(product: Float[Tensor, "n n"], quantile: float) -> "scipy.sparse.csr_array":
    """The undirected graph of the entries above their quantile (the next smaller entry where it falls between)."""
    from scipy.sparse import csr_array

    rank = 1 + int(quantile * (product.numel() - 1))
    rows, columns = (product > product.flatten().kthvalue(rank).values).nonzero().cpu().numpy().T
    apart = rows != columns
    joined = np.ones(apart.sum(), dtype=np.int8)
    directed = csr_array((joined, (rows[apart], columns[apart])), shape=tuple(product.shape))
    return csr_array(directed.maximum(directed.T.tocsr()))
