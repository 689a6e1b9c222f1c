"""`python synthetic.py ...` and `python -m synthetic ...`: the studies of Cho et al. and beyond."""

import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from synthetic.config import SyntheticConfig, parse
from synthetic.experiment import study, table
from training import Run, aligned, resolve_device, run_command, use_threads

_NOT_RESULTS = ("out", "overwrite", "figures", "threads", "batch_sizes")
"""Settings on which no number depends; the batch size of a run stands beside them."""


def main(config: SyntheticConfig) -> dict[int, dict[str, Any]]:
    """Run the study for each batch size, print its table, write its run folder and draw it.

    Returns:
        The result of each batch size.
    """
    device = resolve_device(config.device)
    use_threads(config.threads)
    out = Path(config.out or _default_folder(config))
    runs: dict[int, Run] = {}
    for size in config.batch_sizes:
        settings = {key: value for key, value in asdict(config).items() if key not in _NOT_RESULTS}
        runs[size] = Run.open(
            out if len(config.batch_sizes) == 1 else out / f"batch_size_{size}",
            experiment="synthetic",
            config={**settings, "selections": config.names, "device": device.type, "batch_size": size},
            device=str(device),
            overwrite=config.overwrite,
        )
    results = {}
    for size, run in runs.items():
        results[size] = study(config, size, run, device)
        run.finish(results[size])
        sys.stdout.write(_report(config, size, results[size], run.path))
    if config.figures:
        _draw([run.path for run in runs.values()])
    return results


def _report(config: SyntheticConfig, batch_size: int, result: dict[str, Any], path: Path) -> str:
    optimum = result["optimum"]
    known = {
        "proved": "proved minimum",
        "proved_if_symmetric_antipodal": "minimum among symmetric antipodal embeddings",
        "lower_bound": "proved lower bound",
        "conjectured": "smallest value known",
        "refuted": "smallest value known",
    }[optimum["status"]]
    shape = f" ({optimum['configuration'].replace('_', ' ')})" if optimum["configuration"] else ""
    return (
        f"\nN = {config.n_pairs}, d = {config.dim}, B = {batch_size}, {config.loss} at temperature "
        f"{config.temperature:g}, {config.seeds} seeds; {known} {optimum['value']:.6f}{shape}\n\n"
        f"{aligned(*table(result))}\nmean ± standard deviation over the seeds; written to {path}\n"
    )


def _draw(paths: list[Path]) -> None:
    """In a process of its own: the figures know neither torch nor trainers, and nothing imports them."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "figures", "--run", *(str(path.resolve()) for path in paths)]
    subprocess.run(command, cwd=root, check=True)


def _default_folder(config: SyntheticConfig) -> str:
    return f"runs/synthetic/N{config.n_pairs}-d{config.dim}-{datetime.now():%Y%m%d-%H%M%S}"


def run() -> None:
    """The command line."""
    run_command(main, parse)
