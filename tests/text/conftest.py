"""A small library of Python files, written on the spot, and runs that take a fraction of a second."""

import itertools
import json
from pathlib import Path

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
            "baselines": ("tfidf",),
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
def places(tiny, tmp_path_factory):
    """places["a model"], places["pairs.tsv"], ...: what options of a run may name."""
    root = tmp_path_factory.mktemp("places")
    rows = [
        (f"where is item {i}", f"item {i} lies in box {i + j}, which is {size}", f"item {i} is lost for ever")
        for i in range(80)
        for j, size in enumerate(("small", "very large and heavy"))
    ]
    rows += [
        (f"find item {i} now", f"item {i} lies in box {i}, which is small", "nothing is here") for i in range(8)
    ]
    (root / "pairs.tsv").write_text("query\tpassage\tnegative\n" + "\n".join("\t".join(row) for row in rows))
    beir = root / "beir"
    (beir / "qrels").mkdir(parents=True)
    answers = {query: passage for query, passage, _ in rows}
    texts = [*answers.values(), *(f"box {i} is empty" for i in range(40))]
    for name, found in (("queries", answers), ("corpus", texts)):
        lines = [json.dumps({"_id": f"{name[0]}{i}", "title": "", "text": text}) for i, text in enumerate(found)]
        (beir / f"{name}.jsonl").write_text("\n".join(lines))
    for split, which in (("train", range(70)), ("test", range(70, len(answers)))):
        judged = "\n".join(f"q{i}\tc{i}\t1" for i in which)
        (beir / f"qrels/{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    hard = [json.dumps({"qid": f"q{i}", "neg": [f"c{len(answers) + i % 40}"]}) for i in range(70)]
    (root / "hard.jsonl").write_text("\n".join(hard))
    model = Path(main(tiny(vocabulary_size=200, hidden=24, seed=5, updates=1))["out"]) / "model"
    return {
        "pairs.tsv": root / "pairs.tsv",
        "a BEIR folder": beir,
        "hard.jsonl": root / "hard.jsonl",
        "a model": model,
    }


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
