"""BERT over texts of unequal lengths without padding: what is done to single tokens is done to all at once.

Of a forward, only attention and pooling know where one text ends. Everything else runs on the tokens of a batch,
one after the other, [tokens, hidden]; nothing is spent on padding, of which batches of unlike texts are half made.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from text.model_attention import Attend, attention, dropout
from text.tokens import Tokens
from text.transfer import sent


def obstacle(model: nn.Module) -> str | None:
    """Why a model cannot go through `hidden_states`; None if it can.

    What can: transformers' `BertModel` itself with its own linear layers, as an encoder, with absolute positions
    and gelu. Classes derived from it, other families, and models with adapters in place of linear layers cannot.
    """
    from transformers import BertModel

    if type(model) is not BertModel:
        return f"it is a {type(model).__name__}, not a BertModel"
    config = model.config
    if config.hidden_act != "gelu":
        return f"its activation is {config.hidden_act}, not gelu"
    positions = getattr(config, "position_embedding_type", "absolute")
    if positions != "absolute":
        return f"its positions are {positions}, not absolute"
    if config.is_decoder or config.add_cross_attention:
        return "it is a decoder"
    linear = [p for n, p in model.encoder.named_modules() if n.endswith((".query", ".key", ".value", ".dense"))]
    other = {type(part).__name__ for part in linear if type(part) is not nn.Linear}
    return f"{', '.join(sorted(other))} is in place of linear layers" if other else None


def hidden_states(bert: Any, tokens: Tokens, dtype: torch.dtype) -> Float[Tensor, "total hidden"]:
    """The last hidden states of all tokens, those of each text as if it were alone.

    With x the sum of the embeddings of word, position within the text and token type 0, normalised, each layer is

        a = softmax(q k^T / sqrt(d)) v within each text and head, (q, k, v) = x W + c in one product
        x = norm(x + drop(a W_o + c_o))
        x = norm(x + drop(gelu(x W_1 + c_1) W_2 + c_2))

    In `dtype` bfloat16 the embeddings and their normalisation are computed in the weights' own precision; all
    activations after that are bfloat16, the sums along the residual connections among them. Matrix products and
    normalisations add up in float32 and round what comes out. Weights are rounded once in a call; their gradients
    come in their own precision.

    Args:
        bert: A model without `obstacle`; its training flag and the p of its own dropout layers count.
        tokens: Texts, each of at least one token and at most as many as the model has positions. Any order will do;
            how it matters for speed, and where attention has no dropout, says `attention`.
        dtype: Of the activations.

    Cost:
        Per layer of width h, with feed-forward layers of 4h: 24 h^2 floating point operations for each token, and
        4 h T^2 for each text of T tokens.

    References:
        Devlin et al., 2019, Section 3, arXiv 1810.04805; Zeng et al., 2022, arXiv 2208.08124 (unpadded BERT).
    """
    heads = bert.config.num_attention_heads
    attend = attention(tokens, dtype, heads=heads, head_dim=bert.config.hidden_size // heads)
    with torch.autocast(tokens.ids.device.type, enabled=False):
        x = _embeddings(bert.embeddings, tokens).to(dtype)
        for layer in bert.encoder.layer:
            x = _layer(layer, x, attend)
    return x


def _embeddings(module: Any, tokens: Tokens) -> Float[Tensor, "total hidden"]:
    """Of word, position within the text and token type 0: added up, normalised, some dropped."""
    starts = tokens.offsets[:-1].repeat_interleave(tokens.lengths)
    position = sent(torch.arange(len(starts)) - starts, tokens.ids.device)
    words = module.word_embeddings
    x = functional.embedding(tokens.ids, words.weight, words.padding_idx)
    x = x + functional.embedding(
        position, module.position_embeddings.weight + module.token_type_embeddings.weight[0]
    )
    return _dropped(_norm(x, module.LayerNorm), module.dropout)


def _layer(layer: Any, x: Float[Tensor, "total hidden"], attend: Attend) -> Float[Tensor, "total hidden"]:
    """Attention and feed-forward, each added to what came in and normalised."""
    own, after, last = layer.attention.self, layer.attention.output, layer.output
    a = attend(_linear(x, own.query, own.key, own.value), own.dropout.p if own.dropout.training else 0.0)
    x = _norm(x + _dropped(_linear(a, after.dense), after.dropout), after.LayerNorm)
    wide = functional.gelu(_linear(x, layer.intermediate.dense))
    return _norm(x + _dropped(_linear(wide, last.dense), last.dropout), last.LayerNorm)


def _linear(x: Float[Tensor, "total dim"], *layers: nn.Linear) -> Float[Tensor, "total dims"]:
    """Linear layers side by side, as one product, in the precision of x."""
    weights = [layer.weight.to(x.dtype) for layer in layers]
    biases = [layer.bias.to(x.dtype) for layer in layers]
    if len(layers) == 1:
        return functional.linear(x, weights[0], biases[0])
    return functional.linear(x, torch.cat(weights), torch.cat(biases))


def _norm(x: Float[Tensor, "total hidden"], norm: nn.LayerNorm) -> Float[Tensor, "total hidden"]:
    """Layer normalisation that gives the precision of x."""
    scale, shift = norm.weight, norm.bias
    if x.device.type != "cpu":  # on a CPU they need not be rounded
        scale, shift = scale.to(x.dtype), shift.to(x.dtype)
    return functional.layer_norm(x, norm.normalized_shape, scale, shift, norm.eps)


def _dropped(x: Float[Tensor, "total hidden"], layer: nn.Dropout) -> Float[Tensor, "total hidden"]:
    return dropout(x, layer.p if layer.training else 0.0)
