"""Many small problems at once: every anchor's log-sum over its negatives, and the slope of it in closed form.

What `logsumexp.py` does for one large batch is done here for tables of small ones, where a handful of kernels on
one stacked tensor is what counts: both directions lie along one axis.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from losses.numerics import beside, row_sum
from losses.similarity import Similarity


@dataclass(frozen=True)
class Blocks:
    """Every anchor of a batch against its negatives; the leading axis holds the direction of u, then that of v."""

    cross: Float[Tensor, "directions *lead batch batch"] | None
    """e^(negative - peak) of the keys of the other view, 0 where none; None if such keys do not count."""
    within: Float[Tensor, "directions *lead batch batch"] | None
    """The same for the keys of the anchor's own view."""
    total: Float[Tensor, "directions *lead batch"]
    """Sum of an anchor's weights."""
    log_sums: Float[Tensor, "directions *lead batch"]
    """logsumexp of an anchor's negatives; -inf if it has none."""
    positive: Float[Tensor, "*lead batch"]
    """Logit of the partner."""

    @classmethod
    def of(cls, logits: Similarity, *, cross: bool, both: bool, ids: Int[Tensor, "*any batch"] | None) -> "Blocks":
        """From similarities divided by the temperature, for the anchors of u alone or of both views."""
        between, within_u, within_v = logits
        positive = between.diagonal(dim1=-2, dim2=-1)
        blocks: list[Tensor] = []
        if cross:
            blocks.append(torch.stack([between, between.mT] if both else [between]))
        if within_u is not None and within_v is not None:
            blocks.append(torch.stack([within_u, within_v] if both else [within_u]))
        for block in blocks:  # an anchor's partner, and the anchor itself, are no negatives of it
            block.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
            if ids is not None:
                block.masked_fill_(ids[..., :, None] == ids[..., None, :], -torch.inf)
        peak = blocks[0].amax(-1)
        if len(blocks) == 2:
            peak = torch.maximum(peak, blocks[1].amax(-1))
        if ids is not None or between.shape[-1] == 1:  # there may be anchors without negatives
            peak = peak.masked_fill(peak == -torch.inf, 0)
        for block in blocks:
            block.sub_(peak[..., None]).exp_()
        total = row_sum(blocks[0]) if len(blocks) == 1 else row_sum(blocks[0]) + row_sum(blocks[1])
        weights = blocks if cross else [None, *blocks]
        return cls(weights[0], weights[1] if len(weights) == 2 else None, total, total.log() + peak, positive)

    def pull_back(
        self, slope: Float[Tensor, "directions *lead batch"] | float, *, pull: float, weight: float
    ) -> Similarity:
        """From the slope of log_sums - pull positive, times `weight`, to that of the similarities.

        Overwrites the weights.
        """
        wrong = weight * slope
        share = (wrong / self.total)[..., None]
        pulled = beside(share, pull * wrong)
        cross, within = (None if x is None else x.mul_(share) for x in (self.cross, self.within))
        both = self.total.shape[0] == 2
        within_u, within_v = (within[0], within[1] if both else None) if within is not None else (None, None)
        if cross is None:
            slopes = pulled.expand_as(self.total).sum(0)
            return Similarity(torch.diag_embed(-slopes), within_u, within_v)
        cross.diagonal(dim1=-2, dim2=-1).sub_(pulled)
        return Similarity(cross[0] + cross[1].mT if both else cross[0], within_u, within_v)
