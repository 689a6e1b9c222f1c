"""A configuration that cannot work is refused while it is written down, with what to do about it."""

import json
from dataclasses import fields, replace

import pytest

from batching import ALIASES, SELECTIONS
from losses import PAIR_LOSSES
from vision.config import VisionConfig
from vision.data import DATASETS
from vision.presets import DESCRIPTIONS, PRESETS
from vision.train import parse

SMOKE = PRESETS["smoke"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dataset": "mnist"}, "dataset must be one of .*cifar100, .*got 'mnist'"),
        ({"selection": "hardest"}, "selection must be one of fixed, .*alias.*got 'hardest'"),
        ({"loss": "perfect"}, "loss must be one of info_nce, .*got 'perfect'"),
        ({"loss": "moco"}, "the loss moco needs a momentum encoder; set momentum_encoder, 0.999"),
        ({"loss": "moco", "momentum_encoder": 0.9, "queue_size": 0}, "queue_size must be at least 1, got 0"),
        ({"queue_size": 7}, "queue_size belongs to the loss moco, got 7 for nt_xent"),
        ({"loss": "moco", "momentum_encoder": 0.9, "loss_settings": ("a=1",)}, "is set by queue_size, got"),
        ({"momentum_encoder": 0.9, "encode_batch_size": 4}, "encodes whole batches, got encode_batch_size 4"),
        ({"loss_settings": ("gamma",)}, "settings of the loss must be NAME=VALUE, got 'gamma'"),
        ({"loss_settings": ("gamma=0.5",)}, "nt_xent has no gamma; it takes"),
        ({"loss_settings": ("temperature=1",)}, "must not set temperature, got 'temperature=1'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"updates": 0}, "updates must be at least 1, got 0; leave it out"),
        ({"epochs": 0}, "epochs must be at least 1, got 0; the default is 100"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"batch_size": 65}, "batch_size must lie between 1 and the number of pairs, 64, got 65"),
        ({"n_pairs": 1500}, "n_pairs must be at most 1437, .*digits.* got 1500"),
        ({"n_test": 361}, "n_test must be at most 360"),
        ({"warmup": 1.5}, "warmup must be from 0 to 1, got 1.5"),
        ({"learning_rate": -1.0}, "learning_rate must be at least 0, got -1.0"),
        ({"selection": "osgd", "keep": 9}, "keep must lie between 1 and candidates = 8, got 9"),
        ({"selection": "spectral", "batches_per_pool": 9}, "lower batches_per_pool to 8 or less"),
        ({"selection": "fixed", "n_pairs": 63}, "fixed partition needs a batch_size that divides"),
        ({"selection": "all"}, "at most 16,384 pairs.*'all'.*lower n_pairs"),
        ({"selection": "full", "dataset": "cifar100", "n_pairs": None}, "at most 16,384 pairs.*'full'"),
    ],
    ids=lambda x: " ".join(f"{k}={v}" for k, v in x.items()) if isinstance(x, dict) else "",
)
def test_what_cannot_work_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        replace(SMOKE, **change)


@pytest.mark.parametrize("name", ["stem", "views", "precision", "replan"])
def test_unknown_words_are_refused_without_a_type_checker_too(name):
    """The tests check types, and would refuse them first; a user's script does not."""
    config = replace(SMOKE)
    object.__setattr__(config, name, "mnist")
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'mnist'"):
        config.__post_init__()


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_mean_the_names(alias):
    n_pairs = 8 if ALIASES[alias] == "all" else 64
    config = replace(SMOKE, selection=alias, n_pairs=n_pairs, batches_per_pool=None)
    assert config.selection == ALIASES[alias]


def test_updates_replace_epochs():
    assert replace(SMOKE, updates=7).total_updates(64) == 7
    assert replace(SMOKE, updates=None, epochs=3).total_updates(64) == 3 * 64 // 8
    assert replace(SMOKE, updates=None, epochs=3, n_pairs=None).total_updates(1437) == 3 * (1437 // 8)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("selection", ["shuffled", "fixed", "osgd", "spectral"])
def test_every_preset_works_with_every_common_selection(name, selection):
    config = replace(PRESETS[name], selection=selection)
    assert config.total_updates(config.n_pairs or 100_000) >= 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_record_is_read_back(name):
    config = replace(PRESETS[name], tensorboard=True)
    record = json.loads(json.dumps(config.record()))
    assert VisionConfig.from_record(record) == PRESETS[name]
    assert VisionConfig.from_record(record | {"processes": 2}) == PRESETS[name]
    with pytest.raises(ValueError, match="settings that this version has not: colour"):
        VisionConfig.from_record(record | {"colour": "red"})


def test_settings_of_the_loss_reach_it():
    config = replace(SMOKE, loss="sogclr", loss_settings=("gamma=0.25",))
    assert config.loss_function(64).gamma == 0.25
    queue = replace(SMOKE, loss="moco", momentum_encoder=0.9, queue_size=32).loss_function(64)
    assert queue.keys.shape == (32, SMOKE.dim)
    assert queue.temperature == SMOKE.temperature


def test_batches_are_scored_without_a_state():
    """As published: SogCLR's batches are scored by NT-Xent."""
    for loss, scored in (("dcl", "dcl"), ("sogclr", "nt_xent"), ("moco", "info_nce")):
        config = replace(SMOKE, selection="osgd", loss=loss, momentum_encoder=0.9)
        assert config.rule().loss.func.__name__ == scored


@pytest.mark.parametrize(("scaling", "peak"), [("none", 0.1), ("sqrt", 0.8), ("linear", 0.025)])
def test_learning_rates_follow_the_batch_size(scaling, peak):
    config = replace(SMOKE, batch_size=64, learning_rate=0.1, rate_scaling=scaling, batches_per_pool=1)
    assert config.peak_rate == pytest.approx(peak)


def test_random_candidates_of_the_presets_are_disjoint():
    """As many as fit into one shuffle, so that only their pairs are embedded."""
    for config in PRESETS.values():
        if config.n_pairs is not None:
            assert config.candidates * config.batch_size <= config.n_pairs


def test_a_command_line_overrides_a_preset(tmp_path):
    config = parse(["smoke", "--selection", "sc_even", "--updates", "9", "--augmentation.hue", "0.2"])
    assert (config.selection, config.updates, config.augmentation.hue) == ("spectral", 9, 0.2)
    assert config.out.name.startswith("smoke-spectral-")
    assert parse(["smoke", "--out", str(tmp_path)]).out == tmp_path
    assert replace(config, selection="shuffled", updates=6, augmentation=SMOKE.augmentation, out=None) == SMOKE


def test_help_names_everything_there_is_to_choose(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(["--help"])
    assert exit_.value.code == 0
    told = capsys.readouterr().out
    assert set(DESCRIPTIONS) == set(PRESETS)
    assert all(name in told for name in PRESETS)
    with pytest.raises(SystemExit):
        parse(["cifar100", "--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in (*SELECTIONS, *PAIR_LOSSES, *DATASETS))
    assert all(f"--{field.name.replace('_', '-')}" in told for field in fields(VisionConfig))


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "smoke"])
@pytest.mark.parametrize(
    "selection", [name for name in SELECTIONS if name not in ("all", "full", "matching", "rho")]
)
def test_every_selection_fits_the_sizes_of_every_preset(preset, selection):
    assert replace(PRESETS[preset], selection=selection).selection == selection
