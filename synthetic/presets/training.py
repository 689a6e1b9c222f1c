"""The studies of temperatures and of starts."""

from typing import Any

import numpy as np

from synthetic.initialisation import Initialisation
from synthetic.presets.designs import race_table
from synthetic.presets.minima import rows_of
from synthetic.signals import Signals
from synthetic.study import Results, Study, Table
from synthetic.temperatures import Temperatures


def _signals_table(results: Results) -> Table:
    header = ["u", "u.v", "B", "tau", "1 - p", "gradient / DCL's", "negatives with a say", "float32: CE, ours"]
    rows = [
        [
            row["spread"],
            *(f"{row[name]:g}" for name in ("alignment", "batch_size", "temperature")),
            *(f"{row[name]:.2g}" for name in ("missing", "signal", "effective_negatives")),
            ", ".join(f"{row[f'error_{name}_float32']:.0e}" for name in ("cross_entropy", "info_nce")),
        ]
        for row in rows_of(results)
    ]
    return header, rows


def _temperatures_table(results: Results) -> Table:
    header = ["loss", "B", "tau", "learning rate", "median gap"]
    rows, seen = [], dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in rows_of(results):
        key = tuple(row[name] for name in ("loss", "batch_size", "temperature", "tuned", "rate"))
        seen.setdefault(key, []).append(row)
    for (loss, size, temperature, tuned, rate), group in seen.items():
        median = float(np.median([row["gap"] for row in group]))
        rate_told = f"{rate:.3g}{' tuned' if tuned else ''}"
        rows.append([loss, str(size), f"{temperature:g}", rate_told, f"{median:.2e}"])
    return header, rows


def _initialisation_cells() -> dict[str, Initialisation]:
    cells: dict[str, Initialisation] = {}
    for n, size in ((8, 2), (16, 4)):
        for selection in ("full", "shuffled", "design"):
            for equal in (False, True):
                name = f"N{n}-{selection}-{'equal' if equal else 'independent'}"
                cells[name] = Initialisation(
                    n_pairs=n, dim=n, batch_size=size, selection=selection, equal_init=equal
                )
    return cells


STUDIES: dict[str, Study] = {
    "signals": Study(
        title="what is left of InfoNCE's gradient, against batch size, temperature and alignment",
        claim="With few negatives, aligned pairs and a small temperature, InfoNCE has little gradient left where "
        "DCL and FlatNCE have all of it; a stable formula loses no digits of it.",
        cost="80 seconds of one core",
        cells={
            "random": Signals(spread="random"),
            "etf": Signals(spread="etf", batch_sizes=(4, 8, 16, 32, 64, 128)),
        },
        table=_signals_table,
    ),
    "temperature": Study(
        title="training at several temperatures and batch sizes: InfoNCE (clip) against DCL",
        claim="After the same number of updates at the best learning rate of each, DCL is nearer to the optimum "
        "than InfoNCE, the more so the smaller batch and temperature.",
        cost="1 minute of one core",
        cells={loss: Temperatures(loss=loss) for loss in ("clip", "dcl_cross", "nt_xent", "dcl")},
        table=_temperatures_table,
    ),
    "initialisation": Study(
        title="equal views at the start against independent ones: updates to a gap of 0.01",
        claim="Equal views at the start need fewer updates to come near the optimum than independent ones.",
        cost="80 seconds of one core",
        cells=_initialisation_cells(),
        table=race_table,
    ),
}
