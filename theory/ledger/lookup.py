"""What is known about the smallest value of a loss, for every loss, N, d, B and temperature: `optimum`.

| loss                     | proved minimum                                   | otherwise                         |
|--------------------------|--------------------------------------------------|-----------------------------------|
| log-sum-exp family       | simplex ETF for N <= d + 1; d = 1; N = 2 d if    | a candidate, conjectured or       |
|                          | symmetric and antipodal; log xi at B = 2;        | refuted, or the simplex bound     |
|                          | log(1 + xi) at universally optimal codes, B = N  |                                   |
| `kcl`, `align_uniform`   | every universally optimal code; d = 1            | linear-programming bound          |
| `spectral_contrastive`   | everywhere: orthonormal rows, or a tight frame   |                                   |
| `supcon`, equal classes  | simplex of the classes, C <= d + 1               | the same as a bound               |
| `siglip`, `nce`          | double-constant embedding, d >= N, or its ends   | the same as a bound               |

The proofs are in `formulas.optima`, `certificates.logarithms`, `kernel_sums`, `supervised` and `sigmoid`; this is
where one looks them up.
"""

from dataclasses import replace
from typing import Any

from theory.formulas.family import FAMILY, check_integer, check_sizes, check_temperature, member
from theory.formulas.settings import chosen_settings
from theory.ledger.entry import Optimum
from theory.ledger.kernel_sums import align_uniform_optimum, kcl_optimum, spectral_contrastive_optimum
from theory.ledger.log_sums import all_batches, closeness, log_sum_exp_optimum
from theory.ledger.search import SearchResult, check_seed, search
from theory.ledger.sigmoid import nce_optimum, sigmoid_optimum
from theory.ledger.supervised import supcon_optimum

__all__ = ["Optimum", "optimum"]

_POSITIVE = {*(name for name in FAMILY if member(name).positive_in_denominator), "supcon", "siglip", "nce"}
_UNDERFLOW = "below the smallest float: the minimum is positive, and shown as 0"
_FLATNCE = "training with it follows the gradient of dcl: where that settles, optimum('dcl', ...) says"


def optimum(
    loss: str,
    n_pairs: int,
    dim: int,
    batch_size: int | None = None,
    temperature: float = 1.0,
    *,
    starts: int = 0,
    seed: int = 0,
    **settings: Any,
) -> Optimum:
    """The smallest value of a loss over unit embeddings u, v of n_pairs pairs in dim dimensions.

    Args:
        loss: a name in `theory.formulas.settings`: the log-sum-exp family (`LOSS_NAMES`), `kcl`, `align_uniform`,
            `spectral_contrastive`, `supcon`, `siglip`, `nce`.
        n_pairs: N, at least 2.
        dim: d, at least 1.
        batch_size: B: the mean over all C(N, B) batches is minimised; None for the full batch.
        temperature: tau > 0; `kcl`, `align_uniform` and `spectral_contrastive` have none and take no notice.
        starts: where no minimum is proved, search from this many random starts too (`search`, d >= 2).
        seed: of these starts.
        **settings: those of the loss: kernel, parameter, gamma; alpha, t, weight; n_classes, base_temperature;
            bias; log_noise.

    Returns:
        Value, status, source and, where known, embeddings.

    Raises:
        ValueError: if the loss has no entry (the message says why), a setting is not one of its own, or a size, the
            temperature or a setting is out of range; or if starts are asked for with more than 20,000 batches.

    Cost: milliseconds; up to a second for the linear program of `kcl`, and where candidates are compared. With
        starts, that of `search`.
    """
    chosen = chosen_settings(loss, settings)
    size = check_sizes(n_pairs, batch_size, dim)
    check_temperature(temperature)
    check_integer("starts", starts)
    check_seed(seed)
    if starts < 0:
        raise ValueError(f"starts must not be negative, received {starts}; 0 is no search")
    batches = all_batches(n_pairs, size) if starts and size < n_pairs else None
    entry = _entry(loss, n_pairs, dim, batch_size, temperature, chosen)
    if loss in _POSITIVE and entry.value == 0:
        entry = replace(entry, note="; ".join(filter(None, (_UNDERFLOW, entry.note))))
    if loss == "flatnce":
        entry = replace(entry, note=f"{entry.note}; {_FLATNCE}" if entry.note else _FLATNCE)
    if starts == 0 or dim == 1 or entry.status == "proved":
        return entry
    found = search(
        loss, n_pairs, dim, batches=batches, temperature=temperature, starts=starts, seed=seed, **settings
    )
    return _searched(entry, found, closeness(loss, entry.value), f"{starts} starts of L-BFGS, seed {seed}")


def _entry(
    loss: str, n_pairs: int, dim: int, batch_size: int | None, temperature: float, chosen: dict[str, Any]
) -> Optimum:
    match loss:
        case "kcl":
            return kcl_optimum(n_pairs, dim, batch_size, **chosen)
        case "align_uniform":
            return align_uniform_optimum(n_pairs, dim, batch_size, **chosen)
        case "spectral_contrastive":
            return spectral_contrastive_optimum(n_pairs, dim, batch_size)
        case "supcon":
            return supcon_optimum(n_pairs, dim, batch_size, temperature, **chosen)
        case "siglip":
            return sigmoid_optimum(n_pairs, dim, batch_size, temperature, **chosen)
        case "nce":
            return nce_optimum(n_pairs, dim, batch_size, temperature, **chosen)
        case _:
            return log_sum_exp_optimum(loss, n_pairs, dim, batch_size, temperature)


def _searched(entry: Optimum, found: SearchResult, closeness: float, how: str) -> Optimum:
    """The entry after a search: confirmed, undercut, or for a bound the first value that is attained."""
    u, v = found.u, found.v
    if entry.status == "lower_bound":
        source = f"best of {how}: a search, no proof; bound: {entry.source}"
        status, note = "conjectured", f"{found.n_best} of the starts led to it"
    elif found.value < entry.value - closeness:
        source = f"best of {how}, lower than what is natural; bound: that of {entry.source}"
        status, note = (
            "refuted",
            f"{entry.configuration or 'what else was tried'} has {entry.value:.6g}; {entry.note}",
        )
    else:
        return replace(entry, source=f"{entry.source}; nothing lower in {how}")
    return Optimum(found.value, status, None, source, entry.lower_bound, note, lambda: (u.copy(), v.copy()))
