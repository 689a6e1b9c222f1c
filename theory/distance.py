"""Distance of embeddings to a proved optimum, modulo rotation and relabelling, and exact.

Embeddings enter through ``Z = U V^T``, which a common rotation of u and v leaves as it is, and an
optimum through its Gram matrix G. A relabelling of the pairs permutes rows and columns of Z
*together*; the distance is the smallest Frobenius norm of Z - G over all relabellings of G.

It is zero only at an optimum: unit rows with Z = G have ``u_i.v_i = 1``, hence u = v, hence
``U U^T = G``, and points with equal Gram matrices differ by a rotation. Sorting the entries of each
row of Z by themselves before comparing, which is also in use, is no such distance: it reads zero
for any matrix whose rows hold the right values in the wrong places, e.g. for a simplex ETF whose
positives are shifted by one (v_i = u_(i-1)), far from the minimum of every loss.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from theory.codes.frames import simplex_etf_gram

CONFIGURATIONS = ("simplex_etf", "cross_polytope")
"""The optima that a distance is defined to."""

UNIT_TOLERANCE = 1e-3
"""How far the length of an embedding may be from 1."""

ENUMERATION_LIMIT = 10
"""Largest number of points whose pairings are enumerated (945 of them) rather than matched."""

REPLICATES_PER_BLOCK = 1024
"""Replicates whose pairings are scored at once, so that memory stays bounded."""


def distance_to_simplex_etf(
    u: Float[np.ndarray, "*replicates n dim"], v: Float[np.ndarray, "*replicates n dim"]
) -> Float[np.ndarray, "*replicates"]:
    """Distance to the nearest simplex ETF with u = v: ``|U V^T - G|_F``.

    G is ``simplex_etf_gram(n)``; it is the same under every relabelling, so nothing is minimised.

    Args:
        u: embeddings of one view, unit rows; leading dimensions are independent replicates.
        v: embeddings of the other view, paired with u row by row.

    Returns:
        One distance per replicate (no unit), zero only at an optimum; for dim < n - 1 there is
        none and the distance stays positive.

    Raises:
        ValueError: if the shapes differ, n < 2, or rows are not finite and of unit length.

    References:
        Cho et al., 2024, arXiv 2307.05906 (the optimum; the distance is this project's).
    """
    z = _similarities(u, v)
    return np.asarray(np.linalg.norm(z - simplex_etf_gram(z.shape[-1]), axis=(-2, -1)))


def distance_to_cross_polytope(
    u: Float[np.ndarray, "*replicates n dim"], v: Float[np.ndarray, "*replicates n dim"]
) -> Float[np.ndarray, "*replicates"]:
    """Distance to the nearest cross-polytope with u = v: ``min_pi |U V^T - G_pi|_F``.

    pi runs over the (n - 1)!! ways to pair the points into antipodes, and ``G_pi = I - P_pi``.
    The norm decides through ``sum_((i, j) in pi) (Z_ij + Z_ji)`` alone, which makes the best pi a
    maximum-weight perfect matching with weights ``-(Z_ij + Z_ji)``.

    Args:
        u: embeddings of one view, unit rows; leading dimensions are independent replicates.
        v: embeddings of the other view, paired with u row by row.

    Returns:
        One distance per replicate (no unit), zero only at an optimum; for dim < n / 2 there is
        none and the distance stays positive.

    Raises:
        ValueError: if the shapes differ, n is odd or below 2, or rows are not finite and of unit
            length.

    References:
        Cho et al., 2024, arXiv 2307.05906 (the optimum; the distance is this project's).
        Edmonds, 1965, "Paths, trees, and flowers" (matching).
    """
    z = _similarities(u, v)
    eye = np.eye(z.shape[-1])
    nearest = eye - eye[_best_pairings(z)]
    return np.asarray(np.linalg.norm(z - nearest, axis=(-2, -1)))


def distance_to_optimum(
    u: Float[np.ndarray, "*replicates n dim"],
    v: Float[np.ndarray, "*replicates n dim"],
    configuration: str | None,
) -> Float[np.ndarray, "*replicates"]:
    """Distance to the configuration that an `Optimum` names.

    Args:
        u: embeddings of one view, unit rows; leading dimensions are independent replicates.
        v: embeddings of the other view, paired with u row by row.
        configuration: `simplex_etf` or `cross_polytope`, as in `Optimum.configuration`.

    Returns:
        One distance per replicate (no unit).

    Raises:
        ValueError: for None or an unknown configuration, and as the two distances do.
    """
    if configuration == "simplex_etf":
        return distance_to_simplex_etf(u, v)
    if configuration == "cross_polytope":
        return distance_to_cross_polytope(u, v)
    raise _unknown(configuration)


def cross_polytope_pairing(z: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """The antipode of each point in the cross-polytope nearest to ``Z = U V^T``.

    Args:
        z: similarities of one replicate; row i belongs to u_i, column j to v_j.

    Returns:
        Partner of each index: an involution without fixed points.

    Raises:
        ValueError: if z is not square, finite and of even size.
    """
    if z.ndim != 2 or z.shape[0] != z.shape[1]:
        raise ValueError(f"z must be a square matrix, received shape {z.shape}; pass u @ v.T")
    _check_finite("z", z)
    return _best_pairings(np.asarray(z, dtype=np.float64))


def aligned_gram(z: Float[np.ndarray, "n n"], configuration: str | None) -> Float[np.ndarray, "n n"]:
    """Z = U V^T relabelled for display: like points stand where the configuration has them.

    Rows and columns move together. For the cross-polytope, antipodes become neighbours, as in
    ``cross_polytope_gram``; the simplex ETF needs no relabelling.

    Args:
        z: similarities of one replicate; row i belongs to u_i, column j to v_j.
        configuration: `simplex_etf` or `cross_polytope`, as in `Optimum.configuration`.

    Returns:
        A relabelled copy of z.

    Raises:
        ValueError: for None or an unknown configuration, and as `cross_polytope_pairing` does.
    """
    if configuration == "simplex_etf":
        return z.copy()
    if configuration == "cross_polytope":
        partner = cross_polytope_pairing(z)
        order = [k for i, j in enumerate(partner.tolist()) if i < j for k in (i, j)]
        return z[np.ix_(order, order)]
    raise _unknown(configuration)


def _similarities(
    u: Float[np.ndarray, "*replicates n dim"], v: Float[np.ndarray, "*replicates n dim"]
) -> Float[np.ndarray, "*replicates n n"]:
    """Z = U V^T in float64, after checking u and v."""
    if u.shape != v.shape or u.ndim < 2:
        raise ValueError(
            f"u and v must have one shape (*replicates, n, dim), received {u.shape} and {v.shape}; "
            "row i of u and row i of v are a pair"
        )
    for name, x in (("u", u), ("v", v)):
        _check_finite(name, x)
        lengths = np.linalg.norm(np.asarray(x, dtype=np.float64), axis=-1)
        if np.any(np.abs(lengths - 1) > UNIT_TOLERANCE):
            worst = lengths.flat[np.argmax(np.abs(lengths - 1))]
            raise ValueError(
                f"{name} must have rows of length 1 (to {UNIT_TOLERANCE:g}), received one of "
                f"length {worst:.6g}; divide each row by its norm"
            )
    return np.asarray(u, dtype=np.float64) @ np.asarray(v, dtype=np.float64).swapaxes(-2, -1)


def _check_finite(name: str, x: np.ndarray) -> None:
    if not np.isfinite(x).all():
        raise ValueError(
            f"{name} must be finite, received {np.count_nonzero(~np.isfinite(x))} NaN or infinite entries; "
            "look for a diverged run or a zero row that was normalised"
        )


def _unknown(configuration: str | None) -> ValueError:
    return ValueError(
        f"configuration must be 'simplex_etf' or 'cross_polytope', received {configuration!r}; "
        "where no optimal configuration is known (None), compare losses with the lower bound"
    )


def _best_pairings(z: Float[np.ndarray, "*replicates n n"]) -> Int[np.ndarray, "*replicates n"]:
    """The partner of each point in the pairing that minimises sum (Z_ij + Z_ji)."""
    n = z.shape[-1]
    if n < 2 or n % 2:
        raise ValueError(
            f"n must be even and at least 2 for a cross-polytope, received {n}; its points come in antipodal pairs"
        )
    weight = -(z + z.swapaxes(-2, -1)).reshape(-1, n, n)
    pair = _pair_by_enumeration if n <= ENUMERATION_LIMIT else _pair_by_matching
    return pair(weight).reshape(z.shape[:-1])


def _pair_by_enumeration(weight: Float[np.ndarray, "r n n"]) -> Int[np.ndarray, "r n"]:
    """The heaviest of all pairings, for many matrices at once."""
    n = weight.shape[-1]
    partners = _all_pairings(n)
    indicator = np.eye(n)[partners].reshape(len(partners), n * n)
    flat = weight.reshape(-1, n * n)
    best = np.empty(len(flat), dtype=np.int64)
    for k in range(0, len(flat), REPLICATES_PER_BLOCK):
        block = slice(k, k + REPLICATES_PER_BLOCK)
        best[block] = (flat[block] @ indicator.T).argmax(axis=1)
    return partners[best]


def _pair_by_matching(weight: Float[np.ndarray, "r n n"]) -> Int[np.ndarray, "r n"]:
    """The heaviest perfect matching of the complete graph, one matrix after the other."""
    import networkx as nx  # a fifth of a second that smaller problems need not wait for

    n = weight.shape[-1]
    rows, columns = np.triu_indices(n, k=1)
    # Python integers keep the matching algorithm exact; float weights may lose a tight edge.
    scaled = np.rint(weight[:, rows, columns] * 2.0**40).astype(np.int64).tolist()
    partner = np.empty((len(weight), n), dtype=np.int64)
    for r, weights in enumerate(scaled):
        graph = nx.Graph()
        graph.add_weighted_edges_from(zip(rows.tolist(), columns.tolist(), weights, strict=True))
        for i, j in nx.max_weight_matching(graph, maxcardinality=True):
            partner[r, i], partner[r, j] = j, i
    return partner


@lru_cache
def _all_pairings(n: int) -> Int[np.ndarray, "pairings n"]:
    """Partner indices of all (n - 1)!! pairings of n points."""

    def pairings(points: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], ...]]:
        if not points:
            yield ()
        for k in range(1, len(points)):
            for rest in pairings(points[1:k] + points[k + 1 :]):
                yield ((points[0], points[k]), *rest)

    partners = [sorted([*pairs, *(p[::-1] for p in pairs)]) for pairs in pairings(tuple(range(n)))]
    return np.array(partners, dtype=np.int64)[:, :, 1]
