"""A run is a folder that is never half written and never silently overwritten."""

import json
import os

import numpy as np
import pytest
import torch

from training import Run


def open_run(path, overwrite=False, **config):
    return Run.open(path, experiment="test", config={"x": 1, **config}, overwrite=overwrite)


def lines(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_run_says_what_made_it(tmp_path):
    open_run(tmp_path / "run", name="a")
    stamp = json.loads((tmp_path / "run/config.json").read_text())
    assert stamp["config"] == {"x": 1, "name": "a"}
    assert stamp["versions"]["torch"] == torch.__version__
    assert {"argv", "git", "device", "started", "experiment"} <= stamp.keys()


def test_log_checkpoint_restore_finish(tmp_path):
    run = open_run(tmp_path)
    run.log({"update": 1, "loss": 0.5})
    run.checkpoint({"update": 1, "tensor": torch.arange(3)})
    run.log({"update": 2, "loss": 0.4})

    again = open_run(tmp_path)
    state = again.restore()
    assert state["update"] == 1
    assert torch.equal(state["tensor"], torch.arange(3))
    assert [line["update"] for line in lines(tmp_path)] == [1], "what came after the checkpoint is done again"
    again.log({"update": 2, "loss": 0.4})
    again.save_arrays(gram=np.eye(2))
    again.finish({"loss": 0.4})
    assert [line["update"] for line in lines(tmp_path)] == [1, 2]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "done"
    assert not (tmp_path / "checkpoint.pt").exists()
    assert np.array_equal(np.load(tmp_path / "arrays.npz")["gram"], np.eye(2))


def test_an_interruption_before_the_first_checkpoint_starts_over(tmp_path):
    open_run(tmp_path).log({"update": 1})
    again = open_run(tmp_path)
    assert again.restore() is None
    assert not (tmp_path / "metrics.jsonl").exists()


def test_seconds_go_on_after_an_interruption(tmp_path):
    run = open_run(tmp_path)
    run._opened -= 100
    run.checkpoint({})
    again = open_run(tmp_path)
    again.restore()
    assert again.seconds() >= 100


def test_a_finished_run_is_not_overwritten_unless_asked(tmp_path):
    open_run(tmp_path).finish({"loss": 1.0})
    with pytest.raises(ValueError, match=r"must not hold a finished run.*--overwrite"):
        open_run(tmp_path)
    (tmp_path / "model.pt").touch()  # what else a run may keep does not stand in the way
    open_run(tmp_path, overwrite=True, other=True)
    assert not (tmp_path / "result.json").exists()


def test_an_unfinished_run_of_another_configuration_is_not_resumed(tmp_path):
    open_run(tmp_path)
    with pytest.raises(ValueError, match=r"differs in x \(1 then, 2 now\)"):
        open_run(tmp_path, x=2)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"holds other files"):
            open_run(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--out must be a folder that can be written"):
        open_run(tmp_path / "file" / "run")


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    run = open_run(tmp_path)
    run.checkpoint({"update": 1})

    def crash(_descriptor):
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="power cut"):
        run.checkpoint({"update": 2})
    assert open_run(tmp_path).restore() == {"update": 1}


def test_a_number_that_is_no_number_is_not_written_as_a_result(tmp_path):
    run = open_run(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        run.finish({"loss": float("nan")})
    assert not (tmp_path / "result.json").exists()


def curves(path):
    """What TensorBoard shows."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(path / "tensorboard"))
    found.Reload()
    return {name: [(point.step, point.value) for point in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_shows_the_lines_and_forgets_those_that_are_dropped(tmp_path):
    def opened(**options):
        return Run.open(tmp_path, experiment="test", config={}, tensorboard=True, **options)

    run = opened()
    for update, loss in ((0, 4.0), (1, 3.0)):
        run.log({"update": update, "loss": loss, "selection": "fixed"})
    run.checkpoint({})
    run.log({"update": 2, "loss": 99.0, "only_then": 1.0})
    del run

    again = opened()
    again.restore()
    for update, loss in ((2, 2.0), (3, 1.0)):
        again.log({"update": update, "loss": loss})
    again.finish({"loss": 1.0})
    shown = curves(tmp_path)
    assert shown["loss"] == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]
    assert [step for step, _ in shown["seconds"]] == [0, 1, 2, 3]
    assert not shown.get("only_then")
    assert "selection" not in shown, "words are no scalars"

    opened(overwrite=True).log({"update": 0, "loss": 5.0})
    assert curves(tmp_path)["loss"] == [(0, 5.0)]


def test_without_tensorboard_its_flag_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("training.curves.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"needs tensorboard: pip install tensorboard"):
        Run.open(tmp_path / "run", experiment="test", config={}, tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_weights_are_kept_along_the_way(tmp_path):
    run = open_run(tmp_path)
    run.keep(5, {"weight": torch.ones(2)})
    run.keep(1234567, {"weight": torch.zeros(2)})
    run.checkpoint({})
    assert sorted(file.name for file in (tmp_path / "weights").iterdir()) == [
        "update-000005.pt",
        "update-1234567.pt",
    ]
    assert torch.equal(torch.load(tmp_path / "weights/update-000005.pt")["weight"], torch.ones(2))
    open_run(tmp_path)
    assert (tmp_path / "weights").exists(), "a resumed run has them"
    open_run(tmp_path, overwrite=True)
    assert not (tmp_path / "weights").exists()


def test_of_several_processes_the_others_write_nothing(tmp_path):
    run = Run(tmp_path, writes=False)
    run.log({"update": 1})
    run.checkpoint({})
    run.keep(1, {})
    run.save_arrays(x=np.zeros(1))
    run.finish({})
    assert run.restore() is None
    assert list(tmp_path.iterdir()) == []
