"""Command lines: help that reads well, flags that look alike, one line for what went wrong."""

import re
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pytest
import tyro

from batching.cli import cli, unwrapped
from training.command import Preset, parse_preset, run_command
from vision.augmentation import Augmentation
from vision.config import VisionConfig
from vision.presets import DESCRIPTIONS, PRESETS
from vision.train import parse


@dataclass(frozen=True, kw_only=True)
class Oven:
    """How hot it is, in an oven that may have a fan; without
    (most have one) it takes longer.
    """

    heat: int = 180
    """Degrees, which a thermometer in the middle
    of the oven should show."""


@dataclass(frozen=True, kw_only=True)
class Cake:
    """Bake a cake."""

    recipe: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """What to bake."""
    eggs: int = 2
    """How many, of those hens lay,
    that go in.

    Medium ones."""
    icing: bool = False
    """Cover it."""
    fan: bool = True
    """Blow."""
    oven: Oven = field(default_factory=Oven)


def bake(*words: str) -> Cake:
    return cli(Cake, words, prog="bake", description="Bake: `bake RECIPE`.")


def help_of(capsys, of, *words):
    with pytest.raises(SystemExit) as exit_:
        of(*words, "--help")
    assert exit_.value.code == 0
    return capsys.readouterr().out


def test_a_command_line_is_a_dataclass():
    assert bake("tart") == Cake(recipe=Path("tart"))
    assert bake("tart", "--eggs", "3", "--oven.heat", "200") == Cake(
        recipe=Path("tart"), eggs=3, oven=Oven(heat=200)
    )


def test_a_flag_has_its_opposite_only_where_it_is_on(capsys):
    assert bake("tart", "--icing", "--no-fan") == Cake(recipe=Path("tart"), icing=True, fan=False)
    told = help_of(capsys, bake)
    assert "--icing " in told
    assert "--no-icing" not in told
    assert "--fan, --no-fan" in told
    with pytest.raises(SystemExit):
        bake("tart", "--no-icing")


def test_help_has_no_line_breaks_of_the_source(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = help_of(capsys, bake)
    assert told.splitlines()[2] == "Bake: `bake RECIPE`."
    for line in (
        "How many, of those hens lay, that go in.",
        "Medium ones. (default: 2)",
        "Degrees, which a thermometer in the middle of the oven should show. (default: 180)",
        "How hot it is, in an oven that may have a fan; without (most have one) it takes longer.",
        "RECIPE",
    ):
        assert line in told


def test_help_of_training_has_no_line_breaks_of_the_source(capsys, monkeypatch):
    """At a width at which every text fits into two lines, a break comes after a sentence or near the margin."""
    monkeypatch.setenv("COLUMNS", "200")
    told = help_of(capsys, lambda *words: parse(["cifar100", *words]))
    assert "pairs, in their order, to plan by" in told
    assert "One image at a time on the CPU" in told
    lines = [line.strip("│ ") for line in told.splitlines() if line.startswith("│")]
    for line, after in pairwise(lines):
        if re.match(r"[a-z0-9(]", after) and not line.startswith("--"):
            assert len(line) > 140, f"{line!r} is broken before {after!r}"


def test_every_option_of_training_is_in_the_help(capsys):
    told = help_of(capsys, lambda *words: parse(["cifar100", *words]))
    names = {name for config in (VisionConfig, Augmentation) for name in (each.name for each in fields(config))}
    for name in names - {"augmentation"}:
        assert re.search(rf"--(augmentation\.)?{name.replace('_', '-')}\b", told), name
    assert "--no-overwrite" not in told


def test_flags_of_training_can_be_switched_both_ways():
    assert PRESETS["smoke"].resident
    assert not parse(["smoke", "--no-resident"]).resident
    assert parse(["smoke", "--resident", "--overwrite"]).overwrite
    assert not parse(["cifar100-paper", "--no-zero-init-residual"]).zero_init_residual
    assert parse(["cifar100-paper", "--zero-init-residual"]).zero_init_residual


def test_a_presets_own_page_has_its_details(capsys):
    def chosen(*words):
        return parse_preset(
            words,
            experiment="vision",
            presets=PRESETS,
            descriptions=DESCRIPTIONS,
            details={"smoke": "six updates\n  cost  nothing"},
            description="Train.",
        )

    assert "\n  cost  nothing\n" in help_of(capsys, chosen, "smoke")
    assert "cost  nothing" not in help_of(capsys, chosen)
    assert DESCRIPTIONS["moco"] in help_of(capsys, chosen, "moco")
    assert chosen("smoke", "--seed", "3").seed == 3


def test_a_preset_tells_what_is_known():
    preset = Preset(config=PRESETS["smoke"], title="six updates", command="train smoke", cost="a second")
    assert preset.line == "six updates: a second"
    assert preset.details.splitlines() == [
        "six updates",
        "  command  train smoke",
        "  cost     a second",
        "  reached  not measured yet",
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("batch_size must be at least 2, got 1; the default is 32"), 2),
        (FloatingPointError("loss must stay finite, got nan at update 4; lower learning_rate"), 1),
    ],
)
def test_what_went_wrong_is_one_line_and_a_status(capsys, error, status):
    def fail(_):
        raise error

    with pytest.raises(SystemExit) as exit_:
        run_command(fail, list, [])
    assert exit_.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda _: 1 / 0, list, [])


def test_paragraphs_stay_apart():
    assert unwrapped("one\n    two\n\n    three\n    4") == "one two\n\nthree 4"
    assert unwrapped("") == ""
