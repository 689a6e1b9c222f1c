"""Run folders as `python -m vision.train` and `python -m text.train` leave them, but small and made up."""

import json
from itertools import product

import matplotlib.pyplot as plt
import pytest

from figures.registry import FIGURES
from figures.table import collect, read_table

SETTINGS = {
    "dataset": "cifar100",
    "data": "somewhere",
    "n_pairs": None,
    "n_test": None,
    "image_size": 32,
    "augmentation": {"flip": 0.5, "blur": 0.0},
    "stem": "cifar",
    "selection": "shuffled",
    "communities": None,
    "apart_labels": False,
    "keep": 150,
    "loss": "nt_xent",
    "loss_settings": [],
    "temperature": 0.1,
    "batch_size": 32,
    "epochs": 2,
    "updates": None,
    "learning_rate": 0.3,
    "seed": 0,
    "device": "auto",
    "measures": ["retrieval", "knn"],
    "log_every": 5,
}
TEXT_SETTINGS = {
    "dataset": "beir",
    "data": "data/beir-nuts",
    "n_pairs": None,
    "n_test": None,
    "model": None,
    "fresh": False,
    "layers": 1,
    "hidden": 256,
    "augmentation": {"delete": 0.0},
    "selection": "shuffled",
    "max_similarity": None,
    "apart_ids": False,
    "loss": "clip",
    "loss_settings": [],
    "temperature": 0.05,
    "batch_size": 64,
    "epochs": 2,
    "updates": None,
    "seed": 0,
    "device": "auto",
    "measures": ["relevant"],
    "baselines": ["tfidf"],
    "texts_sha256": "12e4567890abcdef",
    "log_every": 5,
}
COMMIT = "0123456789ab"
_TIMES = {
    "mrr_at_10": 1.0,
    "recall_at_1": 0.8,
    "recall_at_10": 1.5,
    "recall_at_100": 1.8,
    "ndcg_at_10": 1.1,
    "map": 1.0,
}


def written(path, accuracy=0.5, device="cpu", evaluation=None, **changed):
    """A run on images."""
    settings = SETTINGS | changed
    measures = {"recall_at_1": accuracy, "knn_top1": accuracy / 2}
    before = {"recall_at_1": 0.1, "knn_top1": 0.05}
    _write(path, "vision", settings, measures, before, {"plan_purity": 0.01}, device)
    if evaluation:
        (path / "evaluation.json").write_text(json.dumps(evaluation))
    return path


def written_text(path, mrr=0.5, device="cpu", more=None, evaluation=None, **changed):
    """A run on texts; TF-IDF has an MRR@10 of 0.3, the untrained encoder of a hundredth and its seed."""
    settings = TEXT_SETTINGS | changed
    numbers = {"texts": "nuts train", "texts_sha256": settings["texts_sha256"], "skipped": {"empty passages": 3}}
    numbers |= protocol("tfidf_relevant", 0.3) | {"relevant_passages": 1000} | (more or {})
    before = protocol("relevant", 0.01 * (1 + settings["seed"]))
    _write(path, "text", settings, protocol("relevant", mrr), before, {}, device, **numbers)
    if evaluation:
        (path / "evaluation.json").write_text(json.dumps(evaluation | {"records": []}))
    return path


def protocol(name, mrr):
    """All numbers of one protocol for this MRR@10; its name may be followed by a set, as in evaluation.json."""
    return {f"{name}_{number}": mrr * times for number, times in _TIMES.items()}


def on_dev600(mrr):
    """What `python -m text.evaluate RUN --on msmarco-sample:dev600 --n-queries 200 --measures rerank` adds."""
    systems = {"": mrr, "untrained_": 0.41, "first_": 0.42, "bm25_": 0.38}
    found = {}
    for system, value in systems.items():
        found |= protocol(f"{system}rerank_on_msmarco-sample:dev600_n_queries_200", value)
    return found


def _write(path, experiment, settings, measures, before, of_plans, device, **numbers):
    """20 updates, 10 an epoch, with a line every 5 and a measurement in the middle."""
    path.mkdir(parents=True)
    stamp = {"experiment": experiment, "config": settings, "git": {"commit": COMMIT + "cdef"}, "device": device}
    stamp |= {"versions": {"torch": "2.12"}, "started": f"2026-01-0{1 + (settings['seed'] or 0)}T03:04:05+00:00"}
    (path / "config.json").write_text(json.dumps(stamp))
    lines = []
    for update in range(0, 21, 5):
        line = {"update": update, "epoch": update // 10, "loss": 3 - update / 10, "seconds": float(update)}
        line |= {"accuracy": update / 20, **of_plans, "plan_coverage": 0.001} if update else {}
        if update and settings["selection"] != "shuffled":
            line |= {"plan_hardness": 3 - update / 20, "plan_hardness_before": 2.5 - update / 20}
        half = {name: value / 2 for name, value in measures.items()} if update == 10 else {}
        lines.append(line | half)
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = {"status": "done", "selection": settings["selection"], "updates": 20, "updates_per_epoch": 10}
    result |= {"pairs_seen": 640, "loss": 1.0, **measures, "seconds": 25.0}
    result |= {f"untrained_{name}": value for name, value in before.items()}
    (path / "result.json").write_text(json.dumps(result | {"n_train": 320, "n_test": 100} | numbers))
    return path


@pytest.fixture(autouse=True)
def _closed():
    """No picture outlives its test: pyplot keeps them all, and warns when they are many."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def write_run():
    """write_run(folder, accuracy, device=, evaluation=, **settings) -> the folder of a run on images."""
    return written


@pytest.fixture(scope="session")
def write_text_run():
    """write_text_run(folder, mrr, device=, more=, evaluation=, **settings) -> the folder of a run on texts."""
    return written_text


@pytest.fixture(scope="session")
def numbers_of():
    """numbers_of("tfidf_full", mrr) -> all numbers of this protocol."""
    return protocol


@pytest.fixture(scope="session")
def vision_tables(tmp_path_factory):
    """Two studies: three selections, one with a guard, two losses, three seeds; and one run at other settings."""
    root = tmp_path_factory.mktemp("vision")
    arms = [("shuffled", {}), ("spectral", {}), ("spectral", {"communities": 4})]
    for place, (name, guard) in enumerate(arms):
        for loss, seed in product(("nt_xent", "dcl"), range(3)):
            accuracy = 0.5 + 0.01 * seed + 0.02 * place * (1 + seed / 10)
            written(root / f"{place}-{loss}-{seed}", accuracy, selection=name, loss=loss, seed=seed, **guard)
    written(root / "warm", temperature=0.5)
    collect([root], root / "data")
    return read_table(root / "data" / "vision_results.csv"), read_table(root / "data" / "vision_curves.csv")


@pytest.fixture(scope="session")
def text_tables(tmp_path_factory):
    """Two studies: three selections, one with a guard, two losses, three seeds; and a pretrained encoder's."""
    root = tmp_path_factory.mktemp("text")
    arms = [("shuffled", {}), ("graph", {}), ("graph", {"max_similarity": 0.95})]
    losses = [{"loss": "clip"}, {"loss": "sogclr", "loss_settings": ["gamma=0.5"]}]
    for (place, (name, guard)), loss, seed in product(enumerate(arms), losses, range(3)):
        mrr = 0.4 + 0.01 * seed + 0.02 * place * (1 + seed / 10)
        written_text(root / f"{place}-{loss['loss']}-{seed}", mrr, selection=name, seed=seed, **guard, **loss)
    more = protocol("full", 0.25) | {"full_passages": 8841} | protocol("bm25_relevant", 0.35)
    evaluation = protocol("full_on_beir-nuts:test", 0.2) | {
        "sts_on_sick:test_spearman": 0.8,
        "sts_on_sick:test_pearson": 0.7,
    }
    evaluation |= protocol("relevant_on_beir-nuts:test", 0.3)
    model = {"model": "data/nut-encoder", "model_sha256": "aa34567890abcdef"}
    for seed in range(2):
        measured = evaluation | on_dev600(0.45 + 0.02 * seed)
        written_text(root / f"tuned-{seed}", 0.6, seed=seed, more=more, evaluation=measured, **model)
    collect([root], root / "data")
    return read_table(root / "data" / "text_results.csv"), read_table(root / "data" / "text_curves.csv")


@pytest.fixture(scope="session")
def bars_of():
    """bars_of(axis) -> x and y of every series that is drawn with intervals as bars, by its label."""

    def bars(axis):
        return {one.get_label(): one.lines[0].get_data() for one in axis.containers}

    return bars


@pytest.fixture(scope="session")
def pictures_of():
    """pictures_of("vision", results, curves) -> name and figure, for each picture of its three kinds."""

    def pictures(experiment, results, curves):
        tables = {f"{experiment}_results": results, f"{experiment}_curves": curves}
        for kind in ("losses", "accuracy", "batches"):
            yield from FIGURES[f"{experiment}_{kind}"].pictures(tables)

    return pictures
