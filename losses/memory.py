"""Losses that remember: running averages for every pair, a queue of keys, a learned temperature.

State lies in buffers, so `state_dict` has all of it. It moves in training only: neither after `eval()` nor where
gradients are switched off, as when candidate batches are scored.
"""

import math
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from losses.checks import check_positive
from losses.distributed import Group, gather
from losses.infonce import moco
from losses.negatives import negative_log_sums
from losses.numerics import beside
from losses.pairs import Reduction, paired, reduced


class GlobalContrastive(nn.Module):
    """SogCLR: `dcl` over the whole training set, from small batches and a running average for every pair.

    With g_i the mean of e^{(z_i.z_k - z_i.z_p(i))/tau} over the negatives in the batch of an anchor of pair i,

        a_i <- (1 - gamma) a_i + gamma g_i        (a_i = g_i at the pair's first visit)
        d L = (1/2B) sum_i (g_i / a_i) d log g_i,

    and the value is (1/2B) sum_i log(n a_i), n = 2B - 2: what `dcl` would be if every anchor met the average of all
    that it has met. At the first visit, or with gamma = 1, value and gradient are those of `dcl`. (Published code
    leaves out the factor 1/tau and adds the directions: 2 tau times this gradient.)

    The averages are kept as logarithms, finite at any temperature; both directions of a pair share one. A pair
    that is in a batch more than once is no negative of itself, and its average moves to the mean of its visits;
    a pair without negatives in its batch has loss 0, and its average stays.

    Args:
        n_pairs: Size of the training set.
        temperature: tau > 0.
        gamma: Weight of the new value, in (0, 1].
        chunk_size: Anchors at a time.
        group: Processes that share the batch; the averages are then the same on all.

    References:
        Yuan et al., 2022, Algorithm 1, arXiv 2202.12387; defaults of their code (tau 0.1, gamma 0.9).
    """

    takes_index: ClassVar[bool] = True
    log_average: Float[Tensor, " n_pairs"]
    seen: Tensor

    def __init__(
        self,
        n_pairs: int,
        *,
        temperature: float = 0.1,
        gamma: float = 0.9,
        chunk_size: int | None = None,
        group: Group | None = None,
    ) -> None:
        """See the class."""
        super().__init__()
        check_positive(temperature=temperature)
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma is the weight of the new value, in (0, 1], got {gamma}; 0.9 is usual")
        self.temperature, self.gamma = temperature, gamma
        self.chunk_size, self.group = chunk_size, group
        self.register_buffer("log_average", torch.zeros(n_pairs))
        self.register_buffer("seen", torch.zeros(n_pairs, dtype=torch.bool))

    def forward(
        self,
        u: Float[Tensor, "n dim"],
        v: Float[Tensor, "n dim"],
        *,
        index: Int[Tensor, " n"],
        reduction: Reduction = "mean",
    ) -> Float[Tensor, "*values"]:
        """The loss of a batch of the pairs numbered `index`; in training their averages move.

        Raises:
            ValueError: If shapes differ or there is not one number for each pair.
        """
        operands = u.dtype if u.dtype == v.dtype else None
        u, v = paired(u, v)
        if len(index) != len(u):
            raise ValueError(f"index must have a number for each pair, {len(u)}, got {len(index)}")
        index = index.to(u.device)
        log_n = self._log_counts(index)
        scale = beside(u, 1 / self.temperature)
        log_sums, positive = negative_log_sums(
            u,
            v,
            scale=scale,
            within=True,
            both=True,
            ids=index,
            chunk_size=self.chunk_size,
            group=self.group,
            operands=operands,
        )
        empty = log_sums == -torch.inf
        excess = log_sums.masked_fill(empty, 0) - positive
        log_g = (excess.detach() - log_n).masked_fill(empty, -torch.inf)
        average = self._moved(log_g, index)
        surrogate = (log_g - average).exp().masked_fill(empty, 0) * excess
        losses = ((average + log_n).detach() + surrogate - surrogate.detach()).masked_fill(empty, 0)
        if self.training and torch.is_grad_enabled():
            self._remember(average, index)
        return reduced((losses[0] + losses[1]) / 2, reduction)

    def _log_counts(self, index: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The logarithm of each anchor's number of negatives: all but the embeddings of its own pair."""
        everyone = index if self.group is None else gather(index, self.group)
        negatives = 2 * (len(everyone) - _visits(everyone).size).clamp_min(1)
        first = 0 if self.group is None else self.group.rank() * len(index)
        return negatives[first : first + len(index)].to(self.log_average.dtype).log()

    def _moved(self, log_g: Float[Tensor, "2 n"], index: Int[Tensor, " n"]) -> Float[Tensor, "2 n"]:
        """The averages that include this visit, one for each direction."""
        old = self.log_average[index].to(log_g.dtype)
        if self.gamma == 1:
            return log_g
        moved = torch.logaddexp(old + math.log1p(-self.gamma), log_g + math.log(self.gamma))
        return torch.where(self.seen[index] & (log_g > -torch.inf), moved, log_g)

    def _remember(self, average: Float[Tensor, "2 n"], index: Int[Tensor, " n"]) -> None:
        """Keep the mean over the directions and over the visits of each pair."""
        value = torch.logaddexp(average[0], average[1]) - math.log(2)
        if self.group is not None:
            value, index = gather(value, self.group), gather(index, self.group)
        pair = _visits(index).pair
        counted = value > -torch.inf
        peak = value.new_full(value.shape, -torch.inf).scatter_reduce(0, pair, value, "amax")
        parts = torch.where(counted, (value - peak[pair]).exp(), 0.0)
        totals = torch.zeros((2, *value.shape), dtype=value.dtype, device=value.device)
        totals.scatter_add_(1, pair.expand(2, -1), torch.stack([parts, counted.to(value.dtype)]))
        mean = (totals[0] / totals[1]).log()[pair] + peak[pair]
        visited = totals[1][pair] > 0
        # The rows of a pair that came twice write the same value twice.
        self.log_average[index] = torch.where(visited, mean.to(self.log_average.dtype), self.log_average[index])
        self.seen[index] = self.seen[index] | visited


class _Visits(NamedTuple):
    """Which rows are of the same pair."""

    pair: Int[Tensor, " n"]
    """A number for each row, the same for rows of the same pair."""
    size: Int[Tensor, " n"]
    """How many rows are of its pair."""


def _visits(index: Int[Tensor, " n"]) -> _Visits:
    """As `unique` would tell, in tensors of known sizes, so that a GPU need not be waited for."""
    ordered, order = index.sort(stable=True)
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    pair = torch.empty_like(index).scatter_(0, order, begins.cumsum(0) - 1)
    size = torch.zeros_like(index).scatter_add_(0, pair, torch.ones_like(index))
    return _Visits(pair, size[pair])


class Queue(nn.Module):
    """MoCo's queue of keys and its loss: the newest `size` keys, of batches of any size.

    The loss of a batch is `moco` against the keys of earlier batches; then, in training, its own keys enter and
    the oldest leave. Until the queue is full it has as many keys as it has been given (none at the first batch:
    loss 0), not random ones. With `index`, keys of the same pair from an earlier epoch are no negatives.

    Args:
        dim: Of the embeddings.
        size: K.
        temperature: tau > 0.
        group: Processes whose keys all enter; the queue is then the same on all.

    References:
        He et al., 2020, Algorithm 1, arXiv 1911.05722 (K 65,536, tau 0.07).
    """

    takes_index: ClassVar[bool] = True
    capturable: ClassVar[bool] = False
    """A step with it cannot be recorded as a CUDA graph: how full the queue is is asked on the host."""
    keys: Float[Tensor, "size dim"]
    ids: Int[Tensor, " size"]
    entered: Tensor

    def __init__(
        self, dim: int, *, size: int = 65_536, temperature: float = 0.07, group: Group | None = None
    ) -> None:
        """See the class."""
        super().__init__()
        check_positive(size=size, temperature=temperature)
        self.temperature, self.group = temperature, group
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("ids", torch.full((size,), -1))
        self.register_buffer("entered", torch.zeros((), dtype=torch.int64))

    def forward(
        self,
        u: Float[Tensor, "n dim"],
        v: Float[Tensor, "n dim"],
        *,
        index: Int[Tensor, " n"] | None = None,
        reduction: Reduction = "mean",
    ) -> Float[Tensor, "*values"]:
        """The loss of the queries u with keys v, which then enter the queue."""
        filled = min(int(self.entered), len(self.keys))
        queue, queue_ids = self.keys[:filled].clone(), self.ids[:filled].clone()
        ids = None if index is None else index.to(u.device)
        known = None if ids is None else queue_ids
        value = moco(u, v, queue, temperature=self.temperature, ids=ids, queue_ids=known, reduction=reduction)
        if self.training and torch.is_grad_enabled():
            self.enter(v, ids)
        return value

    @torch.no_grad()
    def enter(self, keys: Float[Tensor, "n dim"], index: Int[Tensor, " n"] | None = None) -> None:
        """Put keys in the places of the oldest."""
        ids = torch.full((len(keys),), -1, device=keys.device) if index is None else index
        if self.group is not None:
            keys, ids = gather(keys, self.group), gather(ids, self.group)
        size = len(self.keys)
        start = int(self.entered) + max(0, len(keys) - size)  # of more keys than there are places, the last count
        keys, ids = keys[-size:], ids[-size:]
        places = torch.arange(start, start + len(keys), device=self.keys.device) % size
        self.keys[places] = keys.detach().to(self.keys.dtype)
        self.ids[places] = ids
        self.entered.fill_(start + len(keys))


class LearnedTemperature(nn.Module):
    """A temperature that is trained with the encoder: `clip(u, v, temperature=learned())`.

    tau = e^{-s}; s starts at log(1/initial) and is kept at or below log(1/smallest), as CLIP does: without a bound
    the temperature of an easy training set runs to 0. Leave its one parameter out of weight decay.

    References:
        Radford et al., 2021, Section 2.5, arXiv 2103.00020 (initial 0.07, 1/tau at most 100).
    """

    def __init__(self, initial: float = 0.07, *, smallest: float = 0.01) -> None:
        """See the class."""
        super().__init__()
        check_positive(initial=initial, smallest=smallest)
        if initial < smallest:
            raise ValueError(f"initial must be at least smallest, {smallest}, got {initial}: lower smallest")
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / initial)))
        self.largest = math.log(1 / smallest)

    def forward(self) -> Float[Tensor, ""]:
        """The temperature now."""
        with torch.no_grad():  # the bound is on the parameter itself: a clamped value would have no gradient left
            self.log_scale.clamp_(max=self.largest)
        return (-self.log_scale).exp()
