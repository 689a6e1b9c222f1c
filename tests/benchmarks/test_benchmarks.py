"""The GPU list names runs that exist; the benchmark's clock measures the original's loops and nothing else."""

import csv
import shlex
from argparse import ArgumentParser
from dataclasses import replace

import pytest

from benchmarks import augmentation, gpu, peers, scale, selection, synthetic, text, throughput, vision
from benchmarks.gpu_jobs import JOBS, Job
from benchmarks.record import machine, write_rows
from synthetic.config import parse as parse_synthetic
from synthetic.sweep import parse as parse_sweep
from text.train import parse as parse_text
from vision.evaluate.__main__ import parse as parse_evaluation
from vision.train import parse as parse_vision

PARSERS = {
    "synthetic.py": parse_synthetic,
    "synthetic.sweep": parse_sweep,
    "vision.train": parse_vision,
    "text.train": parse_text,
}
BENCHMARKS = {
    "benchmarks.scale": scale.main,
    "benchmarks.peers": peers.main,
    "benchmarks.selection": selection.main,
    "benchmarks.vision": vision.main,
    "benchmarks.augmentation": augmentation.main,
    "benchmarks.text": text.main,
    "benchmarks.synthetic": synthetic.main,
}


def words(job):
    return [word for word in shlex.split(job.command) if word != "-m"]


FIRST = [job for job in JOBS if not job.table and not job.name.endswith(("-seed1", "-seed2"))]


@pytest.mark.parametrize("job", FIRST, ids=lambda job: job.name)
def test_every_run_is_a_command_that_its_program_accepts(job):
    program, *arguments = words(job)
    config = PARSERS[program]([*arguments, "--out", "somewhere"])
    assert config.device == "cuda"
    if job.corrupted:
        assert config.dataset == job.corrupted


def test_other_seeds_differ_in_the_seed_alone():
    first = {job.name: job for job in FIRST}
    for job in [job for job in JOBS if not job.table and job not in FIRST]:
        seed = job.name[-1]
        same = first[job.name[:-1] + "0"]
        assert job == replace(same, name=job.name, command=same.command.replace("--seed 0", f"--seed {seed}"))
        assert f"--seed {seed}" in job.command


@pytest.mark.parametrize("job", [job for job in JOBS if job.table], ids=lambda job: job.name)
def test_every_benchmark_is_a_command_that_its_program_accepts(job, monkeypatch):
    class Parsed(Exception):
        pass

    program, *arguments = words(job)
    parse = ArgumentParser.parse_args

    def only_parse(parser, _arguments=None):
        raise Parsed(parse(parser, [*arguments, "--out", job.table]))

    monkeypatch.setattr(ArgumentParser, "parse_args", only_parse)
    with pytest.raises(Parsed) as stopped:
        BENCHMARKS[program]()
    (options,) = stopped.value.args
    assert options.device == "cuda"
    assert str(options.out) == job.table


def test_job_names_differ():
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert len({job.command for job in JOBS}) == len(JOBS)


def test_the_first_seed_of_everything_comes_first():
    names = [job.name for job in JOBS if job.name.startswith("cifar100-") and "paper" not in job.name]
    seeds = [name[-1] for name in names if "sogclr" in name or "nt_xent" in name]
    grid = seeds[: 3 * 2 * 7]
    assert grid == sorted(grid)
    assert names[:2] == ["cifar100-nt_xent-shuffled-seed0", "cifar100-nt_xent-osgd-seed0"]


def test_runs_are_evaluated_by_a_command_that_exists():
    config = parse_evaluation(["run", "--measures", "corrupted", "--data", "data"])
    assert config.measures == ("corrupted",)


def test_what_is_finished_or_lacks_its_data_is_left_out(tmp_path, monkeypatch, capsys):
    jobs = (
        Job("a", "x"),
        Job("b", "x"),
        Job("c", "x"),
        Job("d", "x", needs="set/train"),
        Job("d2", "x", needs="set/train"),
        Job("e", "x", imports=("csv", "not_installed")),
        Job("f", "x", imports=("csv",), table="f.csv"),
        Job("g", "x", table="g.csv"),
    )
    (tmp_path / "runs/b").mkdir(parents=True)
    (tmp_path / "runs/b/result.json").write_text("{}")
    (tmp_path / "gpu_runs.csv").write_text("job,seconds\nc,1\nf,1\n")
    (tmp_path / "g.csv").write_text("ms\n1\n")
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    left = gpu.unfinished(jobs, tmp_path / "runs", tmp_path / "data")
    assert [job.name for job in left] == ["a", "f"]
    assert capsys.readouterr().out.splitlines() == [
        f"d and 1 more: left out for lack of {tmp_path / 'data/set/train'}",
        "e: left out for lack of not_installed",
    ]


def test_a_job_that_runs_out_of_time_is_not_finished(tmp_path):
    job = Job("slow", "-c 'import time; time.sleep(60)'")
    assert gpu.run_job(job, tmp_path / "slow", tmp_path, 0.5) is None
    quick = Job("quick", "-c pass")
    line = gpu.run_job(quick, tmp_path / "quick", tmp_path, 30)
    assert line is not None
    assert line["job"] == "quick"
    assert {"device", "torch", "commit", "date"} <= line.keys()


_PATIENT = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[-1]).write_text("checkpoint")
    sys.exit({status})
signal.signal(signal.SIGTERM, end)
time.sleep(60)
"""


@pytest.mark.parametrize("status", [143, 0])
def test_a_job_whose_time_is_over_has_time_for_a_checkpoint(tmp_path, status):
    job = Job("patient", f"-S -c {shlex.quote(_PATIENT.format(status=status))}")
    line = gpu.run_job(job, tmp_path / "x", tmp_path, 2)
    assert (tmp_path / "x").read_text() == "checkpoint"
    assert (line is None) == (status == 143)  # status 0: it was done at the last moment


def test_a_job_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "GRACE", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    assert gpu.run_job(Job("deaf", f"-S -c {shlex.quote(deaf)}"), tmp_path / "x", tmp_path, 1.5) is None


def test_time_is_filled_with_what_fits(tmp_path):
    jobs = [
        Job("benchmark", "x", table="t.csv", minutes=8),
        Job("long", "x", minutes=10),
        Job("short", "x", minutes=1),
    ]

    def chosen(seconds, left=jobs):
        job = gpu.next_job(left, seconds, tmp_path)
        return job and job.name

    assert chosen(600) == "benchmark"
    assert chosen(400) == "short"
    assert chosen(59) == "long"  # nothing fits: it leaves a checkpoint, which a benchmark cannot
    assert chosen(10) is None
    assert chosen(400, left=jobs[:1]) is None
    assert chosen(400, left=[]) is None
    (tmp_path / "long").mkdir()
    (tmp_path / "long/checkpoint.pt").touch()
    assert chosen(400) == "long"  # less of it is left than its estimate


def test_finished_runs_are_evaluated_on_corrupted_images_that_are_there(tmp_path, monkeypatch, capsys):
    commands = []

    def in_time(command, _seconds):
        commands.append(command[1:])
        return 1

    monkeypatch.setattr(gpu, "in_time", in_time)
    monkeypatch.setattr(gpu, "find_corruptions", lambda dataset, data: {(tmp_path, "cifar100"): 1}[data, dataset])
    gpu.retrieve_corrupted(Job("a", "x", corrupted="cifar100"), tmp_path / "run", tmp_path, 100)
    gpu.retrieve_corrupted(Job("b", "x"), tmp_path / "run", tmp_path, 100)
    assert commands == [
        *[["-m", "vision.evaluate", str(tmp_path / "run"), "--measures", "corrupted", "--data", str(tmp_path)]]
    ]
    assert "a: not evaluated on corrupted images" in capsys.readouterr().out

    def absent(_dataset, _data):
        raise ValueError("corruptions are needed")

    monkeypatch.setattr(gpu, "find_corruptions", absent)
    gpu.retrieve_corrupted(Job("a", "x", corrupted="cifar100"), tmp_path / "run", tmp_path, 100)
    assert len(commands) == 1


def test_rows_say_what_they_were_measured_on(tmp_path):
    write_rows(tmp_path / "x.csv", [{"what": "a", "seconds": 1.5}])
    (row,) = csv.DictReader((tmp_path / "x.csv").read_text().splitlines())
    assert row["seconds"] == "1.5"
    assert row["torch"] == machine()["torch"]


def test_the_original_is_patched_only_so_far_that_it_runs(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "synthetic.py").write_text(
        "from tqdm import tqdm\nfrom utils import *\ndevice = 'cuda:0'\ndef get_args(): pass\n"
        "for _ in tqdm(range(3), desc='x'): work()\n"
    )
    (source / "utils.py").write_text("from tqdm import tqdm\ndef work(): sum(range(10**5))\n")
    script = throughput.patched_copy(source, target)
    _, output = throughput.timed([throughput.sys.executable, str(script)], target)
    name, seconds = output.split()
    assert name == "LOOP-CPU-SECONDS"
    assert 0 < float(seconds) < 5
