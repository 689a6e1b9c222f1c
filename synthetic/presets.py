"""The studies on free embeddings: what each claims, its cells, its table, its cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synthetic.race import Race
from synthetic.sufficiency import Sufficiency

Cell = Race | Sufficiency
Table = tuple[list[str], list[list[str]]]
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Study:
    """Cells that are looked at together."""

    title: str
    claim: str
    """What it is to show."""
    cost: str
    """Time on a named machine, measured."""
    cells: Mapping[str, Cell]
    table: Callable[[Results], Table]


def _sufficiency_table(results: Results) -> Table:
    header = ["cell", "classes", "batches", "pairs that meet", "full-batch gap", "distance to the ETF"]
    rows = [
        [
            name,
            str(p["k"]),
            f"{p['n_batches']:,}",
            f"{p['met']:.1%}",
            f"{p['gap_max']:.1e}",
            f"{p['distance_max']:.1e}",
        ]
        for name, result in results.items()
        for p in result["points"]
    ]
    return header, rows


def _race_table(results: Results) -> Table:
    header = ["cell", "gap", "updates", "95 % interval", "learning rate"]
    rows = []
    for name, result in results.items():
        for found in result["needed"]:
            reached = found["value"] is not None
            high = "more" if found["high"] is None else f"{found['high']:,.0f}"
            rows.append(
                [
                    name,
                    f"{found['target']:g}",
                    f"{found['value']:,.0f}" if reached else f"> {found['at_most']:,}",
                    f"[{found['low']:,.0f}, {high}]" if found["low"] is not None else "-",
                    "tuned" if found["rate"] is None else f"{found['rate']:.3g}",
                ]
            )
    return header, rows


def _sufficiency_cells() -> dict[str, Sufficiency]:
    cells: dict[str, Sufficiency] = {}
    for q in (3, 4, 5, 7, 8, 9):
        sizes: dict[str, Any] = {"n_pairs": q * q, "dim": q * q, "batch_size": q}
        shuffles = tuple(sorted({*range(1, q + 2), *(2**k for k in range(4, 11))}))
        cells[f"N{q * q}-classes"] = Sufficiency(**sizes, family="classes")
        cells[f"N{q * q}-shuffles"] = Sufficiency(**sizes, family="shuffles", counts=shuffles)
        if q < 5:
            cells[f"N{q * q}-all"] = Sufficiency(**sizes, family="all")
    return cells


def _race_cells() -> dict[str, Race]:
    cells: dict[str, Race] = {}
    sizes: dict[int, dict[str, Any]] = {
        8: {"batch_size": 2, "epochs": 65536, "horizons": 12},
        25: {"batch_size": 5, "epochs": 16384, "horizons": 11},
        64: {"batch_size": 8, "epochs": 4096, "horizons": 9},
        256: {"batch_size": 16, "epochs": 1024, "horizons": 7, "dtype": "float32"},
    }
    for n, size in sizes.items():
        for decay in ("constant", "cosine"):
            for selection in ("shuffled", "design"):
                name = f"N{n}-{selection}-{decay}"
                cells[name] = Race(n_pairs=n, dim=n, selection=selection, decay=decay, **size)
    return cells


CATALOGUE: dict[str, Study] = {
    "sufficiency": Study(
        title="which batches suffice: minimisers of a few batches against the full batch",
        claim="The q (q + 1) batches of an affine plane suffice for the optimum of the full batch; fewer of its "
        "classes do not, nor do many shuffles.",
        cost="not measured yet",
        cells=_sufficiency_cells(),
        table=_sufficiency_table,
    ),
    "design-race": Study(
        title="updates to the optimum with designs and with shuffles, each at its best learning rate",
        claim="A design needs fewer updates than shuffles to come near the optimum of the full batch.",
        cost="not measured yet",
        cells=_race_cells(),
        table=_race_table,
    ),
}
