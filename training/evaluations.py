"""evaluation.json of a run: what was measured on its weights, each once, with all settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.run import write_json

NAME = "evaluation.json"


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """The file of one run, for one of its weight files.

    It holds a list `records`, and beside it the numbers of the run's final weights by flat names: knn_top1 for the
    usual settings, probe_label_fraction_0.01_top1 and among_corruptions_recomputed_recall_at_1 for others. What
    else was measured in the same way has a name of its own in front: untrained_relevant_mrr_at_10.
    """

    folder: Path
    weights: str
    """Name of the weight file."""
    sha256: str
    """Of its content."""
    final: bool
    """Whether these are the weights that the run ended with."""
    measured_on: str
    """What data the numbers are of: images, texts."""

    def find(
        self, measure: str, setting: Mapping[str, Any], data: Mapping[str, str], *, system: str | None = None
    ) -> dict[str, Any] | None:
        """What is known of this measure at this setting on exactly these weights and data (their sha256)."""
        key = self._key({"weights": self.weights, "system": system, "measure": measure, "setting": setting})
        for record in self._read():
            same = record["weights_sha256"] == self.sha256 and record.get(f"{self.measured_on}_sha256") == data
            if same and self._key(record) == key:
                return record
        return None

    def add(
        self,
        measure: str,
        setting: Mapping[str, Any],
        *,
        values: Mapping[str, Any],
        settings: Mapping[str, Any],
        usual: Mapping[str, Any],
        data: Mapping[str, str],
        system: str | None = None,
    ) -> None:
        """Write a result, in the place of an earlier one; results of weights that are no more are dropped.

        Args:
            measure: What was measured.
            setting: What tells it from others of its kind.
            values: The numbers.
            settings: How they were measured.
            usual: The setting that flat names do not mention.
            data: The sha256 of all that was measured on; a result on others is an earlier one.
            system: What was measured, if not these weights but something to compare them with.
        """
        record = {
            "weights": self.weights,
            "weights_sha256": self.sha256,
            f"{self.measured_on}_sha256": dict(data),
            "final": self.final,
            **({} if system is None else {"system": system}),
            "measure": measure,
            "setting": dict(setting),
            "unusual": {name: value for name, value in setting.items() if usual[name] != value},
            "values": dict(values),
            "settings": dict(settings),
        }
        kept = [old for old in self._read() if not self._is_replaced(old, record)]
        records = [*kept, json.loads(json.dumps(record))]
        write_json(self.folder / NAME, {**flat_names(records), "records": records})

    def _is_replaced(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        gone = old["weights"] == self.weights and old["weights_sha256"] != self.sha256
        return gone or self._key(old) == self._key(new)

    def _key(self, record: Mapping[str, Any]) -> str:
        parts = [record["weights"], record.get("system"), record["measure"], record["setting"]]
        return json.dumps(parts, sort_keys=True)

    def _read(self) -> list[dict[str, Any]]:
        path = self.folder / NAME
        if not path.exists():
            return []
        try:
            return json.loads(path.read_text())["records"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} must be as this command writes it, but cannot be read; remove it") from error


def flat_names(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Numbers of the final weights: system (if another), measure, what is unusual in the setting, and value."""
    found: dict[str, float] = {}
    for record in records:
        if record["final"]:
            # A flag is a word without a value.
            words = [name if value is True else f"{name}_{value}" for name, value in record["unusual"].items()]
            system = [record["system"]] if record.get("system") else []
            for name, value in record["values"].items():
                if isinstance(value, int | float):
                    found["_".join([*system, record["measure"], *words, name])] = value
    return found
