"""Do cosines order pairs of sentences as people do? For the STS benchmark and SICK."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from text.data.sts import ScoredPairs
from text.evaluate.embedding import embedded
from text.tokens import Tokens


def similarity(
    encoder: nn.Module, pairs: ScoredPairs, first: Tokens, second: Tokens, *, batch_size: int = 256
) -> dict[str, float]:
    """Correlation of the cosine of both sentences' embeddings with the scores of people.

    Args:
        encoder: Tokens to unit rows, on its device; left as it is.
        pairs: Sentences and scores.
        first: The first sentences in tokens.
        second: The second ones.
        batch_size: Sentences at a time, of like length.

    Returns:
        sts_spearman, which papers report (often times 100), and sts_pearson; see `correlations`.

    Raises:
        ValueError: If the tokens are of other sentences, or the encoder gives numbers that are not finite.
    """
    n = len(pairs.scores)
    if (len(first), len(second)) != (n, n):
        raise ValueError(
            f"first and second must be the tokens of {pairs.name}, {n} each, got {len(first)} and {len(second)}; "
            "tokenise these sentences"
        )
    both = embedded(encoder, Tokens.join([first, second]), batch_size=batch_size)
    return correlations(cosines(both[:n], both[n:]), pairs.scores)


def cosines(u: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"]) -> Float64[np.ndarray, " n"]:
    """Of each row with the same row of the other matrix."""
    return torch.cosine_similarity(u.double(), v.double(), dim=1).cpu().numpy()


def correlations(predicted: Float64[np.ndarray, " n"], gold: Float64[np.ndarray, " n"]) -> dict[str, float]:
    """Spearman's rank correlation (ties share their mean rank) and Pearson's correlation, in [-1, 1].

    Both are 0 where all predictions are equal, for which neither is defined: an encoder that maps everything to one
    point knows nothing.

    Raises:
        ValueError: If there are fewer than two pairs, or all gold scores are equal.

    References:
        Cer et al., 2017, SemEval-2017 Task 1, arXiv 1708.00055; Reimers et al., 2016, "Task-oriented intrinsic
        evaluation of semantic textual similarity" (Spearman rather than Pearson).
    """
    if len(gold) < 2 or np.ptp(gold) == 0:
        raise ValueError(f"there must be pairs of different scores, got {len(gold)} pairs; take other ones")
    if np.ptp(predicted) < 1e-12:  # cosines of one point differ by rounding
        return {"sts_spearman": 0.0, "sts_pearson": 0.0}
    from scipy.stats import pearsonr, spearmanr  # a second that --help need not wait for

    found: dict[str, Any] = {"sts_spearman": spearmanr(predicted, gold), "sts_pearson": pearsonr(predicted, gold)}
    return {name: float(result.statistic) for name, result in found.items()}
