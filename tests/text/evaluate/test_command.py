"""`python -m text.evaluate` on a small finished run and on bare models."""

import gzip
import json

import pytest

from text.assembly import evaluation_set
from text.config import TextConfig
from text.evaluate import BASELINES, evaluate
from text.evaluate.__main__ import main, parse
from text.model import build_encoder, load_encoder, save_model
from text.tokens import Tokens, build_tokenizer, build_vocabulary, load_tokenizer
from training import run_command


def write_model(folder, library, seed):
    texts = (file.read_text() for file in sorted(library.glob("*.py")))
    vocabulary = build_vocabulary(texts, 200)
    sizes = {"layers": 1, "hidden": 16, "heads": 2, "max_tokens": 24, "dropout": 0.1, "intermediate": 16}
    encoder = build_encoder(vocabulary_size=len(vocabulary), **sizes, seed=seed)
    save_model(folder, encoder, build_tokenizer(vocabulary, 24))
    return folder


@pytest.fixture
def run(library, tmp_path):
    """The folder of a run on the small library, whose queries are cut to 8 tokens."""
    folder = tmp_path / "run"
    write_model(folder / "model", library, seed=5)
    config = TextConfig(data=library, n_test=8, max_tokens=24, query_tokens=8, device="cpu")
    stamp = {"experiment": "text", "config": config.record() | {"texts_sha256": "of the training texts"}}
    (folder / "config.json").write_text(json.dumps(stamp))
    return folder


@pytest.fixture
def beir(tmp_path):
    """A folder in the format of BEIR."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    subjects = ("socket", "mailbox", "calendar", "thread")
    passages = [{"_id": f"p{i}", "title": "", "text": f"open a {name}"} for i, name in enumerate(subjects)]
    queries = [{"_id": f"q{i}", "text": name} for i, name in enumerate(subjects)]
    for name, lines in (("corpus", passages), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    judged = "".join(f"q{i}\tp{i}\t1\n" for i in range(4))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return folder


@pytest.fixture
def sick(tmp_path):
    """The data folder of a small SICK."""
    (tmp_path / "sick").mkdir()
    head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    lines = [f"{i}\topen {i}\topen the {i * i}\t{1 + i % 4}.5\tNEUTRAL\n" for i in range(1, 9)]
    (tmp_path / "sick" / "SICK_test_annotated.txt").write_text(head + "".join(lines))
    return tmp_path


@pytest.fixture
def write_marco(tmp_path):
    """The data folder of a small MS MARCO, of whose two judged passages one has grade 1."""
    folder = tmp_path / "msmarco-passage"
    folder.mkdir()
    files = {
        "collection.tsv": "1\topen a socket\n2\topen a calendar\n3\tlock a thread\n",
        "msmarco-test2019-queries.tsv": "7\tsocket\n",
        "2019qrels-pass.txt": "7 Q0 1 2\n7 Q0 2 1\n7 Q0 3 1\n",
        "queries.dev.small.tsv": "8\tthread\n",
        "qrels.dev.small.tsv": "8\t0\t3\t1\n",
        "top1000.dev": "8\t3\t-\t-\n8\t1\t-\t-\n",
        "run.dev.small.tsv": "8\t3\t2\n8\t1\t1\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    return tmp_path


def evaluated(run, *arguments):
    found = main(parse([str(run), "--device", "cpu", *map(str, arguments)]))
    return found, json.loads((run / "evaluation.json").read_text())


def test_a_run_is_measured_on_its_own_test_set(run, capsys):
    found, written = evaluated(run, "--measures", "full", "relevant")
    config = TextConfig.from_record(json.loads((run / "config.json").read_text())["config"])
    texts = evaluation_set(config)
    assert len(texts.queries) == 8
    n = len(texts.passages)
    tokens = [
        Tokens.of(load_tokenizer(run / "model", n), list(side))
        for n, side in ((8, texts.queries), (24, texts.passages))
    ]
    expected = evaluate(load_encoder(run / "model"), texts, *tokens, ["full", "relevant"])
    assert found == {"docstrings:test": {"run": pytest.approx(expected)}}
    assert {name: value for name, value in written.items() if name != "records"} == pytest.approx(expected)
    assert [record["measure"] for record in written["records"]] == ["full", "relevant"]
    table = capsys.readouterr().out
    assert table.startswith(f"docstrings:test, 8 queries; full: {n} passages; relevant: 8 of {n} passages\n")
    assert [record["settings"]["passages"] for record in written["records"]] == [n, 8]
    assert "full mrr at 10" in table


def test_what_is_there_is_kept_and_not_measured_again(run, monkeypatch):
    first = evaluated(run, "--measures", "full")
    more = evaluated(run, "--measures", "full", "relevant")
    assert more[0]["docstrings:test"]["run"].items() > first[0]["docstrings:test"]["run"].items()
    monkeypatch.setattr("text.evaluate.models.evaluate", None)  # cannot be called
    assert evaluated(run, "--measures", "relevant", "full")[1] == more[1]
    for other in (["--overwrite"], ["--n-queries", "4"], ["--max-tokens", "6"], ["--precision", "bfloat16"]):
        with pytest.raises(TypeError):
            evaluated(run, "--measures", "full", *other)


def test_other_weights_and_other_texts_are_measured_anew(run, library):
    first = evaluated(run, "--measures", "full")[1]
    write_model(run / "model", library, seed=6)
    second = evaluated(run, "--measures", "full")[1]
    assert len(second["records"]) == 1
    assert first["records"][0]["weights_sha256"] != second["records"][0]["weights_sha256"]
    record = json.loads((run / "config.json").read_text())
    record["config"]["n_test"] = 7
    (run / "config.json").write_text(json.dumps(record))
    third = evaluated(run, "--measures", "full")[1]
    assert third["records"][-1]["texts_sha256"] != second["records"][0]["texts_sha256"]


def test_sets_by_name_and_by_path(run, beir, sick, capsys):
    found, written = evaluated(run, "--on", beir, "sick", "--data", sick, "--baselines", "tfidf")
    assert (
        found["beir:test"]["tfidf"]["relevant_mrr_at_10"] == written["tfidf_relevant_on_beir:test_mrr_at_10"] == 1.0
    )
    assert found["beir:test"]["tfidf"].keys() == found["beir:test"]["run"].keys()
    assert found["sick:test"]["run"].keys() == {"sts_spearman", "sts_pearson"}
    assert written["sts_on_sick:test_spearman"] == found["sick:test"]["run"]["sts_spearman"]
    assert written["relevant_on_beir:test_map"] == found["beir:test"]["run"]["relevant_map"]
    table = capsys.readouterr().out
    assert "beir:test, 4 queries; relevant: 4 of 4 passages" in table
    assert "sick:test, 8 pairs" in table


def test_a_set_says_which_grades_are_relevant_and_whether_candidates_have_an_order(run, write_marco):
    data = ["--data", write_marco]
    found, written = evaluated(run, "--on", "msmarco:dl19", "msmarco:top1000", *data, "--measures", "full")
    assert (
        found["msmarco:dl19"]["run"]
        == evaluated(run, "--on", "msmarco:dl19", *data, "--measures", "full")[0]["msmarco:dl19"]["run"]
    )
    assert [record["setting"]["threshold"] for record in written["records"]] == [1.0, 0.0]
    assert "full_on_msmarco:dl19_ndcg_at_10" in written
    other = evaluated(run, "--on", "msmarco:dl19", *data, "--measures", "full", "--threshold", "0")[1]
    assert other["full_on_msmarco:dl19_threshold_0.0_map"] > other["full_on_msmarco:dl19_map"]
    assert "first" not in evaluated(run, "--on", "msmarco:top1000", *data)[0]["msmarco:top1000"]
    found, written = evaluated(run, "--on", "msmarco:run", *data)
    assert found["msmarco:run"]["first"]["rerank_mrr_at_10"] == 0.5
    assert written["first_rerank_on_msmarco:run_mrr_at_10"] == 0.5


def test_models_side_by_side(run, library, beir, tmp_path):
    """Of the same name, with a file for all numbers; a folder of a model keeps no record."""
    other = write_model(tmp_path / "elsewhere" / "run", library, seed=7)
    file = tmp_path / "numbers" / "all.json"
    found = evaluated(run, "--on", f"{beir}:test", "--measures", "full", "--against", other, "--out", file)[0]
    assert found["beir:test"].keys() == {"run", "run (2)"}
    written = json.loads(file.read_text())["sets"]["beir:test"]
    assert {name: value for name, value in written.items() if name != "sha256"} == found["beir:test"]
    assert not (other / "evaluation.json").exists()
    alone = main(parse([str(other), "--on", str(beir), "--measures", "full", "--device", "cpu"]))
    assert alone["beir:test"]["run"] == found["beir:test"]["run (2)"]


def test_what_a_run_is_compared_with_is_recorded_as_well(run, monkeypatch):
    """On its own test set, fewer queries, without training; by names with the system in front."""
    arguments = ["--untrained", "--baselines", "tfidf", "--n-queries", "5", "--measures", "relevant"]
    found, written = evaluated(run, *arguments)
    systems = found["docstrings:test"]
    assert systems.keys() == {"run", "untrained", "tfidf"}
    for system, prefix in (("run", ""), ("untrained", "untrained_"), ("tfidf", "tfidf_")):
        for name, value in systems[system].items():
            assert written[f"{prefix}{name.replace('relevant_', 'relevant_n_queries_5_')}"] == value
    assert {record["settings"]["passages"] for record in written["records"]} == {5}
    assert systems["untrained"] != systems["run"]
    monkeypatch.setattr("text.evaluate.models.evaluate", None)  # cannot be called
    monkeypatch.setitem(BASELINES, "tfidf", monkeypatch.context)  # neither can this
    assert evaluated(run, *arguments) == (found, written)


def test_untrained_weights_are_those_of_the_folder_that_the_training_began_with(run, library, tmp_path):
    start = write_model(tmp_path / "start", library, seed=9)
    stamp = json.loads((run / "config.json").read_text())
    config = TextConfig(data=library, n_test=8, max_tokens=24, query_tokens=8, device="cpu", model=start)
    (run / "config.json").write_text(json.dumps(stamp | {"config": config.record()}))
    found = evaluated(run, "--untrained", "--measures", "full")[0]
    same = ["--on", "docstrings", "--data", library, "--n-queries", "8", "--measures", "full"]
    other, written = evaluated(run, *same, "--against", start)
    assert found["docstrings:test"]["untrained"] != found["docstrings:test"]["run"]
    texts = evaluation_set(config)
    tokens = [
        Tokens.of(load_tokenizer(start, n), list(side)) for n, side in ((8, texts.queries), (24, texts.passages))
    ]
    expected = evaluate(load_encoder(start), texts, *tokens, ["full"])
    assert found["docstrings:test"]["untrained"] == pytest.approx(expected)
    assert other["docstrings:test"]["run"] == found["docstrings:test"]["run"], "the same queries"
    assert len(written["records"]) == 2, "which have the same names"
    write_model(start, library, seed=10)
    with pytest.raises(ValueError, match="holds another one now; put it back"):
        evaluated(run, "--untrained")


def test_scored_pairs_may_be_fewer_too(run, sick):
    few = evaluated(run, "--on", "sick", "--data", sick, "--n-queries", "5")
    many = evaluated(run, "--on", "sick", "--data", sick, "--n-queries", "50")[1]
    assert few[1]["sts_on_sick:test_n_queries_5_spearman"] == few[0]["sick:test"]["run"]["sts_spearman"]
    assert many["sts_on_sick:test_spearman"] != few[1]["sts_on_sick:test_n_queries_5_spearman"]


def test_files_and_folders_of_ones_own(run, tmp_path):
    """By their names without the path; .txt and .txt.gz are sentences, all else pairs."""
    sentences = tmp_path / "words.txt.gz"
    with gzip.open(sentences, "wt") as file:
        file.writelines(f"open the socket {i}\n" for i in range(60))
    for part in ("train", "test"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / f"{part}.tsv").write_text("Question\tAnswer\nopen a\tb c\nclose\td\nlost\n")
    skip = ["--on", sentences, tmp_path / "mine", "--on-problem", "skip"]
    found, written = evaluated(run, *skip)
    assert found.keys() == {"words.txt.gz:test", "mine:test"}
    assert "relevant_on_words.txt.gz:test_map" in written
    (record,) = (record for record in written["records"] if record["setting"]["on"] == "mine:test")
    assert (record["settings"]["skipped"], record["setting"]["n_queries"]) == ({"malformed lines": 1}, 2)
    with pytest.raises(ValueError, match="--on-problem skip"):
        evaluated(run, *skip[:-2])
    other = tmp_path / "other" / "mine"
    other.mkdir(parents=True)
    for part in ("train", "test"):
        (other / f"{part}.tsv").write_text("open\td\n")
    with pytest.raises(ValueError, match="names of their own, got two mine:test"):
        evaluated(run, *skip, "--on", tmp_path / "mine", other)
    assert evaluated(run, *skip, "--on", tmp_path / "mine", f"{tmp_path / 'mine'}:test")[0].keys() == {"mine:test"}


def refused(capsys, *arguments):
    """What the command says on standard error when it ends with status 2."""
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, [*map(str, arguments), "--device", "cpu"])
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_bad_input_is_refused_before_anything_is_measured(run, beir, library, tmp_path, capsys):
    assert "must hold a model as transformers" in refused(capsys, tmp_path, "--on", beir)
    model = write_model(tmp_path / "model", library, seed=1)
    assert "--on must name a set" in refused(capsys, model)
    assert "--untrained needs a run" in refused(capsys, model, "--on", beir, "--untrained")
    assert "--on must be one of docstrings" in refused(capsys, run, "--on", "nowhere")
    assert "must be one of" in refused(capsys, run, "--on", beir, "docstrings:dev600")
    assert "rerank needs candidates" in refused(capsys, run, "--on", beir, "--measures", "rerank")
    assert "may be at most 24" in refused(capsys, run, "--max-tokens", "25")
    assert "must be positive, got 0" in refused(capsys, run, "--batch-size", "0")
    assert "exists already" in refused(capsys, run, "--out", run / "config.json")
    assert not (run / "evaluation.json").exists()
    (run / "config.json").write_text(json.dumps({"experiment": "vision", "config": {}}))
    assert "must be a run on texts" in refused(capsys, run)


def test_a_run_that_has_not_ended_is_refused(run, capsys):
    (run / "model").rename(run / "elsewhere")
    assert "it has not ended yet; finish it by its own command" in refused(capsys, run)
