"""What was measured before is not measured again: numbers of a run, and of what it is compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from text.data import TextSet
from text.evaluate.protocols import pool_size
from text.evaluate.sets import EvaluationSet
from training.evaluations import Evaluations

Numbers = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What tells a measurement from others of its kind."""

    value: Mapping[str, Any]
    usual: Mapping[str, Any]
    """What it is unless something else is asked for: names do not mention it."""

    def with_more(self, value: Mapping[str, Any], usual: Mapping[str, Any]) -> "Setting":
        """And these."""
        return Setting({**self.value, **value}, {**self.usual, **usual})


def recorded(
    known: Evaluations | None,
    one: EvaluationSet,
    measures: Sequence[str],
    setting: Setting,
    measure: Callable[[Sequence[str]], Numbers],
    *,
    system: str | None = None,
    data: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Numbers:
    """The numbers of a system on a set: those that are known, and those that are measured now and written down.

    Args:
        known: What was measured before; None to keep no record.
        one: The set.
        measures: Names.
        setting: Of this measurement.
        measure: Gives the numbers of some of the measures.
        system: None for the run's own weights.
        data: The sha256 of what the numbers depend on beside the set and the run's weights.
        overwrite: Measure anew what is known.
    """
    data = {"texts": one.sha256, **(data or {})}
    before: dict[str, Any] = {}
    if known is not None and not overwrite:
        before = {name: known.find(name, setting.value, data, system=system) for name in measures}
    missing = tuple(name for name in measures if before.get(name) is None)
    new = measure(missing) if missing else {}
    found: Numbers = {}
    for name in measures:
        if name in missing:
            values = {key.removeprefix(f"{name}_"): x for key, x in new.items() if key.startswith(f"{name}_")}
        else:
            values = before[name]["values"]
        if name in missing and known is not None:
            settings = {**setting.value, "set": one.described((name,)), "skipped": dict(one.texts.skipped)}
            if isinstance(one.texts, TextSet):
                settings["passages"] = pool_size(one.texts, name)
            kept = {"values": values, "settings": settings, "usual": setting.usual, "data": data, "system": system}
            known.add(name, setting.value, **kept)
        found |= {f"{name}_{key}": value for key, value in values.items()}
    return found
