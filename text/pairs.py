"""Questions and answers as pairs: pair i is query i and the passage that answers it, both tokenised."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor
from typing_extensions import override

from batching import derived_seed
from text.docstrings import Pair
from text.model import Encoder
from text.tokens import Tokens
from training import EncodedPairs

_PAIRS_AT_ONCE = 256
_TEXTS_AT_ONCE = 32
"""Few enough that texts of like length come together, many enough to keep two cores busy."""


class TextPairs(EncodedPairs):
    """Pair i is query i and passage i, through the same encoder.

    Args:
        encoder: Of queries and passages.
        tokenizer: Of both.
        pairs: The texts.
        seed: Of dropout, together with the update's number.
        encode_batch_size: Pairs that go through the encoder at a time in training; None for whole batches.
        temperature: Of the diagnostics.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        pairs: Sequence[Pair],
        *,
        seed: int,
        encode_batch_size: int | None = None,
        temperature: float = 0.1,
    ) -> None:
        """Tokenise all texts, once, to where the encoder is."""
        super().__init__(
            encoder,
            n_pairs=len(pairs),
            seed=seed,
            embed_batch_size=_PAIRS_AT_ONCE,
            encode_batch_size=encode_batch_size,
            temperature=temperature,
        )
        texts = [pair.query for pair in pairs] + [pair.passage for pair in pairs]
        self.tokens = Tokens.of(tokenizer, texts, device=next(encoder.parameters()).device)

    @override
    def begin_update(self, update: int) -> None:
        super().begin_update(update)
        # Dropout draws from torch's own generator; seeded here, a resumed run repeats what it would have drawn.
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0  # each has its own pairs
        torch.manual_seed(derived_seed(self.seed, f"dropout-{rank}" if rank else "dropout", update))

    @override
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        index = index.to(self.tokens.offsets.device)
        texts = torch.cat([index, index + self.n_pairs])  # queries come first, then passages
        # In the order of their lengths a long text pads only its likes: a third less to compute.
        order = self.tokens.lengths[texts].argsort(stable=True)
        chunks = [self.model(*self.tokens.batch(part)) for part in texts[order].split(_TEXTS_AT_ONCE)]
        u, v = torch.cat(chunks)[order.argsort()].chunk(2)
        return u, v
