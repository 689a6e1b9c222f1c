"""A small BERT from scratch, shared by queries and passages, and the folder that other libraries open it from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from text.tokens import FIRST, LAST, MASK, PADDING, UNKNOWN

# transformers is imported where it is used: it takes seconds, which `--help` and bad input need not wait for.


class Encoder(nn.Module):
    """A unit vector for each text: the mean of the last hidden states over its tokens, normalised.

    e = m / |m|, m = (1/T) sum_t h_t over the T tokens, [CLS] and [SEP] among them.

    References:
        Reimers and Gurevych, 2019, Section 3 (mean pooling), arXiv 1908.10084.
    """

    def __init__(self, bert: nn.Module) -> None:
        """Pool what this transformer returns."""
        super().__init__()
        self.bert = bert

    def forward(
        self, ids: Int[Tensor, "texts longest"], is_token: Bool[Tensor, "texts longest"]
    ) -> Float[Tensor, "texts hidden"]:
        """The embeddings of padded texts."""
        hidden = self.bert(input_ids=ids, attention_mask=is_token.long()).last_hidden_state
        # The mean's factor 1/T cancels when the vector is normalised.
        return functional.normalize((hidden * is_token[..., None]).sum(1), dim=-1)


def build_encoder(
    *, vocabulary_size: int, max_tokens: int, layers: int, hidden: int, heads: int, dropout: float, seed: int
) -> Encoder:
    """A BERT with random weights, a function of the seed; feed-forward layers are as wide as `hidden`.

    References:
        Devlin et al., 2019, Section 3, arXiv 1810.04805, except that the feed-forward layers are four times as
        wide there: a few thousand pairs do not fill them.
    """
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=hidden,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=max_tokens,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(BertModel(config, add_pooling_layer=False))


def save_model(folder: Path, encoder: Encoder, tokenizer: Tokenizer) -> None:
    """Write the weights and the tokeniser so that transformers opens them, without this project.

    `AutoModel.from_pretrained(folder, add_pooling_layer=False)` gives the transformer, whose mean over tokens,
    normalised, is the embedding; `AutoTokenizer.from_pretrained(folder)` what goes in.
    """
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    truncation = tokenizer.truncation
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=None if truncation is None else truncation["max_length"],
        pad_token=PADDING,
        unk_token=UNKNOWN,
        cls_token=FIRST,
        sep_token=LAST,
        mask_token=MASK,
    )
    assert isinstance(encoder.bert, PreTrainedModel)
    with _no_progress_bar():
        encoder.bert.save_pretrained(folder)
        wrapped.save_pretrained(folder)


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep transformers from showing a bar for one small file."""
    from transformers.utils import logging

    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()
