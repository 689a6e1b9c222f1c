"""The same training with every selection, loss and seed."""

import json
from dataclasses import replace

import pytest

from training import run_command
from vision.grid import Grid, main, parse
from vision.train import parse as parse_training

OPTIONS = ("--n-pairs", "16", "--n-test", "16", "--updates", "2", "--device", "cpu")


def test_a_command_line_is_a_grid():
    grid = parse(["smoke", "--selections", "shuffled", "graph", "--seeds", "4", "5", "--", "--updates", "3"])
    assert (grid.selections, grid.seeds, grid.options) == (("shuffled", "graph"), (4, 5), ("--updates", "3"))
    assert [(run.seed, run.selection) for run in grid.runs()] == [
        (4, "shuffled"),
        (4, "graph"),
        (5, "shuffled"),
        (5, "graph"),
    ]


def test_guards_stand_beside_the_selection(tmp_path):
    grid = Grid(preset="smoke", selections=("graph+max_similarity=0.95+apart_labels",), seeds=(3,), out=tmp_path)
    (run,) = grid.runs()
    config = parse_training(run.arguments)
    assert (config.selection, config.max_similarity, config.apart_labels) == ("graph", 0.95, True)
    assert (config.seed, config.out) == (3, run.path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"preset": "mnist"}, "preset must be one of digits, .*got 'mnist'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"seeds": ()}, "seeds must name at least one"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(change, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        replace(Grid(preset="smoke", out=tmp_path), **change)
    assert not list(tmp_path.iterdir())


def test_what_training_would_refuse_is_refused_first(tmp_path, capsys):
    with pytest.raises(SystemExit):
        Grid(preset="smoke", selections=("shuffled", "hardest"), out=tmp_path)
    assert "got 'hardest'" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_finished_runs_are_left_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    grid = Grid(preset="smoke", selections=("shuffled",), seeds=(0, 1), out=tmp_path, options=OPTIONS)
    assert main(grid) == 0
    table = capsys.readouterr().out
    assert "shuffled" in table
    results = sorted(tmp_path.rglob("result.json"))
    assert [path.parent.name for path in results] == ["seed-0", "seed-1"]
    before = results[0].stat().st_mtime_ns
    results[1].unlink()  # as if it had been interrupted: it is made again
    assert main(grid) == 0
    assert results[0].stat().st_mtime_ns == before
    assert json.loads(results[1].read_text())["status"] == "done"


def test_results_of_other_settings_are_not_taken_for_its_own(tmp_path):
    grid = Grid(preset="smoke", selections=("shuffled",), seeds=(0,), out=tmp_path)
    run = grid.runs()[0]
    run.path.mkdir(parents=True)
    record = json.loads(json.dumps(parse_training(run.arguments).record()))
    (run.path / "config.json").write_text(json.dumps({"config": record}))
    run.check()
    with pytest.raises(ValueError, match="another updates; choose another --out"):
        replace(grid, options=("--updates", "9"))


def test_runs_that_fail_are_named(tmp_path, capfd):
    grid = Grid(preset="smoke", selections=("shuffled",), seeds=(0,), out=tmp_path, options=OPTIONS)
    run = grid.runs()[0]
    run.path.mkdir(parents=True)
    (run.path / "thesis.tex").write_text("not a run")
    assert main(grid) == 1
    assert f"1 of 1 runs failed: {run.path}" in capfd.readouterr().err


def test_bad_input_ends_with_status_2(capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, ["mnist"])
    assert exit_.value.code == 2
    assert "preset must be one of" in capsys.readouterr().err
