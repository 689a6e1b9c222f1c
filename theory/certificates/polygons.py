r"""Regular polygons are universally optimal for every n: the products of their nodes have coefficients >= 0.

In the plane the Gegenbauer polynomials are those of Chebyshev, P_k = T_k, and the product of two polynomials with
coefficients >= 0 has coefficients >= 0, for T_k T_l = (T_(k+l) + T_|k-l|) / 2. Let t_1 < t_2 < ... be the nodes of
the regular n-gon, leaving out -1 where n is even, and A_j = (t - t_1) ... (t - t_j). The partial products that a
certificate asks for are A_j^2 and A_j A_(j+1), for even n times 1 + t = T_0 + T_1. So it is enough that A_j has
coefficients >= 0.

*Proof.* Write t = -cos x, z = e^(ix), q = e^(2 pi i / n) and [M, k] for the symmetric Gaussian binomial,

    [M, k] = prod_{i=1}^{k} sin(pi (M - k + i) / n) / sin(pi i / n) >= 0 for M <= n,

which has sum_k [M, k] y^k = prod_{l=0}^{M-1} (1 + y q^(l - (M-1)/2)) by the q-binomial theorem. A node
t_i = -cos(phi) contributes 2 (t - t_i) = -z^(-1) (z - e^(i phi)) (z - e^(-i phi)).

n odd: phi = pi/n, 3 pi/n, ..., so that the 2j roots z of A_j are the q^(l - (M-1)/2) with M = 2j, and
2^j A_j = (-1)^j sum_k (-1)^k [2j, k] z^(j-k) = [2j, j] + 2 sum_{e=1}^{j} [2j, j-e] T_e(t), for
T_e(t) = (-1)^e cos(ex).

n even: phi = 2 pi/n, 4 pi/n, ...; with the root z = 1 there would be M = 2j + 1 of them, so the generating function
is divided by 1 + y: 2^j A_j = c_j + 2 sum_e c_(j-e) T_e(t) with c_k = [M, k] - [M, k-1] + [M, k-2] - ... These are
sums of (for odd k with a last term [M, 1] - [M, 0], for even k with [M, 0] = 1)

    [M, k] - [M, k-1] = [M, k-1] 2 cos(pi (M+1) / (2n)) sin(pi (M+1-2k) / (2n)) / sin(pi k / n) >= 0

for 2k <= M + 1 <= n, which holds as k <= j <= n/2 - 1. QED

References:
    Cohn and Kumar, 2007, section 5, arXiv math/0607446 (all sharp codes at once). Andrews, 1976, "The theory of
    partitions", Theorem 3.3 (the q-binomial theorem).
"""

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev


def polygon_products(n: int) -> list[Float[np.ndarray, " degree"]]:
    """The Chebyshev coefficients of 2^j A_j, j = 1, 2, ...: all of them are sums and products of positive sines.

    Args:
        n: number of points, at least 3.

    Returns:
        One array per j = 1 .. ceil(n / 2) - 1, lowest degree first; nothing is subtracted: the signs are certain.

    Raises:
        ValueError: if n < 3.

    Cost: O(n^3).
    """
    if n < 3:
        raise ValueError(f"a polygon has 3 points or more, received {n}; two points are the simplex")
    rows: list[Float[np.ndarray, " degree"]] = []
    for j in range(1, (n + 1) // 2):
        half = np.array([_binomial(n, 2 * j, k) if n % 2 else _alternating(n, 2 * j + 1, k) for k in range(j + 1)])
        rows.append(half[::-1] * np.where(np.arange(j + 1), 2.0, 1.0))
    return rows


def polygon_partial_products(n: int) -> list[Float[np.ndarray, " degree"]]:
    """The partial products p_1, ..., p_(n-2) of the doubled nodes (-1 once), by their Chebyshev coefficients."""
    simple = [np.ones(1), *(row / 2**j for j, row in enumerate(polygon_products(n), start=1))]
    first = np.ones(1 if n % 2 else 2)  # 1 + t
    products = [
        chebyshev.chebmul(first, chebyshev.chebmul(simple[k // 2], simple[(k + 1) // 2]))
        for k in range(2 * len(simple) - 1)
    ]
    return products[1:-1] if n % 2 else products[:-1]


def _binomial(n: int, m: int, k: int) -> float:
    """[m, k]."""
    i = np.arange(1, k + 1)
    return float(np.prod(np.sin(np.pi * (m - k + i) / n) / np.sin(np.pi * i / n)))


def _alternating(n: int, m: int, k: int) -> float:
    """[m, k] - [m, k-1] + [m, k-2] - ..., two terms at a time, for 2k <= m + 1 <= n."""
    total = 0.0
    for top in range(k, -1, -2):
        if top == 0:
            return total + 1.0
        ratio = 2 * np.cos(np.pi * (m + 1) / (2 * n)) * np.sin(np.pi * (m + 1 - 2 * top) / (2 * n))
        total += _binomial(n, m, top - 1) * float(ratio / np.sin(np.pi * top / n))
    return total
