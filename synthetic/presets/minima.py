"""The studies of minimisers: of every loss, of all batches against a partition, of pairs that never meet."""

from typing import Any

from synthetic.coverage import Coverage
from synthetic.optima import Optima, with_temperature
from synthetic.partitions import Partitions
from synthetic.study import Results, Study, Table
from theory.formulas.settings import SETTINGS


def rows_of(results: Results) -> list[dict[str, Any]]:
    """The rows of all cells."""
    return [row for result in results.values() for row in result["rows"]]


def _optima_cells() -> dict[str, Optima]:
    cells: dict[str, Optima] = {}
    for loss in SETTINGS:
        temperatures = (1.0, 0.3) if with_temperature(loss) else (1.0,)
        cells[loss] = Optima(loss=loss, temperatures=temperatures)
    return cells


def _optima_table(results: Results) -> Table:
    header = ["loss", "d", "B", "tau", "status", "value", "value - optimum", "full-batch gap", "distance"]
    rows = [
        [
            row["loss"],
            *(str(row[name]) for name in ("dim", "batch_size", "temperature", "status")),
            f"{row['value']:.6g}",
            f"{row['gap_min']:.1e} .. {row['gap_max']:.1e}",
            f"{row['full_gap_min']:.1e} .. {row['full_gap_max']:.1e}",
            f"{row['distance_max']:.1e}" if "distance_max" in row else "-",
        ]
        for row in rows_of(results)
    ]
    return header, rows


def _partitions_table(results: Results) -> Table:
    header = ["N", "B", "d", "batches", "gap", "proved range"]
    rows, seen = [], dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in rows_of(results):
        seen.setdefault(tuple(row[name] for name in ("n_pairs", "batch_size", "dim", "family")), []).append(row)
    for (n, size, dim, family), group in seen.items():
        gaps, first = [row["gap"] for row in group], group[0]
        proved = f"{first['least']:.2e} .. {first['most']:.2e}" if family == "fixed" else "0"
        rows.append([str(n), str(size), str(dim), family, f"{min(gaps):.2e} .. {max(gaps):.2e}", proved])
    return header, rows


def _coverage_cells() -> dict[str, Coverage]:
    cells: dict[str, Coverage] = {}
    for n, size in ((16, 4), (25, 5)):
        sizes: dict[str, Any] = {"n_pairs": n, "dim": n, "batch_size": size}
        counts = (*range(1, size + 2), 8, 12, 16, 24, 32, 64)
        cells[f"N{n}-classes"] = Coverage(**sizes, family="classes")
        for family in ("shuffles", "random"):
            cells[f"N{n}-{family}"] = Coverage(**sizes, family=family, counts=counts)
    return cells


def _coverage_table(results: Results) -> Table:
    header = ["N", "batches", "number", "pairs that meet", "gap"]
    rows, seen = [], dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in rows_of(results):
        seen.setdefault(tuple(row[name] for name in ("n_pairs", "family", "n_batches")), []).append(row)
    for (n, family, number), group in seen.items():
        met, gaps = ([row[name] for row in group] for name in ("met", "gap"))
        rows.append(
            [
                str(n),
                family,
                str(number),
                f"{min(met):.0%} .. {max(met):.0%}",
                f"{min(gaps):.1e} .. {max(gaps):.1e}",
            ]
        )
    return header, rows


STUDIES: dict[str, Study] = {
    "optima": Study(
        title="every loss of the theory's ledger: its smallest value, and what attains it",
        claim="Every loss of the ledger is smallest where the ledger says: at the simplex ETF for d >= N - 1, but "
        "for the exceptions that it names.",
        cost="2 minutes of one core",
        cells=_optima_cells(),
        table=_optima_table,
    ),
    "all-batches": Study(
        title="all C(N, B) batches against one fixed partition",
        claim="The mean over all C(N, B) batches has the minimisers of the full batch; a fixed partition has not, "
        "and its gap lies in the proved range.",
        cost="1 minute of one core",
        cells={f"N{n}": Partitions(n_pairs=n) for n in (6, 8, 10, 12)},
        table=_partitions_table,
    ),
    "coverage": Study(
        title="the full batch's gap against the fraction of pairs that ever meet",
        claim="That every pair meets is not enough for the full batch's optimum: all must meet equally often; "
        "before that the gap need not fall as more pairs meet.",
        cost="41 seconds of one core",
        cells=_coverage_cells(),
        table=_coverage_table,
    ),
}
