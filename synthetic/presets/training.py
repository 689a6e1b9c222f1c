"""The studies of temperatures, of batch sizes and of starts."""

from collections.abc import Callable, Sequence

import numpy as np

from synthetic.batch_sizes import BatchSizes
from synthetic.initialisation import Initialisation
from synthetic.presets.designs import race_table
from synthetic.rows import Row
from synthetic.signals import Signals
from synthetic.study import Results, Study
from synthetic.tables import Columns, grouped, table_of
from synthetic.temperatures import Temperatures

_SIGNALS_COLUMNS: Columns = {
    "u": "{spread}",
    "u.v": "{alignment:g}",
    "B": "{batch_size:g}",
    "tau": "{temperature:g}",
    "1 - p": "{missing:.2g}",
    "gradient / DCL's": "{signal:.2g}",
    "negatives with a say": "{effective_negatives:.2g}",
    "float32: CE, ours": "{error_cross_entropy_float32:.0e}, {error_info_nce_float32:.0e}",
}
_TEMPERATURES_COLUMNS: Columns = {
    "loss": "{loss}",
    "B": "{batch_size}",
    "tau": "{temperature:g}",
    "learning rate": lambda row: f"{row['rate']:.3g}{' tuned' if row['tuned'] else ''}",
    "median gap": "{gap:.2e}",
}
_BATCH_SIZES_COLUMNS: Columns = {
    "tau": "{temperature:g}",
    "B": "{batch_size}",
    "selection": "{selection}",
    "learning rate": "{rate:.3g}",
    "median gap": "{gap:.2e}",
    "median variance of negatives": "{variance:.2e}",
}


def _medians(keys: Sequence[str], values: Sequence[str]) -> Callable[[Results], list[Row]]:
    """The median of some columns over the seeds, for every value of others."""
    return lambda results: [
        key | {name: float(np.median([row[name] for row in rows])) for name in values}
        for key, rows in grouped(results, *keys)
    ]


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
        table=table_of(_SIGNALS_COLUMNS),
    ),
    "temperature": Study(
        title="training at several temperatures and batch sizes: InfoNCE (clip) against DCL",
        claim="After the same number of updates at the best learning rate of each, DCL is nearer to the optimum "
        "than InfoNCE, the more so the smaller batch and temperature.",
        cost="40 seconds of one core",
        cells={loss: Temperatures(loss=loss) for loss in ("clip", "dcl_cross", "nt_xent", "dcl")},
        table=table_of(
            _TEMPERATURES_COLUMNS, _medians(("loss", "batch_size", "temperature", "tuned", "rate"), ("gap",))
        ),
    ),
    "batch-size": Study(
        title="every selection at several batch sizes, after as many pairs seen",
        claim="With the same number of pairs seen, shuffled batches end farther from the full batch's optimum the "
        "smaller they are; designs and batches of high loss end nearer.",
        cost="50 seconds of one core",
        cells={f"temperature-{t:g}": BatchSizes(temperature=t) for t in (1.0, 0.2)},
        table=table_of(
            _BATCH_SIZES_COLUMNS,
            _medians(("temperature", "batch_size", "selection", "rate"), ("gap", "variance")),
        ),
    ),
    "initialisation": Study(
        title="equal views at the start against independent ones: updates to a gap of 0.01",
        claim="Equal views at the start need fewer updates to come near the optimum than independent ones.",
        cost="80 seconds of one core",
        cells=_initialisation_cells(),
        table=race_table,
    ),
}
