"""Signals end training after a step, with a checkpoint from which it goes on as if nothing had happened."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import training_worker as worker

from training import Interrupted, Ranks
from training.interrupt import OrderlyEnd

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
UPDATES = 120
TESTS = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _as_in_a_terminal():
    """In the background, as under nohup, a shell has SIGINT ignored, which stays so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def train(folder, **told):
    return worker.train("spectral", folder=folder, checkpoint_every=0, **told)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("at", [4, 6, worker.UPDATES - 1])
def test_a_signal_ends_training_and_loses_nothing(at, number, code, tmp_path, capsys):
    handlers = [signal.getsignal(one) for one, _ in SIGNALS]
    with pytest.raises(Interrupted) as ended:
        train(tmp_path / "run", told_at=at, told=number)
    assert ended.value.code == code
    told = f"interrupted after update {at + 1} of 14, which {tmp_path}/run/checkpoint.pt holds; the same command"
    assert capsys.readouterr().err.startswith(told)
    assert [signal.getsignal(one) for one, _ in SIGNALS] == handlers
    resumed, whole = train(tmp_path / "run"), train(tmp_path / "whole")
    torch.testing.assert_close(resumed["weights"], whole["weights"], rtol=0, atol=0)
    assert resumed["lines"] == whole["lines"]


def test_without_a_run_signals_are_left_alone():
    with pytest.raises(KeyboardInterrupt):
        train(None, told_at=3, told=signal.SIGINT)


def test_a_second_signal_ends_at_once(monkeypatch):
    monkeypatch.setattr("training.interrupt._ONE_AND_THE_SAME", 0.02)
    with OrderlyEnd(Ranks()) as end:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same, passed on
        assert end.asked(last=False) == signal.SIGINT
        time.sleep(0.03)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        end.number = 0  # it has been answered


def test_a_signal_that_nobody_answers_is_not_lost():
    with pytest.raises(KeyboardInterrupt), OrderlyEnd(Ranks()):
        signal.raise_signal(signal.SIGINT)  # noted, and raised again at the end


def test_ignored_signals_stay_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with OrderlyEnd(Ranks()) as end:
            signal.raise_signal(signal.SIGINT)
            assert end.asked(last=True) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_a_thread_there_are_no_handlers(tmp_path):
    kept = []
    thread = threading.Thread(target=lambda: kept.append(worker.train("spectral", folder=tmp_path)))
    thread.start()
    thread.join()
    assert kept[0]["lines"]


class Slow:
    """`training_worker` as a program of its own."""

    def __init__(self, folder, *launcher):
        self.folder = folder
        environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *launcher, "-m", "training_worker", str(folder), f"{UPDATES}"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, number=None, *, after=0):
        """Wait for its end, having sent a signal after so many updates; the status, and what it said."""
        if number is not None:
            while not any(line["update"] >= after for line in metrics(self.folder)):
                assert self.process.poll() is None, self.process.communicate()[1]
                time.sleep(0.02)
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=100)
        return self.process.returncode, said


def metrics(folder):
    file = folder / "metrics.jsonl"
    return (
        [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")] if file.exists() else []
    )


def test_a_program_that_is_told_to_end_goes_on_later(tmp_path):
    status, said = Slow(tmp_path).end(signal.SIGTERM, after=30)
    assert status == 143
    stopped = int(re.search(r"interrupted after update (\d+) of 120", said)[1])
    assert 30 <= stopped < UPDATES
    kept = sorted(file.name for file in (tmp_path / "weights").iterdir())
    assert kept == [f"update-{update:06d}.pt" for update in range(20, stopped + 1, 20)]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"update": 119, "loss": 99.0}\n')  # as if it had gone on after the checkpoint

    status, said = Slow(tmp_path).end()
    assert status == 0, said
    whole = worker.train("sogclr", updates=UPDATES, folder=tmp_path / "whole")
    torch.testing.assert_close(torch.load(tmp_path / "model.pt"), whole["weights"], rtol=0, atol=0)
    lines = [{key: value for key, value in line.items() if key != "seconds"} for line in metrics(tmp_path)]
    assert lines == whole["lines"]
    at_100 = torch.load(tmp_path / "weights/update-000100.pt", weights_only=True)
    torch.testing.assert_close(at_100, worker.train("sogclr", updates=100)["weights"], rtol=0, atol=0)


@pytest.mark.slow
def test_under_torchrun_all_end_after_the_same_update(tmp_path):
    launcher = ("-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    status, said = Slow(tmp_path, *launcher).end(signal.SIGTERM, after=30)
    assert status != 0
    assert len(re.findall(r"interrupted after update \d+ of 120", said)) == 1, said
    status, said = Slow(tmp_path, *launcher).end()
    assert status == 0, said
    alone = worker.train("sogclr", updates=UPDATES)["weights"]
    torch.testing.assert_close(torch.load(tmp_path / "model.pt"), alone, rtol=1e-10, atol=1e-10)
