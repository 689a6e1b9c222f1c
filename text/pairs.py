"""Questions and answers as pairs: pair i is query i and the passage that answers it, both tokenised."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from batching import derived_seed
from text.model import Encoder
from text.tokens import Tokens
from training import EncodedPairs

_EMBED_BATCH_SIZE = 256


class TextPairs(EncodedPairs):
    """Pair i is text i of the queries and text i of the passages, through the same encoder.

    Args:
        encoder: Of queries and passages.
        queries: On the encoder's device.
        passages: As many, likewise.
        seed: Of dropout, together with the update's number.
    """

    def __init__(self, encoder: Encoder, queries: Tokens, passages: Tokens, *, seed: int) -> None:
        """See the class."""
        super().__init__(encoder, n_pairs=len(queries), seed=seed, embed_batch_size=_EMBED_BATCH_SIZE)
        self.queries = queries
        self.passages = passages

    @override
    def begin_update(self, update: int) -> None:
        super().begin_update(update)
        # Dropout draws from torch's own generator; seeded here, a resumed run repeats what it would have drawn.
        torch.manual_seed(derived_seed(self.seed, "dropout", update))

    @override
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        return self.model(*self.queries.batch(index)), self.model(*self.passages.batch(index))

    @override
    @torch.no_grad()
    def embed(self, index: Int[Tensor, " n"] | None) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """The embeddings of these pairs, without dropout."""
        self.model.eval()
        index = torch.arange(self.n_pairs) if index is None else index
        return self._embed_texts(self.queries, index), self._embed_texts(self.passages, index)

    def _embed_texts(self, texts: Tokens, index: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Chunk by chunk in the order of their lengths, so that a long text pads only its likes."""
        index = index.to(texts.offsets.device)
        order = texts.lengths[index].argsort(stable=True)
        chunks = [self.model(*texts.batch(part)) for part in index[order].split(self.embed_batch_size)]
        return torch.cat(chunks)[order.argsort()]
