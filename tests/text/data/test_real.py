"""The real files, with the counts that their publishers give."""

import os
from pathlib import Path

import numpy as np
import pytest

from text.data import load_sts, load_texts

DATA = Path(os.environ.get("CONTRABATCH_DATA", Path(__file__).parents[3] / "data"))


def needs(name):
    """Marks a test that reads this folder."""
    skip = pytest.mark.skipif(not (DATA / name).is_dir(), reason=f"needs {name} under data/ (or CONTRABATCH_DATA)")
    return lambda test: pytest.mark.data(skip(test))


@needs("msmarco-passage-sample")
@pytest.mark.parametrize(
    ("split", "n_queries", "n_relevant"), [("train", 11_992, 12_677), ("test", 6_592, 6_592), ("dev600", 600, 600)]
)
def test_the_msmarco_sample(split, n_queries, n_relevant):
    texts = load_texts("msmarco-sample", DATA, split)
    assert (len(texts.queries), len(texts.relevant.items)) == (n_queries, n_relevant)
    assert len(texts.passages) == 31_405
    assert texts.skipped == {}
    assert texts.relevant.grades is None
    assert texts.relevant.lengths.min() == 1


@needs("msmarco-passage-sample")
def test_train_and_dev_queries_are_disjoint():
    train, test = (load_texts("msmarco-sample", DATA, split) for split in ("train", "test"))
    assert not set(train.queries) & set(test.queries)
    assert not set(train.query_ids) & set(test.query_ids)


@needs("msmarco-passage-sample")
def test_the_candidates_of_dev600_are_in_the_order_of_bm25():
    texts = load_texts("msmarco-sample", DATA, "dev600")
    assert texts.candidates is not None
    assert texts.candidates.lengths.tolist() == [20] * 600
    pairs = zip(texts.candidates, texts.relevant, strict=True)
    ranks = [1 + int(np.flatnonzero(np.isin(c, r))[0]) for c, r in pairs if np.isin(c, r).any()]
    assert len(ranks) == 540
    assert sum(1 / rank for rank in ranks) / 540 == pytest.approx(0.422, abs=0.0005)
    assert sum(1 / rank for rank in ranks if rank <= 10) / 600 == pytest.approx(0.368, abs=0.0005), (
        "the others score 0"
    )


@needs("msmarco-passage-sample")
def test_the_passages_with_a_title_are_relevant_to_dev_queries_only():
    """The trap that text/data/msmarco.py tells of."""
    lines = (DATA / "msmarco-passage-sample/passage-source.tsv").read_text().splitlines()
    source = dict(line.split("\t") for line in lines)
    titled = {pid for pid, name in source.items() if name == "baba9811+title"}
    train, test = (load_texts("msmarco-sample", DATA, split) for split in ("train", "test"))
    assert len(titled) == 4_365
    assert titled <= {test.passage_ids[row] for row in test.relevant.items}
    assert not titled & {train.passage_ids[row] for row in train.relevant.items}


@needs("beir-scifact")
@pytest.mark.parametrize(("split", "n_queries", "n_relevant"), [("train", 809, 919), ("test", 300, 339)])
def test_scifact(split, n_queries, n_relevant):
    texts = load_texts("beir", DATA / "beir-scifact", split)
    assert (len(texts.queries), len(texts.relevant.items)) == (n_queries, n_relevant)
    assert len(texts.passages) == 5_183
    assert texts.passages[0].startswith("Microstructural development of human newborn cerebral white matter")
    assert ". Alterations of the architecture" in texts.passages[0]


@needs("stsbenchmark")
@pytest.mark.parametrize(("split", "n"), [("train", 5_749), ("dev", 1_500), ("test", 1_379)])
def test_the_sts_benchmark(split, n):
    pairs = load_sts("stsbenchmark", DATA, split)
    assert len(pairs.first) == len(pairs.second) == len(pairs.scores) == n
    assert (pairs.scores.min(), pairs.scores.max()) == (0, 5)


@needs("sick")
@pytest.mark.parametrize(("split", "n"), [("train", 4_500), ("dev", 500), ("test", 4_927)])
def test_sick(split, n):
    pairs = load_sts("sick", DATA, split)
    assert len(pairs.first) == len(pairs.second) == len(pairs.scores) == n
    assert (pairs.scores.min(), pairs.scores.max()) == (1, 5)


@needs("simcse-wiki-head")
def test_sentences_of_wikipedia(write):
    """The last of the 11,915 lines is cut, and kept; 366 lines repeat others."""
    (file,) = (DATA / "simcse-wiki-head").glob("*.txt")
    copy = write("wiki.txt", file.read_bytes())
    train, test = (load_texts("sentences", copy, split) for split in ("train", "test"))
    assert len(train.queries) + len(test.queries) == 11_549
    assert len(test.queries) == pytest.approx(1_155, abs=100)
    last = (train, test)[train.query_ids[-1] != "11915"].queries[-1]
    assert last.endswith("differently-abled and elderly citizen")
