"""Attention over texts that lie one after the other: each token sees the tokens of its own text."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from text.tokens import Tokens
from text.transfer import sent

Attend = Callable[[Float[Tensor, "total three_hidden"], float], Float[Tensor, "total hidden"]]
"""From queries, keys and values side by side, and the part of the weights to drop, to what each token sees."""

_TEXTS_AT_ONCE = 64
"""Texts that share a call, at most: the table of their products has heads x length^2 numbers for each."""


def attention(tokens: Tokens, dtype: torch.dtype, *, heads: int, head_dim: int) -> Attend:
    r"""softmax(q k^T / sqrt(d)) v within each text and head, in the way that suits the device.

    - CUDA, bfloat16 or float16: `torch.nn.attention.varlen.varlen_attn`, one kernel for texts of any lengths. It
      has no dropout: there the attention's weights are never dropped, whatever the model's p.
    - CUDA otherwise: runs of texts whose lengths are within a factor of two, padded for this product alone.
    - CPU: runs of texts of equal length, of which nothing is padded. A call costs less than what padding adds:
      for 64 queries and 64 passages (48 lengths) a third less than in eights of like length, measured on one core.

    All that depends on the lengths is worked out here, once for all layers, on the host.

    Args:
        tokens: Texts in any order; outside of `varlen_attn`, those of like length share a call only side by side.
        dtype: Of what the result is given.
        heads: Of attention.
        head_dim: Width d of each.
    """
    device = tokens.ids.device
    if uses_varlen(device, dtype, head_dim):
        return _varlen(tokens, heads)
    # Beside a GPU a call costs more than padding, on a CPU less.
    runs = _runs(tokens.lengths.tolist(), 1.0 if device.type == "cpu" else 2.0, device)
    sizes = [run.tokens for run in runs]

    def attend(qkv: Tensor, p: float) -> Tensor:
        return torch.cat([_of_run(part, run, heads, p) for part, run in zip(qkv.split(sizes), runs, strict=True)])

    return attend


def uses_varlen(device: torch.device, dtype: torch.dtype, head_dim: int) -> bool:
    """Whether one kernel takes texts of any lengths: CUDA, half precision, heads of 8, 16, ... or 256 numbers.

    It needs an NVIDIA GPU of compute capability 8.0 (Ampere) or later.
    """
    half = dtype in (torch.bfloat16, torch.float16)
    fits = device.type == "cuda" and half and head_dim % 8 == 0 and head_dim <= 256 and torch.version.hip is None
    return fits and torch.cuda.get_device_capability(device) >= (8, 0)


def dropout(x: Float[Tensor, "..."], p: float) -> Float[Tensor, "..."]:
    """Zeros in place of a part p of the entries, the others divided by 1 - p, from torch's own generator.

    On a CPU, torch's own dropout takes a third of the time of a layer in bfloat16. Here 64 random bits serve four
    entries, so p and the divisor are those of the nearest multiple of 2^-16: a third of that time.
    """
    if not p or x.device.type != "cpu":
        return functional.dropout(x, p)
    n_dropped = min(round(p * 2**16), 2**16 - 1)
    bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= n_dropped - 2**15
    return x * kept.to(x.dtype).mul_(2**16 / (2**16 - n_dropped))


def _varlen(tokens: Tokens, heads: int) -> Attend:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.varlen import varlen_attn

    longest = tokens.longest
    starts = sent(tokens.offsets.int(), tokens.ids.device)

    def attend(qkv: Tensor, p: float) -> Tensor:
        del p  # see above
        q, k, v = qkv.unflatten(1, (3, heads, -1)).unbind(1)
        # Left alone, later releases of torch take cuDNN, with which encoders are said to be slower on Hopper GPUs.
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION], set_priority=True):
            return varlen_attn(q, k, v, starts, starts, longest, longest).flatten(1)  # pyright: ignore[reportAttributeAccessIssue]

    return attend


@dataclass(frozen=True)
class _Run:
    """Texts next to each other that share a call."""

    texts: int
    longest: int
    tokens: int
    place: Int[Tensor, " padded"] | None = None
    """The token at each place of the padded texts (any where there is none); None where nothing is padded."""
    back: Int[Tensor, " tokens"] | None = None
    """The place of each token."""
    is_token: Bool[Tensor, "texts 1 1 longest"] | None = None


def _runs(lengths: list[int], factor: float, device: torch.device) -> list[_Run]:
    """Runs whose longest text has at most `factor` times the tokens of the shortest."""
    runs: list[list[int]] = []
    low = high = 0
    for length in lengths:
        low, high = min(low, length), max(high, length)
        if not runs or high > factor * low or len(runs[-1]) == _TEXTS_AT_ONCE:
            runs.append([])
            low = high = length
        runs[-1].append(length)
    return [_run(run, device) for run in runs]


def _run(lengths: list[int], device: torch.device) -> _Run:
    longest, n_tokens = max(lengths), sum(lengths)
    if longest * len(lengths) == n_tokens:
        return _Run(len(lengths), longest, n_tokens)
    ends = torch.tensor(list(accumulate(lengths)))
    place = (ends - torch.tensor(lengths))[:, None] + torch.arange(longest)
    is_token = place < ends[:, None]
    tensors = (
        place.clamp(max=n_tokens - 1).flatten(),
        is_token.flatten().nonzero().squeeze(1),
        is_token[:, None, None],
    )
    return _Run(len(lengths), longest, n_tokens, *(sent(tensor, device) for tensor in tensors))


def _of_run(
    qkv: Float[Tensor, "tokens three_hidden"], run: _Run, heads: int, p: float
) -> Float[Tensor, "tokens hidden"]:
    """The attention of one run: of a view of its tokens, or (never on a CPU) of a padded copy."""
    rows = qkv if run.place is None else qkv.index_select(0, run.place)
    q, k, v = rows.view(run.texts, run.longest, 3, heads, -1).permute(2, 0, 3, 1, 4)
    # torch's fused kernel for CPUs has no dropout, and takes twice as long as its parts in bfloat16.
    if qkv.device.type == "cpu" and (p or qkv.dtype == torch.bfloat16):
        seen = dropout((q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1), p) @ v
    else:
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=run.is_token, dropout_p=p)
    seen = seen.transpose(1, 2).reshape(len(rows), -1)
    return seen if run.back is None else seen.index_select(0, run.back)
