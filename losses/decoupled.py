"""The positive out of the denominator: DCL, DHEL, and FlatNCE, which has the gradient of one of them.

Without it the gradient does not vanish as the positive wins, and the value has no lower bound of 0: it is negative
where embeddings are good.

    name          anchors    negatives of anchor u_i        value of a pair
    dcl_cross     u          v_j, j != i                    -s_ii/tau + lse(s_ij/tau)
    dcl_one_way   u          u_j and v_j, j != i            -s_ii/tau + lse(s_ij/tau, a_ij/tau)
    dcl           u and v    the 2B - 2 non-partners        mean over its two anchors
    dclw          u and v    the same                       the same, positives weighted
    flatnce       u and v    the same                       nt_xent's, with the gradient of dcl
    dhel_anchor   u          u_j, j != i                    -s_ii/tau + lse(a_ij/tau)
    dhel_mean     u and v    the own view                   -s_ii/tau + (lse(a_ij/tau) + lse(b_ij/tau)) / 2
    dhel_product  u and v    the own view                   -s_ii/tau +  lse(a_ij/tau) + lse(b_ij/tau)

with s_ij = u_i.v_j, a_ij = u_i.u_j, b_ij = v_i.v_j, and lse the logsumexp over j != i. A pair without
negatives (a batch of one) has value 0, not -inf. The arguments, results and errors are those of `info_nce`.
"""

from functools import partial

from jaxtyping import Float
from torch import Tensor
from typing_extensions import Unpack

from losses.checks import check_positive
from losses.contrast import FORMS, Form, OneWayOptions, Options, contrast
from losses.distributed import Group, gather, own

_DCL_CROSS = Form(positive="removed")
_DCL_ONE_WAY = Form(within=True, positive="removed")
_DCL = Form(within=True, both=True, weight=0.5, positive="removed")
_FLATNCE = Form(within=True, both=True, weight=0.5, positive="flat")
_DHEL_ANCHOR = Form(cross=False, within=True, positive="removed")
_DHEL_MEAN = Form(cross=False, within=True, both=True, weight=0.5, positive="removed")
_DHEL_PRODUCT = Form(cross=False, within=True, both=True, positive="removed", pull=0.5)


def dcl(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """Decoupled contrastive learning: `nt_xent` without the positive in its denominator.

    L = (1/2B) sum_i ( -z_i.z_p(i)/tau + log sum_{k != i, p(i)} e^{z_i.z_k/tau} ) over all 2B anchors z = [u; v].

    References:
        Yeh et al., 2022, Section 3, arXiv 2110.06848.
    """
    return contrast(_DCL, u, v, temperature, options)


def dcl_one_way(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """`dcl` with the anchors of u alone: one of its two directions.

    L = (1/B) sum_i ( -u_i.v_i/tau + log sum_{j != i} (e^{u_i.v_j/tau} + e^{u_i.u_j/tau}) ).

    References:
        Yeh et al., 2022, Section 3, arXiv 2110.06848.
    """
    return contrast(_DCL_ONE_WAY, u, v, temperature, options)


def dcl_cross(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """`info_nce` without the positive in its denominator: decoupled, for queries and documents.

    L = (1/B) sum_i ( -u_i.v_i/tau + log sum_{j != i} e^{u_i.v_j/tau} ).

    References:
        Lee et al., 2025, Table 2 (c1 = 1, c2 = 0, psi = log), arXiv 2506.09781.
    """
    return contrast(_DCL_CROSS, u, v, temperature, options)


def dclw(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    sigma: float = 0.5,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """Weighted `dcl`: the positive of pair i counts w_i = 2 - B softmax_i(u_i.v_i / sigma), a constant.

    Pairs that are still apart pull more. The weights of a batch average to 1; one is negative where a single
    pair has more than twice its share. They carry no gradient.

    References:
        Yeh et al., 2022, Section 3 (von Mises-Fisher weights, sigma 0.5), arXiv 2110.06848.
    """
    check_positive(sigma=sigma)
    adjust = partial(_weighted, sigma=sigma, group=options.get("group"))
    form = Form(within=True, both=True, weight=0.5, positive="removed", adjust=adjust)
    return contrast(form, u, v, temperature, options)


def flatnce(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """FlatNCE: the gradient of `dcl` with the value of `nt_xent`.

    Published as L = e^{x - sg(x)} with x the log-sum of an anchor's negatives minus its positive and sg a
    constant copy, whose value is 1 whatever happens and whose gradient is that of x, which is `dcl`'s; and shown
    with the value of InfoNCE, as here. It therefore trains exactly as `dcl` does.

    References:
        Chen et al., 2021, Algorithm 1, arXiv 2107.01152.
    """
    return contrast(_FLATNCE, u, v, temperature, options)


def dhel_anchor(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    **options: Unpack[OneWayOptions],
) -> Float[Tensor, "*values"]:
    """Decoupled hyperspherical energy loss of one view's energy: only u is spread out.

    L = (1/B) sum_i ( -u_i.v_i/tau + log sum_{j != i} e^{u_i.u_j/tau} ).

    References:
        Koromilas et al., 2024, arXiv 2405.18045.
    """
    return contrast(_DHEL_ANCHOR, u, v, temperature, options)


def dhel_mean(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """The mean of `dhel_anchor` over both directions.

    L = (1/B) sum_i ( -u_i.v_i/tau + (log sum_{j != i} e^{u_i.u_j/tau} + log sum_{j != i} e^{v_i.v_j/tau}) / 2 ).

    References:
        Lee et al., 2025, Table 2 (c1 = 0, c2 = 1, psi = log), arXiv 2506.09781.
    """
    return contrast(_DHEL_MEAN, u, v, temperature, options)


def dhel_product(
    u: Float[Tensor, "*lead n dim"],
    v: Float[Tensor, "*lead n dim"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    **options: Unpack[Options],
) -> Float[Tensor, "*values"]:
    """One positive, the energies of both views in full: what the authors' code computes by default.

    L = (1/B) sum_i ( -u_i.v_i/tau + log sum_{j != i} e^{u_i.u_j/tau} + log sum_{j != i} e^{v_i.v_j/tau} ); next to
    `dhel_mean` it weighs uniformity twice as much.

    References:
        Koromilas et al., 2024, arXiv 2405.18045, as in their code (tau 0.3).
    """
    return contrast(_DHEL_PRODUCT, u, v, temperature, options)


def _weighted(cosine: Float[Tensor, "*lead n"], sigma: float, group: Group | None) -> Float[Tensor, "*lead n"]:
    """Each positive times its weight, a constant; the softmax runs over the whole batch."""
    constant = cosine.detach()
    everyone = constant if group is None else gather(constant, group)
    return (2 - everyone.shape[-1] * own((everyone / sigma).softmax(-1), group)) * cosine


FORMS.update(
    {
        dcl_cross: _DCL_CROSS,
        dcl_one_way: _DCL_ONE_WAY,
        dcl: _DCL,
        flatnce: _FLATNCE,
        dhel_anchor: _DHEL_ANCHOR,
        dhel_mean: _DHEL_MEAN,
        dhel_product: _DHEL_PRODUCT,
    }
)
