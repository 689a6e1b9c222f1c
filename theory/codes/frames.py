"""Point sets that contrastive losses are proved to converge to, as Gram matrices and as coordinates.

Both sets come as a Gram matrix, which fixes them up to rotation, and as one choice of coordinates
with exactly that Gram matrix. All functions are pure and work in float64.
"""

import numpy as np
from jaxtyping import Float


def simplex_etf_gram(n: int) -> Float[np.ndarray, "{n} {n}"]:
    """Gram matrix of the simplex equiangular tight frame (ETF).

    ``G_ii = 1`` and ``G_ij = -1 / (n - 1)`` for ``i != j``: every pair of points is at the same
    angle, and the points sum to zero. The rank is ``n - 1``.

    Args:
        n: number of points, at least 2.

    Returns:
        The Gram matrix (cosine similarities, no unit).

    Raises:
        ValueError: if n < 2.

    References:
        Lu, Steinerberger, 2022, "Neural collapse under cross-entropy loss", arXiv 2012.08465.
        Cho et al., 2024, "Mini-batch optimization of contrastive loss", arXiv 2307.05906.
    """
    _check_points(n)
    return (n * np.eye(n) - 1.0) / (n - 1)


def simplex_etf(n: int, dim: int) -> Float[np.ndarray, "{n} {dim}"]:
    """Coordinates of the simplex ETF, one unit vector per row.

    The rows are ``sqrt(n / (n - 1))`` times those of a matrix whose n - 1 columns are an
    orthonormal basis of the complement of the all-ones vector (the Helmert basis), padded with
    zero columns. Their Gram matrix is ``simplex_etf_gram(n)``.

    Args:
        n: number of points, at least 2.
        dim: dimension of the space, at least n - 1.

    Returns:
        The points; any rotation of them is a simplex ETF as well.

    Raises:
        ValueError: if n < 2 or dim < n - 1.

    References:
        Cho et al., 2024, arXiv 2307.05906.
    """
    _check_points(n)
    if dim < n - 1:
        raise ValueError(
            f"dim must be at least n - 1 for a simplex ETF, received dim = {dim} with n = {n}; "
            f"raise dim to {n - 1} or take at most {max(dim + 1, 2)} points"
        )
    # Helmert's rows, orthonormal and orthogonal to (1, .., 1): i ones, then -i, then zeros, over sqrt(i (i + 1)).
    i, rows = np.arange(1, n), np.tri(n - 1, n)
    rows[i - 1, i] = -i
    points = np.zeros((n, dim))
    points[:, : n - 1] = np.sqrt(n / (n - 1)) * (rows / np.sqrt(i * (i + 1))[:, None]).T
    return points


def cross_polytope_gram(n: int) -> Float[np.ndarray, "{n} {n}"]:
    """Gram matrix of the cross-polytope whose antipodes are (0, 1), (2, 3), ...

    ``G_ii = 1``, ``G_ij = -1`` where i and j are antipodes, and 0 elsewhere. The rank is n / 2.

    Args:
        n: number of points, even and at least 2.

    Returns:
        The Gram matrix (cosine similarities, no unit).

    Raises:
        ValueError: if n is odd or below 2.

    References:
        Cho et al., 2024, arXiv 2307.05906 (the optimum for n = 2 dim).
    """
    _check_even(n)
    return np.kron(np.eye(n // 2), [[1.0, -1.0], [-1.0, 1.0]])


def cross_polytope(n: int, dim: int) -> Float[np.ndarray, "{n} {dim}"]:
    """Coordinates of the cross-polytope, one unit vector per row.

    Rows ``2k`` and ``2k + 1`` are ``e_k`` and ``-e_k``. Their Gram matrix is
    ``cross_polytope_gram(n)``. The theory's own case is ``n == 2 * dim``, where the points are all
    of ``{+e_k, -e_k}``; a larger dim is accepted and leaves the further columns zero, but there the
    cross-polytope is in general no longer optimal.

    Args:
        n: number of points, even and at least 2.
        dim: dimension of the space, at least n / 2.

    Returns:
        The points; any rotation of them is a cross-polytope as well.

    Raises:
        ValueError: if n is odd or below 2, or dim < n / 2.

    References:
        Cho et al., 2024, arXiv 2307.05906.
    """
    _check_even(n)
    if dim < n // 2:
        raise ValueError(
            f"dim must be at least n / 2 for a cross-polytope, received dim = {dim} with n = {n}; "
            f"raise dim to {n // 2} or take at most {max(2 * dim, 2)} points"
        )
    axes = np.eye(n // 2, dim)
    return np.stack([axes, -axes], axis=1).reshape(n, dim)


def _check_points(n: int) -> None:
    if n < 2:
        raise ValueError(f"n must be at least 2, received {n}; a configuration needs two points")


def _check_even(n: int) -> None:
    _check_points(n)
    if n % 2:
        raise ValueError(
            f"n must be even for a cross-polytope, received {n}; "
            f"its points come in antipodal pairs, take {n - 1} or {n + 1} points"
        )
