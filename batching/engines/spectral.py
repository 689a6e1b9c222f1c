"""Even-sized spectral clustering: batches whose pairwise losses are large, as published by Cho et al."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.algorithms.affinity import pair_weights
from batching.algorithms.assignment import balanced_assignment
from batching.algorithms.kmeans import kmeans_centres
from batching.engines.engine import Cut, Engine
from batching.seeded import derived_seed, normals

_LARGEST = 16_384
"""Pairs in a pool; 1 GiB of affinities in float32, several times over."""
_DENSE = 256
"""Up to this many points all eigenvectors are computed, side by side; beyond it the wanted ones, one by one."""


@dataclass(frozen=True)
class Spectral(Engine):
    """Even-sized spectral clustering of the pairwise losses, as published by Cho et al.

    Per pool: affinity exp(w) of the pair weights w; the k = n / B eigenvectors of its normalised Laplacian with
    the smallest eigenvalues, divided by the square root of the degrees; k-means; and the assignment of exactly B
    points to each centre that has the least total distance.

    The affinity is normalised in log space, so that exp(w) cannot overflow at any temperature.

    Args:
        temperature: tau of the pair weights.
        exponential: Cluster exp(w), as the published code does, or w itself (harder batches on some data).

    Cost per pool of n pairs: n^2 (dim + k) for the affinity and the eigenvectors, O(n^3) for the assignment.

    References:
        Cho et al., 2024, Section 5 and Algorithm 2, arXiv 2307.05906, with k = 40, B = 32 on images.
    """

    temperature: float
    exponential: bool = True

    def __post_init__(self) -> None:
        """Check the temperature."""
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; that of the loss is usual")

    @override
    def check(self, pool: int, batch_size: int) -> None:
        if pool > _LARGEST:
            raise ValueError(
                f"spectral clustering holds n x n affinities of pools of at most {_LARGEST:,} pairs, got {pool:,}; "
                f"set batches_per_pool to {_LARGEST // batch_size} or less (40 as published), or take 'balanced'"
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
        k = u.shape[1] // batch_size
        # Small problems come in thousands of replicates, that shall agree with each other to the last digits.
        precision = torch.float64 if u.shape[1] <= _DENSE else torch.float32
        u, v = u.to(precision), v.to(precision)
        w = pair_weights(u, v, batch_size=batch_size, temperature=self.temperature)
        points = spectral_embedding(w if self.exponential else w.log(), k)
        centres = kmeans_centres(points, k, seed=seed, epoch=epoch)
        label = balanced_assignment(torch.cdist(points, centres), batch_size)
        # Sorting by label puts the members of a batch side by side.
        return Cut(label.argsort(dim=-1, stable=True).unflatten(-1, (k, batch_size)))


def spectral_embedding(log_affinity: Float[Tensor, "pools n n"], k: int) -> Float[Tensor, "pools n k"]:
    """The k smoothest coordinates D^{-1/2} x, x eigenvectors of the normalised Laplacian I - D^{-1/2} A D^{-1/2}.

    The same, up to the sign and scale of columns, as scikit-learn's `spectral_embedding(..., drop_first=False)`.
    The diagonal of the affinity is ignored. A common factor of A changes nothing but the scale of all columns.

    References:
        Ng, Jordan and Weiss, 2001, "On spectral clustering"; von Luxburg, 2007, arXiv 0711.0189.
    """
    log_affinity = log_affinity.clone()
    log_affinity.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    log_degree = log_affinity.logsumexp(-1)
    half = log_degree / 2
    normalised = (log_affinity - half[..., :, None] - half[..., None, :]).exp_()
    vectors = _leading_eigenvectors(normalised, k)
    return vectors * (half.amin(-1, keepdim=True) - half).exp()[..., None]


def _leading_eigenvectors(matrix: Float[Tensor, "pools n n"], k: int) -> Float[Tensor, "pools n k"]:
    """Eigenvectors of the k largest eigenvalues (the Laplacian's smallest)."""
    n = matrix.shape[-1]
    if n <= _DENSE or 3 * (k + 16) > n:
        return torch.linalg.eigh(matrix).eigenvectors[..., -k:].flip(-1)
    if matrix.is_cuda:
        return block_lanczos(matrix, k)
    # A quarter of a second that small problems need not wait for.
    from scipy.sparse.linalg import eigsh
    from threadpoolctl import threadpool_limits

    vectors = []
    for one in matrix.numpy():
        # A seeded start makes Lanczos' iteration, and so the plan, repeatable.
        start = np.random.default_rng(derived_seed(0, "lanczos")).uniform(-1, 1, n)
        with threadpool_limits(1, user_api="blas"):  # threads that wait for each other cost ten times the work
            vectors.append(eigsh(one, k=k, which="LA", v0=start)[1][:, ::-1].copy())
    return torch.from_numpy(np.stack(vectors))


def block_lanczos(
    matrix: Float[Tensor, "pools n n"], k: int, *, steps: int = 8, restarts: int = 12, tolerance: float = 1e-5
) -> Float[Tensor, "pools n k"]:
    """The same for all pools side by side: Rayleigh and Ritz in block Krylov spaces, restarted until it converges.

    Ends when every |A x - lambda x| is below the tolerance, or after so many restarts.

    References:
        Golub and Underwood, 1977, "The block Lanczos method for computing eigenvalues".
    """
    pools, n, _ = matrix.shape
    width = k + 16
    start = normals(0, "block lanczos", 0, n * width, device=matrix.device).to(matrix)
    block = start.reshape(n, width).expand(pools, -1, -1)
    vectors = block
    for _ in range(restarts):
        block = torch.linalg.qr(block).Q
        basis, images = [block], [matrix @ block]
        for _ in range(min(steps, n // width) - 1):
            held, block = torch.cat(basis, -1), images[-1]
            for _ in range(2):  # once more, for what rounding left
                block = block - held @ (held.mT @ block)
            basis.append(torch.linalg.qr(block).Q)
            images.append(matrix @ basis[-1])
        space, image = torch.cat(basis, -1), torch.cat(images, -1)
        values, mix = torch.linalg.eigh(space.mT @ image)
        block = space @ mix[..., -width:]
        vectors = block[..., -k:]
        residual = image @ mix[..., -k:] - vectors * values[..., None, -k:]
        if residual.square().sum(-2).amax() <= tolerance**2:
            break
    return vectors.flip(-1)
