"""Figures and the README's block of trainings on texts."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures import readme, trained_accuracy, trained_batches, trained_losses
from figures.effects import effects, interval
from figures.experiments import TEXT
from figures.studies import in_studies, measured
from figures.style import WIDTH, use_style
from figures.table import collect, read_table
from figures.text_measures import measured_elsewhere
from figures.trained_summary import trained_table

SCRATCH = "nuts_1x256_N320_B64_t0.05_2-epochs"
TUNED = "nuts_nut-encoder_N320_B64_t0.05_2-epochs"


@pytest.fixture(scope="module")
def drawn(text_tables, pictures_of):
    """All figures by name."""
    use_style()
    yield dict(pictures_of("text", *text_tables))
    plt.close("all")


def test_results_hold_measures_and_baselines(text_tables):
    results, curves = text_tables
    assert list(results)[:8] == [
        *("dataset", "selection", "guards", "loss", "temperature", "batch_size", "texts"),
        "model",
    ]
    assert set(results["texts_sha256"]) == {"12e4567890"}, "a word, though it looks like a number"
    assert set(results["model"].dropna()) == {"nut-encoder"}
    assert set(results["model_sha256"].dropna()) == {"aa34567890"}
    names = measured(results)
    assert "relevant_mrr_at_10" in names
    assert not [name for name in names if name.startswith(("untrained", "tfidf", "bm25", "first", "skipped", "n_"))]
    assert not [name for name in names if name.endswith("_passages")]
    graph = curves.query("selection == 'graph' and guards == '' and loss == 'clip' and seed == 1")
    np.testing.assert_allclose(graph["relevant_mrr_at_10"], [0.02, np.nan, 0.216, np.nan, 0.432])
    np.testing.assert_allclose(graph["batch_accuracy"], [np.nan, 0.25, 0.5, 0.75, 1])
    assert "purity" not in curves


def test_every_study_has_its_figures(drawn):
    kinds = ("accuracy", "batches", "losses")
    assert sorted(drawn) == sorted(f"text_{kind}_{study}" for kind in kinds for study in (SCRATCH, TUNED))


def test_accuracy_is_drawn_against_updates_beside_tfidf(drawn, text_tables, bars_of):
    figure = drawn[f"text_accuracy_{SCRATCH}"]
    by_update, by_seconds = figure.axes[:2]
    assert (by_update.get_xlabel(), by_update.get_ylabel()) == ("updates", "relevant MRR@10 (× 100), clip")
    assert by_seconds.get_xlabel().startswith("seconds")
    across, up = bars_of(by_update)["shuffled"]
    np.testing.assert_allclose(across, [0, 10, 20], atol=0.3, err_msg="arms stand side by side")
    np.testing.assert_allclose(up, [0.02, 0.205, 0.41])
    np.testing.assert_allclose(bars_of(by_seconds)["shuffled"][0], [0, 10, 20])
    assert by_update.yaxis.get_major_formatter()(0.205, 0) == "20.5"
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "TF-IDF"
    np.testing.assert_allclose(by_update.get_lines()[-1].get_ydata(), 0.3)
    tuned = drawn[f"text_accuracy_{TUNED}"]
    assert [text.get_text() for text in tuned.legends[0].get_texts()] == ["shuffled", "TF-IDF", "BM25"]
    curves = text_tables[1].merge(in_studies(text_tables[0], TEXT)[["run", "title"]], on="run")
    assert trained_accuracy.caption(curves, TEXT).startswith("Relevant MRR@10 (× 100) in training; nuts, ")


def test_batches_show_hardness_with_guards_and_what_shuffled_has(drawn, bars_of):
    hardness, accuracy = drawn[f"text_batches_{SCRATCH}"].axes[:2]
    assert hardness.get_xlabel() == "updates"
    assert len(hardness.get_lines()) == 4, "two arms, each with random batches of the same pairs"
    labels = ["shuffled", "graph partition + swaps", "graph partition + swaps, max_similarity=0.95"]
    assert list(bars_of(accuracy)) == labels


def test_losses_show_mrr_and_its_differences(drawn, text_tables):
    figure = drawn[f"text_losses_{SCRATCH}"]
    above, below = figure.axes
    assert " ".join(above.get_xlabel().split()) == "relevant MRR@10 among 1,000 passages (× 100)"
    assert [label.get_text() for label in above.get_yticklabels()] == ["clip", "sogclr (gamma=0.5)"]
    assert (len(above.containers), len(below.containers)) == (6, 4)
    expected = interval([0.02, 0.022, 0.024])
    (line,) = below.containers[0][2]
    np.testing.assert_allclose(line.get_segments()[0][:, 0], [expected.low, expected.high])
    results = in_studies(text_tables[0], TEXT).query("study == @SCRATCH", local_dict={"SCRATCH": SCRATCH})
    assert "relevant MRR@10: clip graph +2.2 [1.7, 2.7] (n = 3); " in trained_losses.caption(results, TEXT)
    alone = drawn[f"text_losses_{TUNED}"]
    assert [" ".join(axis.get_xlabel().split()) for axis in alone.axes] == [
        "relevant MRR@10 among 1,000 passages (× 100)",
        "full nDCG@10 among 8,841 passages (× 100)",
        *("relevant beir-nuts MRR@10 (× 100)", "full beir-nuts nDCG@10 (× 100)"),
        *("re-ranked dev600 (200 queries) MRR@10 (× 100)", "sick Spearman (× 100)"),
    ], "a number of each protocol, on each set; nothing to compare"
    assert alone.get_figwidth() == figure.get_figwidth() == WIDTH, "six are as wide as a page, too"
    alone.canvas.draw()
    labels = [axis.xaxis.label.get_window_extent() for axis in alone.axes]
    assert all(one.x1 < other.x0 for one, other in pairwise(labels)), "labels keep apart"


def test_readme_block_has_baselines_above_the_runs(text_tables):
    text = trained_table(text_tables[0], TEXT)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    searched = "among 1,000 passages (× 100)"
    assert lines[0][:5] == [
        "loss",
        "selection",
        "n",
        f"relevant MRR@10 {searched}",
        f"relevant recall@10 {searched}",
    ]
    assert lines[0][-2:] == ["relevant MRR@10 against shuffled", "seconds"]
    assert lines[2] == ["–", "TF-IDF", "–", "30.0", "45.0", "–", "–"]
    assert lines[3] == ["–", "untrained", "3", "2.0 ± 1.0", "3.0 ± 1.5", "–", "–"]
    assert lines[4][:4] == ["`clip`", "`shuffled`", "3", "41.0 ± 1.0"]
    assert lines[5][-2:] == ["+2.2 [1.7, 2.7] (n = 3)", "25 ± 0"]
    assert lines[6][:2] == ["`clip`", "`graph` max_similarity=0.95"]
    assert lines[7][0] == "`sogclr (gamma=0.5)`"
    second = lines[10:]
    assert second[0][5:11] == [
        "full nDCG@10 among 8,841 passages (× 100)",
        *("relevant beir-nuts MRR@10 (× 100)", "relevant beir-nuts recall@10 (× 100)"),
        *("full beir-nuts nDCG@10 (× 100)", "re-ranked dev600 (200 queries) MRR@10 (× 100)"),
        "sick Spearman (× 100)",
    ]
    words = [line[1] for line in second[2:]]
    assert words == [
        *("TF-IDF", "BM25", "candidates as given", "zero-shot: the model before training"),
        "`shuffled`",
    ]
    assert second[3][3:11] == ["35.0", "52.5", "–", "–", "–", "–", "38.0", "–"]
    assert [line[9] for line in second[2:]] == ["–", "38.0", "42.0", "41.0", "46.0 ± 1.4"]
    assert text.endswith(TEXT.note)


def test_a_table_that_is_missing_is_named_with_its_command(monkeypatch, tmp_path):
    for name in ("synthetic_results.csv", "vision_results.csv"):
        (tmp_path / name).write_bytes((readme.DATA / name).read_bytes())
    monkeypatch.setattr(readme, "DATA", tmp_path)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    for name, command in (("text", "make results-text"), ("text-speed", "make bench-text")):
        text = readme.filled(f"<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n")
        assert text == f"<!-- {name}:begin -->\n`{command}` makes this table.\n<!-- {name}:end -->\n"


def test_one_seed_makes_a_table_and_figures(write_text_run, numbers_of, pictures_of, tmp_path):
    """Full retrieval is told by nDCG@10 on the sets of BEIR, and by MRR@10 on others."""
    for name in ("beir", "pairs"):
        full = numbers_of("full", 0.25) | numbers_of("tfidf_full", 0.2)
        write_text_run(tmp_path / name, dataset=name, n_pairs=len(name), more=full)
    collect([tmp_path], tmp_path / "data")
    tables = [read_table(tmp_path / "data" / f"text_{name}.csv") for name in ("results", "curves")]
    use_style()
    figures = dict(pictures_of("text", *tables))
    text = trained_table(tables[0], TEXT)
    assert len(figures) == 6
    assert text.count("\n\nOne seed. cpu, torch 2.12") == 2
    assert "| full nDCG@10 (× 100) |" in text
    assert "| full MRR@10 (× 100) |" in text
    for figure in figures.values():
        assert "One seed." in " ".join(figure.get_supxlabel().split())
        plt.close(figure)


def test_measures_on_other_sets_have_readable_labels():
    dev600 = "msmarco-sample:dev600"
    names = {
        f"rerank_on_{dev600}_n_queries_200_mrr_at_10": "re-ranked dev600 (200 queries) MRR@10",
        f"rerank_on_{dev600}_n_queries_1000_max_tokens_32_mrr_at_10": "re-ranked dev600 (1,000 queries) "
        "max tokens 32 MRR@10",
        "full_on_beir-scifact:test_ndcg_at_10": "full beir-scifact nDCG@10",
        "full_on_msmarco:dl19_mrr_at_10": "full dl19 MRR@10",
        "full_n_queries_50_mrr_at_10": "full (50 queries) MRR@10",
        "relevant_on_my_pairs.tsv:test_recall_at_10": "relevant my_pairs.tsv recall@10",
        "sts_on_stsbenchmark:dev_n_queries_200_spearman": "stsbenchmark dev (200 pairs) Spearman",
    }
    others = [f"rerank_on_{dev600}_{name}" for name in ("ndcg_at_10", "map", "recall_at_1", "passages")]
    others += ["full_on_beir-scifact:test_mrr_at_10", "full_on_msmarco:dl19_ndcg_at_10", "relevant_mrr_at_10"]
    others += ["sts_on_stsbenchmark:dev_pearson", "seconds"]
    assert measured_elsewhere([*names, *others]) == names
    same = ("full_on_a:top10_mrr_at_10", "full_on_b:top10_mrr_at_10")
    assert list(measured_elsewhere(same).values()) == ["full a:top10 MRR@10", "full b:top10 MRR@10"]


def test_effects_take_texts(text_tables):
    found = effects(in_studies(text_tables[0], TEXT)).query("measure == 'relevant_ndcg_at_10' and loss == 'clip'")
    assert found["guards"].tolist() == ["", "max_similarity=0.95"]
    assert trained_batches.shows(text_tables[1], TEXT)
