"""Ordered SGD over batches: train on the batches of largest loss."""

from dataclasses import dataclass
from math import comb, prod

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from batching.combinations import Combinations
from batching.embeddings import checked
from batching.plan import Embed, Plan, Selection, none_left
from batching.seeded import Seed, permutation
from losses import Loss, takes_index

_ENTRIES_AT_ONCE = 2**22
"""Similarities that are held at once while candidates are scored (32 MiB of float64)."""
_MOST_BATCHES = 20_000_000
"""Candidates beyond which scoring all of them at every update would be a mistake."""


@dataclass(frozen=True)
class OrderedSGD(Selection):
    """The `keep` batches of largest loss, among all C(N, B) or among `candidates` random ones.

    With all as candidates and keep = 1 every update takes the hardest batch there is. Were the k candidates drawn
    uniformly among the n = C(N, B) batches, the objective with the q hardest kept would be a weighted mean of all
    batch losses in which the j-th largest has weight (1/q) sum_{l<q} C(j-1, l) C(n-j, k-l-1) / C(n, k); here, as
    in the original code, they come from shuffles, so that those of one shuffle are disjoint.

    Kept batches come in descending order of loss, scored with the weights at the time of the plan.

    Args:
        loss: Scores a batch; its settings are bound, and it keeps no state.
        candidates: k, or None for all.
        keep: q.

    Cost of a plan: the loss of every candidate, and the embeddings of the pairs that occur in them.

    References:
        Kawaguchi and Lu, 2020, "Ordered SGD", arXiv 1907.04371; Cho et al., 2024, Section 5, arXiv 2307.05906,
        with k = 1500, q = 150 on images.
    """

    loss: Loss
    candidates: int | None = None
    keep: int = 1
    uses_embeddings = True
    disjoint = False

    def __post_init__(self) -> None:
        """Check the loss and the numbers."""
        if takes_index(self.loss):
            raise ValueError(
                f"osgd scores candidate batches by a loss without a state, got {type(self.loss).__name__}, which "
                "keeps one; choose another loss, or another selection"
            )
        if self.keep < 1 or (self.candidates is not None and self.keep > self.candidates):
            raise ValueError(
                f"keep must lie between 1 and candidates = {self.candidates or 'all'}, got {self.keep}"
            )

    @override
    def check(self, n_pairs: int, batch_size: int) -> None:
        super().check(n_pairs, batch_size)
        if self.candidates is not None:
            return
        count = comb(n_pairs, batch_size)
        if count > _MOST_BATCHES:
            raise ValueError(
                f"scoring all batches needs at most {_MOST_BATCHES:,} of them, got C({n_pairs}, {batch_size}) = "
                f"{count:,}; set candidates to a number of random batches, 1500 for instance"
            )
        if count < self.keep:
            raise ValueError(f"keep must be at most the number of batches, {count}, got {self.keep}")

    @override
    def updates_per_epoch(self, n_pairs: int, batch_size: int) -> int:
        return max(1, n_pairs // batch_size)

    @override
    def plan(self, n_pairs: int, batch_size: int, *, seed: Seed, epoch: int, embed: Embed) -> Plan:
        if self.candidates is None:
            batches = self._hardest_of_all(n_pairs, batch_size, embed)
        else:
            batches = self._hardest_of_random(n_pairs, batch_size, self.candidates, seed, epoch, embed)
        return Plan(batches, none_left(seed), "subset")

    def _hardest_of_all(self, n_pairs: int, batch_size: int, embed: Embed) -> Int[Tensor, "*replicates keep batch"]:
        u, v = checked(*embed(None))
        table = Combinations(n_pairs, batch_size)
        chunk = max(1, _ENTRIES_AT_ONCE // (batch_size**2 * prod(u.shape[:-2])))
        best: list[Tensor] = []
        best_scores: list[Tensor] = []
        for start in range(0, len(table), chunk):
            rows = table.rows(start, min(start + chunk, len(table)), device=u.device)
            scores = self.loss(u, v, batches=rows)
            top = scores.topk(min(self.keep, len(rows)))
            best.append(rows[top.indices])
            best_scores.append(top.values)
        if len(best) == 1:
            return best[0]
        top = torch.cat(best_scores, -1).topk(self.keep)
        return _pick(torch.cat(best, -2), top.indices)

    def _hardest_of_random(
        self, n_pairs: int, batch_size: int, candidates: int, seed: Seed, epoch: int, embed: Embed
    ) -> Int[Tensor, "*replicates keep batch"]:
        per_shuffle = n_pairs // batch_size
        used = per_shuffle * batch_size
        shuffles = -(-candidates // per_shuffle)
        orders = [
            permutation(seed, f"osgd-{i}", epoch, n_pairs)[..., :used].unflatten(-1, (-1, batch_size))
            for i in range(shuffles)
        ]
        batches = torch.cat(orders, -2)[..., :candidates, :]
        if shuffles == 1:  # only these pairs need embeddings
            asked = batches.flatten(-2)
            u, v = checked(*embed(asked), asked)
            local = torch.arange(candidates * batch_size, device=u.device).unflatten(0, (-1, batch_size))
        else:
            u, v = checked(*embed(None))
            local = batches.to(u.device)
        at_once = max(1, _ENTRIES_AT_ONCE // (batch_size**2 * prod(u.shape[:-2])))
        scores = torch.cat([self.loss(u, v, batches=some) for some in local.split(at_once, -2)], -1)
        top = scores.topk(self.keep)
        return _pick(batches, top.indices.to(batches.device))


def _pick(
    batches: Int[Tensor, "*replicates n batch"], index: Int[Tensor, "*replicates keep"]
) -> Int[Tensor, "*replicates keep batch"]:
    return batches.gather(-2, index[..., None].expand(*index.shape, batches.shape[-1]))
