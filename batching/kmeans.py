"""k-means for many small problems side by side: greedy k-means++ seeding and Lloyd's iteration."""

from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching.seeded import Seed, uniforms


def kmeans_centres(
    points: Float[Tensor, "*replicates n dim"], k: int, *, seed: Seed, epoch: int = 0, iterations: int = 300
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

    Cost: O(n k dim) for every iteration, O(n k dim log k) for the seeding.

    References:
        Arthur and Vassilvitskii, 2007, "k-means++: the advantages of careful seeding" (greedy form, Section 7).
    """
    lead = points.shape[:-2]
    x = points.reshape(-1, *points.shape[-2:])
    centres = _greedy_start(x, k, seed, epoch)
    nearest = None
    for _ in range(iterations):
        latest = (centres.square().sum(-1)[:, None, :] - 2 * x @ centres.mT).argmin(-1)
        if nearest is not None and torch.equal(latest, nearest):
            break
        nearest = latest
        centres = _means(x, nearest, centres)
    return centres.reshape(*lead, k, -1)


def _greedy_start(
    x: Float[Tensor, "problems n dim"], k: int, seed: Seed, epoch: int
) -> Float[Tensor, "problems k dim"]:
    """Each new centre is the best of a few points drawn with probability proportional to their cost."""
    problems, n, _ = x.shape
    trials = 2 + int(log(k))
    draws = uniforms(seed, "k-means++", epoch, 1 + (k - 1) * trials, device=x.device)
    draws = draws.reshape(problems, -1).to(x)
    chosen = (draws[:, :1] * n).long()
    distance = _to_chosen(x, chosen)[:, 0]
    for c in range(1, k):
        among = distance.cumsum(-1)
        target = draws[:, 1 + (c - 1) * trials : 1 + c * trials] * among[:, -1:]
        drawn = torch.searchsorted(among, target, right=True).clamp_(max=n - 1)
        improved = torch.minimum(_to_chosen(x, drawn), distance[:, None, :])
        best = improved.sum(-1).argmin(-1, keepdim=True)
        distance = improved.gather(1, best[..., None].expand(-1, -1, n))[:, 0]
        chosen = torch.cat([chosen, drawn.gather(1, best)], dim=1)
    return x.gather(1, chosen[..., None].expand(-1, -1, x.shape[-1]))


def _to_chosen(
    x: Float[Tensor, "problems n dim"], chosen: Int[Tensor, "problems m"]
) -> Float[Tensor, "problems m n"]:
    """Squared distances of all points to the chosen ones."""
    to = x.gather(1, chosen[..., None].expand(-1, -1, x.shape[-1]))
    norms = x.square().sum(-1)
    return (norms[:, None, :] + norms.gather(1, chosen)[..., None] - 2 * to @ x.mT).clamp_(min=0)


def _means(x: Tensor, nearest: Int[Tensor, "problems n"], centres: Tensor) -> Tensor:
    ours = nearest[:, None, :] == torch.arange(centres.shape[1], device=x.device)[:, None]
    count = ours.sum(-1, keepdim=True)
    return torch.where(count > 0, (ours.to(x) @ x) / count.clamp(min=1), centres)
