"""The studies of minimisers: of every loss, of all batches against a partition, of pairs that never meet."""

from typing import Any

from synthetic.coverage import Coverage
from synthetic.optima import Optima, with_temperature
from synthetic.partitions import Partitions
from synthetic.rows import Row
from synthetic.study import Results, Study
from synthetic.tables import Columns, ends, grouped, table_of
from theory.formulas.settings import SETTINGS


def _optima_cells() -> dict[str, Optima]:
    cells: dict[str, Optima] = {}
    for loss in SETTINGS:
        temperatures = (1.0, 0.3) if with_temperature(loss) else (1.0,)
        cells[loss] = Optima(loss=loss, temperatures=temperatures)
    return cells


_OPTIMA_COLUMNS: Columns = {
    "loss": "{loss}",
    "d": "{dim}",
    "B": "{batch_size}",
    "tau": "{temperature}",
    "status": "{status}",
    "value": "{value:.6g}",
    "value - optimum": "{gap_min:.1e} .. {gap_max:.1e}",
    "full-batch gap": "{full_gap_min:.1e} .. {full_gap_max:.1e}",
    "distance": lambda row: f"{row['distance_max']:.1e}" if "distance_max" in row else "-",
}
_PARTITIONS_COLUMNS: Columns = {
    "N": "{n_pairs}",
    "B": "{batch_size}",
    "d": "{dim}",
    "batches": "{family}",
    "gap": "{gaps}",
    "proved range": lambda row: "{least:.2e} .. {most:.2e}".format(**row) if row["family"] == "fixed" else "0",
}
_COVERAGE_COLUMNS: Columns = {
    "N": "{n_pairs}",
    "batches": "{family}",
    "number": "{n_batches}",
    "pairs that meet": "{mets}",
    "gap": "{gaps}",
}


def _partitions_rows(results: Results) -> list[Row]:
    """A row for all starts of each case."""
    groups = grouped(results, "n_pairs", "batch_size", "dim", "family")
    return [group[0] | {"gaps": ends(group, "gap", ".2e")} for _, group in groups]


def _coverage_cells() -> dict[str, Coverage]:
    cells: dict[str, Coverage] = {}
    for n, size in ((16, 4), (25, 5)):
        sizes: dict[str, Any] = {"n_pairs": n, "dim": n, "batch_size": size}
        counts = (*range(1, size + 2), 8, 12, 16, 24, 32, 64)
        cells[f"N{n}-classes"] = Coverage(**sizes, family="classes")
        for family in ("shuffles", "random"):
            cells[f"N{n}-{family}"] = Coverage(**sizes, family=family, counts=counts)
    return cells


def _coverage_rows(results: Results) -> list[Row]:
    """A row for all seeds of each number of batches."""
    groups = grouped(results, "n_pairs", "family", "n_batches")
    return [key | {"mets": ends(group, "met", ".0%"), "gaps": ends(group, "gap", ".1e")} for key, group in groups]


STUDIES: dict[str, Study] = {
    "optima": Study(
        title="every loss of the theory's ledger: its smallest value, and what attains it",
        claim="Every loss of the ledger is smallest where the ledger says: at the simplex ETF for d >= N - 1, but "
        "for the exceptions that it names.",
        cost="2 minutes of one core",
        cells=_optima_cells(),
        table=table_of(_OPTIMA_COLUMNS),
    ),
    "all-batches": Study(
        title="all C(N, B) batches against one fixed partition",
        claim="The mean over all C(N, B) batches has the minimisers of the full batch; a fixed partition has not, "
        "and its gap lies in the proved range.",
        cost="1 minute of one core",
        cells={f"N{n}": Partitions(n_pairs=n) for n in (6, 8, 10, 12)},
        table=table_of(_PARTITIONS_COLUMNS, _partitions_rows),
    ),
    "coverage": Study(
        title="the full batch's gap against the fraction of pairs that ever meet",
        claim="That every pair meets is not enough for the full batch's optimum: all must meet equally often; "
        "before that the gap need not fall as more pairs meet.",
        cost="41 seconds of one core",
        cells=_coverage_cells(),
        table=table_of(_COVERAGE_COLUMNS, _coverage_rows),
    ),
}
