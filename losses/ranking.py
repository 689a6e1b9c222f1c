"""Losses of scored pairs, for sentence similarity: a pair that people score higher shall be more similar.

Both are the same ranking of the pairs of a batch; they differ in what a pair's similarity s_i is:

    name      s_i
    cosent    u_i.v_i, the cosine
    angle     |Re q_i + Im q_i|, with q_i the quotient of u_i and v_i as complex vectors

They need graded scores, and they belong to a batch as a whole: no pair has a value of its own, so there is
neither a reduction nor a table of batches.
"""

import torch
from jaxtyping import Float, Real
from torch import Tensor

from losses.checks import check_positive
from losses.numerics import log_one_plus_sum_exp
from losses.pairs import paired


def cosent(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    scores: Real[Tensor, "*lead n"],
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
) -> Float[Tensor, "*lead"]:
    """CoSENT: cosines shall be in the order of the scores.

    L = log(1 + sum_{(i, j): y_i > y_j} e^{(s_j - s_i)/tau}), s_i = u_i.v_i, in nats.

    Only the order of the scores y counts: any increasing function of them gives the same loss. Equal scores
    ask for nothing; where all are equal, and for a batch of one pair, the loss is 0 and so is its gradient.
    It is no mean: it grows like the log of the number of ordered pairs, n (n - 1)/2 of them at most.

    The default is that of the source (a scale of 20), also of sentence-transformers' `CoSENTLoss`, to which this
    is equal on unit rows. The mask is a -inf, where the source subtracts 1e12, beyond the range of float16.
    Cost: n log n, by sorting: the sum over j factors into e^{-s_i/tau} and a running sum of e^{s_j/tau}.

    Args:
        u: Unit rows.
        v: Unit rows; row i is paired with row i of `u`.
        scores: How similar the members of each pair are, on any scale; higher is more similar.
        temperature: tau > 0, the inverse of the scale; a tensor where it is learned.

    Returns:
        One value for each batch.

    Raises:
        ValueError: If the shapes do not fit, or the temperature is not positive.

    References:
        Su, 2022, "CoSENT (1)", https://kexue.fm/archives/8847.
    """
    u, v = paired(u, v)
    return _ranked((u * v).sum(-1), scores, temperature)


def angle(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    scores: Real[Tensor, "*lead n"],
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
) -> Float[Tensor, "*lead"]:
    """The angle term of AnglE: as `cosent`, with a score that does not flatten where the cosine does.

    With the first half of a row as real part and the second as imaginary part, u = a + bi and v = c + di,

    s = |sum_k Re(u_k conj(v_k)) + Im(u_k conj(v_k))| / (|u| |v|)
      = |sum_k (a_k c_k + b_k d_k) + (b_k c_k - a_k d_k)| / (|u| |v|),
    L = log(1 + sum_{(i, j): y_i > y_j} e^{(s_j - s_i)/tau}), in nats.

    Were every component turned by the same angle t, s would be |cos t + sin t| = sqrt(2) |sin(t + pi/4)|: 1 for
    equal rows, steep there, at most sqrt(2). So s is high for *similar* rows: it is a similarity, ranked like
    one here, as by the authors' code and by sentence-transformers' `AnglELoss`, to which this is equal. The paper
    describes s as a difference of angles, whose order would be the opposite. Rows need not be of unit length;
    s = 0, with gradient 0, where one is zero. The order of u and v matters, and so does the basis: s is not
    invariant to rotations.

    AnglE as a whole is w1 * cosent(u, v, y) + w2 * (in-batch negatives) + w3 * angle(u, v, y), the middle one an
    InfoNCE of the pairs that are positives. In the authors' code w1, w2 and w3 are 1 in the example for scored
    pairs, and 0, 1 and 0.02 by default. The default temperature is that of their trainer and of
    sentence-transformers (a scale of 20); their bare function has 1.

    Args:
        u: Rows of even length.
        v: Row i is paired with row i of `u`.
        scores: How similar the members of each pair are, on any scale; higher is more similar.
        temperature: tau > 0, the inverse of the scale; a tensor where it is learned.

    Returns:
        One value for each batch.

    Raises:
        ValueError: If the shapes do not fit, dim is odd, or the temperature is not positive.

    References:
        Li and Li, 2023, Section 3 (angle objective), arXiv 2309.12871.
    """
    if u.shape[-1] % 2:
        raise ValueError(
            f"angle needs rows of even length, half real and half imaginary parts; got dim {u.shape[-1]}: "
            f"append a zero to the rows"
        )
    u, v = paired(u, v)
    return _ranked(_complex_similarity(u, v), scores, temperature)


def _ranked(
    similarity: Float[Tensor, "*lead n"], scores: Real[Tensor, "*lead n"], temperature: float | Tensor
) -> Float[Tensor, "*lead"]:
    """log(1 + sum of e^((s_j - s_i)/tau) over the pairs of pairs with y_i > y_j)."""
    check_positive(temperature=temperature)
    if scores.shape != similarity.shape:
        raise ValueError(
            f"there must be one score for each pair, {tuple(similarity.shape)} of them; got {tuple(scores.shape)}"
        )
    if similarity.shape[-1] == 1:
        return similarity.sum(-1) * 0
    logits = similarity / temperature
    ordered, order = scores.sort(-1)
    below = torch.searchsorted(ordered, scores.contiguous())  # how many pairs have a smaller score
    prefix = logits.gather(-1, order).logcumsumexp(-1)  # log of the sum of e^{s_j/tau}, in the order of the scores
    of_smaller = prefix.gather(-1, (below - 1).clamp_min(0)) - logits
    return log_one_plus_sum_exp(of_smaller, below > 0)


def _complex_similarity(
    u: Float[Tensor, "*lead n dim"], v: Float[Tensor, "*lead n dim"]
) -> Float[Tensor, "*lead n"]:
    """|Re + Im| of the normalised quotient."""
    a, b = u.chunk(2, -1)
    c, d = v.chunk(2, -1)
    total = (a * c + b * d + b * c - a * d).sum(-1)
    magnitude = (u.square().sum(-1), v.square().sum(-1))
    there = (magnitude[0] > 0) & (magnitude[1] > 0)
    length = [torch.where(there, squared, 1).sqrt() for squared in magnitude]
    return torch.where(there, total / length[0] / length[1], 0).abs()


__all__ = ["angle", "cosent"]
