"""Even-sized spectral clustering: batches whose pairwise losses are large, as published by Cho et al."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from batching.assignment import balanced_assignment
from batching.kmeans import kmeans_centres
from batching.plan import Embed, Plan, Selection, everyone
from batching.seeded import Seed, derived_seed, permutation

_DENSE = 256
"""Up to this many points all eigenvectors are computed, side by side; beyond it the wanted ones, one by one."""


def pair_weights(
    u: Float[Tensor, "*replicates n dim"],
    v: Float[Tensor, "*replicates n dim"],
    *,
    batch_size: int,
    temperature: float,
) -> Float[Tensor, "*replicates n n"]:
    """How much loss the pairs i and j cause each other, in nats.

    w_ij = sum over (a, b) in {(i, j), (j, i)} of
           log(1 + (B-1) e^{u_a.(v_b - v_a)/tau}) + log(1 + (B-1) e^{v_a.(u_b - u_a)/tau}).

    By Jensen's inequality (log(1+x) is concave) the two-direction loss of a batch b is at least
    sum_{i<j in b} w_ij / (B(B-1)), with equality for B = 2. The diagonal means nothing.

    References:
        Cho et al., 2024, Section 5 (temperature 1), arXiv 2307.05906, where it is called an upper bound.
    """
    cross = u @ v.mT / temperature
    positive = cross.diagonal(dim1=-2, dim2=-1)[..., None]
    shift = float(np.log(batch_size - 1)) if batch_size > 1 else -torch.inf
    one_way = functional.softplus(cross - positive + shift) + functional.softplus(cross.mT - positive + shift)
    return one_way + one_way.mT


@dataclass(frozen=True)
class Spectral(Selection):
    """Partition each pool of pairs into batches of large total pair weight, by spectral clustering.

    Per pool: affinity exp(w) of the pair weights w; the k = pool / B eigenvectors of its normalised Laplacian
    with the smallest eigenvalues, divided by the square root of the degrees; k-means; and the assignment of
    exactly B points to each centre that has the least total distance. Pools are cut from a new random order
    every epoch; what does not fill a pool is left out (fewer than `pool` pairs, others every time).

    The affinity is normalised in log space, so that exp(w) cannot overflow at any temperature.

    Args:
        temperature: tau of the pair weights.
        batches_per_pool: k; None for one pool of everything.
        replan: "epoch" plans all pools at once, as published; "pool" one after the other, each with the weights
            of when its turn comes, at the same cost.
        exponential: Cluster exp(w), as the published code does, or w itself (harder batches on some data).

    Cost per pool of n pairs: n^2 (dim + k) for the affinity and the eigenvectors, O(n^3) for the assignment.

    References:
        Cho et al., 2024, Section 5 and Algorithm 2, arXiv 2307.05906, with k = 40, B = 32 on images.
    """

    temperature: float
    batches_per_pool: int | None = None
    replan: Literal["epoch", "pool"] = "epoch"
    exponential: bool = True
    uses_embeddings: ClassVar[bool] = True

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if batch_size < 2:
            raise ValueError(f"spectral selection needs batches of at least 2 pairs, got batch_size {batch_size}")
        pool = self._pool_size(n_pairs, batch_size)
        if pool > n_pairs:
            raise ValueError(
                f"a pool of batches_per_pool * batch_size = {pool} pairs needs at least as many pairs, got "
                f"{n_pairs}; lower batches_per_pool to {n_pairs // batch_size} or less"
            )

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        pool = self._pool_size(n_pairs, batch_size)
        return n_pairs // pool * (pool // batch_size)

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        pool = self._pool_size(n_pairs, batch_size)
        n_pools = n_pairs // pool
        turn = epoch if self.replan == "epoch" else epoch // n_pools
        whole = pool == n_pairs
        order = everyone(n_pairs, seed) if whole else permutation(seed, "spectral", turn, n_pairs)
        pools = list(enumerate(order[..., : n_pools * pool].split(pool, -1)))
        if self.replan == "pool":
            pools = [pools[epoch % n_pools]]
        batches = [
            self._cluster(index, batch_size, seed, turn * n_pools + number, embed) for number, index in pools
        ]
        return Plan(
            torch.cat(batches, -2),
            order[..., n_pools * pool :],
            "partition" if self.replan == "epoch" or n_pools == 1 else "subset",
        )

    def _pool_size(self, n_pairs: int, batch_size: int) -> int:
        return (self.batches_per_pool or n_pairs // batch_size) * batch_size

    def _cluster(
        self, index: Int[Tensor, "*replicates n"], batch_size: int, seed: Seed, number: int, embed: Embed
    ) -> Int[Tensor, "*replicates k batch"]:
        """The batches of one pool."""
        u, v = embed(index)
        k = index.shape[-1] // batch_size
        # exp(w) spans more than float32's range at the temperatures in use.
        w = pair_weights(u.double(), v.double(), batch_size=batch_size, temperature=self.temperature)
        points = spectral_embedding(w if self.exponential else w.log(), k)
        centres = kmeans_centres(points, k, seed=seed, epoch=number)
        label = balanced_assignment(torch.cdist(points, centres), batch_size).to(index.device)
        # Sorting by label puts the members of a batch side by side.
        return index.gather(-1, label.argsort(dim=-1, stable=True)).unflatten(-1, (k, batch_size))


def spectral_embedding(log_affinity: Float[Tensor, "*replicates n n"], k: int) -> Float[Tensor, "*replicates n k"]:
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


def _leading_eigenvectors(matrix: Float[Tensor, "*replicates n n"], k: int) -> Float[Tensor, "*replicates n k"]:
    """Eigenvectors of the k largest eigenvalues (the Laplacian's smallest)."""
    n = matrix.shape[-1]
    if n <= _DENSE or matrix.is_cuda or k >= n // 2:
        return torch.linalg.eigh(matrix).eigenvectors[..., -k:].flip(-1)
    from scipy.sparse.linalg import eigsh  # a quarter of a second that small problems need not wait for

    vectors = []
    for number, one in enumerate(matrix.reshape(-1, n, n).numpy()):
        # A seeded start makes Lanczos' iteration, and so the plan, repeatable.
        rng = np.random.default_rng(derived_seed(number, "lanczos"))
        vectors.append(eigsh(one, k=k, which="LA", v0=rng.uniform(-1, 1, n))[1][:, ::-1].copy())
    return torch.from_numpy(np.stack(vectors)).reshape(*matrix.shape[:-1], k)
