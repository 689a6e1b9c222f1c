"""The next plan, the same in every process, the work on it shared."""

from dataclasses import dataclass, fields, is_dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from batching import Embed, Plan, Report, Seed, Selection, Wrapped, planned
from batching.adapters.embedding import embed_with
from training.ranks import Ranks
from training.task import Task


def next_plan(
    selection: Selection,
    task: Task,
    batch_size: int,
    *,
    seed: Seed,
    epoch: int,
    report: Report | None = None,
    ranks: Ranks,
) -> Plan:
    """The rule's plan with the weights of now, measured if there is a report.

    Cost: With ranks, each embeds an equal part of the pairs that the rule asks for, and all make the plan; a rule
    with a group shares its pools out instead.
    """
    embed: Embed = task.embed
    if ranks.group is not None:
        # A rule that shares pools out asks for other pairs in each process: nobody could answer together.
        embed = embed if shares_out(selection) else shared_embed(embed, task.n_pairs, ranks)
        selection = Agreed(selection, ranks)
    if report is None:
        return selection.plan(task.n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
    return planned(
        selection,
        task.n_pairs,
        batch_size,
        seed=seed,
        epoch=epoch,
        embed=embed,
        temperature=report.temperature,
        labels=report.labels,
    )


def shared_embed(embed: Embed, n_pairs: int, ranks: Ranks) -> Embed:
    """An `embed` that all processes ask together: each embeds its part, and all get the same rows.

    Raises:
        ValueError: When called, on all ranks, if they ask for different pairs.
    """
    return embed_with(embed, n_pairs, n_pairs, group=ranks.group)


def shares_out(rule: object) -> bool:
    """Whether a rule, or one inside it, shares its pools out to processes by itself."""
    if getattr(rule, "group", None) is not None:
        return True
    inside = [getattr(rule, field.name) for field in fields(rule)] if is_dataclass(rule) else []
    return any(shares_out(part) for part in inside if isinstance(part, Selection))


@dataclass(frozen=True)
class Agreed(Wrapped):
    """Another rule's plans, those of the first process in all of them.

    Float differences between machines, or between two runs of one kernel, are enough for different batches. What
    comes after the rule, `planned` with its measurements, then does the same in every process: were it to look for
    embeddings that the rule did not ask for, all would look for the same.
    """

    ranks: Ranks

    @override
    @torch.no_grad()
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        plan = self.rule.plan(n_pairs, batch_size, seed=seed, epoch=epoch, embed=embed)
        if self.ranks.group is None or not self.rounded or not isinstance(plan.batches, Tensor):
            return plan  # made of whole numbers alone: the same anyway
        device = plan.batches.device
        box = [replace(plan, batches=plan.batches.cpu(), remainder=plan.remainder.cpu()).state_dict()]
        dist.broadcast_object_list(box, group_src=0, group=self.ranks.group)
        agreed = Plan.from_state(box[0])
        assert isinstance(agreed.batches, Tensor)
        return replace(agreed, batches=agreed.batches.to(device))
