"""The same training on texts with every selection, loss and seed; tests/training has what all grids share."""

import json

from text.grid import Grid, main, parse
from text.train import parse as parse_training


def test_a_command_line_is_a_grid(tmp_path):
    line = ["smoke", "--selections", "graph+max_similarity=0.95+apart_ids", "--losses", "sogclr+gamma=0.5"]
    grid = parse([*line, "--seeds", "3", "--out", str(tmp_path), "--", "--updates", "2"])
    (run,) = grid.runs()
    config = parse_training(run.arguments)
    assert (config.selection, config.max_similarity, config.apart_ids) == ("graph", 0.95, True)
    assert (config.loss, config.loss_settings) == ("sogclr", ("gamma=0.5",))
    assert (config.seed, config.updates, config.out) == (3, 2, run.path)
    assert Grid(preset="smoke", out=tmp_path).losses == ("clip",)


def test_finished_runs_are_left_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ("--updates", "2", "--device", "cpu")
    grid = Grid(preset="smoke", selections=("shuffled",), seeds=(0,), out=tmp_path, options=options)
    assert main(grid) == 0
    table = capsys.readouterr().out
    assert "shuffled" in table
    assert "relevant mrr at 10" in table
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text())["status"] == "done"
    before = result.stat().st_mtime_ns
    assert main(Grid(**vars(grid))) == 0, "its settings are checked, and the digest of its data is no setting"
    assert result.stat().st_mtime_ns == before
