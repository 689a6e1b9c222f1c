"""The GPU list names runs that exist; the benchmark's clock measures the original's loops and nothing else."""

import csv
import shlex
from argparse import ArgumentParser

import pytest

from benchmarks import gpu, peers, scale, selection, throughput
from benchmarks.record import machine, write_rows
from synthetic.config import parse as parse_synthetic
from text.train import parse as parse_text
from vision.train import parse as parse_vision

PARSERS = {"synthetic.py": parse_synthetic, "vision.train": parse_vision, "text.train": parse_text}
BENCHMARKS = {
    "benchmarks.scale": scale.main,
    "benchmarks.peers": peers.main,
    "benchmarks.selection": selection.main,
}


def words(job):
    return [word for word in shlex.split(job.command) if word != "-m"]


@pytest.mark.parametrize("job", [job for job in gpu.JOBS if not job.table], ids=lambda job: job.name)
def test_every_run_is_a_command_that_its_program_accepts(job):
    program, *arguments = words(job)
    config = PARSERS[program]([*arguments, "--out", "somewhere"])
    assert config.device == "cuda"


@pytest.mark.parametrize("job", [job for job in gpu.JOBS if job.table], ids=lambda job: job.name)
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
    assert len({job.name for job in gpu.JOBS}) == len(gpu.JOBS)


def test_what_is_finished_or_lacks_its_data_is_left_out(tmp_path, monkeypatch, capsys):
    jobs = (
        gpu.Job("a", "x"),
        gpu.Job("b", "x"),
        gpu.Job("c", "x"),
        gpu.Job("d", "x", needs="set/train"),
        gpu.Job("e", "x", imports=("csv", "not_installed")),
        gpu.Job("f", "x", imports=("csv",), table="f.csv"),
        gpu.Job("g", "x", table="g.csv"),
    )
    (tmp_path / "runs/b").mkdir(parents=True)
    (tmp_path / "runs/b/result.json").write_text("{}")
    (tmp_path / "gpu_runs.csv").write_text("job,seconds\nc,1\nf,1\n")
    (tmp_path / "g.csv").write_text("ms\n1\n")
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    left = gpu.unfinished(jobs, tmp_path / "runs", tmp_path / "data")
    assert [job.name for job in left] == ["a", "f"]
    assert capsys.readouterr().out.splitlines() == [
        f"d: left out for lack of {tmp_path / 'data/set/train'}",
        "e: left out for lack of not_installed",
    ]


def test_a_job_that_runs_out_of_time_is_not_finished(tmp_path):
    job = gpu.Job("slow", "-c 'import time; time.sleep(60)'")
    assert gpu.run_job(job, tmp_path / "slow", tmp_path, 0.5) is None
    quick = gpu.Job("quick", "-c pass")
    line = gpu.run_job(quick, tmp_path / "quick", tmp_path, 30)
    assert line is not None
    assert line["job"] == "quick"
    assert {"device", "torch", "commit", "date"} <= line.keys()


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
