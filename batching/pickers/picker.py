"""Choosing one batch from a pool of candidates with the current embeddings: what a step-scope rule is made of.

name            chooses                                            reference    module
UniformPick     at random (the control)                            never        here
OrderedSamples  the pairs of largest loss                          never        here
RhoLoss         the pairs whose loss most exceeds a reference's    required     here
Jest            chunks of pairs that are learnable together        optional     batching.pickers.jest
EffectiveRank   pairs in as many directions as possible            never        batching.pickers.diversity

`batching.rules.picked.Picked` cuts the pools and makes plans of the choices.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.seeded import Seed, permutation
from losses import Loss, takes_index
from losses.checks import check_views

Views = tuple[Float[Tensor, "*any n width"], Float[Tensor, "*any n width"]]
"""Embeddings u and v of a pool; another model's may have another width."""


class Picker(ABC):
    """Chooses a batch from a pool. An immutable rule: the choice depends on its arguments alone."""

    uses_reference: ClassVar[Literal["never", "optional", "required"]] = "never"
    """Whether it compares with the embeddings of a reference model; "optional": its settings decide."""

    def check(self, pool: int, batch_size: int) -> None:
        """Refuse sizes of a pool and of a batch that this rule cannot serve.

        Raises:
            ValueError: With requirement, received values and a remedy.
        """
        if not 1 <= batch_size <= pool:
            raise ValueError(f"batch_size must lie between 1 and the size of the pool, {pool}, got {batch_size}")

    @property
    def needs_reference(self) -> bool:
        """Whether it does with these settings."""
        return self.uses_reference == "required"

    def check_reference(self, *, given: bool) -> None:
        """Refuse to work without the reference that is needed, or with one that would have no effect.

        Raises:
            ValueError: With requirement, received values and a remedy.
        """
        if given != self.needs_reference:
            name = type(self).__name__
            raise ValueError(
                f"{name} with these settings compares with no reference, got one; leave it out"
                if given
                else f"{name} compares with a reference model, got none; give its embeddings as `reference`"
            )

    @torch.no_grad()
    def pick(
        self,
        u: Float[Tensor, "*replicates pool dim"],
        v: Float[Tensor, "*replicates pool dim"],
        batch_size: int,
        *,
        reference: Views | None = None,
        seed: Seed,
        epoch: int,
    ) -> Int[Tensor, "*replicates batch"]:
        """Choose `batch_size` different positions of the pool.

        Args:
            u: Unit rows with the current weights, on any device.
            v: Row i is the positive of row i of `u`.
            batch_size: At most the size of the pool.
            reference: u and v of the same pairs by a reference model; their dim may be another.
            seed: Of whatever is random, with `epoch`; one for each replicate if there are any.
            epoch: A counter for the random numbers: the number of the plan.

        Raises:
            ValueError: If shapes do not fit, embeddings are not finite, or a reference is missing or useless.
        """
        check_views(u, v)
        pool = u.shape[-2]
        self.check(pool, batch_size)
        self.check_reference(given=reference is not None)
        for x in (u, v, *(reference or ())):
            if x.shape[:-1] != u.shape[:-1]:
                raise ValueError(
                    f"the reference must embed the same pool, {tuple(u.shape[:-1])} pairs, got "
                    f"{tuple(x.shape[:-1])}: call it with the same numbers"
                )
            if not torch.isfinite(x).all():
                raise ValueError(
                    "a batch is chosen by finite embeddings, got inf or NaN; lower the learning rate, or look for "
                    "the first step at which the loss is not finite"
                )
        return self._choose(u, v, batch_size, reference, seed, epoch)

    @abstractmethod
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        """As `pick`, with valid arguments."""


@dataclass(frozen=True)
class UniformPick(Picker):
    """A random batch: the control of the others, at the same cost of embedding the pool."""

    @override
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        order = permutation(seed, "uniform pick", epoch, u.shape[-2], device=u.device)
        return order[..., :batch_size].expand(*u.shape[:-2], batch_size)


@dataclass(frozen=True)
class OrderedSamples(Picker):
    """Ordered SGD over samples: the pairs of largest loss, in descending order; ties in the order of the pool.

    The loss of a pair is taken among all of the pool. As published (for classifiers) the pool is the mini-batch
    of size s, of which the q largest losses are trained on: `pool_factor` is s / q with q = batch_size. The
    paper shrinks q as training accuracy a grows, s / q = 1, 2 (a >= 80 %), 4 (90 %), 8 (95 %), 16 (99.5 %); here
    it is the pool that grows with pool_factor, at a fixed batch size. A classifier's losses stay what they were;
    the chosen pairs of a contrastive loss form a new batch, and have fewer negatives than in the pool.

    `batching.rules.osgd.OrderedSGD` is the other reading, which orders whole batches.

    Args:
        loss: Its settings are bound, and it keeps no state.

    Cost: the loss of one batch of the size of the pool, without gradients.

    References:
        Kawaguchi and Lu, 2020, Algorithm 1, arXiv 1907.04371.
    """

    loss: Loss

    def __post_init__(self) -> None:
        """Check the loss."""
        _check_stateless(self.loss)

    @override
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        return largest(self.loss(u, v, reduction="none"), batch_size)


@dataclass(frozen=True)
class RhoLoss(Picker):
    """RHO-loss: the pairs of largest reducible holdout loss, in descending order.

    rho_i = loss_i(current weights) - loss_i(reference),

    both among all of the pool. What the reference, trained on held-out data, finds hard as well is noise and
    stays out; what the current weights find easy is learned already. Pairs are scored one by one: `Jest` scores
    them together.

    Args:
        loss: Its settings are bound, and it keeps no state.
        reference_loss: That of the reference, where its temperature is another; None for the same.

    Cost: two losses of a batch of the size of the pool, without gradients.

    References:
        Mindermann et al., 2022, Eq. (3) and Algorithm 1, arXiv 2206.07137.
    """

    loss: Loss
    reference_loss: Loss | None = None
    uses_reference: ClassVar[Literal["never", "optional", "required"]] = "required"

    def __post_init__(self) -> None:
        """Check the losses."""
        _check_stateless(self.loss)
        _check_stateless(self.reference_loss)

    @override
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        assert reference is not None  # checked by `pick`
        irreducible = (self.reference_loss or self.loss)(*reference, reduction="none")
        return largest(self.loss(u, v, reduction="none") - irreducible, batch_size)


def largest(values: Float[Tensor, "*replicates pool"], k: int) -> Int[Tensor, "*replicates k"]:
    """Positions of the k largest values, largest first; equal ones in their order."""
    return values.argsort(dim=-1, descending=True, stable=True)[..., :k]


def _check_stateless(loss: Loss | None) -> None:
    if takes_index(loss):
        raise ValueError(
            f"pairs are scored by a loss without a state, got {type(loss).__name__}, which keeps one; choose "
            "another loss, or another selection"
        )
