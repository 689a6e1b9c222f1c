"""The studies of which batches suffice, and of how fast designs and shuffles come there."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from synthetic.race import Race
from synthetic.study import Results, Study, Table
from synthetic.sufficiency import Sufficiency
from synthetic.tables import Columns, rows_of, table_of

_SUFFICIENCY_COLUMNS: Columns = {
    "cell": "{cell}",
    "classes": "{k}",
    "batches": "{n_batches:,}",
    "pairs that meet": "{met:.1%}",
    "full-batch gap": "{gap_max:.1e}",
    "distance to the ETF": "{distance_max:.1e}",
}


def updates_told(found: Mapping[str, Any]) -> list[str]:
    """A gap, the updates that it needs, and their interval."""
    high = "more" if found["high"] is None else f"{found['high']:,.0f}"
    return [
        f"{found['target']:g}",
        f"{found['value']:,.0f}" if found["value"] is not None else f"> {found['at_most']:,}",
        f"[{found['low']:,.0f}, {high}]" if found["low"] is not None else "-",
    ]


def race_table(results: Results) -> Table:
    """Updates to each gap."""
    header = ["cell", "gap", "updates", "95 % interval", "learning rate"]
    rows = [
        [row["cell"], *updates_told(row), "tuned" if row["rate"] is None else f"{row['rate']:.3g}"]
        for row in rows_of(results, "needed")
    ]
    return header, rows


def _sufficiency_cells() -> dict[str, Sufficiency]:
    cells: dict[str, Sufficiency] = {}
    for q in (3, 4, 5, 7, 8, 9):
        sizes: dict[str, Any] = {"n_pairs": q * q, "dim": q * q, "batch_size": q}
        most = 10 if q < 9 else 7  # 1,024 shuffles of 81 pairs take as long as all the rest
        shuffles = tuple(sorted({*range(1, q + 2), *(2**k for k in range(4, most + 1))}))
        cells[f"N{q * q}-classes"] = Sufficiency(**sizes, family="classes")
        cells[f"N{q * q}-shuffles"] = Sufficiency(**sizes, family="shuffles", counts=shuffles)
        if q < 5:
            cells[f"N{q * q}-all"] = Sufficiency(**sizes, family="all")
    return cells


def _race_cells() -> dict[str, Race]:
    cells: dict[str, Race] = {}
    sizes: dict[int, tuple[int, dict[str, Any]]] = {
        8: (12, {"batch_size": 2, "epochs": 65536}),
        25: (9, {"batch_size": 5, "epochs": 4096}),
        64: (9, {"batch_size": 8, "epochs": 4096}),
        256: (6, {"batch_size": 16, "epochs": 512, "dtype": "float32"}),
    }
    for n, (horizons, size) in sizes.items():
        for decay in ("constant", "cosine"):
            for selection in ("shuffled", "design"):
                name = f"N{n}-{selection}-{decay}"
                cells[name] = Race(
                    n_pairs=n,
                    dim=n,
                    selection=selection,
                    decay=decay,
                    horizons=horizons if decay == "cosine" else None,
                    **size,
                )
    return cells


STUDIES: dict[str, Study] = {
    "sufficiency": Study(
        title="which batches suffice: minimisers of a few batches against the full batch",
        claim="The q (q + 1) batches of an affine plane suffice for the optimum of the full batch; fewer of its "
        "classes do not, nor do many shuffles.",
        cost="about 6 minutes of one core",
        cells=_sufficiency_cells(),
        table=table_of(_SUFFICIENCY_COLUMNS, partial(rows_of, part="points")),
    ),
    "design-race": Study(
        title="updates to the optimum with designs and with shuffles, each at its best learning rate",
        claim="A design needs fewer updates than shuffles to come near the optimum of the full batch.",
        cost="2 hours of one core; not measured yet on a GPU",
        where="gpu",
        cells=_race_cells(),
        table=race_table,
    ),
}
