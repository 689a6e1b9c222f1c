"""All N-choose-B batches as a table that is never written down: any stretch of its rows on demand."""

from dataclasses import dataclass
from functools import lru_cache
from math import comb

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Combinations:
    """The C(n, size) subsets of {0..n-1} in lexicographic order, `itertools.combinations(range(n), size)`.

    Raises:
        ValueError: If size is not in 1..n, or there are more than 2^62 subsets.
    """

    n: int
    size: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.size <= self.n:
            raise ValueError(f"batch_size must lie between 1 and n_pairs = {self.n}, got {self.size}")
        if comb(self.n, self.size) > 2**62:
            raise ValueError(
                f"C({self.n}, {self.size}) batches are more than can be numbered; "
                "take a random selection or a smaller set"
            )

    def __len__(self) -> int:
        """C(n, size)."""
        return comb(self.n, self.size)

    def rows(
        self, start: int = 0, stop: int | None = None, *, device: torch.device | None = None
    ) -> Int[Tensor, "rows size"]:
        """Rows start..stop-1; the latest stretches are remembered, since a trainer asks for them at every step."""
        stop = len(self) if stop is None else min(stop, len(self))
        return _rows(self.n, self.size, min(start, stop), stop, device)


@lru_cache(maxsize=8)
def _rows(n: int, size: int, start: int, stop: int, device: torch.device | None) -> Tensor:
    """Unrank: how many subsets begin with each element tells which element the rank-th one begins with."""
    rank = torch.arange(start, stop, device=device)
    previous = torch.full_like(rank, -1)
    columns = []
    for slot in range(size):
        counts = torch.tensor([comb(n - 1 - c, size - 1 - slot) for c in range(n)], device=device)
        before = torch.cat([counts.new_zeros(1), counts.cumsum(0)])  # subsets beginning below c
        rank = rank + before[previous + 1]
        previous = torch.searchsorted(before, rank, right=True) - 1
        rank = rank - before[previous]
        columns.append(previous)
    return torch.stack(columns, dim=1)
