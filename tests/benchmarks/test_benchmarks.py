"""The GPU list names runs that exist; the benchmark's clock measures the original's loops and nothing else."""

import csv
import shlex

import pytest

from benchmarks import gpu, throughput
from benchmarks.record import machine, write_rows
from synthetic.config import parse as parse_synthetic
from text.train import parse as parse_text
from vision.train import parse as parse_vision

PARSERS = {"synthetic.py": parse_synthetic, "vision.train": parse_vision, "text.train": parse_text}


@pytest.mark.parametrize("job", gpu.JOBS, ids=lambda job: job.name)
def test_every_job_is_a_command_that_its_program_accepts(job):
    words = [word for word in shlex.split(job.command) if word != "-m"]
    config = PARSERS[words[0]]([*words[1:], "--out", "somewhere"])
    assert config.device == "cuda"


def test_job_names_differ():
    assert len({job.name for job in gpu.JOBS}) == len(gpu.JOBS)


def test_what_is_finished_or_lacks_its_data_is_left_out(tmp_path, monkeypatch, capsys):
    jobs = (gpu.Job("a", "x"), gpu.Job("b", "x"), gpu.Job("c", "x"), gpu.Job("d", "x", needs="set/train"))
    (tmp_path / "runs/b").mkdir(parents=True)
    (tmp_path / "runs/b/result.json").write_text("{}")
    (tmp_path / "gpu_runs.csv").write_text("job,seconds\nc,1\n")
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    left = gpu.unfinished(jobs, tmp_path / "runs", tmp_path / "data")
    assert [job.name for job in left] == ["a"]
    assert "missing: d" in capsys.readouterr().out


def test_a_job_that_runs_out_of_time_is_not_finished(tmp_path):
    job = gpu.Job("slow", "-c 'import time; time.sleep(60)'")
    assert gpu.run_job(job, tmp_path, tmp_path, 0.5) is None
    quick = gpu.Job("quick", "-c pass")
    line = gpu.run_job(quick, tmp_path, tmp_path, 30)
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
