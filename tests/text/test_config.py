"""A configuration is checked when it is written down; the command line names every choice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from batching import ALIASES, SELECTIONS
from losses import PAIR_LOSSES
from text.config import TextConfig
from text.presets import CATALOGUE, DESCRIPTIONS, PRESETS
from text.train import parse
from training import run_command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["docstrings", "smoke"])
@pytest.mark.parametrize("selection", ["shuffled", "fixed", "osgd", "spectral"])
@pytest.mark.parametrize("available", [2246, 2125, 1801])
def test_presets_can_plan_whatever_python_offers(name, selection, available):
    """The standard library has about 2,200 training pairs in Python 3.11, others elsewhere."""
    config = parse([name, "--selection", selection])
    n_pairs = config.count_pairs(available)
    assert n_pairs <= available
    assert n_pairs % config.batch_size == 0, "so that a fixed partition exists"
    assert DESCRIPTIONS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_give_their_command_and_go_back_and_forth(name):
    preset = CATALOGUE[name]
    words = preset.command.split()
    assert words[:4] == ["python", "-m", "text.train", name]
    assert parse([*words[3:], "--out", "here"]) is not None
    assert TextConfig.from_record(json.loads(json.dumps(preset.config.record()))) == preset.config


@pytest.mark.parametrize("flag", ["--layers", "--hidden", "--heads", "--intermediate", "--vocabulary-size"])
def test_a_model_brings_its_own_shape(flag):
    assert parse(["smoke", "--model", "somewhere"]).model is not None
    for words in ([flag, "4"], [f"{flag}=4"]):
        assert parse(["smoke", *words]).model is None
        with pytest.raises(ValueError, match=f"brings its own shape and vocabulary, got {flag} too; leave"):
            parse(["smoke", "--model", "somewhere", *words])


def test_the_default_folder_names_preset_selection_and_time():
    folder = parse(["smoke", "--selection", "sc_even"]).out
    assert folder is not None
    assert folder.parent == Path("runs/text")
    assert folder.name.startswith("smoke-spectral-2")


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_the_published_codes_names_work(alias, name):
    assert parse(["smoke", "--selection", alias, "--out", "here"]) == parse(
        ["smoke", "--selection", name, "--out", "here"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"selection": "sorted"}, "selection must be one of .*spectral.*got 'sorted'"),
        ({"loss": "perfect"}, "loss must be one of info_nce, .*got 'perfect'"),
        ({"loss": "moco"}, "loss must be one of info_nce, .*got 'moco'; moco needs a momentum encoder"),
        ({"temperature": 0.0}, "temperature must be positive, got 0"),
        ({"hidden": 30}, "heads must divide hidden, got 4 and 30"),
        ({"dropout": 1.0}, "dropout must be from 0 to 0.9, got 1.0; leave it out"),
        ({"dataset": "novels"}, "dataset must be one of docstrings, .*got 'novels'"),
        ({"fresh": True}, "fresh takes the shape of a model, got none"),
        ({"hard_negatives": Path("hard.jsonl")}, "hard_negatives are for n_negatives of at least 1"),
        ({"n_negatives": 1, "loss": "nt_xent"}, "which nt_xent does not take, got 1; take one of info_nce, mnrl"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"updates": 0}, "updates must be at least 1, got 0"),
        ({"warmup": 1.5}, "warmup must be from 0 to 1, got 1.5"),
        ({"learning_rate": float("nan")}, "learning_rate must be at least 0, got nan"),
        ({"selection": "osgd", "candidates": 4, "keep": 5}, "keep must lie between 1 and candidates = 4, got 5"),
    ],
)
def test_what_cannot_work_is_refused_at_once(change, message):
    with pytest.raises(ValueError, match=message):
        TextConfig(**change)


def test_an_unknown_replan_is_refused_where_nothing_checks_types():
    config = TextConfig()
    object.__setattr__(config, "replan", "never")
    with pytest.raises(ValueError, match="replan must be one of epoch, pool, got 'never'"):
        config.__post_init__()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 200}, "batch_size must be at most the number of training queries, 100, got 200; lower it"),
        ({"n_pairs": 101}, "n_pairs must be at most the number of training queries, 100, got 101"),
        ({"n_pairs": 99, "selection": "fixed"}, "a fixed partition needs a batch_size that divides"),
        ({"batches_per_pool": 20, "selection": "spectral"}, "lower batches_per_pool to 12 or less"),
        ({"candidates": None, "selection": "osgd"}, "set candidates to a number"),
        ({"selection": "all", "n_pairs": 32}, "an update may take at most 16,384 pairs, but 'all'.* takes 84,1"),
    ],
)
def test_what_the_data_cannot_give_is_refused(change, message):
    config = TextConfig(**({"batch_size": 8} | change))
    with pytest.raises(ValueError, match=message):
        config.count_pairs(100)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["msmarc"], "docstrings"),
        (["smoke", "--selection", "sorted"], "sorted"),
        (["smoke", "--loss", "perfect"], "perfect"),
        (["smoke", "--batch-size", "many"], "many"),
        (["smoke", "--replan", "never"], "epoch"),
        (["smoke", "--learning-rates", "1"], "--learning-rate"),
        (["smoke", "--device", "abacus"], "--device must be auto, cpu or cuda"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(argv, message, capsys, monkeypatch, tmp_path):
    from text.train import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        run_command(main, parse, argv)
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.out + captured.err
    assert not (tmp_path / "runs").exists()


def test_help_names_every_choice_and_does_not_wait_for_transformers():
    program = (
        "import sys; sys.argv[1:] = ['docstrings', '--help']\n"
        "from text.train import parse\n"
        "try:\n    parse(sys.argv[1:])\nfinally:\n    assert 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in (*SELECTIONS, *ALIASES, *PAIR_LOSSES):
        assert word in done.stdout
