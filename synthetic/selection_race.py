"""A race of selections: how fast a rule comes near the optimum, what it costs, and how hard its batches are."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from batching import Combinations, Embeddings, Plan, Selection, Shuffled, hardness
from losses import make_loss
from synthetic.race import Race
from synthetic.trajectories import Problem
from training import GradientDescent, Moment, Run, constant, fit

STATES = (0, 4, 16, 64)
"""Epochs of shuffled training after which plans are compared."""
_RANDOM_PLANS = 8
_LATER = 1000
"""Number of a plan that none of the states was trained with: a shuffle that was is no longer like any other."""


@dataclass(frozen=True, kw_only=True)
class SelectionRace(Race):
    """A `Race` whose result tells also how hard the rule's batches are, see `plan_hardness`."""

    kind: ClassVar[str] = "selection-race"
    targets: tuple[float, ...] = (1e-1, 1e-2, 1e-3)

    @override
    def run(self, run: Run, device: torch.device) -> dict[str, Any]:
        result = super().run(run, device)
        rule = self.rule(self.selection, candidates=self.candidates, keep=self.keep or 1)
        found = plan_hardness(self, rule, seeds=range(16), device=device)
        return {**result, "needed": [row | found for row in result["needed"]]}


def plan_hardness(
    problem: Problem, rule: Selection, *, seeds: range, device: torch.device | None = None
) -> dict[str, float | None]:
    """How hard a rule's batches are at embeddings that are the same for every rule.

    The embeddings are those of shuffled training at `Problem.unit_rate`, after 0, 4, 16 and 64 epochs. Hardness is
    the mean in-batch loss, `batching.hardness`, in nats, averaged over the states and the seeds.

    Returns:
        `hardness`, of the rule's plans, None where these hold other numbers of pairs than a batch;
        `hardness_random`, of shuffles of the same embeddings; `hardness_exact`, the largest of any partition: for
        B = 2 and even N a perfect matching of largest weight (Edmonds, 1965), else None.
    """
    states = states_of(problem, seeds, device)
    every = torch.tensor(seeds, device=device)

    def mean(of: Selection, plans: int, first: int) -> float | None:
        values = []
        for state in states:
            for epoch in range(first, first + plans):
                plan = _plan(problem, of, state, every, epoch)
                if isinstance(plan.batches, Combinations) or plan.batches.shape[-1] != problem.batch_size:
                    return None
                values.append(hardness(state, plan.batches, problem.temperature))
        return float(np.mean(values))

    exact = problem.batch_size == 2 and problem.n_pairs % 2 == 0
    matching = problem.rule("matching") if exact else None
    return {
        "hardness": mean(rule, 1 if rule.uses_embeddings else _RANDOM_PLANS, _LATER),
        "hardness_random": mean(Shuffled(), _RANDOM_PLANS, 2 * _LATER),
        "hardness_exact": mean(matching, 1, _LATER) if matching is not None else None,
    }


def _plan(problem: Problem, rule: Selection, state: Embeddings, seeds: Int[Tensor, " n"], epoch: int) -> Plan:
    def embed(index: Tensor | None) -> tuple[Tensor, Tensor]:
        if index is None:
            return state.u, state.v
        rows = index[..., None].expand(*index.shape, problem.dim)
        return state.u.gather(1, rows), state.v.gather(1, rows)

    return rule.plan(problem.n_pairs, problem.batch_size, seed=seeds, epoch=epoch, embed=embed)


def states_of(problem: Problem, seeds: range, device: torch.device | None) -> list[Embeddings]:
    """The embeddings of shuffled training after so many epochs as `STATES` says, a replicate for each seed."""
    every = torch.tensor(seeds, device=device)
    task = problem.start(every, None)
    per_epoch = problem.n_pairs // problem.batch_size
    states: list[Embeddings] = []

    def keep(_: Moment) -> dict[str, int | float]:
        states.append(Embeddings(*(x.clone() for x in task.embed(None))))
        return {}

    fit(
        task,
        selection=Shuffled(),
        loss=make_loss(problem.loss, temperature=problem.temperature),
        optimizer=GradientDescent([task.raw], problem.unit_rate),
        learning_rate=constant(problem.unit_rate),
        batch_size=problem.batch_size,
        updates=STATES[-1] * per_epoch,
        seed=every,
        log_every=[epochs * per_epoch for epochs in STATES[1:]],
        observe=keep,
    )
    return states
