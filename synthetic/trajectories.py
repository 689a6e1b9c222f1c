"""How the full-batch loss of many small problems falls, a replicate for every learning rate and seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from batching import Selection, make_selection
from losses import make_loss
from synthetic.clock import Cost, Timed, clock_of
from synthetic.pairs import FreePairs
from theory import optimum
from training import GradientDescent, Moment, Progress, Ranks, constant, fit, warmup_cosine
from training.captured import steps_for

Decay = Literal["constant", "cosine"]
Measure = Callable[[Float[Tensor, "replicates n dim"], Float[Tensor, "replicates n dim"]], Tensor | np.ndarray]
"""Of the unit embeddings u and v in float64: a number for each replicate."""
_CACHE = 2**22
"""Bytes of embeddings that are trained side by side on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Free embeddings of N pairs in d dimensions, trained in batches of B by plain gradient descent."""

    n_pairs: int
    dim: int
    batch_size: int
    loss: str = "clip_sum"
    temperature: float = 1.0
    equal_init: bool = False
    dtype: Literal["float64", "float32"] = "float64"

    @property
    def unit_rate(self) -> float:
        """D B / 16: a natural unit of learning rates.

        A raw vector has length sqrt(d) at the start and a share 1 / B of a batch's loss, so that a step turns it
        by about rate / (d B).
        """
        return self.dim * self.batch_size / 16

    def best_loss(self) -> float:
        """The smallest full-batch loss that is known, from which gaps are measured."""
        return optimum(self.loss, self.n_pairs, self.dim, temperature=self.temperature).value

    def rule(self, selection: str, *, candidates: int | None = None, keep: int = 1) -> Selection:
        """The rule of this name, with the problem's loss and temperature.

        Args:
            selection: One of `batching.SELECTIONS`.
            candidates: Of Ordered SGD: random batches to choose from, None for all.
            keep: Of Ordered SGD: how many of them are trained on.

        Raises:
            ValueError: If it cannot plan for these sizes.
        """
        rule = make_selection(
            selection,
            loss=make_loss(self.loss, temperature=self.temperature),
            temperature=self.temperature,
            candidates=candidates,
            keep=keep,
            pool_factor=2.0,
            neighbours=8,
        )
        rule.check(self.n_pairs, self.batch_size)
        return rule

    def start(self, seeds: Int[Tensor, " replicates"], rates: Float[Tensor, " replicates"] | None) -> FreePairs:
        """The embeddings before training, a replicate for each seed, with learning rates of their own."""
        return FreePairs(
            seeds,
            n_pairs=self.n_pairs,
            dim=self.dim,
            equal=self.equal_init,
            batch_size=self.batch_size,
            dtype=getattr(torch, self.dtype),
            rates=rates,
        )


class Trajectories(NamedTuple):
    """Gaps of the full-batch loss to the optimum, at some updates, for every learning rate and seed."""

    updates: Int[np.ndarray, " points"]
    gaps: Float[np.ndarray, "points rates seeds"]
    cost: Cost
    watched: Mapping[str, Float[np.ndarray, "points rates seeds"]]
    """What else was measured, by name."""

    @property
    def medians(self) -> Float[np.ndarray, "points rates"]:
        """Over the seeds."""
        return np.median(self.gaps, axis=-1)


def trajectories(
    problem: Problem,
    selection: str,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    epochs: int,
    decay: Decay = "constant",
    device: torch.device | None = None,
    points_per_doubling: int = 8,
    candidates: int | None = None,
    keep: int = 1,
    watch: Mapping[str, Measure] | None = None,
) -> Trajectories:
    """Train every seed at every learning rate, side by side: all at once on a GPU, else as many as a cache holds.

    A seed has the same start and the same random plans at every rate. Measured after the first update, then
    `points_per_doubling` times as often as the number of updates doubles, and after the last one; only there if
    that is 0.

    Args:
        problem: What is trained.
        selection: One of `batching.SELECTIONS`.
        rates: Learning rates, at their peak.
        seeds: Of starts and plans.
        epochs: How long, in epochs of the selection.
        decay: `constant`, or `cosine`: half a cosine from the peak down to 0 over all updates.
        device: Where.
        points_per_doubling: How densely the gap is measured.
        candidates: Of Ordered SGD, see `Problem.rule`; keep likewise.
        keep: See there.
        watch: What else to measure, by name.

    Raises:
        ValueError: if the selection cannot plan for these sizes.
        FloatingPointError: if a loss is no longer finite.
    """
    width = _side_by_side(problem, len(rates), len(seeds), device)
    parts = [
        _train(
            problem,
            selection,
            rates=rates,
            seeds=seeds[first : first + width],
            epochs=epochs,
            decay=decay,
            device=device,
            points_per_doubling=points_per_doubling,
            candidates=candidates,
            keep=keep,
            watch=watch or {},
        )
        for first in range(0, len(seeds), width)
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _side_by_side(problem: Problem, n_rates: int, n_seeds: int, device: torch.device | None) -> int:
    """How many seeds to train at once, in parts of one size: what does not fit a cache takes twice as long."""
    if device is not None and device.type != "cpu":
        return n_seeds
    each = 2 * problem.n_pairs * problem.dim * n_rates * getattr(torch, problem.dtype).itemsize
    return ceil(n_seeds / ceil(n_seeds * each / max(_CACHE, each)))


def _joined(parts: Sequence[Trajectories]) -> Trajectories:
    """Those of some seeds and of others; costs are the means over all replicates."""
    counts = np.array([part.gaps[0].size for part in parts])
    planning, stepping = (np.average([part.cost[k] for part in parts], weights=counts) for k in range(2))
    watched = {name: np.concatenate([part.watched[name] for part in parts], -1) for name in parts[0].watched}
    gaps = np.concatenate([part.gaps for part in parts], -1)
    return Trajectories(parts[0].updates, gaps, Cost(float(planning), float(stepping), int(counts[0])), watched)


def _train(
    problem: Problem,
    selection: str,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    epochs: int,
    decay: Decay,
    device: torch.device | None,
    points_per_doubling: int,
    candidates: int | None,
    keep: int,
    watch: Mapping[str, Measure],
) -> Trajectories:
    clock = clock_of(device)
    rule = Timed(problem.rule(selection, candidates=candidates, keep=keep), clock)
    loss = make_loss(problem.loss, temperature=problem.temperature)
    every_seed = torch.tensor(seeds, device=device).repeat(len(rates))
    task = problem.start(every_seed, torch.tensor(rates, device=device).repeat_interleave(len(seeds)))
    updates = epochs * rule.updates_per_epoch(problem.n_pairs, problem.batch_size)
    schedule = constant(1.0) if decay == "constant" else warmup_cosine(1.0, updates, warmup=0)
    best = problem.best_loss()
    measures: dict[str, Measure] = {"gap": lambda u, v: loss(u, v) - best, **watch}
    seen, measuring = list[int](), list[float]()
    found: dict[str, list[np.ndarray]] = {name: [] for name in measures}

    def measure(moment: Moment) -> dict[str, int | float]:
        begin = clock()
        u, v = (x.double() for x in task.embed(None))
        if moment.update:
            seen.append(moment.update)
            for name, measured in measures.items():
                values = torch.as_tensor(measured(u, v)).cpu().numpy()
                found[name].append(values.reshape(len(rates), len(seeds)))
        measuring.append(clock() - begin)
        return {}

    begin = clock()
    with Progress(f"{selection}, N = {problem.n_pairs}, {decay} x {len(rates)}", updates) as progress:
        fit(
            task,
            selection=rule,
            loss=loss,
            optimizer=GradientDescent([task.raw], 1.0),
            learning_rate=schedule,
            batch_size=problem.batch_size,
            updates=updates,
            seed=every_seed,
            log_every=geometric(updates, points_per_doubling),
            observe=measure,
            progress=progress,
            make_steps=steps_for("auto", task, loss, Ranks(device=task.raw.device)),
        )
    planning, share = sum(rule.spent), updates * len(every_seed)
    stepping = clock() - begin - sum(measuring) - planning
    cost = Cost(planning / share, stepping / share, len(every_seed))
    curves = {name: np.stack(values) for name, values in found.items()}
    return Trajectories(np.array(seen), curves.pop("gap"), cost, curves)


def geometric(last: int, per_doubling: int) -> list[int]:
    """Distinct numbers 1 .. last, so many each time they double; the last one alone if that is 0."""
    if per_doubling == 0:
        return [last]
    doublings = np.arange(0, np.log2(last), 1 / per_doubling)
    return sorted({*np.rint(2**doublings).astype(int).tolist(), last})


def crossing(updates: Int[np.ndarray, " points"], gaps: Float[np.ndarray, " points"], target: float) -> float:
    """The number of updates at which a falling gap first reaches the target; infinite if it never does.

    Between two points the gap is taken to be a power of the number of updates.
    """
    reached = np.flatnonzero(gaps <= target)
    if not reached.size:
        return float("inf")
    k = int(reached[0])
    if k == 0:
        return float(updates[0])
    (x0, x1), (y0, y1) = np.log(updates[k - 1 : k + 1]), np.log(np.maximum(gaps[k - 1 : k + 1], 1e-300))
    return float(np.exp(x0 + (x1 - x0) * (np.log(target) - y0) / (y1 - y0)))


class Interval(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def crossing_interval(
    updates: Int[np.ndarray, " points"], gaps: Float[np.ndarray, "points seeds"], target: float
) -> Interval:
    """`crossing` of the median over the seeds, with a bootstrap interval (percentiles of 1,000 draws)."""
    rng = np.random.default_rng(0)

    def of(some: Float[np.ndarray, "points seeds"]) -> float:
        return crossing(updates, np.median(some, axis=1), target)

    draws = [of(gaps[:, rng.integers(gaps.shape[1], size=gaps.shape[1])]) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
    return Interval(of(gaps), float(low), float(high))
