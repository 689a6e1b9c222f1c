"""A study: every selection from the same starts, watched against the proved optimum."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from batching import Embed, Plan, Seed, Selection, Wrapped
from synthetic.config import SyntheticConfig
from synthetic.pairs import FreePairs
from theory import CONFIGURATIONS, Optimum, aligned_gram, distance_to_optimum, optimum
from training import GradientDescent, Moment, Progress, Ranks, Run, constant, fit
from training.captured import steps_for

Statistic = dict[str, int | float]
"""{"mean", "std", "n"} over the seeds; std is that of the sample (n - 1), 0 for one seed."""


def study(config: SyntheticConfig, batch_size: int, run: Run, device: torch.device) -> dict[str, Any]:
    """Train with every selection and one batch size; what is finished is not done again after an interruption.

    Returns:
        The content of result.json: the optimum, and per selection full_loss, gap, distance and batch_loss as
        statistics over the seeds, updates, and seconds of the optimisation loop.
    """
    target = optimum(config.loss, config.n_pairs, config.dim, temperature=config.temperature)
    saved = run.restore() or {"results": {}, "arrays": {}}
    results: dict[str, Any] = saved["results"]
    arrays: dict[str, Tensor] = saved["arrays"]
    for name in config.names:
        if name in results:
            continue
        results[name], found = _one_selection(config, name, batch_size, target, run, device)
        arrays |= {f"{kind}_{name}": torch.from_numpy(array) for kind, array in found.items()}
        run.checkpoint({"results": results, "arrays": arrays})
    run.save_arrays(**{key: array.numpy() for key, array in arrays.items()})
    return {
        "optimum": {"value": target.value, "status": target.status, "configuration": target.configuration},
        "selections": {name: results[name] for name in config.names},
    }


def _one_selection(
    config: SyntheticConfig,
    name: str,
    batch_size: int,
    target: Optimum,
    run: Run,
    device: torch.device,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    seeds = torch.arange(config.first_seed, config.first_seed + config.seeds, device=device)
    task = FreePairs(
        seeds,
        n_pairs=config.n_pairs,
        dim=config.dim,
        equal=config.equal_init,
        batch_size=batch_size,
        dtype=getattr(torch, config.dtype),
    )
    loss = config.loss_function()
    rule: Selection = config.selection(name)
    if config.grad_accum:
        rule = Accumulated(rule)
    per_step = rule.updates_per_epoch(config.n_pairs, batch_size)
    updates = config.n_steps * per_step
    watch = Watch(config, name, task, target, per_step, run)
    before = run.seconds()
    with Progress(f"{name}, B = {batch_size}", updates) as progress:
        fit(
            task,
            selection=rule,
            loss=loss,
            optimizer=GradientDescent([task.raw], config.learning_rate),
            learning_rate=constant(config.learning_rate),
            batch_size=batch_size,
            updates=updates,
            seed=seeds,
            log_every=config.log_every * per_step,
            observe=watch,
            progress=progress,
            make_steps=steps_for("auto", task, loss, Ranks(device=task.raw.device)),
        )
    seconds = run.seconds() - before - watch.seconds
    return {**watch.result(), "updates": updates, "seconds": round(seconds, 4)}, watch.arrays()


class Watch:
    """Called at every point of the curves: measures each replicate, writes the means, keeps the rest."""

    def __init__(
        self,
        config: SyntheticConfig,
        name: str,
        task: FreePairs,
        target: Optimum,
        updates_per_step: int,
        run: Run,
    ) -> None:
        """Watch one selection of one study."""
        self.config, self.name, self.task, self.target, self.run = config, name, task, target, run
        self.loss = config.loss_function()
        self.updates_per_step = updates_per_step
        self.updates: list[int] = []
        self.pairs_seen: list[int] = []
        self.full_loss: list[np.ndarray] = []
        self.batch_loss = np.full(config.seeds, np.nan)
        self.seconds = 0.0

    def __call__(self, moment: Moment) -> dict[str, int | float]:
        """Measure and log; the time it takes is not the optimisation's."""
        begin = self.run.seconds()
        full_loss = self._full_loss()
        self.updates.append(moment.update)
        self.pairs_seen.append(moment.pairs_seen)
        self.full_loss.append(full_loss)
        gap = full_loss - self.target.value
        line: dict[str, int | float | str] = {
            "selection": self.name,
            "update": moment.update,
            "step": moment.update // self.updates_per_step,
            "pairs_seen": moment.pairs_seen,
            "full_loss": float(full_loss.mean()),
            "gap": float(gap.mean()),
            "gap_std": statistic(gap)["std"],
        }
        if moment.loss is not None:
            self.batch_loss = moment.loss.double().cpu().numpy()
            line["batch_loss"] = float(self.batch_loss.mean())
        self.run.log(line)
        self.seconds += self.run.seconds() - begin
        return {}

    def result(self) -> dict[str, Any]:
        """The last state, over the seeds."""
        full_loss = self.full_loss[-1]
        return {
            "full_loss": statistic(full_loss),
            "gap": statistic(full_loss - self.target.value),
            "distance": statistic(self._distance()) if self.target.configuration in CONFIGURATIONS else None,
            "batch_loss": statistic(self.batch_loss),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Curves by seed, and the first seed's Gram matrix, antipodes side by side."""
        u, v = (x[:1].double().cpu().numpy() for x in self.task.embed(None))
        gram = (u @ v.transpose(0, 2, 1))[0]
        if self.target.configuration in CONFIGURATIONS:
            gram = aligned_gram(gram, self.target.configuration)
        return {
            "updates": np.array(self.updates),
            "pairs_seen": np.array(self.pairs_seen),
            "full_loss": np.stack(self.full_loss),
            "gram": gram,
        }

    def _full_loss(self) -> Float[np.ndarray, " replicates"]:
        u, v = self.task.embed(None)
        return self.loss(u.double(), v.double()).cpu().numpy()

    def _distance(self) -> Float[np.ndarray, " replicates"]:
        u, v = (x.double().cpu().numpy() for x in self.task.embed(None))
        return distance_to_optimum(u, v, self.target.configuration)


@dataclass(frozen=True)
class Accumulated(Wrapped):
    """A rule whose plans are taken in one update, with the sum of their batches' losses."""

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return 1

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        plan = self.rule.plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
        return replace(plan, reduction="sum") if plan.reduction == "step" else plan


def statistic(values: Float[np.ndarray, " n"]) -> Statistic:
    """Mean, sample standard deviation and number."""
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "std": std, "n": len(values)}


def table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table that a study prints."""
    header = ["selection", "updates", "full-batch loss", "gap to minimum", "distance", "batch loss", "seconds"]
    rows = []
    for name, values in result["selections"].items():
        cells = [_spread(values["full_loss"], ".6f"), _spread(values["gap"], ".1e")]
        cells += ["-" if values["distance"] is None else _spread(values["distance"], ".4f")]
        cells += [_spread(values["batch_loss"], ".6f")]
        rows.append([name, str(values["updates"]), *cells, f"{values['seconds']:.2f}"])
    return header, rows


def _spread(values: Statistic, form: str) -> str:
    return f"{values['mean']:{form}} ± {values['std']:{form if 'e' in form else '.4f'}}"
