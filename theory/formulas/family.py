"""The family of losses that `optima` knows: what tells its members apart, and their value at equal views.

With s_ij = u_i.v_j, a_ij = u_i.u_j, b_ij = v_i.v_j for j != i, and xi the sum of
``e^((negative - positive) / tau)`` over the negatives of an anchor, every member is a mean over anchors:

| loss                            | anchors       | negatives        | an anchor's value             |
|---------------------------------|---------------|------------------|-------------------------------|
| `info_nce` = `mnrl` = `simcse`  | u_i           | s_ij             | log(1 + xi)                   |
| `clip`                          | u_i and v_i   | s_ij, or s_ji    | log(1 + xi)                   |
| `clip_sum`                      | u_i and v_i   | s_ij, or s_ji    | log(1 + xi), both sides added |
| `nt_xent` = `flatnce` in value  | u_i and v_i   | both views       | log(1 + xi)                   |
| `dcl`                           | u_i and v_i   | both views       | log xi                        |
| `dcl_one_way`                   | u_i           | s_ij and a_ij    | log xi                        |
| `dcl_cross`                     | u_i           | s_ij             | log xi                        |
| `dhel_anchor`                   | u_i           | a_ij             | log xi                        |
| `dhel_mean`                     | u_i and v_i   | a_ij, or b_ij    | log xi                        |
| `dhel_product`                  | u_i and v_i   | a_ij, or b_ij    | log xi, both sides added, but |
|                                 |               |                  | the positive s_ii once        |

`flatnce` shows the value of `nt_xent` but has the gradient of `dcl`: where training with it settles is a
statement about `dcl`. log xi is log(1 + xi) with the positive removed from the denominator.

References:
    Cho et al., 2024, arXiv 2307.05906 (`clip_sum` at tau = 1). Chen, J. et al., 2021, arXiv 2107.01152
    (`flatnce`). Yeh et al., 2022, arXiv 2110.06848 (`dcl`, and `dcl_one_way`, one of its two halves).
    Koromilas et al., 2024, arXiv 2405.18045 (DHEL). Lee et al., 2025, arXiv 2506.09781 (`dhel_mean`, and
    one parametrisation of all).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral


@dataclass(frozen=True)
class Member:
    """What tells the losses apart where u = v and every anchor has the same negatives."""

    negatives_per_pair: int = 1
    """How many negatives an anchor has in every other pair, m."""
    positive_in_denominator: bool = True
    """log(1 + xi) or log xi."""
    logs: int = 1
    """How many of these logarithms are added per pair."""
    positives: int = 1
    """How many times the positive, u_i.v_i / tau, is taken off per pair."""


FAMILY = {
    "info_nce": Member(),
    "mnrl": Member(),
    "simcse": Member(),
    "clip": Member(),
    "clip_sum": Member(logs=2, positives=2),
    "nt_xent": Member(negatives_per_pair=2),
    "flatnce": Member(negatives_per_pair=2),
    "dcl": Member(negatives_per_pair=2, positive_in_denominator=False),
    "dcl_one_way": Member(negatives_per_pair=2, positive_in_denominator=False),
    "dcl_cross": Member(positive_in_denominator=False),
    "dhel_anchor": Member(positive_in_denominator=False),
    "dhel_mean": Member(positive_in_denominator=False),
    "dhel_product": Member(positive_in_denominator=False, logs=2, positives=1),
}

LOSS_NAMES = tuple(FAMILY)


def member(loss: str) -> Member:
    """The family's member of this name.

    Raises:
        ValueError: if the loss is not known.
    """
    if loss not in FAMILY:
        raise ValueError(f"loss must be one of {', '.join(LOSS_NAMES)}; received {loss!r}")
    return FAMILY[loss]


def check_temperature(temperature: float) -> None:
    """Check that tau is positive and finite, and that its square is.

    Raises:
        ValueError: if not.
    """
    if not 1e-100 <= temperature <= 1e100:
        raise ValueError(
            f"temperature must be positive and finite, received {temperature}; "
            "typical values lie between 0.01 and 1, and all from 1e-100 to 1e100 are taken"
        )


def check_integer(name: str, value: object) -> None:
    """Check that a number is an integer, of Python or numpy.

    Raises:
        ValueError: if not.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer, received {value!r}; pass a whole number")


def value_at_equal_views(loss: str, others: Sequence[tuple[int, float]], temperature: float) -> float:
    """A loss at u = v, where every anchor sees the same similarities: ``l log(1 + m xi)`` or ``l log(m xi)``.

    Here ``xi = sum n e^((c - 1) / tau)``, m and l are the negatives per other pair and the logs added.
    A loss that takes the positive off p < l times, which is 1 / tau each, has (l - p) / tau more.

    Args:
        loss: one of `LOSS_NAMES`.
        others: (n, c): how many other pairs of the batch lie at similarity c; at least one pair in all.
        temperature: tau > 0.

    Returns:
        The value in nats.

    Raises:
        ValueError: if tau is not positive or the loss is not known.
    """
    kind = member(loss)
    check_temperature(temperature)
    nearest = max(similarity for count, similarity in others if count)
    terms = sum(count * math.exp((similarity - nearest) / temperature) for count, similarity in others if count)
    largest = (nearest - 1) / temperature
    if kind.positive_in_denominator:
        log = math.log1p(kind.negatives_per_pair * terms * math.exp(largest))
    else:
        log = math.log(kind.negatives_per_pair * terms) + largest
    return kind.logs * log + (kind.logs - kind.positives) / temperature


def check_sizes(n_pairs: int, batch_size: int | None, dim: int = 1) -> int:
    """The batch size in use, after checking all sizes.

    Raises:
        ValueError: if a size is not an integer, N < 2, d < 1, or B is not between 2 and N.
    """
    for name, size in (("n_pairs", n_pairs), ("dim", dim), ("batch_size", batch_size)):
        if size is not None or name != "batch_size":
            check_integer(name, size)
    if n_pairs < 2:
        raise ValueError(f"n_pairs must be at least 2, received {n_pairs}; one pair has no negative")
    if dim < 1:
        raise ValueError(f"dim must be at least 1, received {dim}; pass the embedding dimension")
    if batch_size is None:
        return n_pairs
    if not 2 <= batch_size <= n_pairs:
        raise ValueError(
            f"batch_size must lie between 2 and n_pairs = {n_pairs}, received {batch_size}; "
            "leave it out for the full batch"
        )
    return batch_size
