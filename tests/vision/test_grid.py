"""The same training on images with every selection, loss and seed; tests/training has what all grids share."""

import json

import pytest

from training import run_command
from vision.grid import Grid, main, parse
from vision.train import parse as parse_training

OPTIONS = ("--n-pairs", "16", "--n-test", "16", "--updates", "2", "--device", "cpu")


def test_a_command_line_is_a_grid():
    grid = parse(["smoke", "--selections", "shuffled", "graph", "--seeds", "4", "5", "--", "--updates", "3"])
    assert (grid.selections, grid.losses) == (("shuffled", "graph"), ("nt_xent",))
    assert (grid.seeds, grid.options) == ((4, 5), ("--updates", "3"))
    assert [(run.seed, run.selection) for run in grid.runs()] == [
        (4, "shuffled"),
        (4, "graph"),
        (5, "shuffled"),
        (5, "graph"),
    ]


def test_settings_stand_beside_the_selection_and_the_loss(tmp_path):
    guarded = ("graph+max_similarity=0.95+apart_labels",)
    grid = Grid(preset="smoke", selections=guarded, losses=("sogclr+gamma=0.5",), seeds=(3,), out=tmp_path)
    (run,) = grid.runs()
    config = parse_training(run.arguments)
    assert (config.selection, config.max_similarity, config.apart_labels) == ("graph", 0.95, True)
    assert (config.loss, config.loss_settings) == ("sogclr", ("gamma=0.5",))
    assert (config.seed, config.out) == (3, run.path)
    assert run.path == tmp_path / "smoke" / "sogclr+gamma=0.5" / guarded[0] / "seed-3"


def test_what_training_would_refuse_is_refused_first(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(Grid(preset="smoke", selections=("shuffled", "hardest"), out=tmp_path))
    assert "got 'hardest'" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_finished_runs_are_left_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    grid = Grid(preset="smoke", selections=("shuffled",), seeds=(0, 1), out=tmp_path, options=OPTIONS)
    assert main(grid) == 0
    table = capsys.readouterr().out
    assert "shuffled" in table
    assert "knn top1" in table
    results = sorted(tmp_path.rglob("result.json"))
    assert [path.parent.name for path in results] == ["seed-0", "seed-1"]
    before = results[0].stat().st_mtime_ns
    results[1].unlink()  # as if it had been interrupted: it is made again
    assert main(grid) == 0
    assert results[0].stat().st_mtime_ns == before
    assert json.loads(results[1].read_text())["status"] == "done"


def test_bad_input_ends_with_status_2(capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, ["mnist"])
    assert exit_.value.code == 2
    assert "preset must be one of digits, " in capsys.readouterr().err
