"""`python -m vision.corruptions` on the digits: files, labels, going on, refusals."""

import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.command import run_command
from vision.corruptions import CORRUPTIONS, corrupt
from vision.corruptions import command as commands
from vision.corruptions.command import main, parse
from vision.data import find_corruptions, load_images
from vision.data.corrupted import recomputed_folder

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("CONTRABATCH_DATA", ROOT / "data"))


def command(*words, out, names="contrast fog", workers=1):
    return main(parse(["digits", "--out", str(out), "--names", *names.split(), "--workers", str(workers), *words]))


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_files_are_laid_out_as_the_published_ones(tmp_path, capsys):
    command("--n", "20", "--seed", "3", out=tmp_path / "c")
    clean = load_images("digits", tmp_path, "test")
    pixels = clean.pixels[:20].permute(0, 2, 3, 1).numpy()
    labels = np.load(tmp_path / "c/labels.npy")
    assert labels.dtype == np.uint8
    assert labels.tolist() == clean.labels[:20].tolist() * 5
    fog = np.load(tmp_path / "c/fog.npy")
    assert fog.shape == (100, 32, 32, 3)
    for severity in range(1, 6):
        assert (fog[20 * (severity - 1) : 20 * severity] == corrupt(pixels, "fog", severity, seed=3)).all()

    made = manifest(tmp_path / "c")
    expected = {"recomputed": True, "dataset": "digits", "n": 20, "side": 32, "seed": 3}
    assert expected.items() <= made.items()
    assert made["severities"] == [1, 2, 3, 4, 5]
    assert made["corruptions"] == ["fog", "contrast"]
    changes = made["made"]["fog"]["mean_absolute_change"]
    assert changes[4] == pytest.approx(np.abs(fog[80:].astype(int) - pixels).mean(), abs=1e-3)
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[3:]] == ["fog", "contrast"]
    assert f"{changes[4]:.2f}" in table[3]


def test_workers_make_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "_AT_ONCE", 7)
    for workers in (1, 2):
        command("--n", "16", "--severities", "2", "5", out=tmp_path / str(workers), workers=workers)
    one, two = (np.load(tmp_path / f"{workers}/fog.npy") for workers in (1, 2))
    assert one.shape == (32, 32, 32, 3)
    assert (one == two).all()


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path, monkeypatch):
    def failing(images, name, *rest, **options):
        if name == "contrast":
            raise KeyboardInterrupt
        return corrupt(images, name, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(commands, "corrupt", failing)
        with pytest.raises(KeyboardInterrupt):
            command("--n", "8", out=tmp_path, names="fog contrast")
    assert manifest(tmp_path)["corruptions"] == ["fog"]
    assert manifest(tmp_path)["asked"] == ["fog", "contrast"]
    assert {path.name for path in tmp_path.iterdir()} == {"fog.npy", "labels.npy", "manifest.json"}

    before = (tmp_path / "fog.npy").stat().st_mtime_ns
    command("--n", "8", out=tmp_path, names="fog contrast")
    assert manifest(tmp_path)["corruptions"] == ["fog", "contrast"]
    assert (tmp_path / "fog.npy").stat().st_mtime_ns == before
    command("--n", "8", "--overwrite", out=tmp_path, names="fog")
    assert (tmp_path / "fog.npy").stat().st_mtime_ns > before
    assert manifest(tmp_path)["corruptions"] == ["fog", "contrast"], "what is not named is kept"


def test_what_is_made_is_found_when_all_that_was_asked_for_is_there(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    def make(*words, names):
        main(parse(["digits", "--data", str(tmp_path), "--n", "8", "--workers", "1", *words, "--names", *names]))

    make(names=["fog"])
    assert find_corruptions("digits", tmp_path).names == ("fog",)
    for words, names in (((), ["contrast"]), (("--overwrite",), ["fog"])):
        with monkeypatch.context() as patch:
            patch.setattr(commands, "corrupt", interrupted)
            with pytest.raises(KeyboardInterrupt):
                make(*words, names=names)
        with pytest.raises(
            ValueError, match=f"but {names[0]} are not made yet; give the same command again"
        ) as error:
            find_corruptions("digits", tmp_path)
        remedy = str(error.value).split("`python -m vision.corruptions ")[1].removesuffix("`")
        main(parse(remedy.split()))
        found = find_corruptions("digits", tmp_path)
        assert (found.folder, found.recomputed) == (recomputed_folder("digits", tmp_path), True)
        assert found.names == ("fog", "contrast"), "the calls together"
        clean = load_images("digits", tmp_path, "test").pixels[:8].permute(0, 2, 3, 1).numpy()
        wanted = corrupt(clean, "fog", 2, seed=0)
        assert (found.load("fog", 2).permute(0, 2, 3, 1).numpy() == wanted).all()


@pytest.mark.parametrize("side", [32, 64])
def test_a_folder_of_pictures_has_a_side(side, tmp_path):
    for i in range(3):
        for split in ("train", "val"):
            path = tmp_path / split / "a" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (50, 40 + i), (90 * i, 200, 30)).save(path)
    main(parse(["folder", "--data", str(tmp_path), "--side", str(side), "--names", "fog", "--severities", "1"]))
    found = find_corruptions("folder", tmp_path, side=224)
    assert (found.side, found.n, found.aligned) == (side, 3, True)
    clean = load_images("folder", tmp_path, "test", side).pixels.permute(0, 2, 3, 1).numpy()
    assert (found.load("fog", 1).permute(0, 2, 3, 1).numpy() == corrupt(clean, "fog", 1)).all()


def test_a_folder_holds_corruptions_of_the_same_images(tmp_path):
    command("--n", "8", out=tmp_path)
    with pytest.raises(ValueError, match=r"n 8 and not 9, seed 0 and not 1; .* --overwrite"):
        command("--n", "9", "--seed", "1", out=tmp_path, names="fog")
    assert manifest(tmp_path)["n"] == 8
    command("--n", "9", "--overwrite", out=tmp_path, names="fog")
    assert manifest(tmp_path)["corruptions"] == ["fog"]
    assert not (tmp_path / "contrast.npy").exists(), "of 8 images"
    assert len(np.load(tmp_path / "labels.npy")) == 45


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--names rain", "must be one of gaussian_noise"),
        ("--severities 3 1", "severities must increase"),
        ("--severities 0", "1, 2, 3, 4 or 5"),
        ("--n 9999 --names fog", "at most the 360 test images of digits, got 9999"),
        ("--n 0", "at least 1"),
        ("--workers 0", "at least 1"),
        ("--names frost --data {tmp}", "cannot be found"),
        ("--side 64", "--side is for folder, but digits has its own, got 64; leave it out"),
    ],
)
def test_bad_input_is_one_line_and_status_2(words, message, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as error:
        run_command(main, parse, ["digits", "--out", str(out), *words.format(tmp=tmp_path).split()])
    assert error.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("words", ["", "--side 48"])
def test_a_folder_of_other_sides_is_refused(words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_command(main, parse, ["folder", "--data", str(tmp_path), *words.split()])
    assert "--side must be 32 or 64 for folder, as constants are published for no other" in capsys.readouterr().err


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "fog.npy").write_text("published")
    for words in ((), ("--overwrite",)):
        with pytest.raises(ValueError, match="has no manifest"):
            command(*words, out=tmp_path)
    assert (tmp_path / "fog.npy").read_text() == "published"
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no manifest\.json of such"):
        command("--overwrite", out=tmp_path)
    with pytest.raises(ValueError, match="must be new, empty"):
        command(out=tmp_path / "fog.npy")
    assert (tmp_path / "fog.npy").read_text() == "published"


def test_all_corruptions_are_made_where_none_are_named(frost, capsys):
    pytest.importorskip("cv2")
    main(parse(["digits", "--data", str(frost.parent), "--n", "6"]))
    made = recomputed_folder("digits", frost.parent)
    assert find_corruptions("digits", frost.parent).names == tuple(CORRUPTIONS)
    assert {path.stem for path in made.glob("*.npy")} == {*CORRUPTIONS, "labels"}
    printed = capsys.readouterr()
    assert "19/19 speckle_noise" in printed.err
    assert "jpeg_compression" in printed.out


def test_the_module_is_a_command(tmp_path, monkeypatch, capsys):
    words = ["digits", "--out", str(tmp_path / "c"), "--n", "2", "--names", "fog"]
    monkeypatch.setattr("sys.argv", ["vision.corruptions", *words])
    runpy.run_module("vision.corruptions", run_name="__main__")
    assert "1/1 fog" in capsys.readouterr().err
    assert (tmp_path / "c/fog.npy").exists()


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "cifar-100-python/test").exists(), reason="needs CIFAR-100 under data/")
@pytest.mark.skipif(not (DATA / "imagenet-c-frost").exists(), reason="needs the pictures of frost under data/")
def test_cifar100_with_the_published_pictures_of_frost(tmp_path):
    made = main(parse(f"cifar100 --data {DATA} --out {tmp_path} --n 50 --names frost fog --workers 1".split()))
    frosted, clean = np.load(made.file("frost")), load_images("cifar100", DATA, "test").pixels[:50]
    change = frosted[:50].astype(int) - clean.permute(0, 2, 3, 1).numpy()
    assert (change >= -1).all(), "severity 1 only adds"
    assert 20 < change.mean() < 45
