"""The studies of what is optimal beyond d + 1 points: polygons, codes, and where neither is known."""

from typing import Any

from synthetic.beyond import Beyond
from synthetic.kernels import Kernels
from synthetic.polygons import Polygons
from synthetic.presets.minima import rows_of
from synthetic.study import Results, Study, Table


def _polygons_table(results: Results) -> Table:
    header = ["loss", "N", "tau", "polygon", "found", "below", "of it u = v", "mean u.v", "starts below", "proved"]
    rows = [
        [
            row["loss"],
            str(row["n_pairs"]),
            f"{row['temperature']:g}",
            *(f"{row[name]:.5g}" for name in ("polygon", "found", "below", "below_aligned", "similarity")),
            f"{row['n_below']} of {row['n']}",
            "yes" if row["proved"] else "no",
        ]
        for row in rows_of(results)
    ]
    return header, rows


def _kernels_table(results: Results) -> Table:
    header = ["N", "d", "code", "loss", "minimum", "gap of the best start", "reached by"]
    rows = [
        [
            str(row["n_pairs"]),
            str(row["dim"]),
            row["code"],
            f"{row['loss']} {row['kernel']}".strip(),
            f"{row['value']:.8g}",
            f"{row['gap_min']:.1e}",
            f"{row['reached']} of {row['n']}",
        ]
        for row in rows_of(results)
    ]
    return header, rows


def _beyond_table(results: Results) -> Table:
    header = ["loss", "d", "N", "found", "lower bound", "relative gap", "bound", "starts that led there"]
    rows = [
        [
            row["loss"],
            *(str(row[name]) for name in ("dim", "n_pairs")),
            *(f"{row[name]:.6g}" for name in ("value", "lower_bound")),
            f"{row['relative']:.1e}",
            row["bound"],
            f"{row['n_best']} of {row['n']}",
        ]
        for row in rows_of(results)
    ]
    return header, rows


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
        table=_polygons_table,
    ),
    "kernels": Study(
        title="kernel losses, InfoNCE and NT-Xent trained at the sizes of universally optimal codes",
        claim="Kernel losses, InfoNCE and NT-Xent have no lower value than at the code, and descent reaches it.",
        cost="33 seconds of one core",
        cells={f"N{n}-d{dim}": Kernels(n_pairs=n, dim=dim) for n, dim in _CODES},
        table=_kernels_table,
    ),
    "beyond": Study(
        title="more than d + 1 points without a code: the best found, and its certified gap",
        claim="Where no code is known, the best that is found is certified to within 10 % of the minimum.",
        cost="2 minutes of one core",
        cells=_cells_beyond(),
        table=_beyond_table,
    ),
}
