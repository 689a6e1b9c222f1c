"""Joint example selection: a batch that is learnable as a whole."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching.pickers.picker import Picker, Views, largest
from batching.seeded import Seed, uniforms
from losses.checks import check_positive
from losses.numerics import softplus


@dataclass(frozen=True)
class Jest(Picker):
    """JEST: a batch that is learnable as a whole, built chunk by chunk.

    1. The first of the chunks is drawn uniformly.
    2. Every other is drawn without replacement with weights e^{gain s_i(C)}, C being the pairs chosen so far.

    Let z = u.v / tau. Then s_i(C) = l_i(C; current) - l_i(C; reference), where l_i(C) is

    softmax: -z_ii + (1/2) [logsumexp_{k in C} z_ik + logsumexp_{k in C} z_ki],
    sigmoid: L_ii + sum_{k in C} (L_ik + L_ki),  L_ij = -log sigmoid(y_ij (z_ij + b)), y_ii = 1, y_ij = -1.

    The second is exactly what i adds to the sum of the sigmoid losses of C. The first is the loss of i among the
    pairs of C, its own positive left out of the denominator (`losses.dcl_cross`, both directions), and leaves out
    what i does to the losses of C. Kinds: "learnability" as above, "hard" without the reference, "easy_reference"
    without the current weights.

    Drawing without replacement is taking the largest gain s_i + Gumbel noise (Gumbel top-k). Chunks differ by at
    most one pair; there are no more of them than pairs.

    Args:
        temperature: tau of the current weights.
        n_chunks: 16 in the paper; 1 is a random batch.
        kind: What a good batch is.
        loss: Which loss is split into l_i(C).
        gain: Of the scores: 0 is a random batch, and the larger, the closer to the greedy one.
        reference_temperature: tau of the reference; None for the same.
        bias: b of the sigmoid loss; None for -10, its value at the start of training.

    Cost: pool^2 dim for each model, and pool^2 numbers held; drawing is batch_size * pool.

    References:
        Evans et al., 2024, Section 3, arXiv 2406.17711 (with SigLIP's loss; no official code). Public
        re-implementations differ: one draws the first chunk by s_ii, one divides s by 2|C| + 1.
        Gumbel top-k: Kool et al., 2019, arXiv 1903.06059.
    """

    temperature: float
    n_chunks: int = 16
    kind: Literal["learnability", "hard", "easy_reference"] = "learnability"
    loss: Literal["softmax", "sigmoid"] = "softmax"
    gain: float = 1.0
    reference_temperature: float | None = None
    bias: float | None = None
    uses_reference: ClassVar[Literal["never", "optional", "required"]] = "optional"

    def __post_init__(self) -> None:
        """Check the settings."""
        check_positive(temperature=self.temperature)
        if self.reference_temperature is not None:
            check_positive(reference_temperature=self.reference_temperature)
        if self.n_chunks < 1 or self.gain < 0:
            raise ValueError(
                f"n_chunks must be at least 1 and gain at least 0, got {self.n_chunks} and {self.gain}; the paper "
                "has 16 and 1"
            )
        if self.bias is not None and self.loss != "sigmoid":
            raise ValueError(f"bias belongs to the sigmoid loss, got {self.bias} for {self.loss!r}: leave it out")
        if self.reference_temperature is not None and not self.needs_reference:
            raise ValueError("kind 'hard' has no reference, got a reference_temperature: leave it out")

    @property
    @override
    def needs_reference(self) -> bool:
        return self.kind != "hard"

    @override
    def _choose(
        self, u: Tensor, v: Tensor, batch_size: int, reference: Views | None, seed: Seed, epoch: int
    ) -> Int[Tensor, "*replicates batch"]:
        pool, chunks = u.shape[-2], min(self.n_chunks, batch_size)
        models = [] if self.kind == "easy_reference" else [(1.0, _Conditional(self, u, v, self.temperature))]
        if reference is not None:
            tau = self.reference_temperature or self.temperature
            models.append((-1.0, _Conditional(self, *reference, tau)))
        draws = uniforms(seed, "jest", epoch, chunks * pool, device=u.device).unflatten(-1, (chunks, pool))
        gumbels = -(-draws.clamp_min(2.0**-54).log()).log()
        logits = gumbels.new_zeros(*u.shape[:-1])
        chosen: list[Tensor] = []
        for number in range(chunks):
            size = batch_size // chunks + (number < batch_size % chunks)
            chosen.append(largest(logits + gumbels[..., number, :], size))
            for _, model in models:
                model.add(chosen[-1])
            logits = self.gain * torch.stack([sign * model.loss().double() for sign, model in models]).sum(0)
            logits = logits.scatter(-1, torch.cat(chosen, -1), -torch.inf)
        return torch.cat(chosen, -1)


class _Conditional:
    """l_i(C) of every pair of the pool for a growing C, as `Jest` has it."""

    def __init__(self, jest: Jest, u: Tensor, v: Tensor, temperature: float) -> None:
        self.adds = jest.loss == "sigmoid"
        self.terms = u @ v.mT / temperature
        diagonal = self.terms.diagonal(dim1=-2, dim2=-1).clone()
        if self.adds:
            bias = -10.0 if jest.bias is None else jest.bias
            self.terms = softplus(self.terms + bias)
            self.own = softplus(-diagonal - bias)
            self.met = torch.zeros_like(self.own).expand(2, *self.own.shape)
        else:
            self.own = -diagonal
            self.met = torch.full_like(self.own, -torch.inf).expand(2, *self.own.shape)

    def add(self, new: Int[Tensor, "*replicates chunk"]) -> None:
        """Enlarge C."""
        rows = new[..., None].expand(*new.shape, self.terms.shape[-1])
        found = torch.stack([self.terms.gather(-2, rows), self.terms.mT.gather(-2, rows)])
        self.met = self.met + found.sum(-2) if self.adds else torch.logaddexp(self.met, found.logsumexp(-2))

    def loss(self) -> Float[Tensor, "*replicates pool"]:
        return self.own + (self.met.sum(0) if self.adds else self.met.mean(0))
