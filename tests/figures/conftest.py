"""Run folders as `python -m vision.train` leaves them, but small and made up."""

import json
from itertools import product

import pytest

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
COMMIT = "0123456789ab"


def written(path, accuracy=0.5, device="cpu", evaluation=None, **changed):
    """A run of 20 updates, 10 an epoch, with a line every 5 and a measurement in the middle."""
    settings = SETTINGS | changed
    path.mkdir(parents=True)
    stamp = {"experiment": "vision", "config": settings, "git": {"commit": COMMIT + "cdef"}, "device": device}
    stamp |= {"versions": {"torch": "2.12"}, "started": f"2026-01-0{1 + (settings['seed'] or 0)}T03:04:05+00:00"}
    (path / "config.json").write_text(json.dumps(stamp))
    lines = []
    for update in range(0, 21, 5):
        line = {"update": update, "epoch": update // 10, "loss": 3 - update / 10, "seconds": float(update)}
        line |= {"plan_purity": 0.01, "plan_coverage": 0.001} if update else {}
        if update and settings["selection"] != "shuffled":
            line |= {"plan_hardness": 3 - update / 20, "plan_hardness_before": 2.5 - update / 20}
        lines.append(line | ({"recall_at_1": accuracy / 2, "knn_top1": accuracy / 4} if update == 10 else {}))
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = {"status": "done", "selection": settings["selection"], "updates": 20, "updates_per_epoch": 10}
    result |= {"pairs_seen": 640, "loss": 1.0, "recall_at_1": accuracy, "knn_top1": accuracy / 2, "seconds": 25.0}
    result |= {"untrained_recall_at_1": 0.1, "untrained_knn_top1": 0.05, "n_train": 320, "n_test": 100}
    (path / "result.json").write_text(json.dumps(result))
    if evaluation:
        (path / "evaluation.json").write_text(json.dumps(evaluation))
    return path


@pytest.fixture(scope="session")
def write_run():
    """write_run(folder, accuracy, device=, evaluation=, **settings) -> the folder."""
    return written


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
