"""k-means for many small problems side by side: greedy k-means++ seeding and Lloyd's iteration."""

from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from batching.seeded import Seed, permutation, uniforms

_ENTRIES_AT_ONCE = 2**24
"""Distances between points and centres that are held at once."""


def kmeans_centres(
    points: Float[Tensor, "*replicates n dim"],
    k: int,
    *,
    seed: Seed,
    epoch: int = 0,
    iterations: int = 300,
    spherical: bool = False,
    points_per_centre: int | None = None,
) -> Float[Tensor, "*replicates k dim"]:
    """Centres that locally minimise sum_i min_c |x_i - c|^2, from one greedy k-means++ start.

    Stops when no point changes its centre in any replicate. A centre that loses all its points stays where it
    is. The procedure of scikit-learn's `KMeans(k, n_init=1)`, except for that last rule and its tolerance.

    Args:
        points: The points of each problem.
        k: Number of centres, at most n.
        seed: One seed, or one for each replicate.
        epoch: Counter for the random numbers.
        iterations: At most so many.
        spherical: Give centres unit length after every step; for unit points, the nearest centre then is the
            one of largest cosine.
        points_per_centre: Find the centres on so many random points for each, and seed them on a fifth of
            these; None for all points.

    Cost: O(n k dim) for every iteration, O(n k dim log k) for the seeding.

    References:
        Arthur and Vassilvitskii, 2007, "k-means++: the advantages of careful seeding" (greedy form, Section 7).
        Dhillon and Modha, 2001, "Concept decompositions for large sparse text data using clustering" (spherical).
    """
    lead = points.shape[:-2]
    x = points.reshape(-1, *points.shape[-2:])
    few = x
    if points_per_centre is not None and points_per_centre * k < x.shape[1]:
        order = permutation(seed, "k-means sample", epoch, x.shape[1], device=x.device).reshape(len(x), -1)
        x = _rows(x, order[:, : points_per_centre * k])
        few = x[:, : max(1, points_per_centre // 5) * k]
    centres = _greedy_start(few, k, seed, epoch)
    nearest = None
    for _ in range(iterations):
        latest = nearest_centres(x, centres)
        if nearest is not None and torch.equal(latest, nearest):
            break
        nearest = latest
        centres = _means(x, nearest, centres)
        if spherical:
            centres = functional.normalize(centres, dim=-1)
    return centres.reshape(*lead, k, -1)


def nearest_centres(
    x: Float[Tensor, "*replicates n dim"], centres: Float[Tensor, "*replicates k dim"]
) -> Int[Tensor, "*replicates n"]:
    """The centre nearest to each point, the first of several."""
    lengths = centres.square().sum(-1)[..., None, :]
    chunk = max(1, _ENTRIES_AT_ONCE // (centres.numel() // centres.shape[-1]))
    parts = [(lengths - 2 * part @ centres.mT).argmin(-1) for part in x.split(chunk, dim=-2)]
    return torch.cat(parts, -1)


def _greedy_start(
    x: Float[Tensor, "problems n dim"], k: int, seed: Seed, epoch: int
) -> Float[Tensor, "problems k dim"]:
    """Each new centre is the best of a few points drawn with probability proportional to their cost."""
    problems, n, _ = x.shape
    trials = 2 + int(log(k))
    draws = uniforms(seed, "k-means++", epoch, 1 + (k - 1) * trials, device=x.device)
    draws = draws.reshape(problems, -1).to(x)
    chosen = (draws[:, :1] * n).long()
    norms = x.square().sum(-1)
    distance = _to_chosen(x, norms, chosen)[:, 0]
    for c in range(1, k):
        among = distance.cumsum(-1)
        target = draws[:, 1 + (c - 1) * trials : 1 + c * trials] * among[:, -1:]
        drawn = torch.searchsorted(among, target, right=True).clamp_(max=n - 1)
        improved = torch.minimum(_to_chosen(x, norms, drawn), distance[:, None, :])
        best = improved.sum(-1).argmin(-1, keepdim=True)
        distance = improved.gather(1, best[..., None].expand(-1, -1, n))[:, 0]
        chosen = torch.cat([chosen, drawn.gather(1, best)], dim=1)
    return _rows(x, chosen)


def _to_chosen(
    x: Float[Tensor, "problems n dim"], norms: Float[Tensor, "problems n"], chosen: Int[Tensor, "problems m"]
) -> Float[Tensor, "problems m n"]:
    """Squared distances of all points to the chosen ones."""
    to = _rows(x, chosen)
    return (norms[:, None, :] + norms.gather(1, chosen)[..., None] - 2 * to @ x.mT).clamp_(min=0)


def _rows(x: Float[Tensor, "problems n dim"], index: Int[Tensor, "problems m"]) -> Float[Tensor, "problems m dim"]:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def _means(
    x: Float[Tensor, "problems n dim"], nearest: Int[Tensor, "problems n"], centres: Float[Tensor, "problems k dim"]
) -> Float[Tensor, "problems k dim"]:
    problems, k, dim = centres.shape
    flat = (nearest + torch.arange(problems, device=x.device)[:, None] * k).flatten()
    sums = x.new_zeros(problems * k, dim)
    # Both add in a fixed order; on a GPU, index_add_ does not.
    if x.is_cuda:
        sums.index_put_((flat,), x.flatten(0, 1), accumulate=True)
    else:
        sums.index_add_(0, flat, x.flatten(0, 1))
    count = torch.zeros(problems * k, dtype=torch.long, device=x.device)
    count.scatter_add_(0, flat, torch.ones_like(flat))
    count, sums = count.view(problems, k, 1), sums.view(problems, k, dim)
    return torch.where(count > 0, sums / count.clamp(min=1), centres)
