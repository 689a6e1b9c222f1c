"""How many updates a selection needs to come near the optimum, at its best learning rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float

from synthetic.trajectories import Decay, Problem, Trajectories, crossing, crossing_interval, trajectories
from training import Run

_FIRST_TUNING_SEED = 1_000_000
_EXPONENTS = (-8, 12)
"""Learning rates that are tried at all, as powers of two of the problem's unit."""


@dataclass(frozen=True, kw_only=True)
class Race(Problem):
    """One selection on one problem, its learning rate tuned on seeds of its own.

    * `constant`: rates are powers of two of `Problem.unit_rate`. For each target the rate is taken whose median
      gap over the tuning seeds reaches it after the fewest updates (or comes nearest to it); the search goes on
      until the best rate has worse ones on both sides. That rate is then run on the seeds.
    * `cosine`: every horizon is a run of its own, decayed to 0 at its end; for each the rate is taken with the
      smallest median gap at the end. The updates that a target needs are found between horizons.
    """

    kind: ClassVar[str] = "race"
    selection: str
    decay: Decay = "constant"
    epochs: int = 1024
    """The longest horizon, in epochs."""
    horizons: int = 7
    """Of cosine: how many, each half as long as the next."""
    targets: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    seeds: int = 64
    tuning_seeds: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work before any of it starts."""
        if self.seeds < 2 or self.tuning_seeds < 1:
            raise ValueError(
                f"a race needs at least 2 seeds and 1 tuning seed, got {self.seeds} and {self.tuning_seeds}"
            )
        if not 0 < self.horizons <= self.epochs.bit_length():
            raise ValueError(
                f"horizons halve from {self.epochs} epochs down to at least 1, got {self.horizons} of them; take "
                f"{self.epochs.bit_length()} or fewer"
            )

    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        """Tune and measure; what is finished is not done again after an interruption.

        Returns:
            The content of result.json: `needed`, the updates to each target, and `curve`, gaps at the best rates.
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
    rates = sorted({*best})
    found = _runs(race, device, rates, range(race.seeds), race.epochs, points=8)
    needed = [
        _needed(race, goal, found.updates, found.gaps[:, rates.index(e)], race.unit_rate * 2.0**e)
        for goal, e in zip(race.targets, best, strict=True)
    ]
    curve = [
        _point(race, int(update), gaps, e)
        for i, e in enumerate(rates)
        for update, gaps in zip(found.updates, found.gaps[:, i], strict=True)
    ]
    return {"needed": needed, "curve": curve}


def _cosine(race: Race, run: Run, device: torch.device) -> dict[str, Any]:
    def score(found: Trajectories) -> list[list[tuple[float, float]]]:
        return [[(float(m), 0.0) for m in found.medians[-1]]]

    saved = run.restore() or {"best": {}, "gaps": {}, "updates": {}}
    for k in reversed(range(race.horizons)):
        if k in saved["gaps"]:
            continue
        epochs = race.epochs >> k
        around = saved["best"].get(k + 1, 1)
        (best,) = _tuned(race, device, range(around - 2, around + 3), epochs, score, points=0)
        found = _runs(race, device, [best], range(race.seeds), epochs, points=0)
        saved["best"][k], saved["updates"][k] = best, int(found.updates[-1])
        saved["gaps"][k] = found.gaps[-1, 0].tolist()
        run.checkpoint(saved)
    order = list(reversed(range(race.horizons)))
    updates = np.array([saved["updates"][k] for k in order])
    gaps = np.array([saved["gaps"][k] for k in order])
    curve = [_point(race, saved["updates"][k], gaps[i], saved["best"][k]) for i, k in enumerate(order)]
    return {"needed": [_needed(race, goal, updates, gaps, None) for goal in race.targets], "curve": curve}


def _tuned(
    race: Race,
    device: torch.device,
    exponents: range,
    epochs: int,
    score: Callable[[Trajectories], list[list[tuple[float, float]]]],
    points: int,
) -> list[int]:
    """The best exponent of two for each goal, with worse ones tried on both sides."""
    seeds = range(_FIRST_TUNING_SEED, _FIRST_TUNING_SEED + race.tuning_seeds)
    scores: dict[int, list[tuple[float, float]]] = {}
    ahead, best = list(exponents), list[int]()
    while ahead:
        by_goal = score(_runs(race, device, ahead, seeds, epochs, points))
        scores |= {e: [goal[i] for goal in by_goal] for i, e in enumerate(ahead)}
        best = [min(scores, key=lambda e: scores[e][k]) for k in range(len(by_goal))]
        low, high = min(scores), max(scores)
        ahead = [low - 2, low - 1] if low in best and low - 2 >= _EXPONENTS[0] else []
        ahead += [high + 1, high + 2] if high in best and high + 2 <= _EXPONENTS[1] else []
    return best


def _runs(
    race: Race, device: torch.device, exponents: Sequence[int], seeds: Sequence[int], epochs: int, points: int
) -> Trajectories:
    return trajectories(
        race,
        race.selection,
        rates=[race.unit_rate * 2.0**e for e in exponents],
        seeds=seeds,
        epochs=epochs,
        decay=race.decay,
        device=device,
        points_per_doubling=points,
    )


def _needed(
    race: Race,
    goal: float,
    updates: np.ndarray,
    gaps: Float[np.ndarray, "points seeds"],
    rate: float | None,
) -> dict[str, Any]:
    """Updates to one target; None stands for more than were made."""
    found = crossing_interval(updates, gaps, goal)
    told = {name: value if np.isfinite(value) else None for name, value in found._asdict().items()}
    return {"target": goal, **told, "at_most": int(updates[-1]), "rate": rate, "n": race.seeds}


def _point(race: Race, update: int, gaps: Float[np.ndarray, " seeds"], exponent: int) -> dict[str, Any]:
    """A point of a curve: median and middle 80 % over the seeds."""
    low, median, high = (float(x) for x in np.quantile(gaps, [0.1, 0.5, 0.9]))
    rate = race.unit_rate * 2.0**exponent
    return {"update": update, "median": median, "low": low, "high": high, "rate": rate}
