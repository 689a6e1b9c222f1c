"""Starts are measured in turn, with their children, on code that is compiled already."""

import csv

import pytest

from benchmarks import startup
from benchmarks.startup import STARTS, Start


def test_the_time_is_that_of_the_process_and_of_its_children():
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    assert 0.3 < startup.seconds_of(("-S", "-c", burn)) < 1.5
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {burn!r}])"
    assert 0.3 < startup.seconds_of(("-S", "-c", child)) < 1.5
    assert startup.seconds_of(("-S", "-c", "import time; time.sleep(0.5)")) < 0.3


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(SystemExit, match=r"ended with status 3\nwhy"):
        startup.seconds_of(("-S", "-c", "import sys; sys.stderr.write('why'); sys.exit(3)"))


def test_ratios_are_of_the_same_round_and_the_first_round_does_not_count(monkeypatch, tmp_path):
    clock = iter([50.0, 9.0, 2.0, 2.2, 4.0, 4.8, 1.0, 1.5])  # library and command, four rounds
    order = []

    def next_time(arguments):
        order.append(arguments)
        return next(clock)

    monkeypatch.setattr(startup, "seconds_of", next_time)
    monkeypatch.setattr(startup, "STARTS", {"one": Start(("-m", "one"), "torch")})
    startup.main(["--rounds", "3", "--out", str(tmp_path / "starts.csv")])
    (row,) = csv.DictReader((tmp_path / "starts.csv").read_text().splitlines())
    assert [row[name] for name in ("seconds", "library_seconds", "ratio")] == ["2.20", "2.00", "1.20"]
    assert order == [("-c", "import torch"), ("-m", "one")] * 4


def test_every_command_is_measured_against_what_it_needs():
    assert {start.library for start in STARTS.values()} == {"torch", "numpy", "pandas", "pandas, matplotlib.pyplot"}
    assert startup.parse([]).out.name == "startup_cpu.csv"
