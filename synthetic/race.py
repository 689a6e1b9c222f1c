"""How many updates a selection needs to come near the optimum, at its best learning rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float

from synthetic.clock import Cost
from synthetic.trajectories import Decay, Problem, Trajectories, crossing, crossing_interval, trajectories
from synthetic.tuning import FIRST_TUNING_SEED, best_exponents
from training import Run


@dataclass(frozen=True, kw_only=True)
class Race(Problem):
    """One selection on one problem, its learning rate tuned on seeds of its own.

    * `constant`: rates are powers of two of `Problem.unit_rate`. For each target the rate is taken whose median
      gap over the tuning seeds reaches it after the fewest updates (or comes nearest to it); the search goes on
      until the best rate has worse ones on both sides. That rate is then run on the seeds.
    * `cosine`: every horizon is a run of its own, decayed to 0 at its end; for each the rate is taken with the
      smallest median gap at the end. The updates that a target needs are found between horizons.

    With a `learning_rate` nothing is tuned: that is the rate, or the peak of its decay.

    Seconds are those of one replicate among many side by side, see `synthetic.clock`: updates times the cost of an
    update, averaged over the run that the gaps are from. Tuning is not counted.
    """

    kind: ClassVar[str] = "race"
    selection: str
    decay: Decay = "constant"
    epochs: int = 1024
    """The longest horizon, in epochs."""
    horizons: int | None = None
    """Of cosine: how many, each half as long as the next; None at a constant rate."""
    targets: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    seeds: int = 64
    tuning_seeds: int = 8
    learning_rate: float | None = None
    """None for the best one; Cho et al., 2024, arXiv 2307.05906, take 0.5 for every selection."""
    candidates: int | None = None
    """Of Ordered SGD: random batches that it chooses among, None for all there are."""
    keep: int | None = None
    """Of Ordered SGD: how many of them it trains on before it chooses again, None for one."""

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.seeds < 2 or self.tuning_seeds < 1:
            raise ValueError(
                f"a race needs at least 2 seeds and 1 tuning seed, got {self.seeds} and {self.tuning_seeds}"
            )
        if (self.horizons is None) == (self.decay == "cosine"):
            raise ValueError(
                f"horizons are the runs of a cosine decay, got {self.horizons} of them for a {self.decay} rate; "
                "say how many with decay='cosine', and leave them out else"
            )
        if self.horizons is not None and not 0 < self.horizons <= self.epochs.bit_length():
            raise ValueError(
                f"horizons halve from {self.epochs} epochs down to at least 1, got {self.horizons} of them; take "
                f"{self.epochs.bit_length()} or fewer"
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"learning_rate must be positive and finite, or None to be tuned, got {self.learning_rate}"
            )
        if self.selection != "osgd" and (self.candidates, self.keep) != (None, None):
            raise ValueError(
                f"candidates and keep are settings of osgd, got {self.candidates} and {self.keep} for "
                f"{self.selection!r}; leave them out"
            )
        self.rule(self.selection, candidates=self.candidates, keep=self.keep or 1)

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """Tune and measure; what is finished is not done again after an interruption.

        Returns:
            The content of result.json: `needed`, updates and seconds to each target, and `curve`, gaps at the best
            rates.
        """
        return _constant(self, run, device) if self.decay == "constant" else _cosine(self, run, device)


def _constant(race: Race, run: Run, device: torch.device) -> dict[str, Any]:
    def score(found: Trajectories) -> list[list[tuple[float, float]]]:
        """For every target and rate: updates until the median is there, then how near it comes."""
        medians = found.medians.T
        return [[(crossing(found.updates, m, goal), float(m[-1])) for m in medians] for goal in race.targets]

    saved = run.restore() or {}
    best = saved.get("best") or _tuned(race, device, range(-2, 7), race.epochs, score, points=8)
    run.checkpoint({"best": best})
    # Targets with the same best rate run it twice: as many replicates side by side in every race, one cost.
    found = _runs(race, device, best, range(race.seeds), race.epochs, points=8)
    needed = [
        _needed(race, goal, found.updates, found.gaps[:, i], _rate(race, e), found.cost)
        for i, (goal, e) in enumerate(zip(race.targets, best, strict=True))
    ]
    curve = [
        _point(race, int(update), gaps, e)
        for e in sorted({*best})
        for update, gaps in zip(found.updates, found.gaps[:, best.index(e)], strict=True)
    ]
    return {"needed": needed, "curve": curve}


def _cosine(race: Race, run: Run, device: torch.device) -> dict[str, Any]:
    def score(found: Trajectories) -> list[list[tuple[float, float]]]:
        return [[(float(m), 0.0) for m in found.medians[-1]]]

    saved = {"costs": {}} | (run.restore() or {"best": {}, "gaps": {}, "updates": {}})
    order = list(reversed(range(race.horizons or 0)))
    for k in order:
        if k in saved["gaps"]:
            continue
        epochs = race.epochs >> k
        around = saved["best"].get(k + 1, 1)
        (best,) = _tuned(race, device, range(around - 2, around + 3), epochs, score, points=0)
        found = _runs(race, device, [best], range(race.seeds), epochs, points=0)
        saved["best"][k], saved["updates"][k] = best, int(found.updates[-1])
        saved["gaps"][k], saved["costs"][k] = found.gaps[-1, 0].tolist(), tuple(found.cost)
        run.checkpoint(saved)
    updates = np.array([saved["updates"][k] for k in order])
    gaps = np.array([saved["gaps"][k] for k in order])
    curve = [_point(race, saved["updates"][k], gaps[i], saved["best"][k]) for i, k in enumerate(order)]
    cost = Cost(*saved["costs"][0]) if 0 in saved["costs"] else None
    return {"needed": [_needed(race, goal, updates, gaps, None, cost) for goal in race.targets], "curve": curve}


def _tuned(
    race: Race,
    device: torch.device,
    exponents: range,
    epochs: int,
    score: Callable[[Trajectories], list[list[tuple[float, float]]]],
    points: int,
) -> list[int]:
    """The best exponent of two for each goal, with worse ones tried on both sides; 0 where the rate is given."""
    if race.learning_rate is not None:
        return [0] * (len(race.targets) if race.decay == "constant" else 1)
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + race.tuning_seeds)
    return best_exponents(lambda tried: score(_runs(race, device, tried, seeds, epochs, points)), exponents)


def _runs(
    race: Race, device: torch.device, exponents: Sequence[int], seeds: Sequence[int], epochs: int, points: int
) -> Trajectories:
    return trajectories(
        race,
        race.selection,
        rates=[_rate(race, e) for e in exponents],
        seeds=seeds,
        epochs=epochs,
        decay=race.decay,
        device=device,
        points_per_doubling=points,
        candidates=race.candidates,
        keep=race.keep or 1,
    )


def _rate(race: Race, exponent: int) -> float:
    """In powers of two of the problem's unit, or of the rate that is given."""
    return (race.learning_rate or race.unit_rate) * 2.0**exponent


def _needed(
    race: Race,
    goal: float,
    updates: np.ndarray,
    gaps: Float[np.ndarray, "points seeds"],
    rate: float | None,
    cost: Cost | None,
) -> dict[str, Any]:
    """Updates and seconds to one target; None stands for more than were made, or for what was not measured."""
    found = crossing_interval(updates, gaps, goal)
    told = {name: value if np.isfinite(value) else None for name, value in found._asdict().items()}
    needed = {"target": goal, **told, "at_most": int(updates[-1]), "rate": rate, "n": race.seeds}
    if cost is None:
        return needed
    seconds = {"seconds" if name == "value" else f"seconds_{name}": value for name, value in told.items()}
    return {
        **needed,
        **{name: None if value is None else value * cost.update for name, value in seconds.items()},
        "update_seconds": cost.update,
        "planning_seconds": cost.planning,
        "side_by_side": cost.side_by_side,
    }


def _point(race: Race, update: int, gaps: Float[np.ndarray, " seeds"], exponent: int) -> dict[str, Any]:
    """A point of a curve: median and middle 80 % over the seeds."""
    low, median, high = (float(x) for x in np.quantile(gaps, [0.1, 0.5, 0.9]))
    return {"update": update, "median": median, "low": low, "high": high, "rate": _rate(race, exponent)}
