"""The order of ranked lists, as one number for each passage of a list.

Score and place among equal scores are one int64, the key: 32 bits that order as the float32 does, 4 bits for
"answers the query" and its grade, 28 bits for the row. The larger key comes first, and no two are equal, so there
is one order.
"""

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from text.data.texts import Lists

ROW_BITS = 28
NOT_RELEVANT = 15
"""Of the 16 values of 4 bits; those below are for grades."""
MISSING = torch.iinfo(torch.int64).min
"""The key of no passage: below all others."""


def only_relevant(judged: Lists) -> Lists:
    """Without passages that were judged not to answer."""
    return judged.above(0.0)


def levels_of(relevant: Lists) -> Int64[np.ndarray, " total"]:
    """14 for the lowest grade, 13 for the next, ...: what is larger comes earlier among equal scores."""
    if relevant.grades is None:
        return np.full(len(relevant.items), NOT_RELEVANT - 1)
    different, number = np.unique(relevant.grades, return_inverse=True)
    return (
        NOT_RELEVANT - 1 - (number if len(different) <= NOT_RELEVANT else number * NOT_RELEVANT // len(different))
    )


def keys_of(scores: Float32[Tensor, "*n"], rows: Int64[Tensor, "..."], level: int | Tensor) -> Int64[Tensor, "*n"]:
    """The keys of passages; -inf is no passage."""
    bits = (scores + 0.0).view(torch.int32)  # -0.0 is 0.0
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    keys = order | (level << ROW_BITS) | (2**ROW_BITS - 1 - rows)
    return torch.where(scores == -torch.inf, MISSING, keys)


def scores_in(keys: Int64[Tensor, "*n"]) -> Float32[Tensor, "*n"]:
    """The scores of keys; -inf of no passage."""
    order = (keys >> 32).int()
    scores = (order ^ ((order >> 31) & 0x7FFFFFFF)).view(torch.float32)
    return torch.where(keys == MISSING, -torch.inf, scores)


def rows_in(keys: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
    """The rows of keys; -1 of no passage."""
    return torch.where(keys == MISSING, -1, 2**ROW_BITS - 1 - (keys & (2**ROW_BITS - 1)))
