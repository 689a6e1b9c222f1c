"""Cells whose result is rows of a table, each a computation of its own, kept when a run is killed."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from training import Progress, Run

Item = TypeVar("Item")
Row = dict[str, Any]


def kept_rows(run: Run, what: str, items: Iterable[Item], compute: Callable[[Item], list[Row]]) -> dict[str, Any]:
    """The rows of every item, in their order; what an interrupted run has computed is not computed again.

    Args:
        run: Holds what was computed so far in its checkpoint.
        what: The word of the progress bar.
        items: The same at every call.
        compute: Gives the rows of an item.

    Returns:
        The content of result.json: `rows`.
    """
    every = list(items)
    saved = run.restore() or {"done": 0, "rows": []}
    with Progress(what, len(every)) as progress:
        for done, item in enumerate(every[saved["done"] :], start=saved["done"] + 1):
            saved["rows"] += compute(item)
            saved["done"] = done
            run.checkpoint(saved)
            progress.show(done, None)
    return {"rows": saved["rows"]}


def spread(name: str, values: Iterable[float]) -> dict[str, float]:
    """Least, median and largest of some values, as the columns NAME_min, NAME_median and NAME_max."""
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return {f"{name}_min": ordered[0], f"{name}_median": middle, f"{name}_max": ordered[-1]}
