"""Correlations with people's scores."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from text.data import ScoredPairs, Texts
from text.evaluate import similarity
from text.evaluate.sts import correlations, cosines
from text.tokens import Tokens


class Angles(nn.Module):
    """The unit vector whose angle is the first token."""

    def forward(self, tokens):
        angle = tokens.ids[tokens.offsets[:-1]] / 100
        return torch.stack([angle.cos(), angle.sin()], 1)


def pairs_of(scores):
    sentences = Texts.of(["?"] * len(scores))
    return ScoredPairs("small", sentences, sentences, np.array(scores))


def tokens_of(numbers):
    return Tokens(torch.tensor(numbers, dtype=torch.int32), torch.arange(len(numbers) + 1))


def test_spearman_is_the_correlation_of_ranks():
    first, second, gold = [0, 10, 20, 30, 5], [1, 40, 20, 39, 205], [4.0, 2.5, 5.0, 2.5, 0.0]
    found = similarity(Angles(), pairs_of(gold), tokens_of(first), tokens_of(second), batch_size=2)
    cosine = np.cos((np.array(first) - second) / 100)
    ranks = rankdata(cosine), rankdata(gold)
    assert found == pytest.approx(
        {"sts_spearman": np.corrcoef(*ranks)[0, 1], "sts_pearson": np.corrcoef(cosine, gold)[0, 1]}, abs=1e-5
    )


def test_the_length_of_embeddings_does_not_matter():
    u, v = torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0, 0.0]])
    assert cosines(u, v) == pytest.approx(np.sqrt(0.5))


def test_an_encoder_that_maps_everything_to_one_point_scores_0():
    same = torch.full((4, 3), 1 / 3**0.5)
    found = correlations(cosines(same, same), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found == {"sts_spearman": 0.0, "sts_pearson": 0.0}


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="pairs of different scores, got 3"):
        correlations(np.array([0.1, 0.2, 0.3]), np.ones(3))
    with pytest.raises(ValueError, match="tokens of small, 2 each, got 1 and 2"):
        similarity(Angles(), pairs_of([1.0, 2.0]), tokens_of([1]), tokens_of([1, 2]))
