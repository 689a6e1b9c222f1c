"""Every loss by name: what command lines choose from, and what the README's table is made of."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from losses.checks import check_positive
from losses.contrast import CALL_OPTIONS
from losses.decorrelation import barlow_twins, vicreg
from losses.decoupled import dcl, dcl_cross, dcl_one_way, dclw, dhel_anchor, dhel_mean, dhel_product, flatnce
from losses.distributed import Group
from losses.hard import debiased, hcl
from losses.infonce import arc_margin, clip, clip_sum, info_nce, mnrl, n_pair, nt_xent, simcse
from losses.kernel import align_uniform, alignment, kcl, spectral_contrastive
from losses.margin import contrastive, triplet
from losses.memory import GlobalContrastive, Queue
from losses.pairs import Loss
from losses.ranking import angle, cosent
from losses.sigmoid import nce, siglip
from losses.supervised import supcon

_OF_A_CALL = {*CALL_OPTIONS, "labels", "same"}


@dataclass(frozen=True)
class Entry:
    """A loss of paired embeddings."""

    function: Callable[..., Any]
    """The function, or the module where the loss has a state; its docstring has formula, shapes and source."""
    formula: str
    """The value of a pair, in a line."""
    source: str
    """Author, year, arXiv id."""
    relation: str = ""
    """What it is equal to, or differs from by a known factor."""
    raw: bool = False
    """Whether it is made for embeddings of any length, where the others take unit rows."""
    needs: str = ""
    """What it needs beside a batch of pairs and their numbers; command lines offer what needs nothing."""

    @property
    def settings(self) -> dict[str, Any]:
        """Its own settings and their defaults, those of its paper."""
        parameters = inspect.signature(self.function).parameters.values()
        of_a_call = {"self"} if self.is_stateful else _OF_A_CALL
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in of_a_call}

    @property
    def options(self) -> frozenset[str]:
        """What a call may be told of the batch: ids, negatives, ...; see `losses.OneWayOptions`."""
        if self.is_stateful:
            return frozenset()
        parameters = inspect.signature(self.function).parameters.values()
        named = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in _OF_A_CALL}
        for p in parameters:
            if p.kind is p.VAR_KEYWORD:
                named |= get_args(p.annotation)[0].__annotations__.keys()  # Unpack[Options]
        return frozenset(named)

    @property
    def is_stateful(self) -> bool:
        """Whether it is a module, called with the numbers of the pairs too: loss(u, v, index=...)."""
        return inspect.isclass(self.function)


LOSSES: dict[str, Entry] = {
    "info_nce": Entry(info_nce, "lse(s_ii, s_ij) - s_ii", "van den Oord et al. 2018, 1807.03748"),
    "mnrl": Entry(
        mnrl, "as info_nce", "Henderson et al. 2017, 1705.00652", "info_nce; scale 20 is temperature 0.05"
    ),
    "simcse": Entry(simcse, "as info_nce", "Gao et al. 2021, 2104.08821", "info_nce, and mnrl with hard negatives"),
    "clip": Entry(clip, "info_nce, mean of both directions", "Radford et al. 2021, 2103.00020"),
    "clip_sum": Entry(clip_sum, "info_nce, sum of both directions", "Cho et al. 2024, 2307.05906", "2 clip"),
    "nt_xent": Entry(
        nt_xent,
        "lse(s_ii, s_ij, a_ij) - s_ii, all 2B anchors",
        "Chen et al. 2020, 2002.05709",
        "half of SimCLR's own",
    ),
    "n_pair": Entry(n_pair, "as info_nce, of raw dot products", "Sohn 2016", "info_nce at temperature 1 if unit"),
    "arc_margin": Entry(
        arc_margin, "as info_nce, the positive at angle theta_ii + m", "Zhang et al. 2022", "info_nce at margin 0"
    ),
    "dcl": Entry(dcl, "lse(s_ij, a_ij) - s_ii, all 2B anchors", "Yeh et al. 2022, 2110.06848"),
    "dcl_one_way": Entry(
        dcl_one_way, "lse(s_ij, a_ij) - s_ii", "Yeh et al. 2022, 2110.06848", "dcl is its mean over both views"
    ),
    "dcl_cross": Entry(dcl_cross, "lse(s_ij) - s_ii", "Lee et al. 2025, 2506.09781"),
    "dclw": Entry(
        dclw, "lse(s_ij, a_ij) - w_i s_ii, all 2B anchors", "Yeh et al. 2022, 2110.06848", "dcl for large sigma"
    ),
    "flatnce": Entry(
        flatnce, "value of nt_xent, gradient of dcl", "Chen et al. 2021, 2107.01152", "trains as dcl does"
    ),
    "dhel_anchor": Entry(dhel_anchor, "lse(a_ij) - s_ii", "Koromilas et al. 2024, 2405.18045"),
    "dhel_mean": Entry(
        dhel_mean,
        "(lse(a_ij) + lse(b_ij)) / 2 - s_ii",
        "Lee et al. 2025, 2506.09781",
        "dhel_anchor, both directions",
    ),
    "dhel_product": Entry(
        dhel_product,
        "lse(a_ij) + lse(b_ij) - s_ii",
        "Koromilas et al. 2024, 2405.18045",
        "energies twice dhel_mean's",
    ),
    "hcl": Entry(
        hcl,
        "log(1 + Ng / e^s_ii), hard negatives count more",
        "Robinson et al. 2021, 2010.04592",
        "nt_xent at beta 0, tau_plus 0",
    ),
    "debiased": Entry(
        debiased,
        "log(1 + Ng / e^s_ii), false negatives taken out",
        "Chuang et al. 2020, 2007.00224",
        "hcl at beta 0",
    ),
    "sogclr": Entry(
        GlobalContrastive,
        "dcl against running averages of all pairs",
        "Yuan et al. 2022, 2202.12387",
        "dcl at gamma 1",
    ),
    "moco": Entry(Queue, "lse(s_ii, queue) - s_ii", "He et al. 2020, 1911.05722", needs="a momentum encoder"),
    "siglip": Entry(
        siglip, "-log sigmoid(s_ii + b) - sum_j log sigmoid(-s_ij - b)", "Zhai et al. 2023, 2303.15343"
    ),
    "nce": Entry(
        nce, "siglip with b = -log(expected noise)", "Gutmann and Hyvärinen 2010", "siglip at bias -log((B-1)/B)"
    ),
    "supcon": Entry(
        supcon,
        "mean over positives of lse(all others) - s_ip",
        "Khosla et al. 2020, 2004.11362",
        "nt_xent without labels",
    ),
    "triplet": Entry(triplet, "relu(d(u_i, v_i) - d(u_i, v_j) + m)", "Schroff et al. 2015, 1503.03832"),
    "contrastive": Entry(contrastive, "d(u_i, v_i)^2 / 2 + relu(m - d(u_i, v_j))^2 / 2", "Hadsell et al. 2006"),
    "kcl": Entry(
        kcl, "gamma (mean k(u_i, u_j) + mean k(v_i, v_j)) / 2 - k(u_i, v_i)", "Koromilas et al. 2024, 2405.18045"
    ),
    "spectral_contrastive": Entry(
        spectral_contrastive, "mean (u_i.v_j)^2 - 2 u_i.v_i", "HaoChen et al. 2021, 2106.04156"
    ),
    "alignment": Entry(alignment, "|u_i - v_i|^2", "Wang and Isola 2020, 2005.10242", "collapses alone"),
    "align_uniform": Entry(
        align_uniform, "alignment + log mean e^(-2 |x_i - x_j|^2)", "Wang and Isola 2020, 2005.10242"
    ),
    "vicreg": Entry(
        vicreg,
        "25 mse + 25 relu(1 - std) + covariances^2",
        "Bardes et al. 2022, 2105.04906",
        "made for raw embeddings",
        raw=True,
    ),
    "barlow_twins": Entry(
        barlow_twins,
        "(1 - C_kk)^2 + 0.0051 C_kl^2",
        "Zbontar et al. 2021, 2103.03230",
        "made for raw embeddings",
        raw=True,
    ),
    "cosent": Entry(cosent, "log(1 + sum e^(s_j - s_i)), y_i > y_j", "Su 2022", needs="scores of the pairs"),
    "angle": Entry(
        angle, "as cosent, of angles of complex vectors", "Li and Li 2023, 2309.12871", needs="scores of the pairs"
    ),
}
"""Similarities in the formulas are over the temperature: s_ij = u_i.v_j / tau, a_ij = u_i.u_j / tau,
b_ij = v_i.v_j / tau, j != i; lse is the logarithm of the sum of the exponentials."""

PAIR_LOSSES: tuple[str, ...] = tuple(name for name, entry in LOSSES.items() if not entry.needs)
"""What a trainer of pairs can take."""


def make_loss(
    name: str,
    *,
    n_pairs: int | None = None,
    temperature: float | None = None,
    group: Group | None = None,
    **settings: Any,
) -> Loss:
    """The loss of this name with its settings bound: a function of paired embeddings, or a module (sogclr).

    Args:
        name: One of `PAIR_LOSSES`.
        n_pairs: Size of the training set, for the loss that keeps an average for every pair.
        temperature: For those that have one; None for the default of its paper. The others take no notice, so
            that a trainer may have one setting for all.
        group: Processes that share each batch, see `losses.distributed`; None for one process.
        **settings: What else this loss takes.

    Raises:
        ValueError: If there is no such loss or setting, or the temperature is not positive.
    """
    if name not in PAIR_LOSSES:
        needs = f"; {name} needs {LOSSES[name].needs}: call it from your own trainer" if name in LOSSES else ""
        raise ValueError(f"loss must be one of {', '.join(PAIR_LOSSES)}, got {name!r}{needs}")
    entry = LOSSES[name]
    if temperature is not None:
        check_positive(temperature=temperature)
    if temperature is not None and "temperature" in entry.settings:
        settings["temperature"] = temperature
    for setting in settings:
        if setting not in entry.settings:
            raise ValueError(f"{name} has no {setting}; it takes {', '.join(entry.settings) or 'no settings'}")
    if group is not None:
        settings["group"] = group
    if not entry.is_stateful:
        return partial(entry.function, **settings)
    if n_pairs is None:
        raise ValueError(f"{name} keeps an average for every pair; say how many there are, n_pairs")
    return entry.function(n_pairs, **settings)
