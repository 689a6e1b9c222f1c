"""The studies of what is optimal beyond d + 1 points: polygons, codes, and where neither is known."""

from typing import Any

from synthetic.beyond import Beyond
from synthetic.kernels import Kernels
from synthetic.polygons import Polygons
from synthetic.study import Study
from synthetic.tables import Columns, table_of

_POLYGON_COLUMNS: Columns = {
    "loss": "{loss}",
    "N": "{n_pairs}",
    "tau": "{temperature:g}",
    "polygon": "{polygon:.5g}",
    "found": "{found:.5g}",
    "below": "{below:.5g}",
    "of it u = v": "{below_aligned:.5g}",
    "mean u.v": "{similarity:.5g}",
    "starts below": "{n_below} of {n}",
    "proved": lambda row: "yes" if row["proved"] else "no",
}
_KERNEL_COLUMNS: Columns = {
    "N": "{n_pairs}",
    "d": "{dim}",
    "code": "{code}",
    "loss": lambda row: f"{row['loss']} {row['kernel']}".strip(),
    "minimum": "{value:.8g}",
    "gap of the best start": "{gap_min:.1e}",
    "reached by": "{reached} of {n}",
}
_BEYOND_COLUMNS: Columns = {
    "loss": "{loss}",
    "d": "{dim}",
    "N": "{n_pairs}",
    "found": "{value:.6g}",
    "lower bound": "{lower_bound:.6g}",
    "relative gap": "{relative:.1e}",
    "bound": "{bound}",
    "starts that led there": "{n_best} of {n}",
}


def _cells_beyond() -> dict[str, Beyond]:
    losses: Any = ("info_nce", "kcl")
    return {f"{loss}-d{dim}": Beyond(loss=loss, dim=dim) for loss in losses for dim in range(2, 7)}


_POLYGONS = ("info_nce", "nt_xent", "dcl", "dcl_cross", "dhel_mean", "dhel_product")
_CODES = ((7, 2), (12, 3), (8, 4), (16, 5), (27, 6))

STUDIES: dict[str, Study] = {
    "counterexamples": Study(
        title="regular polygons against what a search finds, for InfoNCE, NT-Xent, DCL and DHEL",
        claim="From 7 points on, at small temperatures, DCL and DHEL are lower elsewhere than at the regular "
        "polygon; InfoNCE and NT-Xent are not, which is proved.",
        cost="92 seconds of one core",
        cells={loss: Polygons(loss=loss) for loss in _POLYGONS},
        table=table_of(_POLYGON_COLUMNS),
    ),
    "kernels": Study(
        title="kernel losses, InfoNCE and NT-Xent trained at the sizes of universally optimal codes",
        claim="Kernel losses, InfoNCE and NT-Xent have no lower value than at the code, and descent reaches it.",
        cost="33 seconds of one core",
        cells={f"N{n}-d{dim}": Kernels(n_pairs=n, dim=dim) for n, dim in _CODES},
        table=table_of(_KERNEL_COLUMNS),
    ),
    "beyond": Study(
        title="more than d + 1 points without a code: the best found, and its certified gap",
        claim="Where no code is known, the best that is found is certified to within 10 % of the minimum.",
        cost="2 minutes of one core",
        cells=_cells_beyond(),
        table=table_of(_BEYOND_COLUMNS),
    ),
}
