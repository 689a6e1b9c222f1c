"""`python -m batching`: a file of pairs in, a file of batches out, the same as from Python."""

import json
import subprocess
import sys
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from batching.__main__ import main
from batching.command.config import PlanConfig
from batching.command.listing import BEGIN, END, listing
from batching.files import PairFile, read_pairs
from batching.methods import METHODS
from batching.registry import SELECTIONS, make_selection
from batching.report import planned
from batching.rules.guards import Guards
from batching.settings import Settings
from losses import make_loss

N, B = 24, 4
LABEL = np.repeat(np.arange(8), 3)


@pytest.fixture
def pairs(unit_pairs):
    u, v = unit_pairs(N, 6, dtype=torch.float32)
    return {"u": u.numpy(), "v": v.numpy()}


@pytest.fixture
def npz(tmp_path, pairs):
    np.savez(tmp_path / "pairs.npz", **pairs)
    return tmp_path / "pairs.npz"


def plan_of(paths, out, *options, selection="balanced"):
    """What the command writes: the arrays, and info."""
    words = ["--selection", selection, "--batch-size", str(B), "--temperature", "0.2", "--seed", "3", *options]
    main([*map(str, paths), *words, "--out", str(out)])
    with np.load(out) as file:  # numpy alone, and no pickle
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("info")))


def by_hand(u, v, selection="balanced", epoch=0, **settings):
    """The same in Python."""
    rule = make_selection(selection, loss=make_loss("clip", temperature=0.2), temperature=0.2, **settings)
    u, v = torch.as_tensor(u), torch.as_tensor(v)
    embed = lambda index: (u, v) if index is None else (u[index], v[index])  # noqa: E731
    return planned(rule, len(u), B, seed=3, epoch=epoch, embed=embed, temperature=0.2)


def refused(capsys, *words):
    """The one line that bad input ends in."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("form", ["npz", "npy", "pt"])
def test_every_form_of_input_gives_the_plan_of_the_library(tmp_path, pairs, form):
    if form == "npz":
        paths = [tmp_path / "pairs.npz"]
        np.savez(paths[0], **pairs)
    elif form == "npy":
        paths = [tmp_path / f"{name}.npy" for name in "uv"]
        for path in paths:
            np.save(path, pairs[path.stem])
    else:
        paths = [tmp_path / "pairs.pt"]
        torch.save({name: torch.tensor(rows) for name, rows in pairs.items()}, paths[0])
    arrays, info = plan_of(paths, tmp_path / "plan.npz")
    plan = by_hand(**pairs)
    assert arrays.keys() == {"batches", "remainder"}
    assert arrays["batches"].dtype == np.int64
    assert arrays["batches"].tolist() == plan.batches.tolist()
    assert arrays["remainder"].tolist() == plan.remainder.tolist()
    assert info["engine"] == "bisection + swaps"
    assert info["hardness"] == pytest.approx(plan.info["hardness"], rel=1e-5)
    assert info["hardness"] > info["hardness_before"] > 0
    assert info["settings"]["temperature"] == 0.2
    assert info["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_all_precisions_are_taken(tmp_path, pairs, dtype):
    for name, rows in pairs.items():
        np.save(tmp_path / f"{name}.npy", rows.astype(dtype))
    file = read_pairs([tmp_path / "u.npy", tmp_path / "v.npy"])
    u, v = file.embed(torch.tensor([3, 1]))
    assert u.dtype == (torch.float64 if dtype == np.float64 else torch.float32)
    assert torch.allclose(u.float(), torch.tensor(pairs["u"][[3, 1]]), atol=1e-3)
    assert torch.allclose(v.norm(dim=-1).float(), torch.ones(2), atol=1e-6)


def test_bfloat16_from_torch(tmp_path, pairs):
    torch.save({name: torch.tensor(rows).bfloat16() for name, rows in pairs.items()}, tmp_path / "half.pt")
    u, _ = read_pairs([tmp_path / "half.pt"]).embed(None)
    assert u.dtype == torch.float32
    assert torch.allclose(u.norm(dim=-1), torch.ones(N), atol=1e-6)


def test_npy_files_are_mapped_and_not_read_whole(tmp_path, pairs):
    for name, rows in pairs.items():
        np.save(tmp_path / f"{name}.npy", rows)
    file = read_pairs([tmp_path / "u.npy", tmp_path / "v.npy"])
    assert isinstance(file.u, np.memmap)
    assert file.embed(torch.tensor([7])).u.shape == (1, 6)


def test_pools_are_read_one_by_one(tmp_path, pairs, monkeypatch):
    for name, rows in pairs.items():
        np.save(tmp_path / f"{name}.npy", rows)
    asked = []
    embed = PairFile.embed
    monkeypatch.setattr(PairFile, "embed", lambda self, index: asked.append(len(index)) or embed(self, index))
    monkeypatch.setattr("batching.rules.partition._ON_A_CPU", 1)
    monkeypatch.setattr("batching.command.measured._ROWS_AT_ONCE", 8)
    plan_of([tmp_path / "u.npy", tmp_path / "v.npy"], tmp_path / "plan.npz", "--batches-per-pool", "2")
    assert set(asked) == {8}


def test_numbers_of_the_users_own(tmp_path, npz, pairs):
    own = np.arange(N)[::-1] * 10
    np.save(tmp_path / "index.npy", own)
    arrays, _ = plan_of([npz], tmp_path / "plan.npz", "--index", str(tmp_path / "index.npy"))
    rows = by_hand(**pairs).batches.numpy()
    assert np.array_equal(arrays["rows"], rows)
    assert np.array_equal(arrays["batches"], own[rows])


def test_labels_may_be_words_and_are_kept_apart(tmp_path, pairs):
    np.savez(tmp_path / "pairs.npz", **pairs, label=np.array([f"class {i}" for i in LABEL]))
    arrays, info = plan_of([tmp_path / "pairs.npz"], tmp_path / "plan.npz", "--apart", "label")
    assert all(len(set(row)) == B for row in LABEL[arrays["batches"]])
    assert info["purity"] == info["conflicts"] == 0
    plan = by_hand(**pairs, guards=Guards(labels=torch.tensor(LABEL)))
    assert arrays["batches"].tolist() == plan.batches.tolist()


def test_what_cannot_be_kept_apart_is_warned_of_once(tmp_path, npz, capsys):
    _, info = plan_of([npz], tmp_path / "plan.npz", "--skip-nearest", "22", selection="shuffled")
    assert info["conflicts"] > 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: shuffled: {info['conflicts']} pairs that must not meet share a batch")


def test_duplicates_are_kept_apart(tmp_path, pairs):
    np.savez(tmp_path / "pairs.npz", **pairs, index=LABEL)
    arrays, _ = plan_of([tmp_path / "pairs.npz"], tmp_path / "plan.npz", "--apart", "index")
    assert all(len(set(row)) == B for row in arrays["batches"])


def test_rows_of_any_length_need_normalise(tmp_path, npz, pairs, capsys):
    np.savez(tmp_path / "raw.npz", **{name: 3 * rows for name, rows in pairs.items()})
    error = refused(capsys, tmp_path / "raw.npz", "--selection", "balanced", "--batch-size", B)
    assert "got row 0 of u of length 3; add --normalise" in error
    raw, _ = plan_of([tmp_path / "raw.npz"], tmp_path / "a.npz", "--normalise")
    same, _ = plan_of([npz], tmp_path / "b.npz")
    assert np.array_equal(raw["batches"], same["batches"])


def test_a_teacher_plans(tmp_path, npz, unit_pairs):
    u, v = (x.numpy() for x in unit_pairs(N, 9, seed=5))
    np.savez(tmp_path / "teacher.npz", u=u, v=v)
    arrays, _ = plan_of([npz], tmp_path / "plan.npz", "--teacher", str(tmp_path / "teacher.npz"))
    alone, _ = plan_of([tmp_path / "teacher.npz"], tmp_path / "alone.npz")
    assert np.array_equal(arrays["batches"], alone["batches"])


@pytest.mark.parametrize(
    ("selection", "options", "settings"),
    [
        ("ordered", ["--pool-factor", "2"], {"pool_factor": 2.0}),
        ("jest", [], {}),
        ("osgd", ["--candidates", "5"], {"candidates": 5}),
        ("osgd", ["--candidates", "5", "--keep", "4"], {"candidates": 5, "keep": 4}),
    ],
)
def test_short_plans_fill_an_epoch(tmp_path, npz, pairs, selection, options, settings):
    """They are numbered as by a sampler: k plans an epoch, epoch 2 begins with plan 2 k."""
    arrays, info = plan_of([npz], tmp_path / "plan.npz", *options, "--epoch", "2", selection=selection)
    k = info["plans"]
    expected = [by_hand(**pairs, selection=selection, epoch=2 * k + i, **settings).batches for i in range(k)]
    assert arrays["batches"].tolist() == torch.cat(expected)[: N // B].tolist()
    assert len(arrays["batches"]) == N // B


def test_the_hardest_of_all_batches_is_listed_once(tmp_path, npz):
    arrays, _ = plan_of([npz], tmp_path / "plan.npz", selection="osgd_NcB")
    assert len(arrays["batches"]) == 1


def test_full_is_one_row_and_all_are_all(tmp_path, npz):
    arrays, _ = plan_of([npz], tmp_path / "full.npz", selection="full")
    assert arrays["batches"].tolist() == [list(range(N))]
    arrays, _ = plan_of([npz], tmp_path / "all.npz", selection="NcB")
    assert arrays["batches"].tolist() == [list(row) for row in combinations(range(N), B)]


def test_the_table_of_all_methods(tmp_path, npz, capsys):
    main([str(npz), "--selection", "all-methods", "--batch-size", "4", "--out", str(tmp_path / "plans")])
    made, left_out = capsys.readouterr().out.split("left out:")
    rows = [line.split()[0] for line in made.splitlines()[4:] if line]
    reasons = [line.strip().partition(": ") for line in left_out.splitlines() if line.startswith("  ")]
    named = [name for name, _, reason in reasons if reason]
    assert sorted(rows + named) == sorted(SELECTIONS)
    assert {"matching", "rho"} <= set(named)
    assert {file.stem for file in (tmp_path / "plans").iterdir()} == set(rows)


def test_the_table_has_hardness_for_rules_that_never_look(npz, capsys):
    main([str(npz), "--selection", "shuffled", "--batch-size", "4", "--temperature", "0.2", "--seed", "3"])
    header, _, row = capsys.readouterr().out.splitlines()[2:]
    assert header.split()[:3] == ["method", "engine", "batches"]
    name, engine, batches, before, after, purity, *_ = row.split()
    assert (name, engine, batches, purity) == ("shuffled", "-", "6", "-")
    assert before == after


def test_files_are_not_written_over(tmp_path, npz, capsys):
    words = [npz, "--selection", "s", "--batch-size", "4", "--out", tmp_path / "plan.npz"]
    main([str(word) for word in words])
    assert "exists; name another file, or add --overwrite" in refused(capsys, *words)
    main([*map(str, words), "--overwrite"])
    assert "holds the pairs" in refused(capsys, *words[:-1], npz, "--overwrite")
    assert "must be a folder" in refused(capsys, npz, "--selection", "all-methods", *words[3:])
    assert {file.name for file in tmp_path.iterdir()} == {"pairs.npz", "plan.npz"}  # no temporary file is left


def with_row(rows, at, value):
    changed = rows.copy()
    changed[at] = value
    return changed


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"u": None}, (), "must hold u and v, got v"),
        ({"v": lambda v: v[:-1]}, (), r"rows of the same pairs, [N, dim] both, got (24, 6) and (23, 6)"),
        ({"u": lambda u: with_row(u, 5, np.nan)}, ("--normalise",), "row 5 of u is not finite"),
        ({"v": lambda v: with_row(v, 7, 0)}, ("--normalise",), "row 7 of v is zero"),
        ({"u": lambda u: (100 * u).astype(int)}, (), "u must be float16, float32 or float64, got int64"),
        ({"label": lambda _: LABEL[1:]}, (), "label must be one for each of the 24 pairs, got shape (23,)"),
        ({"index": lambda _: LABEL / 2}, (), "index must be integers, got float64"),
        ({"index": lambda _: np.array([{}] * N)}, (), "cannot be read: Object arrays cannot be loaded"),
        ({}, ("--apart", "label"), "--apart label needs label in "),
        ({}, ("--batch-size", "25"), "batch_size must lie between 1 and the number of pairs, 24, got 25"),
        ({}, ("--selection", "hardest"), "selection must be one of fixed,"),
        ({}, ("--loss", "clap"), "balanced takes no loss; leave it out, or choose one of osgd, ordered, rho"),
        ({}, ("--selection", "osgd", "--loss", "clap"), "loss must be one of info_nce,"),
        ({}, ("--selection", "graph", "--keep", "2"), "graph takes no keep"),
        ({}, ("--selection", "rho"), "compares with a reference model, got none"),
        ({}, ("--temperature", "0"), "temperature must be positive and finite, got 0.0"),
        ({}, ("--device", "tpu"), "--device must be auto, cpu or cuda"),
        ({}, ("--out", "plan.csv"), "a plan is written as an .npz file, got plan.csv"),
        ({}, ("--selection", "all", "--batch-size", "12"), "at most 100,000 batches, got C(24, 12) = 2,704,156"),
    ],
)
def test_bad_input_is_one_line(tmp_path, pairs, capsys, change, options, message):
    parts = dict(pairs)
    for name, changed in change.items():
        if changed is None:
            del parts[name]
        else:
            parts[name] = changed(parts.get(name))
    np.savez(tmp_path / "pairs.npz", **parts)
    words = ["--selection", "balanced", "--batch-size", B, *options]
    assert message in refused(capsys, tmp_path / "pairs.npz", *words)


def test_bad_files_are_one_line(tmp_path, npz, pairs, capsys):
    words = ["--selection", "balanced", "--batch-size", B]
    assert "cannot be read: No such file" in refused(capsys, tmp_path / "none.npz", *words)
    assert "or two .npy files (u and v), got 0 files" in refused(capsys, *words)
    assert "one .npz or .pt file" in refused(capsys, tmp_path / "u.npy", *words)
    (tmp_path / "torn.npz").write_bytes(npz.read_bytes()[:100])
    assert "torn.npz cannot be read" in refused(capsys, tmp_path / "torn.npz", *words)
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    assert "model.pt cannot be read" in refused(capsys, tmp_path / "model.pt", *words)
    np.savez(tmp_path / "fewer.npz", **{name: rows[:8] for name, rows in pairs.items()})
    assert "the teacher must embed the same 24 pairs, got 8" in refused(
        capsys, npz, *words, "--teacher", tmp_path / "fewer.npz"
    )


def test_the_list_of_methods(tmp_path, capsys):
    main(["--list"])
    printed = capsys.readouterr().out
    assert all(f"| `{name}` |" in printed for name in METHODS)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main(["--list", str(page)])
    assert page.read_text() == f"before\n{BEGIN}\n{listing()}\n{END}\nafter\n"
    page.write_text("no marks")
    assert "must have the lines" in refused(capsys, "--list", page)


def test_it_is_a_command(npz):
    words = [npz, "--selection", "balanced", "--batch-size", "25"]
    done = subprocess.run(
        [sys.executable, "-m", "batching", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: batch_size must lie between")


CHANGES = {
    "loss": ("ordered", ["--loss", "alignment"]),
    "candidates": ("osgd", ["--candidates", "6"]),
    "keep": ("osgd", ["--candidates", "6", "--keep", "2"]),
    "walk_candidates": ("walk", ["--walk-candidates", "5"]),
    "batches_per_pool": ("balanced", ["--batches-per-pool", "2"]),
    "neighbours": ("bandwidth", ["--neighbours", "2"]),
    "window_start": ("graph", ["--window-start", "4"]),
    "pool_factor": ("ordered", ["--pool-factor", "1.5"]),
    "temperature": ("balanced", ["--temperature", "3"]),
    "communities": ("balanced", ["--communities", "2"]),
    "random_fraction": ("balanced", ["--random-fraction", "0.5"]),
    "refresh": ("shuffled", ["--refresh", "2"]),
}


def test_every_setting_that_is_an_option_is_tried():
    options = {field.name for field in fields(PlanConfig)}
    elsewhere = {"teacher", "reference"}  # files, above
    assert {field.name for field in fields(Settings)} & options == CHANGES.keys() | elsewhere


@pytest.mark.parametrize("setting", CHANGES)
def test_every_setting_changes_the_plan(setting, npz, tmp_path):
    method, change = CHANGES[setting]
    given = ["--candidates", "6"] if setting == "keep" else []
    before, after = (
        plan_of([npz], tmp_path / f"{name}.npz", *options, selection=method)[0]["batches"]
        for name, options in (("before", given), ("after", change))
    )
    assert before.shape != after.shape or (before != after).any()
