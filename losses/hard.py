"""Negatives weighted by their hardness, and freed of the positives among them: HCL and the debiased loss."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import Unpack

from losses.checks import check_options, check_positive, check_views
from losses.contrast import Options
from losses.negatives import negative_log_sums
from losses.numerics import beside, softplus
from losses.pairs import at_batches, paired, reduced


def hcl(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    tau_plus: float = 0.1,
    beta: float = 1.0,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """Contrastive learning with hard negatives: `nt_xent` with another estimate of the sum over the negatives.

    Over all 2B anchors z = [u; v], with positive p = e^{z_i.z_p(i)/tau} and the n = 2B - 2 negatives q_k,

        R  = n sum_k q_k^{1+beta} / sum_k q_k^beta          (hard ones count more: importance q^beta)
        Ng = max( (R - tau_plus n p) / (1 - tau_plus), n e^{-1/tau} )      (those of its own class taken out)
        L  = (1/2B) sum_i log(1 + Ng / p),

    computed in log space: finite at any temperature. beta = 0 and tau_plus = 0 is `nt_xent`; beta = 0 alone is
    `debiased`. Where the maximum is its second argument (all anchors, on easy batches at small tau) negatives
    receive no gradient; that is the loss as published. An anchor without negatives contributes 0.

    Args:
        u: Unit rows.
        v: Unit rows.
        temperature: tau > 0.
        tau_plus: Probability, in [0, 1), that a negative has the anchor's class.
        beta: Concentration on hard negatives, >= 0.
        **options: As for `nt_xent`.

    Raises:
        ValueError: Also if tau_plus or beta is out of range.

    References:
        Robinson et al., 2021, Section 3, arXiv 2010.04592.
    """
    check_positive(temperature=temperature)
    if not 0 <= tau_plus < 1 or not beta >= 0:
        raise ValueError(f"tau_plus lies in [0, 1) and beta is at least 0, got {tau_plus} and {beta}")
    negatives = _Negatives(u, v, options)
    u, v = negatives.u, negatives.v
    scale = 1 / beside(u, temperature)
    log_n = negatives.log_count()
    weights = negatives.log_sums(beta * scale)[0] if beta else log_n
    sums, positive = negatives.log_sums((1 + beta) * scale)
    hard, positive = log_n + sums - weights, positive / (1 + beta)
    empty = log_n == -torch.inf
    total = _without_positives(hard.masked_fill(empty, 0), positive, log_n.masked_fill(empty, 0), scale, tau_plus)
    losses = softplus(total - positive).masked_fill(empty, 0)
    return reduced((losses[0] + losses[1]) / 2, options.get("reduction", "mean"))


def debiased(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    tau_plus: float = 0.1,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """Debiased contrastive loss: `hcl` with beta = 0, so that all negatives count alike.

    References:
        Chuang et al., 2020, Eqs. (7) and (8), arXiv 2007.00224.
    """
    return hcl(u, v, temperature=temperature, tau_plus=tau_plus, beta=0.0, **options)


def _without_positives(
    hard: Tensor, positive: Tensor, log_n: Tensor, scale: Tensor, tau_plus: float
) -> Float[Tensor, "directions *lead n"]:
    """The logarithm of Ng: max( (e^hard - tau_plus n e^positive) / (1 - tau_plus), n e^{-1/tau} )."""
    if not tau_plus:
        return torch.maximum(hard, log_n - scale)
    gap = math.log(tau_plus) + log_n + positive - hard  # of what is taken out over what there is
    something_left = gap < 0
    left = torch.log(-torch.expm1(torch.where(something_left, gap, -1.0)))
    total = torch.where(something_left, hard + left, -torch.inf) - math.log1p(-tau_plus)
    return torch.maximum(total, log_n - scale)


class _Negatives:
    """The negatives of all 2B anchors at any scale."""

    def __init__(self, u: Tensor, v: Tensor, options: Options) -> None:
        check_views(u, v)
        check_options(u, options, Options.__annotations__)
        self.ids = options.get("ids")
        batches = options.get("batches")
        if self.ids is not None and batches is not None:
            self.ids = at_batches(self.ids, batches)
        self.operands = u.dtype if u.dtype == v.dtype else None
        self.u, self.v = paired(u, v, batches)
        self.exclude = options.get("exclude")
        self.chunk_size = options.get("chunk_size")
        self.group = options.get("group")

    def log_sums(self, scale: Tensor) -> tuple[Float[Tensor, "directions *lead n"], Float[Tensor, "*lead n"]]:
        return negative_log_sums(
            self.u,
            self.v,
            scale=scale,
            within=True,
            both=True,
            ids=self.ids,
            exclude=self.exclude,
            chunk_size=self.chunk_size,
            group=self.group,
            operands=self.operands,
        )

    @torch.no_grad()
    def log_count(self) -> Float[Tensor, "directions *lead n"]:
        """The logarithm of n: known, or counted where some are left out."""
        if self.ids is not None or self.exclude is not None:
            return self.log_sums(self.u.new_zeros(()))[0]
        everyone = self.u.shape[-2] * (1 if self.group is None else self.group.size())
        value = math.log(2 * everyone - 2) if everyone > 1 else -math.inf
        return self.u.new_full((2, *self.u.shape[:-1]), value)
