"""`python -m text.embed`: a teacher's file of the training pairs, in their order."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from batching.files import read_pairs
from text.assembly import training_set
from text.augmentation import Augmentation
from text.data import load_texts
from text.embed import main, parse
from text.model import load_encoder
from text.tokens import Tokens, load_tokenizer
from text.train import main as train
from training import run_command


@pytest.fixture
def of_pairs(tiny, places, tmp_path):
    """of_pairs(**changes) -> a configuration that embeds the file of pairs by the saved model."""

    def make(**changes):
        settings = {"dataset": "pairs", "data": places["pairs.tsv"], "model": places["a model"]}
        return tiny(**settings | {"out": tmp_path / "teacher.npz"} | changes)

    return make


def by_hand(model, texts, max_tokens=24):
    encoder, tokenizer = load_encoder(model).eval(), load_tokenizer(model, max_tokens)
    with torch.no_grad():
        return torch.cat([encoder(Tokens.of(tokenizer, [text])) for text in texts])


def test_row_i_is_training_pair_i(of_pairs, places, capsys):
    """Found again in the file as it is: each row's query, and the first passage beside it."""
    config = of_pairs()
    assert main(config) == config.out
    assert capsys.readouterr().out == f"48 pairs of 24 numbers: {config.out}\n"
    found = np.load(config.out)
    assert set(found) == {"u", "v"}
    assert found["u"].shape == found["v"].shape == (48, 24)
    assert found["u"].dtype == np.float32
    lines = [line.split("\t") for line in places["pairs.tsv"].read_text().splitlines()[1:]]
    answer = {query: passage for query, passage, _ in reversed(lines)}
    everything = load_texts("pairs", places["pairs.tsv"], "train")
    queries = list(training_set(config).queries)
    assert set(queries) <= set(everything.queries) <= answer.keys()
    for side, texts in (("u", queries), ("v", [answer[query] for query in queries])):
        expected = by_hand(places["a model"], texts)
        torch.testing.assert_close(torch.from_numpy(found[side]), expected, atol=1e-5, rtol=0)


def test_how_a_run_would_train_changes_no_row(of_pairs, pair_file):
    plain = np.load(main(of_pairs()))
    of_training = {"apart_ids": True, "loss": "mnrl", "n_negatives": 1, "augmentation": Augmentation(delete=0.5)}
    communities = {"communities": 2, "max_similarity": 0.9, "random_fraction": 0.5}
    for chosen in ({"selection": "communities"} | communities, {"selection": "rho", "reference": pair_file(40)}):
        other = np.load(main(of_pairs(**of_training, **chosen, overwrite=True)))
        for side in ("u", "v"):
            assert np.array_equal(plain[side], other[side])


def test_the_file_is_a_teacher(of_pairs, tmp_path):
    config = of_pairs()
    pairs = read_pairs([main(config)], normalise=True)
    assert pairs.n_pairs == 48
    planned = {
        "selection": "communities",
        "communities": 2,
        "neighbours": 4,
        "batch_size": 8,
        "model": None,
        "n_pairs": 48,
    }
    result = train(of_pairs(**planned, teacher=config.out, out=tmp_path / "run"))
    assert result["updates"] == 6
    with pytest.raises(ValueError, match="teacher must hold the embeddings of the 40 training pairs, got 48"):
        train(of_pairs(**planned | {"n_pairs": 40}, teacher=config.out, out=tmp_path / "other"))


@pytest.mark.parametrize("name", [None, "teacher", "teacher.pt"])
def test_a_name_without_npz_is_refused(of_pairs, tmp_path, name):
    config = of_pairs(out=None if name is None else tmp_path / name)
    with pytest.raises(ValueError, match=r"--out must name a file that ends in \.npz, got .*teacher\.npz"):
        main(config)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_unless_told_otherwise(of_pairs):
    config = of_pairs()
    config.out.write_text("a thesis")
    with pytest.raises(ValueError, match=r"exists already; choose another --out, or give --overwrite"):
        main(config)
    assert config.out.read_text() == "a thesis"
    main(replace(config, overwrite=True))
    assert np.load(config.out)["u"].shape == (48, 24)


def test_what_goes_wrong_leaves_no_part_of_a_file(of_pairs, tmp_path, monkeypatch):
    def full(file, **_):
        file.write_bytes(b"the first half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        main(of_pairs())
    assert not list(tmp_path.iterdir())


def test_the_command_line(places, tmp_path, capsys):
    out = tmp_path / "new" / "teacher.npz"
    options = ["pairs", "--data", str(places["pairs.tsv"]), "--model", str(places["a model"]), "--device", "cpu"]
    options += ["--batch-size", "8", "--max-tokens", "24", "--n-pairs", "40"]
    run_command(main, parse, [*options, "--out", str(out)])
    assert np.load(out)["u"].shape == (40, 24)
    with pytest.raises(SystemExit) as end:
        run_command(main, parse, [*options, "--out", str(out)])
    assert end.value.code == 2
    assert "exists already" in capsys.readouterr().err
