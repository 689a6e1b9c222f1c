"""The figures of Cho et al., 2024, arXiv 2307.05906, on free embeddings that no other study draws."""

from typing import Any

from synthetic.landscape import Landscape
from synthetic.norm_curves import NormCurves
from synthetic.presets.designs import updates_told
from synthetic.study import Results, Study, Table
from synthetic.tables import rows_of

SIZES = ((4, 2), (4, 8), (8, 4), (8, 16), (16, 8), (16, 32))
"""N and d of the published curves."""


def _curves_table(results: Results) -> Table:
    header = ["cell", "selection", "share of the start", "updates", "95 % interval"]
    rows = [
        [name, found["selection"], *updates_told({**found, "target": found["share"], "value": found["updates"]})]
        for name, result in results.items()
        for found in result["needed"]
    ]
    return header, rows


def _landscape_table(results: Results) -> Table:
    header = ["points", "loss", "batches", "partner at", "minimum at", "value there", "less at 0 degrees by"]
    rows = [
        [
            row["points"],
            row["loss"],
            row["family"],
            f"{row['partner_degrees']:.1f}" if row["partner"] else "-",
            f"{row['degrees']:.3f}",
            f"{row['value']:.6f}",
            f"{_aligned(results, row)['above']:.2e}",
        ]
        for row in rows_of(results)
        if row["lowest"]
    ]
    return header, rows


def _aligned(results: Results, wanted: dict[str, Any]) -> dict[str, Any]:
    """The row of the same curve at 0 degrees."""
    keys = ("points", "loss", "dim", "family", "partner")
    return next(
        row for row in rows_of(results) if row["degrees"] == 0 and all(row[key] == wanted[key] for key in keys)
    )


STUDIES: dict[str, Study] = {
    "published-curves": Study(
        title="the distance of the similarities to the optimum's against updates, learning rate 0.5 for all",
        claim="Batches of high loss bring the similarities to the optimum's in fewer updates than shuffled ones.",
        cost="90 seconds of one core",
        cells={f"N{n}-d{dim}": NormCurves(n_pairs=n, dim=dim, batch_size=2) for n, dim in SIZES},
        table=_curves_table,
    ),
    "landscape": Study(
        title="one embedding turned away from the optimum: the full batch, all batches, a fixed partition",
        claim="The mean over all C(N, B) batches has its minimum where the full batch has it; a fixed partition "
        "need not.",
        cost="4 seconds of one core",
        cells={
            "polygon-one-direction": Landscape(points="polygon", loss="info_nce"),
            "polygon": Landscape(points="polygon", loss="clip_sum"),
            "simplex": Landscape(points="simplex", loss="clip_sum", dim=16),
        },
        table=_landscape_table,
    ),
}
