"""python -m vision.data: the table, what is fetched, and what is said when that fails."""

import tarfile
import zipfile
from urllib.error import URLError

import numpy as np
import pytest

from training import run_command
from vision.data import download
from vision.data.__main__ import main, parse
from vision.data.cache import CACHE
from vision.data.download import ARCHIVES


def command(*words):
    return main(parse([str(word) for word in words]))


def refused(capsys, *words):
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, [str(word) for word in words])
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_both_splits_are_shown_and_cached(write_cifar, capsys):
    root = write_cifar("cifar10")
    lines = command("cifar10", "--data", root).splitlines()
    assert lines[0].split() == ["split", "source", "images", "classes", "side", "sha256", "seconds"]
    assert lines[2].split()[:6] == ["train", "official", "files", "20", "4", "32"]
    assert lines[3].split()[:6] == ["test", "official", "files", "4", "4", "32"]
    assert sorted(path.name for path in (root / CACHE).iterdir()) == ["cifar10-test", "cifar10-train"]
    assert capsys.readouterr().out.splitlines() == lines


def test_folders_have_a_side(write_folder):
    root = write_folder("train/a/x.png", "val/a/y.png")
    table = command("folder", "--data", root, "--side", 12)
    assert [line.split()[5] for line in table.splitlines()[2:]] == ["12", "12"]


def test_corrupted_images_are_shown_and_cached(tmp_path, write_picture):
    for corruption in ("fog", "snow"):
        for severity in "12":
            write_picture(tmp_path / "Tiny-ImageNet-C" / corruption / severity / "n01/x.png", size=(64, 64))
    lines = command("tiny-imagenet-c", "--data", tmp_path).splitlines()
    assert lines[0].split() == ["corruption", "source", "severities", "images", "side", "seconds"]
    assert [line.split()[:6] for line in lines[2:]] == [
        [name, "published", "files", "1,2", "1", "64"] for name in ("fog", "snow")
    ]
    assert len(list((tmp_path / CACHE).iterdir())) == 4


def test_damage_to_the_cache_is_found(write_cifar):
    root = write_cifar("cifar10")
    command("cifar10", "--data", root)
    path = root / CACHE / "cifar10-test/pixels.npy"
    pixels = np.load(path)
    pixels[3, 1, 4, 1] += 1
    np.save(path, pixels)
    with pytest.raises(ValueError, match=f"test split must have the sha256 .* it is damaged; delete .*{CACHE}"):
        command("cifar10", "--data", root)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mnist"], "NAME must be one of cifar10, cifar100,"),
        (["digits", "--side", "64"], "--side is for folder, but digits has its own"),
        (["cifar100", "--data", "nowhere"], "error: cifar100 needs the files train, test and meta in nowhere"),
        (["cifar100-c", "--data", "nowhere"], "error: corruptions of cifar100 are needed in nowhere"),
        (["digits", "--download"], "error: what --download can fetch is cifar10, cifar10-c, cifar100"),
    ],
)
def test_bad_input_is_refused_with_status_2(words, told, capsys):
    assert told in refused(capsys, *words)


@pytest.mark.parametrize(("name", "class_name"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_comes_by_way_of_torchvision(name, class_name, write_cifar, tmp_path, monkeypatch):
    asked = []

    class Fake:
        url = "https://example.org/cifar"

        def __init__(self, root, download):
            asked.append((root, download))
            write_cifar(name)

    monkeypatch.setattr(f"torchvision.datasets.{class_name}", Fake)
    assert "official files" in command(name, "--download", "--data", tmp_path)
    assert asked == [(tmp_path, True)]


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_fetched_once_and_checked(name, tmp_path, monkeypatch):
    """Torchvision's own unpacking, of an archive that is there already."""
    archive = ARCHIVES[name]
    asked = []

    def fetch(address, root, filename, md5):
        asked.append((address, md5))
        inside = tmp_path / "inside" / archive.folder
        inside.mkdir(parents=True)
        (inside / "file").write_text("content")
        if filename.endswith(".zip"):
            with zipfile.ZipFile(root / filename, "w") as file:
                file.write(inside / "file", f"{archive.folder}/file")
        else:
            with tarfile.open(root / filename, "w") as file:
                file.add(inside, archive.folder)

    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda *a: fetch(a[0], tmp_path / "data", *a[2:])
    )
    (tmp_path / "data").mkdir()
    download(name, tmp_path / "data")
    download(name, tmp_path / "data")
    assert asked == [(archive.address, archive.md5)]
    assert [path.name for path in (tmp_path / "data").iterdir()] == [archive.folder], (
        "no archive, nothing half done"
    )
    assert (tmp_path / "data" / archive.folder / "file").read_text() == "content"


@pytest.mark.parametrize(
    ("name", "function"),
    [("tiny-imagenet", "utils.download_and_extract_archive"), ("cifar100", "CIFAR100.download")],
)
@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        RuntimeError("File not found or corrupted."),
        TimeoutError(),
        tarfile.ReadError("cut"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_download_that_fails_says_what_to_do(name, function, error, tmp_path, monkeypatch, capsys):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(f"torchvision.datasets.{function}", fail)
    told = refused(capsys, name, "--download", "--data", tmp_path)
    assert told.startswith(f"error: {name} must be downloaded from http")
    assert (str(error) or "TimeoutError") in told
    assert "fetch it on another machine and unpack it" in told
    assert not (tmp_path / CACHE).exists()


def test_help(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(["--help"])
    assert exit_.value.code == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("NAME", "--data", "--download", "--side", "tiny-imagenet"))
