"""What a table says about a claim: a verdict and the numbers behind it, computed and never typed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from figures.effects import Interval, interval

Verdict = Literal["confirmed", "refuted", "partly", "open"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "refuted", "partly", "open")
ROUNDING = 1e-8
"""A gap below this is nothing: minimisers are found in float64 by their first derivatives."""


@dataclass(frozen=True)
class Evidence:
    """A verdict on a claim and what it rests on.

    confirmed: every interval that the claim is about lies where the claim says; refuted: at least one lies on the
    other side; partly: some lie where it says, others do not, and all of this is part of the finding; open: the
    intervals do not decide, or the table lacks what is needed.
    """

    verdict: Verdict
    text: str
    """The finding in one or two sentences, with effect, 95 % interval and n where there is no table of them."""
    table: Sequence[Sequence[str]] = ()
    """The numbers that the verdict rests on: a header, then a row for each case; empty if the text has them all."""

    def __post_init__(self) -> None:
        """Refuse an unknown verdict, an empty text or a ragged table."""
        if self.verdict not in VERDICTS or not self.text.strip():
            raise ValueError(
                f"evidence needs one of {', '.join(VERDICTS)} and a text, got {self.verdict!r} and {self.text!r}"
            )
        if len({len(row) for row in self.table}) > 1 or len(self.table) == 1:
            raise ValueError(
                "a table of evidence needs a header and rows of as many cells, got rows of "
                f"{', '.join(str(len(row)) for row in self.table)} cells"
            )


def mean_difference(first: Iterable[float], second: Iterable[float]) -> Interval:
    """Mean of first - second, paired, with its 95 % interval by Student's t.

    Raises:
        ValueError: If the two are not equally many.
    """
    return interval(a - b for a, b in zip(first, second, strict=True))


def welch(first: Interval, second: Interval) -> Interval:
    """Difference of two independent means with its 95 % interval, from their standard deviations and n.

        m1 - m2 -+ t_{0.975, f} s,   s^2 = s1^2 / n1 + s2^2 / n2,
        f = s^4 / ((s1^2 / n1)^2 / (n1 - 1) + (s2^2 / n2)^2 / (n2 - 1))

    Where both deviations are 0 the interval is the point; of fewer than two values it is (nan, nan).

    Returns:
        Its std is s sqrt(n), n the smaller of the two.

    References:
        Welch, 1947, The generalization of Student's problem when several different population variances are
        involved.
    """
    mean, n = first.mean - second.mean, min(first.n, second.n)
    if n < 2:
        return Interval(mean, np.nan, np.nan, np.nan, n)
    a, b = first.std**2 / first.n, second.std**2 / second.n
    if a + b == 0:
        return Interval(mean, 0.0, mean, mean, n)
    freedom = (a + b) ** 2 / (a**2 / (first.n - 1) + b**2 / (second.n - 1))
    half = float(stdtrit(freedom, 0.975)) * (a + b) ** 0.5
    return Interval(mean, ((a + b) * n) ** 0.5, mean - half, mean + half, n)


def bootstrap(
    values: Iterable[float], statistic: Callable[..., np.ndarray] = np.median, draws: int = 2000
) -> Interval:
    """A statistic of values that need not be normal, with its 95 % interval by the percentile bootstrap.

    nan are left out. Draws come from a fixed generator, so that the same table gives the same numbers.

    Args:
        values: One per seed.
        statistic: As np.median: takes an array and an axis.
        draws: Samples with replacement.

    Returns:
        `mean` holds the statistic. The interval of fewer than two values is (nan, nan).

    References:
        Efron, 1979, Bootstrap methods: another look at the jackknife.
    """
    found = np.array(list(values), dtype=float)
    found = found[~np.isnan(found)]
    n = len(found)
    if n < 2:
        return Interval(float(statistic(found, axis=0)) if n else np.nan, np.nan, np.nan, np.nan, n)
    drawn = np.random.default_rng(0).choice(found, (draws, n))
    low, high = (float(x) for x in np.quantile(statistic(drawn, axis=1), [0.025, 0.975]))
    return Interval(float(statistic(found, axis=0)), float(found.std(ddof=1)), low, high, n)


def ratio(first: Interval, second: Interval) -> Interval:
    """Ratio of two positive numbers with its 95 % interval, from their own intervals.

    With a = log(first), b = log(second), [la, ua] and [lb, ub] their intervals,

        log of the ends = a - b - sqrt((a - la)^2 + (ub - b)^2)   and   a - b + sqrt((ua - a)^2 + (b - lb)^2),

    which recovers the variances from the intervals and assumes nothing of their symmetry. An end that is nan
    stands for "beyond what was measured", so that end of the ratio is nan, too.

    References:
        Zou and Donner, 2008, Construction of confidence limits about effect measures: a general approach.
    """
    a, b = np.log(first.mean), np.log(second.mean)
    below = np.hypot(a - np.log(first.low), np.log(second.high) - b)
    above = np.hypot(np.log(first.high) - a, b - np.log(second.low))
    low, high = float(np.exp(a - b - below)), float(np.exp(a - b + above))
    return Interval(float(np.exp(a - b)), np.nan, low, high, min(first.n, second.n))


def together(found: Interval, count: int) -> Interval:
    """An interval by Student's t, widened so that `count` of them hold together in 95 of 100 experiments.

    Bonferroni: each at the level 1 - 0.05 / count.
    """
    if found.n < 2:
        return found
    factor = float(stdtrit(found.n - 1, 1 - 0.025 / count) / stdtrit(found.n - 1, 0.975))
    low, high = (found.mean + factor * (end - found.mean) for end in (found.low, found.high))
    return Interval(found.mean, found.std, low, high, found.n)


def share_of_all(n: int) -> float:
    """Lower end of the 95 % interval of a probability, when all of n independent trials came out so.

        (0.025)^(1/n)

    References:
        Clopper and Pearson, 1934, The use of confidence or fiducial limits.
    """
    return 0.025 ** (1 / n)


def told(found: Interval, digits: int = 3, *, signed: bool = False) -> str:
    """'+0.12 [0.1, 0.14], n = 64': value, 95 % interval and n, with so many significant digits."""
    form = f".{digits}g"
    value, ends, n = cells(found, form, signed=signed)
    return f"{value} (n = {n})" if np.isnan(found.low) else f"{value} {ends}, n = {n}"


def cells(found: Interval, form: str = ".3g", *, signed: bool = False) -> list[str]:
    """The same as three cells of a table: '+0.12', '[0.1, 0.14]', '64'.

    Args:
        found: An interval; one without ends is shown as '–', an end beyond what was measured as 'more' or 'less'.
        form: How numbers are written, as in format(1234.5, ",.0f").
        signed: Whether the value has a sign where it is positive, too.
    """
    value = format(found.mean, f"{'+' if signed else ''}{form}")
    low, high = (
        word if np.isnan(end) else format(end, form) for end, word in ((found.low, "less"), (found.high, "more"))
    )
    missing = np.isnan(found.low) and np.isnan(found.high)
    return [value, "–" if missing else f"[{low}, {high}]", str(found.n)]


def crossing(row: Mapping[str, Any], scale: float = 1.0) -> Interval:
    """When something is reached, with its interval, from the row of a table; ends that were not seen are nan.

    Args:
        row: `updates` until then (empty: it was not reached) with their interval `low`, `high`; `at_most`, the
            updates that were made; `n`; where it is known `first`, the first update after which one looked.
        scale: Of what is told: 1 for updates, the seconds of an update for seconds.
    """
    low, high = (np.nan if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
    if pd.isna(row["updates"]):
        made = float(row["at_most"])
        return Interval(made * scale, np.nan, float(np.fmin(low, made)) * scale, np.nan, int(row["n"]))
    low = low if low > row.get("first", 0) else np.nan
    return Interval(float(row["updates"]) * scale, np.nan, low * scale, high * scale, int(row["n"]))


def bounded(found: Interval) -> str:
    """As in '80 [70, 95]'; what lacks an end is a bound on that side, what lacks both says nothing: '–'."""
    if np.isnan(found.low) and np.isnan(found.high):
        return "–"
    if np.isnan(found.low) or np.isnan(found.high):
        return f"> {found.low:.3g}" if np.isnan(found.high) else f"< {found.high:.3g}"
    return " ".join(cells(found)[:2])


def sign(found: Interval, null: float = 0.0) -> int:
    """1 if the whole interval is above 0 (or another value), -1 if below, 0 if it does not decide."""
    return 1 if found.low > null else -1 if found.high < null else 0


def verdict(expected: int, found: Iterable[Interval], null: float = 0.0) -> Verdict:
    """What intervals say about a claim that all of them lie on one side of 0.

    Args:
        expected: 1 if the claim is that they are above 0, -1 if below.
        found: At least one, or the claim is open.
        null: What stands for 0: 1 where the intervals are of ratios.
    """
    signs = [sign(one, null) * expected for one in found]
    if not signs or all(one == 0 for one in signs):
        return "open"
    if all(one == 1 for one in signs):
        return "confirmed"
    return "partly" if 1 in signs else "refuted"


def tally(expected: int, found: Iterable[Interval], null: float = 0.0) -> str:
    """How many intervals lie where `verdict` asks: '8 of 12 as claimed, 1 the other way round, 3 undecided'."""
    signs = [sign(one, null) * expected for one in found]
    words = [f"{signs.count(1)} of {len(signs)} as claimed"]
    words += [f"{signs.count(-1)} the other way round"] if -1 in signs else []
    words += [f"{signs.count(0)} undecided"] if 0 in signs else []
    return ", ".join(words)
