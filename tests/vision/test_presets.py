"""Presets: what there is to know about each is in one place, and true where a machine can tell."""

import re
import shlex
from dataclasses import replace

import pytest

from training.command import parse_preset
from vision.presets import CATALOGUE, DESCRIPTIONS, DETAILS, PRESETS
from vision.train import parse


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_command_of_a_preset_gives_that_preset(name):
    program, options = CATALOGUE[name].command.split(f" {name}", 1)
    assert program == "python -m vision.train"
    words = shlex.split(options)
    config = parse([name, *words])
    for option, value in zip(words[::2], words[1::2], strict=True):
        field = option.removeprefix("--").replace("-", "_")
        assert str(getattr(config, field)) == value
        config = replace(config, **{field: getattr(PRESETS[name], field)})
    assert replace(config, out=None) == PRESETS[name]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_preset_says_what_it_is(name):
    preset = CATALOGUE[name]
    assert preset.config is PRESETS[name]
    for text in (preset.title, preset.command, preset.cost, preset.reached):
        assert text.strip() == text != ""
    assert all(text in " ".join(DETAILS[name].split()) for text in (preset.title, preset.cost, preset.differs))
    assert DESCRIPTIONS[name] == f"{preset.title}: {preset.cost}"
    assert "\n" not in DESCRIPTIONS[name]
    assert len(DESCRIPTIONS[name]) < 100


@pytest.mark.parametrize(
    ("name", "gigaflops"),
    [
        ("cifar100", 2 * 3.34),  # two views
        ("flatclr", 2 * 3.34),
        ("sogclr", 2 * 3.34),
        ("moco", 3.34 + 1.11),  # a view and a key, which has no backward pass
    ],
)
def test_a_floor_is_the_arithmetic_at_the_rate_of_the_machine(name, gigaflops):
    config = PRESETS[name]
    assert config.n_pairs is not None
    floor = config.n_pairs * config.epochs * gigaflops * 1e9 / 790e12
    (told,) = re.findall(r"at least (\d+) s on an H200", CATALOGUE[name].cost)
    assert int(told) == round(floor)


def test_help_has_a_line_for_each_preset_and_a_page_for_one(capsys, monkeypatch):
    def shown(*words):
        with pytest.raises(SystemExit):
            parse_preset(
                words,
                experiment="vision",
                presets=PRESETS,
                descriptions=DESCRIPTIONS,
                details=DETAILS,
                description="Train.",
            )
        return capsys.readouterr().out

    monkeypatch.setenv("COLUMNS", "200")
    listed = shown("--help")
    assert all(line in listed for line in DESCRIPTIONS.values())
    assert CATALOGUE["moco"].command not in listed
    page = shown("moco", "--help")
    assert DETAILS["moco"] in page
    assert CATALOGUE["sogclr"].title not in page
