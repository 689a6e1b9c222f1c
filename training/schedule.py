"""Learning rates as functions of the update's number."""

from collections.abc import Callable
from math import cos, pi


def constant(peak: float) -> Callable[[int], float]:
    """The same at every update."""
    return lambda _update: peak


def warmup_cosine(peak: float, updates: int, *, warmup: int) -> Callable[[int], float]:
    """Linear from peak/warmup to the peak in `warmup` updates, then half a cosine down to 0 after the last one.

    References:
        Loshchilov and Hutter, 2017, Eq. (5), arXiv 1608.03983; Goyal et al., 2017, Section 2.2, arXiv 1706.02677.
    """

    def rate(update: int) -> float:
        if update < warmup:
            return peak * (update + 1) / warmup
        return peak * 0.5 * (1 + cos(pi * (update - warmup) / max(1, updates - warmup)))

    return rate


def warmup_linear(peak: float, updates: int, *, warmup: int) -> Callable[[int], float]:
    """Linear from peak/warmup to the peak in `warmup` updates, then along a line down to 0 after the last one.

    References:
        Devlin et al., 2019, Appendix A.2, arXiv 1810.04805.
    """

    def rate(update: int) -> float:
        if update < warmup:
            return peak * (update + 1) / warmup
        return peak * (updates - update) / max(1, updates - warmup)

    return rate
