"""The log-sum-exp family: one core with a handful of switches, to which the papers have given many names.

For an anchor with positive logit p and negative logits n_1, n_2, ... (similarities over the temperature) let

    excess = logsumexp_k n_k - p.

A loss with the positive in its denominator (InfoNCE, CLIP, NT-Xent) is

    -log( e^p / (e^p + sum_k e^{n_k}) )  =  softplus(excess),

one without (DCL, DHEL) is `excess` itself, and FlatNCE has the value of the first and the gradient of the second.
`Form` says which, whose embeddings are anchors and which are negatives (after Lee et al., 2025, Table 2,
arXiv 2506.09781).

softplus is what is computed. The cross-entropy, which is equal on paper, loses its digits when the positive wins:
at a loss of 1e-7 its float32 gradient is wrong by 2 %, that of the softplus form by 3e-6.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import TypedDict

from losses.blocks import Blocks
from losses.checks import check_options, check_positive, check_views
from losses.distributed import Group
from losses.negatives import negative_log_sums
from losses.numerics import beside, row_sum, softplus
from losses.pairs import Batches, Loss, Reduction, at_batches, paired, reduced
from losses.similarity import pull_back, similarity

Positive = Literal["kept", "removed", "flat"]


class Options(TypedDict, total=False):
    """What every loss of the family takes beside its temperature."""

    reduction: Reduction
    """Over the pairs of a batch: "mean", "sum", or "none" for the value of each pair."""
    batches: Batches | None
    """Row numbers of the batches to evaluate, shared or one table per leading index."""
    ids: Int[Tensor, "*any n"] | None
    """Pairs of the same number are no negatives of each other (duplicates, members of one class); one list for
    all leading indices, or one for each."""
    exclude: Bool[Tensor, "n n"] | None
    """True at [i, j] or [j, i]: pairs i and j are no negatives of each other."""
    chunk_size: int | None
    """Anchors at a time; the B x B matrix is then never held, in either pass."""
    group: Group | None
    """Processes that share the batch; u and v are this rank's pairs, equally many on each rank. None is one process
    (and so is `torch.distributed.group.WORLD` before `init_process_group`)."""


class OneWayOptions(Options, total=False):
    """What the losses take whose anchors are u alone."""

    negatives: Float[Tensor, "k dim"] | None
    """More keys, negatives of every anchor: hard negatives, or a queue. In a group, equally many on each rank."""
    negative_ids: Int[Tensor, " k"] | None
    """Numbers of these: not a negative of the pairs of the same number in `ids`."""


CALL_OPTIONS = frozenset(OneWayOptions.__annotations__)
"""What belongs to one call and not to the settings of a loss."""


@dataclass(frozen=True)
class Form:
    """What tells the losses of the family apart."""

    cross: bool = True
    """Whether the embeddings of the other view are negatives."""
    within: bool = False
    """Whether the other embeddings of an anchor's own view are."""
    both: bool = False
    """Whether v has anchors as well."""
    weight: float = 1.0
    """Of each direction."""
    positive: Positive = "kept"
    """In the denominator: kept, removed, or kept in the value and removed in the gradient."""
    pull: float = 1.0
    """Weight of the positive."""
    adjust: Callable[[Float[Tensor, "*lead n"]], Float[Tensor, "*lead n"]] | None = None
    """Change of the positive's similarity."""

    def excess(
        self, log_sums: Float[Tensor, "directions *lead n"], positive: Float[Tensor, "*lead n"]
    ) -> Float[Tensor, "directions *lead n"]:
        """By how much the negatives outweigh the positive; -inf where there are none."""
        return log_sums - (positive if self.pull == 1 else self.pull * positive)

    def losses(self, excess: Float[Tensor, "directions *lead n"]) -> Float[Tensor, "directions *lead n"]:
        """The loss of each anchor; 0 for one without negatives."""
        if self.positive == "kept":
            return softplus(excess)
        value = excess if self.positive == "removed" else excess + (softplus(excess) - excess).detach()
        return value.masked_fill(excess == -torch.inf, 0)

    def slope(self, excess: Float[Tensor, "directions *lead n"]) -> Float[Tensor, "directions *lead n"] | float:
        """Slope of the loss by the excess: where the positive is kept, the probability of being wrong."""
        return excess.sigmoid() if self.positive == "kept" else 1.0

    def combine(self, losses: Float[Tensor, "directions *lead n"]) -> Float[Tensor, "*lead n"]:
        """The value of each pair."""
        return self.weight * (losses[0] + losses[1]) if self.both else self.weight * losses[0]


def contrast(
    form: Form,
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    temperature: float | Float[Tensor, ""],
    options: OneWayOptions | Options,
    *,
    own_log_weight: float | None = None,
) -> Float[Tensor, "*values"]:
    """A loss of the family.

    Four ways to the same numbers: many small batches without gradients go through `losses.blocks`, with gradients
    through autograd (`losses.negatives`); one batch is walked through by blocks of rows (`losses.logsumexp`), or
    on a GPU in half precision by fused kernels (`losses.fused`).

    Args:
        form: Which.
        u: Unit rows.
        v: Unit rows; row i is the positive of row i of `u`.
        temperature: tau > 0; a tensor where it is learned.
        options: Of the call.
        own_log_weight: Added to the logit of row i of `negatives` as seen by anchor i (SimCSE).

    Raises:
        ValueError: If shapes do not fit, a number is not positive, or two options exclude each other.
        TypeError: If there is an unknown option.
    """
    check_views(u, v)
    check_positive(temperature=temperature)
    check_options(u, options, (Options if form.both else OneWayOptions).__annotations__)
    reduction = options.get("reduction", "mean")
    batches = options.get("batches")
    many = batches is not None or u.dim() > 2
    if many and not _wants_gradient(u, v, temperature) and form.adjust is None:
        blocks = _blocks(form, u, v, temperature, batches, options.get("ids"))
        excess = form.excess(blocks.log_sums, blocks.positive)
        return reduced(form.combine(form.losses(excess)), reduction)
    ids = options.get("ids")
    if many and batches is not None and ids is not None:
        ids = at_batches(ids, batches)
    operands = u.dtype if u.dtype == v.dtype else None
    u, v = paired(u, v, batches)
    scale = 1 / beside(u, temperature)
    log_sums, positive = negative_log_sums(
        u,
        v,
        scale=scale,
        cross=form.cross,
        within=form.within,
        both=form.both,
        ids=ids,
        exclude=options.get("exclude"),
        extra=options.get("negatives"),
        extra_ids=options.get("negative_ids"),
        own_log_weight=own_log_weight,
        chunk_size=options.get("chunk_size"),
        group=options.get("group"),
        operands=operands,
    )
    if form.adjust is not None:
        positive = scale * form.adjust(positive / scale)
    return reduced(form.combine(form.losses(form.excess(log_sums, positive))), reduction)


def value_and_gradient(
    loss: Loss,
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    batches: Batches,
) -> tuple[Float[Tensor, "*values"], Float[Tensor, "*lead n dim"], Float[Tensor, "*lead n dim"]]:
    """The loss of every batch, and the gradient of their sum with respect to u and v; nothing is recorded.

    For this family the gradient is in closed form: a third of autograd's time where embeddings are free
    parameters and an update is a handful of tiny kernels. Any other loss goes through autograd.

    Returns:
        The values [*lead, n_batches] and the two gradients (Euclidean: not projected to the sphere's tangent).
    """
    form = FORMS.get(loss.func) if isinstance(loss, partial) and set(loss.keywords) == {"temperature"} else None
    if form is None or batches.shape[-1] == 1:
        with torch.inference_mode(False), torch.enable_grad():
            # Copies, as what was made in inference mode cannot be differentiated.
            u, v, batches = (
                u.detach().clone().requires_grad_(),
                v.detach().clone().requires_grad_(),
                batches.clone(),
            )
            values = loss(u, v, batches=batches)
            du, dv = torch.autograd.grad(values.sum(), (u, v))
        return values.detach(), du, dv
    with torch.no_grad():
        temperature: float = loss.keywords["temperature"]  # pyright: ignore[reportAttributeAccessIssue]
        check_positive(temperature=temperature)
        blocks = _blocks(form, u, v, temperature, batches, None)
        size = batches.shape[-1]
        excess = form.excess(blocks.log_sums, blocks.positive)
        values = row_sum(form.combine(form.losses(excess))) / size
        slope = blocks.pull_back(form.slope(excess), pull=form.pull, weight=form.weight / (size * temperature))
        return values, *pull_back(slope, u, v, batches=batches)


FORMS: dict[Callable[..., Tensor], Form] = {}
"""The form of each function that has one and the same form always."""


def _wants_gradient(*tensors: float | Tensor) -> bool:
    return torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in tensors)


def _blocks(
    form: Form, u: Tensor, v: Tensor, temperature: float | Tensor, batches: Batches | None, ids: Tensor | None
) -> Blocks:
    logits = similarity(u, v, within=form.within, batches=batches).map(lambda block: block / temperature)
    if ids is not None and batches is not None:
        ids = at_batches(ids, batches)
    return Blocks.of(logits, cross=form.cross, both=form.both, ids=ids)
