"""The studies in which selections race each other: what selection gains, what it costs, and how hard it must be."""

from typing import Any

from synthetic.presets.designs import updates_told
from synthetic.selection_race import SelectionRace
from synthetic.study import Results, Study, Table

SIZES = ((8, 2), (16, 2), (32, 2), (64, 2), (16, 4), (32, 4), (64, 8))
"""N and B of the race; d = N."""
QUALITY_SIZES = ((16, 2), (32, 4))
_QUALITY_ONLY = ("kmeans", "bandwidth", "spread")
_UPDATES: dict[str, tuple[int, ...]] = {
    "shuffled": (131072, 65536, 196608, 262144, 8192, 32768, 8192),
    "fixed": (1024, 1024, 1024, 1024, 1024, 1024, 512),
    "random": (8192, 8192, 4096, 4096, 8192, 4096, 2048),
    "design": (4096, 8192, 16384, 16384, 4096, 4096, 2048),
    "full": (1024, 1024, 512, 512, 512, 512, 512),
    "osgd": (2048, 2048, 2048, 2048, 128, 0, 0),
    "spectral": (4096, 4096, 8192, 16384, 2048, 2048, 2048),
    "balanced": (4096, 4096, 8192, 16384, 2048, 2048, 2048),
    "graph": (512, 2048, 4096, 1024, 512, 1024, 512),
    "matching": (512, 2048, 4096, 1024, 0, 0, 0),
    "kmeans": (0, 4096, 0, 0, 0, 2048, 0),
    "bandwidth": (0, 2048, 0, 0, 0, 2048, 0),
    "spread": (0, 4096, 0, 0, 0, 2048, 0),
}
"""How many each may make, at each of the sizes; 0 where it does not race.

Shuffles go on for minutes, so that what they need for a gap of 0.01 is a number and no bound; the others as far as
a core comes in a minute. Ordered SGD that looks at all C(N, B) batches races as far as these are few."""
_CANDIDATES = {(16, 4): (40, 4), (32, 4): (80, 8), (64, 8): (80, 8)}
"""Batches drawn and kept by Ordered SGD where all are too many: a tenth, as 150 of 1,500 in Cho et al., 2024; an
epoch's worth is kept."""
_PUBLISHED_RATE = 0.5


def _race(n: int, b: int, selection: str, updates: int, **settings: Any) -> SelectionRace:
    epochs = updates if selection == "full" else updates * b // n
    return SelectionRace(
        n_pairs=n,
        dim=n,
        batch_size=b,
        selection=selection,
        epochs=epochs,
        seeds=32,
        tuning_seeds=4,
        **settings,
    )


def _cell(n: int, b: int, selection: str) -> SelectionRace:
    return _race(n, b, selection, _UPDATES[selection][SIZES.index((n, b))])


def _race_cells() -> dict[str, SelectionRace]:
    cells: dict[str, SelectionRace] = {}
    for place, (n, b) in enumerate(SIZES):
        for selection in _UPDATES:
            if _UPDATES[selection][place] and selection not in _QUALITY_ONLY:
                cells[f"N{n}-B{b}-{selection}"] = _cell(n, b, selection)
        if (n, b) in _CANDIDATES:
            k, q = _CANDIDATES[n, b]
            cells[f"N{n}-B{b}-osgd-{q}-of-{k}"] = _race(n, b, "osgd", 2048, candidates=k, keep=q)
    for selection in ("shuffled", "fixed", "full", "design", "osgd", "spectral", "balanced"):
        updates = min(_UPDATES[selection][0], 16384)
        cells[f"N8-B2-{selection}-published-rate"] = _race(8, 2, selection, updates, learning_rate=_PUBLISHED_RATE)
    return cells


def _quality_cells() -> dict[str, SelectionRace]:
    """The rules that are not in the race: the others' rows of the table are those of the race."""
    return {f"N{n}-B{b}-{name}": _cell(n, b, name) for n, b in QUALITY_SIZES for name in _QUALITY_ONLY}


def _table(results: Results) -> Table:
    header = ["cell", "gap", "updates", "95 % interval", "seconds", "of it planning", "rate", "hardness"]
    rows = []
    for name, result in results.items():
        for found in result["needed"]:
            reached = found["value"] is not None
            rows.append(
                [
                    name,
                    *updates_told(found),
                    f"{found['seconds']:.2g}" if reached else "-",
                    f"{found['planning_seconds'] / found['update_seconds']:.0%}",
                    f"{found['rate']:.3g}",
                    "-" if found["hardness"] is None else f"{found['hardness']:.3f}",
                ]
            )
    return header, rows


STUDIES: dict[str, Study] = {
    "selection-race": Study(
        title="updates and seconds to the optimum for every selection, each at its best learning rate",
        claim="Choosing batches by the embeddings needs fewer updates than shuffling, and less time where a plan "
        "costs less than the updates that it saves.",
        cost="23 minutes of one core",
        cells=_race_cells(),
        table=_table,
    ),
    "selection-quality": Study(
        title="how hard the batches of a selection are, and how many updates it needs",
        claim="The harder the batches that a selection makes, the fewer updates it needs.",
        cost="80 seconds of one core",
        cells=_quality_cells(),
        table=_table,
    ),
}
