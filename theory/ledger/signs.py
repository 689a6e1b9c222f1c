"""The log-sum-exp family in one dimension, where embeddings are signs and can be counted through."""

import math
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from theory.formulas.batch_losses import DIRECTIONS
from theory.formulas.family import member
from theory.ledger.entry import Optimum, Views, proved

MOST_PAIRS = 128
"""C(N + 3, 3) patterns are looked at: 366,145 for 128 pairs."""
_MOST_PRODUCTS = 4_000_000
"""Patterns of all pairs times patterns of a batch, up to which the mean over all batches is taken."""

_TYPES = tuple(product((1, -1), repeat=2))
"""The signs that a pair (u_i, v_i) can have."""


def can_be_counted(n_pairs: int, batch_size: int) -> bool:
    """Whether there are at most 128 pairs, and for B < N not too many patterns of a batch."""
    patterns = math.comb(n_pairs + 3, 3) * math.comb(batch_size + 3, 3)
    return n_pairs <= MOST_PAIRS and (batch_size == n_pairs or patterns <= _MOST_PRODUCTS)


def signs_optimum(loss: str, n_pairs: int, temperature: float, batch_size: int | None = None) -> Optimum:
    """The smallest value over all 4^N patterns of signs u_i, v_i, of the full batch or all C(N, B) batches.

    Proof: a loss does not depend on the order of the pairs, so that a pattern is known by how many pairs have
    the signs (+, +), (+, -), (-, +) and (-, -); all of these are evaluated. Of c_1 .. c_4 pairs, C(c_1, b_1) ..
    C(c_4, b_4) batches have b_1 .. b_4.

    Raises:
        ValueError: if there are more than 128 pairs, or too many patterns of a batch.

    Cost: O(N^3) time and memory; a second and 100 MB for 128 pairs.
    """
    size = batch_size or n_pairs
    if not can_be_counted(n_pairs, size):
        raise ValueError(
            f"n_pairs must be at most {MOST_PAIRS} to count through signs, received {n_pairs}; over batches fewer, "
            f"received batches of {size}"
        )
    counts = _compositions(n_pairs)
    if size == n_pairs:
        values = _values(loss, counts, temperature)
    else:
        drawn = _compositions(size)
        values = _chances(counts, drawn) @ _values(loss, drawn, temperature)
    best = counts[values.argmin()]

    def make() -> Views:
        u, v = np.repeat(np.array(_TYPES, float), best, axis=0).T
        return u[:, None], v[:, None]

    pattern = ", ".join(f"{k} of ({a:+d}, {c:+d})" for k, (a, c) in zip(best, _TYPES, strict=True) if k)
    return proved(float(values.min()), None, "all patterns of signs counted through", make, f"signs: {pattern}")


def _compositions(n: int) -> Int[np.ndarray, "patterns 4"]:
    """All ways to write n as a sum of four."""
    parts = np.indices((n + 1,) * 3).reshape(3, -1).T
    parts = parts[parts.sum(1) <= n]
    return np.concatenate([parts, n - parts.sum(1, keepdims=True)], axis=1)


def _chances(
    counts: Int[np.ndarray, "patterns 4"], drawn: Int[np.ndarray, "drawn 4"]
) -> Float[np.ndarray, "patterns drawn"]:
    """The share of the batches of each pattern that have the pattern of each row of `drawn`."""
    n, size = int(counts[0].sum()), int(drawn[0].sum())
    choose = np.array([[math.comb(c, b) for b in range(size + 1)] for c in range(n + 1)], float)
    ways = [choose[counts[:, k, None], drawn[None, :, k]] for k in range(4)]
    return ways[0] * ways[1] * ways[2] * ways[3] / math.comb(n, size)


def _values(loss: str, counts: Int[np.ndarray, "patterns 4"], temperature: float) -> Float[np.ndarray, " patterns"]:
    kind, directions = member(loss), DIRECTIONS[loss]
    n = int(counts[0].sum())
    ups = {view: counts[:, [types[view] == 1 for types in _TYPES]].sum(1) for view in (0, 1)}
    total = np.zeros(len(counts))
    for number, types in enumerate(_TYPES):
        positive = types[0] * types[1] / temperature
        for negatives in directions:
            equal, others = 0, len(negatives) * (n - 1)
            for place in negatives:
                anchor, other = {"s": (0, 1), "s^T": (1, 0), "a": (0, 0), "b": (1, 1)}[place]
                equal = equal + np.where(types[anchor] == 1, ups[other], n - ups[other])
                equal = equal - (types[anchor] == types[other])
            equal = np.clip(equal, 0, others)  # where no pair has these signs, it may be out of range
            with np.errstate(divide="ignore"):
                log = np.logaddexp(np.log(equal) + 1 / temperature, np.log(others - equal) - 1 / temperature)
            pull = kind.positives / kind.logs * positive
            value = np.logaddexp(0, log - positive) if kind.positive_in_denominator else log - pull
            total += np.where(counts[:, number] > 0, counts[:, number] * value, 0)
    return kind.logs / len(directions) * total / n
