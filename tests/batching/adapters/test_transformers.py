"""Planned batches under the Trainer of transformers, in one process; `test_processes.py` has two."""

import planned_rules as rules
import planned_worker as worker
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")


def test_the_model_sees_what_is_planned_and_goes_on_with_it_from_a_checkpoint(tmp_path):
    found = worker.with_trainer(tmp_path)
    assert found["seen"] == found["plans"]
    assert found["planned"] == [0, 1]
    assert found["plans"][0] != found["plans"][1]
    assert found["length"] == worker.N // worker.B
    for step, planned in ((2, [1]), (6, [1]), (8, [])):
        resumed = worker.with_trainer(tmp_path, resume=step)
        assert resumed["flat"] == found["flat"][step:]
        assert resumed["planned"] == planned

    (tmp_path / "checkpoint-8" / "planned_batches.pt").unlink()
    with pytest.raises(ValueError, match=r"resuming needs the plans.*checkpoint-8"):
        worker.with_trainer(tmp_path, resume=8)


def test_plans_that_anyone_can_make_again_need_no_file(tmp_path):
    whole = worker.with_trainer(tmp_path, rule=rules.Counted())
    (tmp_path / "checkpoint-8" / "planned_batches.pt").unlink()
    assert worker.with_trainer(tmp_path, rule=rules.Counted(), resume=8)["flat"] == whole["flat"][8:]
