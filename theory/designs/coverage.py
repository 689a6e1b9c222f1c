"""How often pairs meet in given batches, by counting."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

_COUNTED = 4096
"""Points up to which pairs are counted, in one matrix of 128 MiB."""


class Coverage(NamedTuple):
    """How often each of the N (N - 1) / 2 pairs meets."""

    least: int
    most: int
    mean: float
    met: float
    """Fraction of the pairs that meet at all."""
    is_design: bool
    """All pairs meet equally often, and they do meet."""
    is_resolvable: bool
    """The batches, in their order, fall into partitions of all points."""


def pair_coverage(batches: Shaped[np.ndarray, "..."], n: int) -> Coverage:
    """How often each pair of n points meets in these batches, counted one by one.

    Args:
        batches: integers (.., n_batches, batch); leading dimensions are a matter of order only.
        n: number of points, at most 4096.

    Raises:
        ValueError: if batches are no such integers or there are none, points are out of range or occur twice in a
            batch, or n is too large.
    """
    if not 2 <= n <= _COUNTED:
        raise ValueError(f"pairs are counted among 2 to {_COUNTED} points, received {n}; take a sample")
    if batches.ndim < 2 or not np.issubdtype(batches.dtype, np.integer):
        raise ValueError(
            "batches must be an array of integers, a batch a row, received one of "
            f"{batches.dtype} and shape {batches.shape}; one batch is batches[None], and astype(int) makes integers"
        )
    rows = np.sort(batches.reshape(-1, batches.shape[-1]).astype(np.int64), axis=1) if batches.size else batches
    if not rows.size or rows.min() < 0 or rows.max() >= n or (rows[:, 1:] == rows[:, :-1]).any():
        raise ValueError(f"batches must hold distinct points 0 .. {n - 1}, received {rows[:1]} and others")
    count, B = np.zeros(n * n, dtype=np.int64), rows.shape[1]
    for chunk in np.array_split(rows, -(-rows.size * B // n**2)):
        count += np.bincount((chunk[:, :, None] * n + chunk[:, None, :]).ravel(), minlength=n * n)
    meets = count.reshape(n, n)[np.triu_indices(n, 1)]
    least, most = int(meets.min()), int(meets.max())
    whole = n % B == 0 == rows.size % n and bool((np.sort(rows.reshape(-1, n), axis=1) == np.arange(n)).all())
    return Coverage(least, most, float(meets.mean()), float((meets > 0).mean()), least == most > 0, whole)
