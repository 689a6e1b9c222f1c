"""Batches of two pairs: the partition of largest total loss is a perfect matching of largest weight."""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.algorithms.affinity import pair_weights
from batching.algorithms.perfect_matching import (
    WeightedEdges,
    assigned,
    blossom,
    improved,
    sparse_blossom,
    split_cycles,
)
from batching.engines.engine import Cut, Engine
from batching.seeded import derived_seed

_COMPLETE = 2000
"""Rows up to which all n (n - 1) / 2 weights may meet in one graph (about 1.7 GB at this size)."""
_DENSE_BLOSSOM = 500
"""Rows up to which networkx is let loose: 50 CPU seconds at this size, growing with the cube."""
_QUICK_BLOSSOM = 150
"""Rows up to which "auto" takes networkx rather than give up exactness."""
_EDGES_AT_ONCE = 2**14

Solver = Literal["auto", "pymatching", "networkx", "assignment"]


@dataclass(frozen=True)
class Matching(Engine):
    """Batches of two with the largest total loss there is.

    The two-direction loss of a batch {i, j} is w_ij / 2, w = `pair_weights`, so that the hardest partition into
    batches of two is the perfect matching of largest total weight. It is solved on the complete graph, exactly,
    or on the nearest neighbours of each row, and then improved by exchanges: {a, b}, {c, d} become {a, c},
    {b, d} wherever that adds weight.

    `Cut.info` adds up over the pools:
        exact: 1 for a pool whose total is the largest there is. By "pymatching" that is up to its resolution of
            2^-24 of the range of the weights in each batch.
        total: the weight of the matching, twice the sum of the batches' losses.
        exchanges: improvements after the solver.
        upper_bound: half the assignment of largest weight; only by "assignment" on complete graphs.

    Args:
        temperature: tau of the pair weights.
        neighbours: Edges to look for at each row; None for the complete graph, up to 2,000 rows. A ring 0, 1,
            .., n - 1 is added so that a perfect matching exists.
        solver: "pymatching" and "networkx" are exact on a complete graph; "assignment" needs neither: it splits
            the cycles of the assignment of largest weight. "auto" takes the first that is there, networkx only
            up to 150 rows; and "assignment" among neighbours, where it is as good as pymatching and faster.

    Cost per pool, in CPU seconds: "pymatching" 1.7 for 1,000 rows, 5.6 for 2,000; "networkx" 0.4 for 100, 50 for
    500; "assignment" 0.1 for 1,000, and 6 for 50,000 with 16 neighbours.

    References:
        Edmonds, 1965, "Maximum matching and a polyhedron with 0,1-vertices".
        Higgott and Gidney, 2023, "Sparse Blossom", arXiv 2303.15933 (pymatching's algorithm).
        Cho et al., 2024, Section 4, arXiv 2307.05906 (why hard batches of a small size).
    """

    temperature: float
    neighbours: int | None = None
    solver: Solver = "auto"

    def __post_init__(self) -> None:
        """Check the settings."""
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; 0.1 is usual")
        if self.neighbours is not None and self.neighbours < 1:
            raise ValueError(
                f"neighbours must be at least 1, got {self.neighbours}; 16 is usual, None takes every two rows"
            )
        if self.solver not in ("auto", "pymatching", "networkx", "assignment"):
            raise ValueError(
                f"solver must be 'auto', 'pymatching', 'networkx' or 'assignment', got {self.solver!r}"
            )

    @override
    def check(self, pool: int, batch_size: int) -> None:
        if batch_size != 2 or pool % 2:
            raise ValueError(
                f"a matching makes batches of 2 from an even pool, got batch_size {batch_size} and {pool} pairs; "
                "use another engine for larger batches"
            )
        if pool > _COMPLETE and self.neighbours is None:
            raise ValueError(
                f"a matching of all rows needs a pool of at most {_COMPLETE:,}, got {pool:,}: all pairs' weights "
                "would not fit; set neighbours=16"
            )
        solver = self._solver(pool)
        if solver != "assignment" and find_spec(solver) is None:
            raise ValueError(
                f"solver '{solver}' needs the package {solver}, which is not installed; pip install {solver}, or "
                "set solver='auto' or 'assignment'"
            )
        if solver == "networkx" and pool > _DENSE_BLOSSOM:
            raise ValueError(
                f"solver 'networkx' needs a pool of at most {_DENSE_BLOSSOM}, got {pool:,}: it would run for "
                "minutes to days; pip install pymatching, or set solver='assignment'"
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
        self.check(u.shape[1], batch_size)
        seeds = [derived_seed(one, "matching", epoch) for one in seed.tolist()]
        found = [self._match(*pool) for pool in zip(u, v, seeds, strict=True)]
        info: dict[str, float] = {}
        for _, counts in found:
            for name, count in counts.items():
                info[name] = info.get(name, 0.0) + count
        return Cut(torch.stack([_as_batches(mate) for mate, _ in found]).to(u.device), info)

    def _solver(self, n: int) -> str:
        if self.solver != "auto":
            return self.solver
        if self.neighbours is not None and self.neighbours < n - 1:
            return "assignment"
        if find_spec("pymatching") is not None:
            return "pymatching"
        return "networkx" if n <= _QUICK_BLOSSOM and find_spec("networkx") is not None else "assignment"

    def _match(
        self, u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], seed: int
    ) -> tuple[Int[np.ndarray, " n"], dict[str, float]]:
        """The partner of each row of one pool, and the counts."""
        graph = self._graph(u, v, seed)
        solver = self._solver(graph.n)
        info: dict[str, float] = {"exact": float(graph.complete and solver != "assignment")}
        if solver == "assignment":
            mate, bound = self._by_assignment(u, v, graph, seed)
        else:
            mate, bound = {"pymatching": sparse_blossom, "networkx": blossom}[solver](graph), np.inf

        weigh = graph.listed if graph.complete else partial(self._weigh, u, v)
        mate, exchanges = improved(graph, mate, weigh)
        first = np.flatnonzero(np.arange(graph.n) < mate)
        total = float(weigh(first, mate[first]).sum())
        if graph.complete and bound < np.inf:
            info = {"exact": float(total >= bound * (1 - 1e-12)), "upper_bound": bound}
        return mate, {**info, "total": total, "exchanges": float(exchanges)}

    def _graph(self, u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], seed: int) -> WeightedEdges:
        n = len(u)
        if self.neighbours is None or self.neighbours >= n - 1:
            weights = pair_weights(u.double(), v.double(), batch_size=2, temperature=self.temperature).cpu().numpy()
            i, j = np.triu_indices(n, 1)
            return WeightedEdges(n, i, j, weights[i, j])
        from batching.algorithms.neighbours import nearest

        index = nearest(u, v, self.neighbours, seed=seed).index.cpu().numpy()
        rows = np.arange(n)
        start = np.concatenate([np.repeat(rows, index.shape[1]), rows])
        end = np.concatenate([index.ravel(), np.roll(rows, -1)])
        start, end = start[end >= 0], end[end >= 0]
        key = np.unique(np.minimum(start, end) * n + np.maximum(start, end))
        i, j = key // n, key % n
        i, j = i[i != j], j[i != j]
        return WeightedEdges(n, i, j, self._weigh(u, v, i, j))

    def _by_assignment(
        self, u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], graph: WeightedEdges, seed: int
    ) -> tuple[Int[np.ndarray, " n"], float]:
        """Each row's partner, and a bound on the weight of any matching in the graph.

        Two rows that are assigned to each other, and every second step of an even cycle, become batches. An odd
        cycle loses its dearest row; the rows that were lost are matched among each other in the same way.
        """
        after, bound = assigned(graph)
        mate, left = split_cycles(after, self._weigh(u, v, np.arange(graph.n), after))
        if len(left):
            index = torch.from_numpy(left)
            rest = u[index.to(u.device)], v[index.to(u.device)]
            mate[left] = left[self._by_assignment(*rest, self._graph(*rest, seed), seed)[0]]
        return mate, bound

    def _weigh(
        self,
        u: Float[Tensor, "n dim"],
        v: Float[Tensor, "n dim"],
        i: Int[np.ndarray, " edges"],
        j: Int[np.ndarray, " edges"],
    ) -> Float[np.ndarray, " edges"]:
        """w_ij of the listed edges alone, see `pair_weights`."""
        positive = (u * v).sum(-1)
        weights = []
        for a, b in zip(*(torch.from_numpy(x).to(u.device).split(_EDGES_AT_ONCE) for x in (i, j)), strict=True):
            out, back = (u[a] * v[b]).sum(-1), (u[b] * v[a]).sum(-1)
            excess = torch.stack([out - positive[a], out - positive[b], back - positive[a], back - positive[b]])
            weights.append(functional.softplus(excess / self.temperature).sum(0))
        return torch.cat(weights).double().cpu().numpy() if weights else np.empty(0)


def _as_batches(mate: Int[np.ndarray, " n"]) -> Int[Tensor, "k 2"]:
    """The batches {i, mate[i]}, i < mate[i], in the order of i."""
    first = np.flatnonzero(np.arange(len(mate)) < mate)
    return torch.from_numpy(np.stack([first, mate[first]], axis=1))
