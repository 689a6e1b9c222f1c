"""Settings that are known to work together: those of papers, and ours. Each has its command, its cost, its result.

`python -m text.train --help` lists them, `python -m text.train PRESET --help` tells all about one. A cost of "at
least" so much is a floor: the arithmetic at 790 TFLOP/s, a matrix product's rate on an H200.
"""

from dataclasses import replace

from text.config import TextConfig
from training.command import Preset

_MINILM = TextConfig(
    dataset="msmarco",
    vocabulary_size=30_522,
    max_tokens=180,
    query_tokens=32,
    layers=6,
    hidden=384,
    heads=12,
    intermediate=1536,
    dropout=0.1,
    precision="bfloat16",
    candidates=128,
    keep=32,
    batches_per_pool=64,
    loss="mnrl",
    batch_size=256,
    epochs=10,
    learning_rate=2e-4,
    log_every=500,
    checkpoint_every=5000,
)
_SAMPLE = replace(
    _MINILM,
    dataset="msmarco-sample",
    max_tokens=64,
    query_tokens=24,
    n_pairs=1600,
    n_test=1000,
    batch_size=32,
    candidates=50,
    keep=25,
    batches_per_pool=10,
    replan="pool",
    epochs=1,
    learning_rate=2e-5,
    log_every=10,
    checkpoint_every=25,
    baselines=("tfidf",),
)

CATALOGUE: dict[str, Preset[TextConfig]] = {
    "docstrings": Preset(
        title="the docstrings of Python's standard library, a small BERT from scratch",
        command="python -m text.train docstrings --selection spectral",
        cost="half a minute of one CPU core, reading Python's library included",
        reached="mean and standard deviation of seeds 0-7, MRR@10 among the 271 test passages (Python 3.11): "
        "shuffled 0.316 (0.020), spectral 0.326 (0.014), graph 0.324 (0.019); untrained 0.110, TF-IDF 0.501",
        config=TextConfig(dropout=0.1, updates=100, log_every=25, checkpoint_every=50, baselines=("tfidf",)),
    ),
    "msmarco": Preset(
        title="MS MARCO passages, MiniLM-L6 from scratch or from --model",
        command="python -m text.train msmarco --model nreimers-MiniLM-L6-H384-uncased --selection graph",
        cost="at least 36 s on an H200",
        differs="trained from in-batch negatives alone, or with --hard-negatives and --n-negatives; texts cut at "
        "180 and 32 tokens. Retrieval is from the passages that are relevant to some dev query; `python "
        "-m text.evaluate RUN --measures full` retrieves from all 8.8 million, which is what the "
        "published MRR@10 (32.3 for a MiniLM-L6 trained with hard negatives) is about",
        config=_MINILM,
    ),
    "msmarco-losses": Preset(
        title="losses compared on MS MARCO: batches of 96, 10 epochs",
        command="python -m text.train msmarco-losses --model nreimers-MiniLM-L6-H384-uncased --loss dcl_one_way",
        cost="at least 36 s on an H200",
        differs="follows viig99/ContrastiveLearningLossComparison, which reports MRR@10 of about .81 (MNRL, "
        "InfoNCE and NT-Xent), .80 (angular margin), .67 (DCL and DHEL, one way) among the 59,273 "
        "passages that are relevant to some dev query, a far smaller task than MS MARCO's. Here a "
        "positive is drawn in every epoch (there once), precision is bfloat16 (float16), texts are cut at"
        " 256 tokens (512), losses are float32. Its losses are mnrl, info_nce (the same function), "
        "nt_xent, dcl_one_way, dhel_anchor and arc_margin; dcl and dhel_mean have both directions",
        config=replace(
            _MINILM,
            max_tokens=256,
            query_tokens=64,
            batch_size=96,
            learning_rate=1e-4,
            schedule="linear",
            warmup=0.05,
        ),
    ),
    "msmarco-sample": Preset(
        title="a sample of MS MARCO, an encoder from --model, 50 updates",
        command="python -m text.train msmarco-sample --model data/all-MiniLM-L6-v2 --selection graph",
        cost="a minute and a half of one CPU core",
        reached="MRR@10 among the 1,000 passages that answer the 1,000 test queries: 0.982 before, 0.983 to 0.984 "
        "after, whatever the selection (seeds 0-2)",
        config=_SAMPLE,
    ),
    "msmarco-sample-scratch": Preset(
        title="a sample of MS MARCO, a MiniLM-L6 with random weights, 50 updates",
        command="python -m text.train msmarco-sample-scratch --model data/all-MiniLM-L6-v2 --fresh "
        "--selection graph",
        cost="two minutes of one CPU core",
        reached="mean and standard deviation of seeds 0-5, MRR@10 among the 1,000 passages that answer the 1,000 "
        "test queries: shuffled 0.544 (0.005), graph 0.563 (0.015); of seeds 0-2: osgd 0.524 (0.004), graph with "
        "max_similarity 0.95 0.503 (0.019); untrained 0.285, TF-IDF 0.926",
        config=replace(_SAMPLE, n_pairs=3200, batch_size=64, learning_rate=5e-4),
    ),
    "beir": Preset(
        title="a data set in BEIR's layout, an encoder from --model",
        command="python -m text.train beir --data data/beir-scifact --model data/all-MiniLM-L6-v2",
        cost="SciFact: four minutes of one CPU core, most of them for searching all passages twice",
        reached="SciFact, nDCG@10 among all 5,183 passages, seed 0: 0.624 before, 0.651 after 50 updates; TF-IDF "
        "0.629, BM25 0.662",
        config=replace(
            _SAMPLE,
            dataset="beir",
            data=None,
            max_tokens=128,
            query_tokens=48,
            n_pairs=None,
            n_test=None,
            batch_size=16,
            measures=("full",),
            baselines=("tfidf", "bm25"),
        ),
    ),
    "pairs": Preset(
        title="your own queries and passages, from a TSV, JSONL or Parquet file",
        command="python -m text.train pairs --data questions.tsv --model data/all-MiniLM-L6-v2",
        cost="depends on the file",
        config=TextConfig(dataset="pairs", log_every=25, checkpoint_every=100),
    ),
    "simcse": Preset(
        title="SimCSE without labels: a sentence is its own positive, under another dropout",
        command="python -m text.train simcse --data sentences.txt --model bert-base-uncased",
        cost="not measured yet",
        differs="follows Gao et al. (2021, arXiv 2104.08821): batches of 64, learning rate 3e-5, temperature "
        "0.05, one epoch, [CLS]. Their head, which is there in training alone, is left out. Attention is padded: "
        "the unpadded one of GPUs has no dropout, which makes the views. `python -m text.evaluate RUN --on sts-b` "
        "measures",
        config=TextConfig(
            dataset="sentences",
            max_tokens=32,
            pooling="cls",
            precision="bfloat16",
            attention="padded",
            loss="simcse",
            learning_rate=3e-5,
            schedule="linear",
            warmup=0.0,
            measures=(),  # that a sentence finds itself says nothing
            log_every=25,
            checkpoint_every=125,
        ),
    ),
    "simcse-supervised": Preset(
        title="SimCSE with labels: premise, entailment and contradiction, one hard negative each",
        command="python -m text.train simcse-supervised --data nli.tsv --model bert-base-uncased",
        cost="not measured yet",
        differs="follows Gao et al. (2021, arXiv 2104.08821): batches of 512, learning rate 5e-5, temperature "
        "0.05, three epochs, [CLS]; the head is left out. Attention is padded, as without labels",
        config=TextConfig(
            dataset="pairs",
            n_negatives=1,
            max_tokens=32,
            pooling="cls",
            precision="bfloat16",
            attention="padded",
            loss="simcse",
            batch_size=512,
            epochs=3,
            learning_rate=5e-5,
            schedule="linear",
            warmup=0.0,
            log_every=50,
            checkpoint_every=500,
        ),
    ),
    "smoke": Preset(
        title="docstrings again, 64 pairs and 6 updates, to see that everything runs",
        command="python -m text.train smoke",
        cost="seconds",
        config=TextConfig(
            n_pairs=64,
            vocabulary_size=512,
            max_tokens=16,
            hidden=16,
            heads=2,
            candidates=8,
            keep=4,
            batches_per_pool=4,
            batch_size=8,
            updates=6,
            log_every=1,
            checkpoint_every=2,
        ),
    ),
}

PRESETS: dict[str, TextConfig] = {name: preset.config for name, preset in CATALOGUE.items()}
DESCRIPTIONS: dict[str, str] = {name: preset.line for name, preset in CATALOGUE.items()}
DETAILS: dict[str, str] = {name: preset.details for name, preset in CATALOGUE.items()}
