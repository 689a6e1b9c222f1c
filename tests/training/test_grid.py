"""Grids of any training: every selection, loss and seed once, in folders of their own."""

import json
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from training import TrainingConfig, parse_preset, run_command
from training import grid as any_grid
from training.grid import Trainer, main


@dataclass(frozen=True, kw_only=True)
class NutConfig(TrainingConfig):
    """Trains on nothing."""

    USUAL_TEMPERATURES: ClassVar[str] = "0.1 is usual"

    candidates: int | None = 8
    keep: int = 2
    batches_per_pool: int | None = 4
    loss: str = "clip"
    temperature: float = 0.1
    batch_size: int = 4
    updates: int | None = 3
    learning_rate: float = 0.1
    warmup: float = 0.0
    weight_decay: float = 0.0
    log_every: int = 1
    checkpoint_every: int = 0


PRESETS = {"walnut": NutConfig()}
parse_nuts = partial(
    parse_preset, experiment="nuts", presets=PRESETS, descriptions={"walnut": "one preset"}, description=None
)


@dataclass(frozen=True, kw_only=True)
class Grid(any_grid.Grid):
    """Which nuts to crack."""

    TRAINER: ClassVar[Trainer] = Trainer("nuts", parse_nuts, tuple(PRESETS), ("hardness", "seconds"))

    losses: tuple[str, ...] = ("clip",)
    """Losses."""


NUTS = """
import json, pathlib, sys
words = sys.argv[1:]
value = {name[2:]: words[place + 1] for place, name in enumerate(words[:-1]) if name.startswith("--")}
if value["selection"] == "graph" and value["seed"] == "1":
    sys.exit(3)
out = pathlib.Path(value["out"])
out.mkdir(parents=True)
(out / "words.json").write_text(json.dumps(words))
(out / "result.json").write_text(json.dumps({"hardness": 1 + int(value["seed"]), "seconds": 2.0}))
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a package `nuts` that "trains" at once, and fails for graph and seed 1."""
    (tmp_path / "nuts").mkdir()
    (tmp_path / "nuts" / "train.py").write_text(NUTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_run_is_made_once(here, capfd):
    grid = Grid(
        preset="walnut", selections=("shuffled", "osgd"), losses=("clip", "nt_xent"), seeds=(0, 1), workers=2
    )
    assert main(grid) == 0
    folders = sorted(path.parent.relative_to(here / "runs/grid/walnut") for path in here.rglob("result.json"))
    assert folders == [
        Path(loss, selection, f"seed-{seed}")
        for loss in ("clip", "nt_xent")
        for selection in ("osgd", "shuffled")
        for seed in (0, 1)
    ]
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["loss", "selection", "hardness", "seconds", "n"]
    assert [line.split() for line in lines if "nt_xent" in line and "osgd" in line] == [
        ["nt_xent", "osgd", "1.5", "(0.71)", "2", "(0)", "2"]
    ]


def test_runs_that_fail_are_named_and_the_others_stand(here, capfd):
    assert main(Grid(preset="walnut", selections=("shuffled", "graph"), seeds=(0, 1))) == 1
    assert "1 of 4 runs failed: runs/grid/walnut/clip/graph/seed-1" in capfd.readouterr().err
    assert len(list(here.rglob("result.json"))) == 3


@pytest.mark.usefixtures("here")
def test_settings_stand_beside_selections_and_losses():
    grid = Grid(
        preset="walnut",
        selections=("graph+max_similarity=0.95+skip_nearest=2",),
        losses=("hcl+beta=0.5+tau_plus=0.05", "sogclr"),
        seeds=(7,),
        options=("--updates", "5"),
    )
    first, second = grid.runs()
    config = parse_nuts(first.arguments)
    assert (config.selection, config.max_similarity, config.skip_nearest) == ("graph", 0.95, 2)
    assert (config.loss, config.loss_settings) == ("hcl", ("beta=0.5", "tau_plus=0.05"))
    assert (config.seed, config.updates, config.out) == (7, 5, first.path)
    assert parse_nuts(second.arguments).loss_settings == ()
    assert main(grid) == 0
    assert json.loads((first.path / "words.json").read_text()) == first.arguments


def test_batch_sizes_have_folders_of_their_own(here, capfd):
    grid = Grid(preset="walnut", selections=("osgd",), batch_sizes=(4, 8), seeds=(0, 1))
    assert [(run.seed, run.batch_size) for run in grid.runs()] == [(0, 4), (0, 8), (1, 4), (1, 8)], "seeds in turn"
    assert [parse_nuts(run.arguments).batch_size for run in grid.runs()] == [4, 8, 4, 8]
    assert main(grid) == 0
    folders = {path.parent.relative_to(here / "runs/grid/walnut") for path in here.rglob("result.json")}
    assert folders == {Path(f"B{size}", "clip", "osgd", f"seed-{seed}") for size in (4, 8) for seed in (0, 1)}
    header, _, *lines = (line.split() for line in capfd.readouterr().out.splitlines())
    assert header == ["loss", "selection", "B", "hardness", "seconds", "n"]
    assert [line[2:4] for line in lines] == [["4", "1.5"], ["8", "1.5"]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"preset": "peanut"}, "preset must be one of walnut, got 'peanut'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"losses": ()}, "losses must name at least one"),
        ({"batch_sizes": (4, 8, 4)}, "batch_sizes must name each once, got 4 more than once"),
        ({"batch_sizes": (4,), "options": ("--batch-size", "8")}, r"given once, got batch_sizes \(4,\) and"),
        ({"selections": ("shuffled", "osgd", "shuffled")}, "name each once, got shuffled more than once"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(change, told, here):
    with pytest.raises(ValueError, match=told):
        replace(Grid(preset="walnut"), **change)
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"selections": ("shuffled", "hardest")}, "got 'hardest'"),
        ({"losses": ("sogclr+gamma",)}, "must be NAME=VALUE, got 'gamma'"),
        ({"options": ("--temperature", "-1")}, "temperature must be positive"),
        ({"batch_sizes": (4, 1)}, "batch_size must be at least 2"),
    ],
)
def test_what_training_would_refuse_is_refused_first(change, told, here, capsys):
    with pytest.raises(SystemExit):
        main(Grid(preset="walnut", **change))
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (here / "runs").exists()


@pytest.mark.usefixtures("here")
def test_results_of_other_settings_are_not_taken_for_its_own():
    grid = Grid(preset="walnut", selections=("shuffled",), seeds=(0,))
    run = grid.runs()[0]
    run.path.mkdir(parents=True)
    record = json.loads(json.dumps(parse_nuts(run.arguments).record()))
    (run.path / "config.json").write_text(json.dumps({"config": record | {"texts_sha256": "ab"}}))
    run.check()  # what a training adds when it has read its data is no setting
    with pytest.raises(ValueError, match="has another keep, updates; choose another --out"):
        main(replace(grid, options=("--updates", "9", "--keep", "3")))
    with pytest.raises(ValueError, match=r"NAME or NAME\+SETTING=VALUE\+..., got 'sogclr\+'"):
        main(replace(grid, losses=("sogclr+",)))


def test_the_command_line(here, capsys):
    line = ["walnut", "--seeds", "4", "5", "--losses", "clip", "--", "--updates", "9"]
    grid = any_grid.parse(Grid, line, description="Cracks nuts.")
    assert (grid.seeds, grid.options, grid.selections) == ((4, 5), ("--updates", "9"), Grid.selections)
    run = replace(grid, selections=("osgd",)).runs()[0]
    run.path.mkdir(parents=True)
    record = json.loads(json.dumps(parse_nuts(run.arguments).record()))
    (run.path / "config.json").write_text(json.dumps({"config": record}))
    (run.path / "result.json").write_text('{"seconds": 1}')
    for _ in range(2):  # the same command may be given again, whatever its options
        assert main(any_grid.parse(Grid, [*line[:-3], "--selections", "osgd", *line[-3:]], description=None)) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        any_grid.parse(Grid, ["--help"], description="Cracks nuts.")
    text = capsys.readouterr().out
    assert "python -m nuts.grid" in text
    assert "Cracks nuts." in text
    with pytest.raises(SystemExit) as exit_:
        run_command(main, partial(any_grid.parse, Grid, description=None), ["peanut"])
    assert exit_.value.code == 2
    assert "nuts" not in sys.modules, "trainings are processes of their own"
    assert len(list(here.rglob("result.json"))) == 2
