"""Whole runs: each selection, interruptions, and what must be refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from text.augmentation import Augmentation
from text.config import TextConfig
from text.data import load_texts
from text.train import main, parse
from training import Run, run_command

ROOT = Path(__file__).parents[2]
SELECTIONS = ("shuffled", "fixed", "osgd", "spectral")


@pytest.mark.parametrize("selection", [*SELECTIONS, "full"])
def test_a_run_from_data_to_result(tiny, traces, traces_of, selection):
    config = tiny(selection=selection)
    returned = main(config)
    assert traces(config.out) == traces_of(selection=selection), "the same again"
    result = json.loads((config.out / "result.json").read_text())
    assert result["status"] == "done"
    assert returned.keys() == result.keys() - {"status"} | {"out"}
    for system in ("", "untrained_", "tfidf_"):
        for name in ("mrr_at_10", "recall_at_1", "recall_at_10", "ndcg_at_10", "map"):
            assert 0 <= result[f"{system}relevant_{name}"] <= 1
    assert (result["n_train"], result["updates"]) == (48, 6)
    recorded = json.loads((config.out / "config.json").read_text())["config"]
    assert recorded["texts_sha256"] == result["texts_sha256"]
    assert recorded["selection"] == selection
    assert TextConfig.from_record(recorded) == replace(config, out=None)
    assert {"config.json", "model.safetensors", "modules.json", "tokenizer.json"} <= {
        file.name for file in (config.out / "model").iterdir()
    }
    assert not (config.out / "checkpoint.pt").exists()


def test_training_helps(tiny):
    config = tiny(updates=40, learning_rate=0.02, log_every=40, evaluate_every=6)
    result = main(config)
    assert result["relevant_mrr_at_10"] > 1.2 * result["untrained_relevant_mrr_at_10"]
    lines = [json.loads(line) for line in (config.out / "metrics.jsonl").read_text().splitlines()]
    measured = [line["update"] for line in lines if "relevant_mrr_at_10" in line]
    assert measured == [0, 36]  # an epoch has 6 updates; the end is in result.json


def test_tensorboard_gets_the_metrics(tiny):
    config = tiny(tensorboard=True)
    main(config)
    assert list((config.out / "tensorboard").iterdir())


def test_the_saved_model_is_the_trained_one(tiny):
    """Opened by transformers alone, and measured by hand: where each query finds its own passage."""
    from transformers import AutoModel, AutoTokenizer

    config = tiny()
    result = main(config)
    bert = AutoModel.from_pretrained(config.out / "model", add_pooling_layer=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(config.out / "model")
    test = load_texts("docstrings", config.data, "test")

    @torch.no_grad()
    def embeddings(texts):
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        mask = batch["attention_mask"][..., None]
        return torch.nn.functional.normalize((bert(**batch).last_hidden_state * mask).sum(1), dim=1)

    scores = embeddings(test.queries) @ embeddings(test.passages).T
    own = scores[torch.arange(len(scores)), torch.from_numpy(test.relevant.items)]
    assert result["relevant_recall_at_1"] == pytest.approx(
        ((scores >= own[:, None]).sum(1) == 1).float().mean().item()
    )


def test_the_table_compares_three_systems(tiny, capsys):
    main(tiny(selection="spectral"))
    assert capsys.readouterr().out.splitlines()[1].split() == ["tfidf", "untrained", "trained"]


def test_a_saved_model_is_trained_on(tiny):
    """A run's model, as it is and with fresh weights; its own vocabulary comes with it."""
    first = main(tiny(updates=30, learning_rate=0.02))
    model = Path(first["out"]) / "model"
    again = main(tiny(model=model, updates=1, learning_rate=0.0))
    assert again["untrained_relevant_mrr_at_10"] == pytest.approx(first["relevant_mrr_at_10"])
    fresh = main(tiny(model=model, fresh=True, updates=1, learning_rate=0.0))
    assert fresh["untrained_relevant_mrr_at_10"] < 0.8 * first["relevant_mrr_at_10"]


def test_pairs_from_a_file_with_hard_negatives(tiny, places):
    """Several answers to a query are one pair, of which one is drawn; hard negatives come from the file."""
    of_pairs = {"dataset": "pairs", "data": places["pairs.tsv"], "n_pairs": None, "n_negatives": 1}
    result = main(tiny(**of_pairs, loss="mnrl", batch_size=16))
    assert 48 <= result["n_train"] <= 88
    assert result["texts"].startswith("pairs")


def test_sentences_with_dropout_views(tiny, tmp_path):
    file = tmp_path / "sentences.txt"
    file.write_text("\n".join(f"sentence number {i} tells of item {i * i}" for i in range(90)))
    result = main(tiny(dataset="sentences", data=file, loss="simcse", pooling="cls", n_pairs=64))
    assert result["relevant_mrr_at_10"] > 0.5  # without dropout a text finds itself


@pytest.mark.parametrize(("every", "times"), [(0, 0), (1, 6), (4, 2)])
def test_checkpoints_are_written_as_often_as_asked(tiny, monkeypatch, every, times):
    count = []
    monkeypatch.setattr(Run, "checkpoint", lambda *_: count.append(1))
    main(tiny(checkpoint_every=every))
    assert len(count) == times


class Interrupted(Exception):
    """What stops a run in the tests."""


def test_a_run_stopped_after_its_last_update_ends_the_same(tiny, traces, traces_of, monkeypatch):
    def never(*_):
        raise Interrupted

    config = tiny()
    monkeypatch.setattr(Run, "finish", never)
    with pytest.raises(Interrupted):
        main(config)
    monkeypatch.undo()
    main(config)
    assert traces(config.out) == traces_of()


@pytest.mark.parametrize(
    "change",
    [{"selection": name} for name in SELECTIONS]
    + [
        {"selection": "spectral", "replan": "pool"},
        {"augmentation": Augmentation(delete=0.3, swap=0.3, replace=0.3)},
        {"dataset": "pairs", "data": "pairs.tsv", "n_pairs": 24},
        {"dataset": "pairs", "data": "pairs.tsv", "n_pairs": 24, "loss": "mnrl", "n_negatives": 1},
    ],
    ids=[*SELECTIONS, "spectral by pool", "augmented", "several positives", "hard negatives"],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(tiny, traces, traces_of, places, monkeypatch, change):
    """Dropout, what is drawn in an epoch, the plan in force and the optimiser are taken up where they were."""
    if "data" in change:
        change = change | {"data": places[change["data"]]}
    settings = {"updates": 9, "dropout": 0.3, "log_every": 1, "checkpoint_every": 2} | change
    expected = traces_of(**settings)
    config = tiny(**settings)
    log = Run.log

    def log_until(self, line):
        log(self, line)
        if line["update"] == 5:
            raise Interrupted

    monkeypatch.setattr(Run, "log", log_until)
    with pytest.raises(Interrupted):
        main(config)
    monkeypatch.undo()
    assert not (config.out / "result.json").exists()
    torch.rand(7)  # whatever happened to the generator in between must not matter
    main(config)
    assert traces(config.out) == expected


def test_a_killed_run_ends_as_if_it_had_not_been(tiny, traces, traces_of):
    settings = {"updates": 200, "log_every": 50, "checkpoint_every": 10}
    config = tiny(**settings)
    program = (
        "import torch\n"
        "from pathlib import PosixPath\n"
        "from text.augmentation import Augmentation\n"
        "from text.config import TextConfig\n"
        "from text.train import main\n"
        "torch.set_num_threads(1)\n"
        f"main({config!r})"
    )
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (config.out / "checkpoint.pt").exists():
        assert killed.poll() is None, "it ended before its first checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (config.out / "result.json").exists()
    main(config)
    assert traces(config.out) == traces_of(**settings)


def test_a_finished_run_is_kept_unless_told_otherwise(tiny, traces):
    config = tiny()
    main(config)
    (config.out / "model/leftover").touch()
    before = traces(config.out)
    with pytest.raises(ValueError, match=r"must not hold a finished run.*pass --overwrite"):
        main(config)
    assert traces(config.out) == before
    main(replace(config, overwrite=True, seed=1))
    assert traces(config.out) != before
    assert not (config.out / "model/leftover").exists()


def test_an_unfinished_run_does_not_go_on_with_other_texts(tiny, library, tmp_path, monkeypatch):
    folder = tmp_path / "library"
    shutil.copytree(library, folder)
    config = tiny(data=folder)

    def never(*_):
        raise Interrupted

    monkeypatch.setattr(Run, "finish", never)
    with pytest.raises(Interrupted):
        main(config)
    monkeypatch.undo()
    file = folder / "turtle_0.py"
    file.write_text(file.read_text().replace("waits", "rests"))
    with pytest.raises(ValueError, match=r"goes on only with its own configuration.*test_sha256"):
        main(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "--data must be a folder of Python files, got nowhere"),
        (["--data", "empty"], "--data must hold at least 2 training"),
        (["--batch-size", "500"], "batch_size must be at most the number of training queries"),
        (["--selection", "spectral", "--batches-per-pool", "50"], "lower batches_per_pool to 8 or less"),
        (["--vocabulary-size", "20"], "vocabulary_size must be at least"),
        (["--out", "file"], "--out must be a folder that can be written"),
        (["--out", "full"], "--out must be a new or empty folder"),
    ],
)
def test_bad_input_ends_with_status_2_and_leaves_nothing_behind(
    library, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/other").touch()
    with pytest.raises(SystemExit) as end:
        run_command(main, parse, ["smoke", "--data", str(library), *options])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_command_line_reads_the_standard_library_and_needs_no_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "text.train", "smoke", "--selection", "spectral", "--device", "cpu"],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        | {"HF_HUB_OFFLINE": "1", "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 9
    assert done.stderr == ""
    (folder,) = (tmp_path / "runs/text").iterdir()
    assert folder.name.startswith("smoke-spectral-")
    assert json.loads((folder / "result.json").read_text())["n_train"] == 64
