"""The encoder: a transformer over tokens, pooled to a unit vector for each text, new or from a folder."""

from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from text.model_attention import uses_varlen
from text.model_export import replaced, write_model
from text.model_folder import Pooling, find_transformer, n_positions, open_transformer
from text.packed import hidden_states, obstacle
from text.tokens import Tokens
from text.transfer import sent

# transformers is imported where it is used: it takes seconds, which `--help` and bad input need not wait for.

Precision = Literal["float32", "bfloat16"]
Attention = Literal["auto", "packed", "padded"]

_PADDED_TOGETHER = 32
"""Few enough that texts of like length come together, many enough to keep two cores busy."""


class Encoder(nn.Module):
    """A unit vector for each text, from the last hidden states h of its T tokens, [CLS] and [SEP] among them.

    e = m / |m|; m = (1/T) sum_t h_t, or m = h_1 ("cls").

    The weights have the names that transformers gives them, after `transformer.`.

    Args:
        transformer: Of transformers: input_ids and attention_mask to last_hidden_state.
        pooling: "mean" over the tokens, or the first token, "cls".
        precision: What the transformer computes in; weights, pooling and embeddings are float32.
        attention: "packed" computes nothing for padding, by `text.packed`, which knows transformers' BertModel
            (`packed.obstacle` says exactly what); "padded" asks the transformer itself, for 32 texts of like length
            at a time (it looks at each mask, and the host waits for the GPU); "auto" is "packed" where it can be.

    Raises:
        ValueError: If attention is "packed" and the model cannot be.

    References:
        Reimers and Gurevych, 2019, Section 3 (pooling), arXiv 1908.10084.
    """

    def __init__(
        self,
        transformer: Any,
        *,
        pooling: Pooling = "mean",
        precision: Precision = "float32",
        attention: Attention = "auto",
    ) -> None:
        """See the class."""
        super().__init__()
        for value, type_ in ((pooling, Pooling), (precision, Precision), (attention, Attention)):
            if value not in get_args(type_):
                raise ValueError(f"an encoder takes one of {', '.join(get_args(type_))}, got {value!r}")
        reason = obstacle(transformer) if attention != "padded" else None
        if attention == "packed" and reason is not None:
            raise ValueError(f"attention may be packed for a BertModel alone, but {reason}; take padded or auto")
        self.transformer: Any = transformer
        self.pooling: Pooling = pooling
        self.precision: Precision = precision
        self.is_packed = attention != "padded" and reason is None
        self.max_tokens = n_positions(transformer)

    @property
    def dim(self) -> int:
        """Of the embeddings."""
        return self._config.hidden_size

    @property
    def _config(self) -> Any:
        return self.transformer.config

    @override
    def forward(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        """The embeddings, in the order of the texts.

        Raises:
            ValueError: As `project`.
        """
        return functional.normalize(self.project(tokens), dim=-1)

    def project(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        """The same of any length: what losses of raw embeddings take (VICReg, Barlow Twins).

        Raises:
            ValueError: If a text has no token, or more than the model has positions.
        """
        if not len(tokens):
            return torch.empty(0, self.dim, device=tokens.ids.device)
        shortest, longest = (int(length) for length in tokens.lengths.aminmax())
        if shortest < 1 or longest > self.max_tokens:
            raise ValueError(
                f"texts must have 1 to {self.max_tokens} tokens, got {shortest} to {longest}; "
                "let the tokeniser add its special tokens and cut"
            )
        weights = self.transformer.get_input_embeddings().weight.dtype
        dtype = torch.bfloat16 if self.precision == "bfloat16" else weights
        if self.is_packed and self._takes_any_order(tokens.ids.device, dtype):
            return self._packed(tokens, dtype)
        order = tokens.lengths.argsort(stable=True)
        by_length = tokens.take(order)
        pooled = self._packed(by_length, dtype) if self.is_packed else self._padded(by_length)
        return pooled.index_select(0, sent(order.argsort(), pooled.device))

    def _takes_any_order(self, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether attention gains nothing by texts in the order of their lengths."""
        return uses_varlen(device, dtype, self.dim // self._config.num_attention_heads)

    def _packed(self, tokens: Tokens, dtype: torch.dtype) -> Float[Tensor, "texts dim"]:
        hidden = hidden_states(self.transformer, tokens, dtype)
        offsets = sent(tokens.offsets, hidden.device)
        if self.pooling == "cls":
            return _widened(hidden.index_select(0, offsets[:-1]))
        # `unsafe` leaves out the check of the offsets, for which the host would have to wait.
        return torch.segment_reduce(_widened(hidden), "mean", offsets=offsets, unsafe=True)

    def _padded(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        parts = [tokens.take(part) for part in torch.arange(len(tokens)).split(_PADDED_TOGETHER)]
        # One context for all parts: autocast keeps the rounded weights until it ends.
        with torch.autocast(tokens.ids.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return torch.cat([self._padded_part(part) for part in parts])

    def _padded_part(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        ids, is_token = tokens.padded()
        ids = ids.masked_fill(~is_token, self._config.pad_token_id or 0)
        hidden = _widened(self.transformer(input_ids=ids, attention_mask=is_token.long()).last_hidden_state)
        if self.pooling == "cls":
            return hidden[:, 0]
        return (hidden * is_token[..., None]).sum(1) / is_token.sum(1, keepdim=True)


def _widened(x: Tensor) -> Tensor:
    """In float32, or float64 if it is."""
    return x if x.dtype == torch.float64 else x.float()


def build_encoder(
    *,
    vocabulary_size: int,
    max_tokens: int,
    layers: int,
    hidden: int,
    heads: int,
    intermediate: int | None,
    dropout: float,
    seed: int,
    pooling: Pooling = "mean",
    precision: Precision = "float32",
    attention: Attention = "auto",
) -> Encoder:
    """A BERT with random weights, a function of the seed.

    MiniLM-L6 has 6 layers, hidden 384, 12 heads and intermediate 1536. With intermediate None the feed-forward
    layers are as wide as `hidden`: a few thousand pairs do not fill wider ones.

    References:
        Devlin et al., 2019, Section 3, arXiv 1810.04805.
    """
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=hidden if intermediate is None else intermediate,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=max_tokens,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = BertModel(config, add_pooling_layer=False)
    return Encoder(transformer, pooling=pooling, precision=precision, attention=attention)


def load_encoder(
    folder: Path,
    *,
    fresh: bool = False,
    seed: int = 0,
    dropout: float | None = None,
    pooling: Pooling | None = None,
    precision: Precision = "float32",
    attention: Attention = "auto",
    max_tokens: int | None = None,
) -> Encoder:
    """An encoder from a folder of transformers or sentence-transformers; nothing is asked of a network.

    Prompts that sentence-transformers would put before the texts are not: they belong into the texts.

    Args:
        folder: Of one model.
        fresh: Take its shape alone, with random weights from the seed.
        seed: Of the random weights.
        dropout: In place of the model's own, between and inside the layers; None to keep it.
        pooling: None for what the folder says, or "mean" where it says nothing.
        precision: See `Encoder`.
        attention: See `Encoder`.
        max_tokens: Of the longest text that it will get.

    Raises:
        ValueError: If there is no folder, no encoder in it, modules or a pooling that `Encoder` does not have,
            weights that do not fit, or too few positions for `max_tokens`.
    """
    where, own_pooling = find_transformer(folder)
    transformer = open_transformer(where, fresh=fresh, seed=seed, dropout=dropout)
    encoder = Encoder(
        transformer, pooling=pooling or own_pooling or "mean", precision=precision, attention=attention
    )
    if max_tokens is not None and max_tokens > encoder.max_tokens:
        raise ValueError(
            f"max_tokens may be at most {encoder.max_tokens}, the positions of {folder}, got {max_tokens}; lower it"
        )
    return encoder


def save_model(folder: Path, encoder: Encoder, tokenizer: Tokenizer, *, source: Path | None = None) -> None:
    """Write the encoder so that other libraries open it, all of it or nothing; an older model is replaced.

    `SentenceTransformer(folder)` gives the same embeddings, `AutoModel.from_pretrained(folder)` the transformer,
    `AutoTokenizer.from_pretrained(folder)` what goes in, and `load_encoder(folder)` the encoder again.

    Args:
        folder: New, empty, or with an older model.
        encoder: Of the texts.
        tokenizer: Of the encoder, with its truncation.
        source: Folder of the model that training began with: the settings of its tokeniser are kept.

    Raises:
        ValueError: If `folder` holds other things than a model.
    """
    truncation = tokenizer.truncation
    max_tokens = encoder.max_tokens if truncation is None else int(truncation["max_length"])
    where = None if source is None else find_transformer(source)[0]
    with replaced(folder) as new:
        write_model(
            new, encoder.transformer, tokenizer, pooling=encoder.pooling, max_tokens=max_tokens, source=where
        )
