"""What the encoder of a run is worth: `python -m vision.evaluate RUN [--measures knn probe ...]`.

    python -m vision.evaluate runs/vision/digits-shuffled-20260101-120000-000000
    python -m vision.evaluate RUN --measures probe finetune --label-fraction 0.01 0.1 1.0
    python -m vision.evaluate RUN --measures knn --knn-k 20 --weights update-001000.pt

Prints a table and merges the results into RUN/evaluation.json, each as soon as it is there. What is there already
is shown and not measured again, unless --overwrite is given, or the weights or the images have changed.
"""

import sys
from collections.abc import Sequence
from typing import Any

from batching.cli import cli
from training import aligned, resolve_device, run_command
from training.evaluations import Evaluations
from vision.evaluate.load import WEIGHTS, digest, load_encoder, weights_path
from vision.evaluate.tasks import EvaluationConfig, Tasks


def main(asked: EvaluationConfig) -> list[list[str]]:
    """Measure, write, and show.

    Returns:
        The rows of the table: measure, setting, number, value, and whether it was measured now or before.

    Raises:
        ValueError: If the run, its data or a setting is not fit for use; nothing has been measured then.
    """
    device = resolve_device(asked.device)
    config, encoder = load_encoder(asked.run, asked.weights)
    path = weights_path(asked.run, asked.weights)
    known = Evaluations(
        folder=asked.run,
        weights=path.name,
        sha256=digest(path),
        final=path.resolve() == (asked.run / WEIGHTS).resolve(),
        measured_on="images",
    )
    tasks = Tasks(asked, config, encoder.to(device))
    rows: list[list[str]] = []
    for task in tasks:
        record = None if asked.overwrite else known.find(task.measure, task.setting, task.images)
        if record is None:
            result = task.run()
            values = result.values()
            known.add(
                task.measure,
                task.setting,
                values=values,
                settings=result.settings(),
                usual=task.usual,
                data=task.images,
            )
        else:
            values = record["values"]
        rows += _rows(task.measure, task.described(), values, "now" if record is None else "before")
    sys.stdout.write(aligned(["measure", "setting", "number", "value", "measured"], rows, words=3))
    return rows


def _rows(measure: str, setting: str, values: dict[str, Any], note: str) -> list[list[str]]:
    """A row for each number; those of single corruptions are in the file."""
    shown = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return [[measure, setting, name.replace("_", " "), f"{value:.4f}", note] for name, value in shown.items()]


def parse(argv: Sequence[str]) -> EvaluationConfig:
    """The configuration that a command line asks for."""
    return cli(EvaluationConfig, argv, prog="python -m vision.evaluate", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
