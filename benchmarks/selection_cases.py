"""The methods of selection that are measured, and the published one as its authors run it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.manifold import spectral_embedding
from torch import Tensor
from typing_extensions import override

from batching.engines.engine import Cut, Engine
from batching.plan import Selection
from batching.registry import make_selection
from batching.rules.partition import Partitioned
from losses import clip

POOL = 40
"""Batches of a pool where the publication has pools."""
PUBLISHED = "published"


@dataclass(frozen=True)
class Published(Engine):
    """Even-sized spectral clustering by scikit-learn and scipy, step by step as in the code of the publication.

    A_ij = log(1 + (B-1) e^{(s_ij - s_ii)/tau}) + log(1 + (B-1) e^{(s_ji - s_ii)/tau}), its diagonal included, in
    float32; affinity exp(A + A^T) in float64; ARPACK's eigenvectors, the first kept; k-means; each centre B times;
    the assignment of least total distance. Unlike there, scikit-learn's random state is the seed of the plan.

    References:
        Cho et al., 2024, Section 5 and Algorithm 2, arXiv 2307.05906.
    """

    temperature: float

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
        pools = zip(u.cpu().numpy(), v.cpu().numpy(), seed.tolist(), strict=True)
        batches = [self._pool(a, b, batch_size, own % 2**31) for a, b, own in pools]
        return Cut(torch.from_numpy(np.stack(batches)).to(u.device))

    def _pool(
        self, u: Float[np.ndarray, "n dim"], v: Float[np.ndarray, "n dim"], size: int, seed: int
    ) -> Int[np.ndarray, "k batch"]:
        k = len(u) // size
        s = u @ v.T / self.temperature
        own = np.diag(s)[:, None]
        a = np.log(1 + (size - 1) * np.exp(s - own)) + np.log(1 + (size - 1) * np.exp(s.T - own))
        affinity = np.exp(a + a.T).astype(np.float64)
        maps = spectral_embedding(
            affinity, n_components=k, eigen_solver="arpack", random_state=seed, drop_first=False
        )
        centres = KMeans(k, random_state=seed).fit(maps).cluster_centers_
        label = linear_sum_assignment(cdist(maps, centres.repeat(size, axis=0)))[1] // size
        return np.argsort(label, kind="stable").reshape(k, size)


Make = Callable[[int, int, float], Selection]


@dataclass(frozen=True)
class Case:
    """A method to measure."""

    make: Make
    """From the numbers of pairs and of pairs in a batch, and the temperature."""
    largest: int = 50_000
    """Pairs up to which it is measured."""
    threads: int = 1
    from_pairs: int = 0
    """It is measured from here on."""
    needs: str = ""
    """A package that it does not go without."""


def _pooled(n: int, batch_size: int) -> int | None:
    return POOL if n > POOL * batch_size else None


def _published(n: int, batch_size: int, temperature: float) -> Selection:
    return Partitioned(Published(temperature), batches_per_pool=_pooled(n, batch_size))


def _named(name: str, n: int, batch_size: int, temperature: float) -> Selection:
    few = n <= POOL * batch_size
    return make_selection(
        name,
        loss=partial(clip, temperature=temperature),
        temperature=temperature,
        communities=1,
        candidates=400 if few else 1500,
        keep=40 if few else 150,
        batches_per_pool=_pooled(n, batch_size) if name == "spectral" else None,
    )


_MANY = 200_000

CASES: dict[str, Case] = {
    PUBLISHED: Case(_published),
    "spectral": Case(partial(_named, "spectral")),
    "spectral, 2 threads": Case(partial(_named, "spectral"), threads=2, from_pairs=50_000),
    "balanced": Case(partial(_named, "balanced"), _MANY),
    "kmeans": Case(partial(_named, "kmeans")),
    "graph": Case(partial(_named, "graph"), _MANY, needs="pymetis"),
    "graph, no swaps": Case(partial(_named, "communities"), needs="pymetis"),
    "bandwidth": Case(partial(_named, "bandwidth"), _MANY),
    "clusters": Case(partial(_named, "clusters"), _MANY),
    "cluster-draws": Case(partial(_named, "cluster-draws")),
    "walk": Case(partial(_named, "walk")),
    "osgd": Case(partial(_named, "osgd")),
    "shuffled": Case(partial(_named, "shuffled"), _MANY),
    "spread": Case(partial(_named, "spread")),
}
"""Those of pools make these of 40 batches; all others plan on all pairs at once."""
