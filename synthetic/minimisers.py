"""Embeddings that minimise a loss over given batches: L-BFGS from a random start, in float64."""

import numpy as np
import torch
from jaxtyping import Float, Int

from losses import Loss, value_and_gradient

Views = tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, "n dim"]]
Batches = Int[np.ndarray, "n_batches batch"]
_PATIENT = {"maxiter": 5000, "maxfun": 10_000, "ftol": 0.0, "gtol": 1e-12, "maxcor": 30}
_ROUNDS = 20
"""How often a descent is begun again from where it stopped, as long as that helps."""


def settled(loss: Loss, batches: Batches, *, n_pairs: int, dim: int, seed: int, equal: bool = False) -> Views:
    """Unit embeddings u, v that minimise the mean loss over these batches, from a Gaussian start.

    The variables are vectors x of any length, of which the loss sees x / |x|: with g the gradient there, theirs is
    (g - (g.x) x / |x|^2) / |x|. Where a descent stops, it is begun again with rows of unit length, until that
    finds nothing better. It is a local search: what it finds need not be the least value.

    Args:
        loss: Any of `losses.make_loss` whose gradient is that of its value (`flatnce` has that of `dcl`).
        batches: Rows of pair numbers.
        n_pairs: N.
        dim: d.
        seed: Of the start.
        equal: Start with v = u, which losses that treat both views alike keep.

    Cost: 50 to 2,000 evaluations of the loss and its gradient.
    """
    from scipy.optimize import minimize  # a third of a second that starting need not wait for

    table = torch.from_numpy(batches)
    shape = (2, n_pairs, dim)

    def value_and_slope(flat: Float[np.ndarray, " entries"]) -> tuple[float, Float[np.ndarray, " entries"]]:
        raw = torch.from_numpy(flat).reshape(shape)
        length = torch.linalg.vector_norm(raw, dim=-1, keepdim=True)
        unit = raw / length
        values, du, dv = value_and_gradient(loss, unit[0], unit[1], batches=table)
        slope = torch.stack([du, dv])
        along = torch.linalg.vecdot(slope, unit).unsqueeze(-1)
        return values.mean().item(), ((slope - along * unit) / length / len(table)).numpy().ravel()

    rows = np.random.default_rng([seed, 7]).standard_normal(shape)
    if equal:
        rows[1] = rows[0]
    best = np.inf
    for _ in range(_ROUNDS):
        found = minimize(value_and_slope, rows.ravel(), jac=True, method="L-BFGS-B", options=_PATIENT)
        rows = found.x.reshape(shape)
        rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
        if found.fun > best - 1e-15:
            break
        best = found.fun
    return rows[0], rows[1]


def mean_loss(loss: Loss, views: Views, batches: Batches) -> float:
    """The mean over the batches."""
    u, v = map(torch.tensor, views)
    return loss(u, v, batches=torch.from_numpy(batches)).mean().item()


def everyone(n_pairs: int) -> Batches:
    """The full batch."""
    return np.arange(n_pairs)[None]
