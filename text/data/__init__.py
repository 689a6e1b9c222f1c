"""Data sets of texts, whichever files they come in: queries, passages, and which answers which.

    texts = load_texts("msmarco-sample", Path("data"), "train")      # .queries, .passages, .relevant, ...
    python -m text.data beir --data data/beir-scifact

texts        strings and lists of numbers by the million, as flat arrays;  textset: what a data set is
datasets     the registry
msmarco      MS MARCO passage ranking, and a sample of it;  beir: folders in the format of BEIR
pairs        pairs and sentences of one's own;  docstrings: pairs that come with Python
sts          scored pairs of sentences, to measure with
retrieval    texts and judgements tied by ids;  ids: rows found by name
candidates   passages to re-rank, by id;  negatives: hard negatives by id
reading      lines and columns;  records: JSONL and Parquet;  columns: their names in files of pairs
problems     what is wrong with them
files        what must lie where;  published: checksums
store        parsed and tokenised texts on the disk
duplicates   texts that are there twice
"""

from text.data.datasets import DATASETS, Dataset, cache_folder, load_texts
from text.data.problems import OnProblem
from text.data.sts import STS, ScoredPairs, load_sts
from text.data.texts import Lists, Texts
from text.data.textset import TextSet

__all__ = [
    "DATASETS",
    "STS",
    "Dataset",
    "Lists",
    "OnProblem",
    "ScoredPairs",
    "TextSet",
    "Texts",
    "cache_folder",
    "load_sts",
    "load_texts",
]
