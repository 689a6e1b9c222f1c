"""The plans of an epoch: made when they are needed, once, and the same on all ranks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from jaxtyping import Int
from torch import Tensor

from batching.combinations import Combinations
from batching.plan import Embed, Plan, Selection
from batching.report import Report, planned
from losses.distributed import Group


class EpochPlans:
    """The plans of an epoch, each made once, and found by the number of a batch in the epoch."""

    def __init__(
        self,
        selection: Selection,
        n_pairs: int,
        batch_size: int,
        seed: int,
        embed: Embed | None,
        world_size: int,
        group: Group | None,
        report: Report | None,
    ) -> None:
        """The arguments are those of the sampler, which checks them."""
        self.selection, self.n_pairs, self.batch_size, self.seed = selection, n_pairs, batch_size, seed
        self.embed, self.world_size, self.group = embed or _no_embeddings, world_size, group
        self.report = report
        self.per_epoch = selection.updates_per_epoch(n_pairs, batch_size)
        self.size: int | None = None  # batches of a plan, known when one has been made
        self.made: dict[int, Plan] = {}
        self.latest: Plan | None = None

    def batch(self, epoch: int, number: int) -> Int[Tensor, " batch"]:
        """The batch with this number in the epoch."""
        if self.size is None:  # plan 0 is the first whatever the size; later ones are numbered by it
            self._make(epoch, epoch)
        plan_number, row = self._locate(epoch, number)
        if plan_number not in self.made:
            self._make(plan_number, epoch)
        self.latest = self.made[plan_number]
        batches = self.latest.batches
        assert isinstance(batches, Tensor)
        return batches[row]

    def _locate(self, epoch: int, number: int) -> tuple[int, int]:
        """The plan that a batch is in, and its row there."""
        assert self.size is not None
        if self.size >= self.per_epoch:
            epochs = self.size // self.per_epoch
            return epoch // epochs, epoch % epochs * self.per_epoch + number
        plans = -(-self.per_epoch // self.size)
        return epoch * plans + number // self.size, number % self.size

    def _make(self, number: int, epoch: int) -> None:
        """Make the plan with this number; forget those that the epoch has no use for."""
        agree = self.selection.rounded and self.world_size > 1
        group = self._ranks() if agree else None
        with torch.no_grad():
            plan = self._plan(number)
        if isinstance(plan.batches, Combinations) or plan.reduction != "step":
            refuse_means(self.selection)
        plan = replace(plan, batches=plan.batches.cpu(), remainder=plan.remainder.cpu())
        if group is not None:
            box = [plan.state_dict()]
            dist.broadcast_object_list(box, group_src=0, group=group)
            plan = Plan.from_state(box[0])
        if self.size not in (None, plan.n_batches):
            raise ValueError(
                f"all plans of a rule must hold equally many batches, got {plan.n_batches} after {self.size} from "
                f"{type(self.selection).__name__}; without that an epoch has no length"
            )
        self.size = plan.n_batches
        first, last = (self._locate(epoch, i)[0] for i in (0, self.per_epoch - 1))
        self.made = {i: made for i, made in self.made.items() if first <= i <= last} | {number: plan}

    def _plan(self, number: int) -> Plan:
        size, seed = self.batch_size, self.seed
        if self.report is None:
            return self.selection.plan(self.n_pairs, size, seed=seed, epoch=number, embed=self.embed)
        return planned(
            self.selection,
            self.n_pairs,
            size,
            seed=seed,
            epoch=number,
            embed=self.embed,
            temperature=self.report.temperature,
            labels=self.report.labels,
        )

    def _ranks(self) -> Group:
        """The processes that agree on a plan."""
        if self.group is None and not (dist.is_available() and dist.is_initialized()):
            raise ValueError(
                f"{self.world_size} ranks agree on a plan from embeddings through torch.distributed, which is not "
                "initialised; call torch.distributed.init_process_group before the first batch"
            )
        group = self.group or dist.group.WORLD
        if group is None or group.size() != self.world_size:
            raise ValueError(
                f"world_size must be the number of processes that plan together, got {self.world_size} and a group "
                f"of {group and group.size()}; give the group of these ranks"
            )
        return group

    def has(self, epoch: int, number: int) -> bool:
        """Whether the plan of this batch is there."""
        return self.size is not None and self._locate(epoch, number)[0] in self.made

    def state_dict(self) -> dict[str, Any]:
        """The plans, and how many batches each holds."""
        return {"batches_per_plan": self.size, "plans": {i: plan.state_dict() for i, plan in self.made.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the plans of this state for one's own."""
        self.size = state["batches_per_plan"]
        self.made = {i: Plan.from_state(plan) for i, plan in state["plans"].items()}


def _no_embeddings(index: Tensor | None) -> NoReturn:  # noqa: ARG001
    raise ValueError("a rule asked for embeddings although it says that it uses none, and got no embed; give one")


def refuse_means(selection: Selection) -> NoReturn:
    """A rule whose updates are over several batches is nothing for a sampler."""
    raise ValueError(
        f"a sampler feeds one batch to an update, got {type(selection).__name__}, whose updates are over several "
        "batches together; train on it with training.fit, or choose another selection"
    )
