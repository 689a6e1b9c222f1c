"""What every command line shares: help, presets, a folder for each run, one clear line for what went wrong."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import Generic, TypeVar

import tyro

from batching.cli import readable_help
from training.config import TrainingConfig

Config = TypeVar("Config")
Experiment = TypeVar("Experiment", bound=TrainingConfig)
_WIDTH = 80
"""Of a page of help."""


@dataclass(frozen=True, kw_only=True)
class Preset(Generic[Experiment]):
    """A configuration that is known to work, and all there is to know about it."""

    config: Experiment
    title: str
    """What is trained, in a few words."""
    command: str
    """One that is worth giving."""
    cost: str
    """Time on a named machine, measured, or a floor ("at least")."""
    reached: str = "not measured yet"
    """Measured results."""
    differs: str = ""
    """The paper or recipe that it follows, what that reports, and what is different here."""

    @property
    def line(self) -> str:
        """For a list of presets."""
        return f"{self.title}: {self.cost}"

    @property
    def details(self) -> str:
        """For a page about this one: its title, and a paragraph for each of the other texts."""
        told = [self.title]
        for name in ("command", "cost", "reached", "differs"):
            if text := getattr(self, name):
                label = f"  {name:<9}"
                told.append(fill(text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label)))
        return "\n".join(told)


def run_command(
    main: Callable[[Config], object],
    parse: Callable[[Sequence[str]], Config],
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the arguments and run; what went wrong is one line and a status.

    Status 2 is a `ValueError`: bad input, refused before any work. Status 1 is a `FloatingPointError`: a training
    that diverged. Anything else is a defect, and keeps its traceback.
    """
    try:
        main(parse(sys.argv[1:] if argv is None else argv))
    except (ValueError, FloatingPointError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2 if isinstance(error, ValueError) else 1) from error


def parse_preset(
    argv: Sequence[str],
    *,
    experiment: str,
    presets: Mapping[str, Experiment],
    descriptions: Mapping[str, str],
    description: str | None,
    details: Mapping[str, str] | None = None,
    command: str = "train",
) -> Experiment:
    """The configuration that a command line `PRESET [options]` asks for, its folder chosen.

    Args:
        argv: The words of the command line.
        experiment: The package, "vision" or "text".
        presets: Configurations by name.
        descriptions: A line for each preset, for the list of them.
        description: What --help begins with.
        details: What PRESET --help begins with, where that is more than the line.
        command: The module of the package.
    """
    told = dict(descriptions)
    if argv and details and argv[0] in details:
        told[argv[0]] = details[argv[0]]  # no list is shown after a preset's name
    with readable_help():
        config = tyro.extras.overridable_config_cli(
            {name: (told[name], preset) for name, preset in presets.items()},
            args=argv,
            prog=f"python -m {experiment}.{command}",
            description=description,
        )
    if config.out is not None:
        return config
    return replace(config, out=default_folder(experiment, argv[0], config.selection))


def default_folder(experiment: str, name: str, selection: str) -> Path:
    """A new folder below runs/, named after what runs and when."""
    return Path("runs") / experiment / f"{name}-{selection}-{datetime.now():%Y%m%d-%H%M%S-%f}"
