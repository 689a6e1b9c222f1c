"""Run folders, as `training.run` writes them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Folder:
    """A finished run."""

    path: Path
    config: dict[str, Any]
    result: dict[str, Any]
    provenance: dict[str, Any]
    evaluation: dict[str, Any] = field(default_factory=dict)
    """What was measured on it afterwards: evaluation.json, numbers by flat names, and how in `records`."""

    @property
    def experiment(self) -> str:
        """The kind of run."""
        return self.config["experiment"]

    def metrics(self) -> list[dict[str, Any]]:
        """The lines that were logged."""
        file = self.path / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def read_runs(roots: Iterable[Path]) -> tuple[list[Folder], list[Path]]:
    """All finished runs below these folders, and the unfinished ones' folders."""
    finished, unfinished = [], []
    for root in roots:
        for config_file in sorted(root.rglob("config.json")):
            path = config_file.parent
            stamp = json.loads(config_file.read_text())
            if "experiment" not in stamp:  # another library's file of the same name
                continue
            if not (path / "result.json").exists():
                unfinished.append(path)
                continue
            result = json.loads((path / "result.json").read_text())
            later = path / "evaluation.json"
            evaluation = json.loads(later.read_text()) if later.exists() else {}
            finished.append(Folder(path, stamp, result, _provenance(stamp), evaluation))
    return finished, unfinished


def _provenance(stamp: dict[str, Any]) -> dict[str, Any]:
    return {
        "commit": (stamp["git"] or {}).get("commit", "")[:12],
        "device": stamp["device"],
        "torch": stamp["versions"]["torch"],
        "date": stamp["started"][:10],
    }


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one: {"a": {"b": 1}} as {"a_b": 1}."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}_") if isinstance(value, dict) else {prefix + key: value}
    return found
