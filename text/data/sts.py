"""Pairs of sentences with scores by people: how alike the two are.

References:
    Cer et al., 2017, SemEval-2017 Task 1, arXiv 1708.00055 (STS benchmark, 0 to 5).
    Marelli et al., 2014, A SICK cure for the evaluation of compositional distributional semantic models (1 to 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from text.data.files import find_files
from text.data.problems import OnProblem, Problems
from text.data.reading import Layout, numbers, read_table
from text.data.texts import Texts


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs of sentences, and how alike people find them."""

    name: str
    first: Texts
    second: Texts
    scores: Float64[np.ndarray, " pairs"]
    skipped: Mapping[str, int] = field(default_factory=dict)
    """What was left out of the file, and how often. Empty unless asked to skip."""


@dataclass(frozen=True, kw_only=True)
class _Format:
    title: str
    files: Mapping[str, str]
    """Of each part."""
    layout: Layout
    """First sentence, second sentence, score."""
    bounds: tuple[float, float]
    remedy: str


_SICK_HEADER = ("pair_ID", "sentence_A", "sentence_B", "relatedness_score", "entailment_judgment")
STS: dict[str, _Format] = {
    "stsbenchmark": _Format(
        title="STS benchmark: 5,749 / 1,500 / 1,379 pairs",
        files={split: f"sts-{split}.csv" for split in ("train", "dev", "test")},
        # Some lines tell where the two sentences are from, in two more columns.
        layout=Layout(columns={5: "first sentence", 6: "second sentence", 4: "score"}, n_columns=range(7, 10)),
        bounds=(0.0, 5.0),
        remedy="unpack Stsbenchmark.tar.gz of http://ixa2.si.ehu.eus/stswiki there",
    ),
    "sick": _Format(
        title="SICK relatedness: 4,500 / 500 / 4,927 pairs",
        files={"train": "SICK_train.txt", "dev": "SICK_trial.txt", "test": "SICK_test_annotated.txt"},
        layout=Layout(
            columns={1: "first sentence", 2: "second sentence", 3: "score"},
            n_columns=range(5, 6),
            # The test part has \r\n at its ends of lines, the others have \n: reading takes both.
            headers=(_SICK_HEADER,),
        ),
        bounds=(1.0, 5.0),
        remedy="unpack sick2014 (https://zenodo.org/records/2787612) there",
    ),
}


def load_sts(name: str, data: Path | None, split: str, *, on_problem: OnProblem = "refuse") -> ScoredPairs:
    """Pairs of the STS benchmark or of SICK.

    The files are tab-separated whatever their names end with, and quotes are a part of the sentences.

    Args:
        name: stsbenchmark or sick.
        data: The folder that the folder of this name is in, or that folder itself; None for data/.
        split: train, dev or test.
        on_problem: What becomes of lines that cannot be read.

    Raises:
        ValueError: If name or split is unknown, or the file is missing or has problems that are not to be skipped.
    """
    if name not in STS:
        raise ValueError(f"scored pairs must be one of {', '.join(STS)}, got {name!r}")
    known = STS[name]
    if split not in known.files:
        raise ValueError(f"split of {name} must be one of {', '.join(known.files)}, got {split!r}")
    data = Path("data") if data is None else data
    folder = data if (data / known.files[split]).is_file() else data / name
    (file,) = find_files(folder, [(known.files[split],)], f"{known.remedy}, or name another folder with --data")
    problems = Problems(on_problem)
    table = read_table(file, known.layout, problems)
    table, scores = numbers(table, 2, "score", known.bounds, problems)
    skipped = problems.settle(f"{name} {split}")
    if not len(scores):
        raise ValueError(f"{file} must hold at least one pair, got none; {known.remedy}")
    return ScoredPairs(f"{name} {split}", table.columns[0], table.columns[1], scores, skipped)
