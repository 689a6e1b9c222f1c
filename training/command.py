"""What every command line shares: presets, a folder for each run, one clear line and status 2 for bad input."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import tyro

from training.config import TrainingConfig

Config = TypeVar("Config")
Experiment = TypeVar("Experiment", bound=TrainingConfig)


def run_command(
    main: Callable[[Config], object],
    parse: Callable[[Sequence[str]], Config],
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the arguments, run, and turn a `ValueError` (bad input, refused before any work) into status 2."""
    try:
        main(parse(sys.argv[1:] if argv is None else argv))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error


def parse_preset(
    argv: Sequence[str],
    *,
    experiment: str,
    presets: Mapping[str, Experiment],
    descriptions: Mapping[str, str],
    description: str | None,
) -> Experiment:
    """The configuration that a command line `PRESET [options]` asks for, its folder chosen.

    Args:
        argv: The words of the command line.
        experiment: The package, "vision" or "text".
        presets: Configurations by name.
        descriptions: A line for each preset.
        description: What --help begins with.
    """
    config = tyro.extras.overridable_config_cli(
        {name: (descriptions[name], preset) for name, preset in presets.items()},
        args=argv,
        prog=f"python -m {experiment}.train",
        description=description,
    )
    if config.out is not None:
        return config
    return replace(config, out=default_folder(experiment, argv[0], config.selection))


def default_folder(experiment: str, name: str, selection: str) -> Path:
    """A new folder below runs/, named after what runs and when."""
    return Path("runs") / experiment / f"{name}-{selection}-{datetime.now():%Y%m%d-%H%M%S-%f}"
