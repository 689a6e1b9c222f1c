"""A small library of Python files, written on the spot, and runs that take a fraction of a second."""

import itertools
import json

import pytest
import torch

from text.config import TextConfig
from text.train import main

SUBJECTS = ("socket", "mailbox", "calendar", "thread", "archive", "decimal", "locale", "parser", "turtle", "queue")
ACTIONS = ("open", "close", "copy", "rename", "compare", "encode", "measure", "lock", "print", "merge")


def write_library(root, subjects=SUBJECTS, actions=ACTIONS):
    """Two files for each subject, a function for each action: 100 pairs whose sides share three words."""
    root.mkdir(parents=True, exist_ok=True)
    for subject, second in itertools.product(subjects, range(2)):
        functions = [
            f'def {action}_{i}():\n    """Here you {action} one {subject} number {i + 5 * second}.\n\n'
            f"    When asked to {action}, every {subject} waits until all others are done, and then goes on with\n"
            f'    part {i + 5 * second} of its work.\n    """\n'
            for i, action in enumerate(actions[5 * second : 5 * second + 5])
        ]
        (root / f"{subject}_{second}.py").write_text("\n\n".join(functions))
    return root


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return write_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(library, tmp_path_factory):
    """tiny(**changes) -> a configuration that runs at once, in a folder of its own."""

    def make(**changes):
        settings = {
            "data": library,
            "n_pairs": 48,
            "vocabulary_size": 160,
            "max_tokens": 24,
            "hidden": 16,
            "heads": 2,
            "candidates": 6,
            "keep": 3,
            "batches_per_pool": 3,
            "batch_size": 8,
            "updates": 6,
            "learning_rate": 0.01,
            "log_every": 2,
            "checkpoint_every": 3,
            "device": "cpu",
            "out": tmp_path_factory.mktemp("run") / "folder",
        }
        return TextConfig(**(settings | changes))

    return make


@pytest.fixture(scope="session")
def traces_of(tiny):
    """traces_of(**changes) -> the traces of such a run, made once."""
    known = {}

    def go(**changes):
        key = repr(sorted(changes.items()))
        if key not in known:
            config = tiny(**changes)
            main(config)
            known[key] = traces(config.out)
        return known[key]

    return go


def traces(folder):
    """What a run left behind, without what time it took: metrics.jsonl and result.json."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((folder / "result.json").read_text())
    for record in (*lines, result):
        del record["seconds"]
    return lines, result


@pytest.fixture(name="traces", scope="session")
def traces_fixture():
    return traces
