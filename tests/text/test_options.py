"""Every option of a run changes what comes out: none does nothing."""

import shutil
from dataclasses import fields

import pytest

from text.augmentation import Augmentation
from text.config import TextConfig

CHANGES = {
    "data": {},
    "dataset": {"dataset": "pairs", "data": "pairs.tsv"},
    "n_pairs": {"n_pairs": 40},
    "n_test": {"n_test": 5, "evaluate_every": 1},
    "positives": {"dataset": "pairs", "data": "pairs.tsv", "positives": "first"},
    "apart_ids": {"dataset": "pairs", "data": "pairs.tsv", "apart_ids": True},
    "hard_negatives": {
        "dataset": "beir",
        "data": "a BEIR folder",
        "loss": "mnrl",
        "n_negatives": 1,
        "hard_negatives": "hard.jsonl",
    },
    "n_negatives": {"dataset": "pairs", "data": "pairs.tsv", "loss": "mnrl", "n_negatives": 1},
    "augmentation": {"augmentation": Augmentation(delete=0.5)},
    "model": {"model": "a model"},
    "fresh": {"model": "a model", "fresh": True},
    "pooling": {"pooling": "cls"},
    "vocabulary_size": {"vocabulary_size": 120},
    "max_tokens": {"max_tokens": 12},
    "query_tokens": {"query_tokens": 4},
    "intermediate": {"intermediate": 40},
    "precision": {"precision": "bfloat16"},
    "layers": {"layers": 2},
    "hidden": {"hidden": 32},
    "heads": {"heads": 4},
    "dropout": {"dropout": 0.5},
    "selection": {"selection": "fixed", "updates": 12},
    "candidates": {"selection": "osgd", "candidates": 5},
    "keep": {"selection": "osgd", "keep": 2},
    "batches_per_pool": {"selection": "spectral", "batches_per_pool": 2},
    "replan": {"selection": "spectral", "replan": "pool"},
    "pool_factor": {"selection": "ordered", "pool_factor": 1.5},
    "walk_candidates": {"selection": "walk", "walk_candidates": 20},
    "neighbours": {"selection": "bandwidth", "neighbours": 3},
    "window_start": {"selection": "graph", "window_start": 4},
    "teacher": {"selection": "balanced", "teacher": "a file"},
    "reference": {"selection": "jest", "reference": "a file"},
    "communities": {"selection": "balanced", "communities": 2},
    "random_fraction": {"selection": "balanced", "random_fraction": 0.5},
    "refresh": {"refresh": 2, "updates": 12},
    "max_similarity": {"selection": "balanced", "max_similarity": 0.9},
    "skip_nearest": {"selection": "balanced", "skip_nearest": 1},
    "loss": {"loss": "nt_xent"},
    "loss_settings": {"loss": "dclw", "loss_settings": ("sigma=0.1",)},
    "temperature": {"temperature": 0.5},
    "batch_size": {"batch_size": 4},
    "encode_batch_size": {"encode_batch_size": 3},
    "updates": {"updates": 5},
    "epochs": {"epochs": 2, "updates": None},
    "schedule": {"schedule": "linear"},
    "evaluate_every": {"evaluate_every": 1, "updates": 7},
    "measures": {"measures": ("full",), "evaluate_every": 1},
    "learning_rate": {"learning_rate": 0.005},
    "warmup": {"warmup": 0.5},
    "weight_decay": {"weight_decay": 1.0},
    "seed": {"seed": 1},
    "log_every": {"log_every": 3},
}
"""One change for each option; what the others must be, for it to act, is in it too."""
ELSEWHERE = {"device", "checkpoint_every", "out", "overwrite", "tensorboard"} | {
    "on_problem",
    "attention",
    "embed_batch_size",
    "baselines",
}
"""Options that change no number; each has a test of its own."""


def test_every_option_is_tested():
    assert CHANGES.keys() | ELSEWHERE == {field.name for field in fields(TextConfig)}


@pytest.mark.parametrize("option", CHANGES)
@pytest.mark.filterwarnings("ignore:.*pairs that must not meet")  # untrained embeddings are all alike
def test_every_option_changes_something(traces_of, library, tmp_path, pair_file, places, option):
    change = {
        name: pair_file(48) if value == "a file" else places.get(value, value) if isinstance(value, str) else value
        for name, value in CHANGES[option].items()
    }
    if option == "data":
        change["data"] = tmp_path / "library"
        shutil.copytree(library, change["data"])
        for file in change["data"].iterdir():
            file.write_text(file.read_text().replace("waits", "rests"))
    changed = traces_of(**change)
    also = {"dataset": ["data"], "hard_negatives": ["n_negatives"]}
    for name in [option, *also.get(option, [])]:
        change.pop(name)
    assert changed[0] != traces_of(**change)[0], "metrics.jsonl must differ"
