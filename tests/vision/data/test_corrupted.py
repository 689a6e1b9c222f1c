"""Corrupted test splits: every layout gives the same tensors, incomplete sets are refused."""

import json

import numpy as np
import pytest
import torch

from vision.corruptions import CORRUPTIONS
from vision.data import find_corruptions, load_images
from vision.data.corrupted import published_corruptions
from vision.data.manifest import STANDARD

N = 10_000
"""Test images of CIFAR."""


@pytest.fixture(autouse=True)
def two_are_standard(monkeypatch):
    """Files of two corruptions are enough here."""
    monkeypatch.setattr("vision.data.manifest.STANDARD", ("fog", "snow"))


def write_array(path, rows, side=8):
    """Bytes of which row i has the value i modulo 251 in all of its first pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(rows, side, side, 3))
    array[:, 0, 0, :] = (np.arange(rows) % 251)[:, None]
    array[0, 1, 2] = [7, 8, 9]
    array.flush()
    return path


def write_recomputed(
    folder, *, dataset="cifar100", n=6, severities=(1, 3), names=("fog", "snow"), side=8, asked=None
):
    for name in names:
        write_array(folder / f"{name}.npy", n * len(severities), side)
    manifest = {"recomputed": True, "dataset": dataset, "n": n, "side": side, "severities": severities, "seed": 0}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"asked": asked or names, "corruptions": names}))


def write_published(folder, *names, **manifest):
    """Arrays of CIFAR's test images; with a manifest if there is something to say."""
    for name in names:
        write_array(folder / f"{name}.npy", 5 * N)
    if manifest:
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("dataset", "folder"), [("cifar10", "CIFAR-10-C"), ("cifar100", "CIFAR-100-C")])
def test_published_arrays(dataset, folder, tmp_path):
    write_published(tmp_path / folder, "snow", "fog")
    np.save(tmp_path / folder / "labels.npy", np.zeros(5 * N, np.int64))
    found = find_corruptions(dataset, tmp_path)
    assert (found.dataset, found.folder, found.n, found.side) == (dataset, tmp_path / folder, N, 8)
    assert (found.names, found.severities) == (("fog", "snow"), (1, 2, 3, 4, 5))
    assert found.aligned
    assert not found.recomputed
    for severity in found.severities:
        pixels = found.load("fog", severity)
        assert (pixels.shape, pixels.dtype) == ((N, 3, 8, 8), torch.uint8)
        first = (severity - 1) * N
        assert pixels[:, 2, 0, 0].tolist() == [i % 251 for i in range(first, first + N)]
    assert found.load("fog", 1)[0, :, 1, 2].tolist() == [7, 8, 9], "channels first, rows before columns"


def test_recomputed_arrays(tmp_path):
    write_recomputed(tmp_path / "CIFAR-100-C-recomputed")
    (tmp_path / "CIFAR-100-C-recomputed/rain.npy").touch()
    found = find_corruptions("cifar100", tmp_path)
    assert (found.names, found.severities, found.n) == (("fog", "snow"), (1, 3), 6), "what the manifest says"
    assert found.recomputed
    assert found.aligned
    assert found.load("snow", 3)[:, 0, 0, 0].tolist() == [6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(("dataset", "folder"), [("tiny-imagenet", "Tiny-ImageNet-C"), ("folder", "folder-C")])
def test_recomputed_sets_of_other_sizes(dataset, folder, tmp_path):
    write_recomputed(tmp_path / f"{folder}-recomputed", dataset=dataset, side=64)
    found = find_corruptions(dataset, tmp_path)
    assert (found.side, found.aligned, found.recomputed) == (64, True, True)
    assert found.load("fog", 1).shape == (6, 3, 64, 64)


def write_tree(folder, write_picture, *, side=64, severities=(1, 2), suffix="JPEG"):
    for corruption, value in (("fog", 0), ("snow", 100)):
        for severity in severities:
            for place, path in enumerate(("n01/test_5", "n02/test_0", "n02/test_3")):
                file = folder / corruption / str(severity) / f"{path}.{suffix}"
                write_picture(file, value + 10 * severity + place, (side, side))


@pytest.mark.parametrize(
    ("dataset", "folder", "side"),
    [
        ("tiny-imagenet", "Tiny-ImageNet-C", 64),
        ("tiny-imagenet", "tiny_imagenet_c", 64),
        ("cifar100", "cifar100_c", 32),
        ("cifar10", "cifar10_c", 32),
        ("folder", "folder_c", 16),
    ],
)
def test_trees_of_pictures(dataset, folder, side, tmp_path, write_picture):
    write_tree(tmp_path / folder, write_picture, side=20 if dataset == "folder" else side, suffix="png")
    found = find_corruptions(dataset, tmp_path, side=16)
    assert (found.names, found.severities, found.n, found.side) == (("fog", "snow"), (1, 2), 3, side)
    assert not found.aligned, "names do not identify the clean pictures"
    assert not found.recomputed
    for name, value in (("fog", 0), ("snow", 100)):
        pixels = found.load(name, 2)
        assert pixels.shape == (3, 3, side, side)
        assert pixels[:, 0, 0, 0].tolist() == [value + 20, value + 21, value + 22], "sorted by class and name"
    cached = sorted(path.name for path in (tmp_path / ".contrabatch-cache").iterdir())
    size = "-16" if dataset == "folder" else ""
    assert cached == [f"{folder}-fog-2{size}", f"{folder}-snow-2{size}"]


def test_published_sets_come_first(tmp_path, write_picture):
    write_recomputed(tmp_path / "CIFAR-100-C-recomputed")
    assert find_corruptions("cifar100", tmp_path).recomputed
    write_tree(tmp_path / "cifar100_c", write_picture, side=32)
    assert find_corruptions("cifar100", tmp_path).folder.name == "cifar100_c"
    write_published(tmp_path / "CIFAR-100-C", "fog", "snow")
    assert find_corruptions("cifar100", tmp_path).folder.name == "CIFAR-100-C"


def test_what_to_do_when_there_is_none(tmp_path):
    with pytest.raises(ValueError, match=r"CIFAR-100-C or CIFAR-100-C-recomputed") as error:
        find_corruptions("cifar100", tmp_path)
    for told in ("python -m vision.data cifar100-c --download", "python -m vision.corruptions cifar100"):
        assert told in str(error.value)
    with pytest.raises(ValueError, match=r"python -m vision\.corruptions digits") as error:
        find_corruptions("digits", tmp_path)
    assert "--download" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "side", "told"),
    [
        (
            5 * N - 5,
            8,
            r"fog\.npy must be bytes of shape \[50000, side, side, 3\], got uint8 \[49995, 8, 8, 3\]",
        ),
        (5 * N, 16, r"must be of images of one size, got sides \[8, 16\]"),
    ],
)
def test_arrays_of_other_shapes_are_refused(rows, side, told, tmp_path):
    write_array(tmp_path / "CIFAR-10-C/fog.npy", rows, side)
    write_array(tmp_path / "CIFAR-10-C/snow.npy", 5 * N)
    with pytest.raises(ValueError, match=told):
        find_corruptions("cifar10", tmp_path)


def test_a_cut_array_is_refused(tmp_path):
    write_published(tmp_path / "CIFAR-10-C", "fog", "snow")
    with (tmp_path / "CIFAR-10-C/fog.npy").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ValueError, match=r"fog\.npy must be a whole \.npy file"):
        find_corruptions("cifar10", tmp_path)


def test_other_types_are_refused(tmp_path):
    write_published(tmp_path / "CIFAR-10-C", "snow")
    np.save(tmp_path / "CIFAR-10-C/fog.npy", np.zeros((5, 2, 2, 3)))
    with pytest.raises(ValueError, match=r"got float64 \[5, 2, 2, 3\]"):
        find_corruptions("cifar10", tmp_path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("silent", r"must have a manifest\.json, which is written first: it is damaged"),
        ("other", "must be of dataset 'cifar100', got 'cifar10'"),
        ("no json", r"manifest\.json must be JSON, but cannot be read"),
        ("missing", r"snow\.npy must be a whole \.npy file"),
        ("short", r"fog\.npy must be bytes of shape \[12, side"),
    ],
)
def test_damaged_recomputed_sets_are_refused(damage, told, tmp_path):
    folder = tmp_path / "CIFAR-100-C-recomputed"
    write_recomputed(folder, dataset="cifar10" if damage == "other" else "cifar100")
    if damage == "silent":
        (folder / "manifest.json").unlink()
    elif damage == "no json":
        (folder / "manifest.json").write_text('{"n": 6')
    elif damage == "missing":
        (folder / "snow.npy").unlink()
    elif damage == "short":
        write_array(folder / "fog.npy", 6)
    with pytest.raises(ValueError, match=told):
        find_corruptions("cifar100", tmp_path)


def test_a_recomputed_set_that_is_not_finished_is_refused_with_the_command_that_finishes_it(tmp_path):
    folder = tmp_path / "CIFAR-100-C-recomputed"
    write_recomputed(folder, asked=("fog", "snow", "frost"))
    with pytest.raises(
        ValueError, match="all corruptions that were asked for, but frost are not made yet"
    ) as error:
        find_corruptions("cifar100", tmp_path)
    wanted = f"cifar100 --data {tmp_path} --n 6 --severities 1 3 --seed 0 --names frost"
    assert f"give the same command again, or `python -m vision.corruptions {wanted}`" in str(error.value)


def test_a_recomputed_set_may_be_of_fewer_that_were_asked_for(tmp_path):
    write_recomputed(tmp_path / "CIFAR-100-C-recomputed", names=("fog",))
    assert find_corruptions("cifar100", tmp_path).names == ("fog",)


def test_a_published_set_has_the_standard_ones_unless_it_says_which_are_meant(tmp_path):
    folder = tmp_path / "CIFAR-100-C"
    write_published(folder, "fog", "spatter")
    with pytest.raises(ValueError, match="must hold the 2 standard corruptions, but snow are missing; unpack") as e:
        find_corruptions("cifar100", tmp_path)
    assert '{"dataset": "cifar100", "asked": ["fog", "spatter"]}' in str(e.value)
    write_published(folder, dataset="cifar100", asked=["fog"])
    found = find_corruptions("cifar100", tmp_path)
    assert (found.names, found.recomputed, found.severities) == (("fog",), False, (1, 2, 3, 4, 5))
    write_published(folder, dataset="cifar100", asked=["fog", "frost"])
    with pytest.raises(ValueError, match="must hold the 2 corruptions that its manifest asks for, but frost are"):
        find_corruptions("cifar100", tmp_path)


def test_published_names():
    assert [len(published_corruptions(name)) for name in ("cifar10", "tiny-imagenet", "digits")] == [19, 15, 19]
    assert published_corruptions("cifar100") == tuple(CORRUPTIONS)
    assert tuple(name for name, corruption in CORRUPTIONS.items() if corruption.standard) == STANDARD


def test_the_digest_tells_sets_of_the_same_shape_apart(tmp_path, write_picture):
    folder = tmp_path / "CIFAR-100-C-recomputed"
    write_recomputed(folder)
    found = find_corruptions("cifar100", tmp_path)
    first, third = found.digest(1), found.digest(3)
    assert first != third
    array = np.load(folder / "snow.npy")
    array[7, 0, 0, 0] += 1  # of six images at severity 1 and six at 3
    np.save(folder / "snow.npy", array)
    assert (found.digest(1) == first, found.digest(3) == third) == (True, False)
    with pytest.raises(ValueError, match="at the severities 1, 3, got 'fog' at 2"):
        found.digest(2)
    write_tree(tmp_path / "Tiny-ImageNet-C", write_picture)
    tree = find_corruptions("tiny-imagenet", tmp_path)
    before = tree.digest(2)
    write_picture(tmp_path / "Tiny-ImageNet-C/fog/2/n02/test_0.JPEG", 99, (64, 64))
    assert tree.digest(2) != before


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "snow/3/n01/x.png",
            "must have the same severities, numbers from 1, as fog has 1, 2, but snow has 1, 2, 3",
        ),
        ("rain/x.png", "but rain has none"),
    ],
)
def test_uneven_trees_are_refused(path, told, tmp_path, write_picture):
    write_tree(tmp_path / "Tiny-ImageNet-C", write_picture)
    write_picture(tmp_path / "Tiny-ImageNet-C" / path)
    with pytest.raises(ValueError, match=told):
        find_corruptions("tiny-imagenet", tmp_path)


def test_pictures_must_have_the_same_names_everywhere(tmp_path, write_picture):
    write_tree(tmp_path / "Tiny-ImageNet-C", write_picture)
    found = find_corruptions("tiny-imagenet", tmp_path)
    path = tmp_path / "Tiny-ImageNet-C/snow/2/n02/test_0.JPEG"
    path.rename(path.with_name("test_1.JPEG"))
    assert len(found.load("snow", 1)) == 3
    with pytest.raises(ValueError, match=r"must have pictures of the same names as .*fog/1, but some are missing"):
        found.load("snow", 2)


def test_an_empty_folder_is_told(tmp_path):
    (tmp_path / "CIFAR-100-C").mkdir()
    with pytest.raises(ValueError, match=r"CIFAR-100-C must hold CORRUPTION\.npy or .* but holds neither"):
        find_corruptions("cifar100", tmp_path)


@pytest.mark.parametrize(("name", "severity"), [("rain", 1), ("fog", 2), ("labels", 1)])
def test_what_is_not_there_is_refused(name, severity, tmp_path):
    write_recomputed(tmp_path / "CIFAR-100-C-recomputed")
    found = find_corruptions("cifar100", tmp_path)
    with pytest.raises(
        ValueError, match=f"corruptions fog, snow at the severities 1, 3, got '{name}' at {severity}"
    ):
        found.load(name, severity)


@pytest.mark.data
def test_aligned_with_the_real_test_split(real_data):
    """Clean images in the place of corrupted ones: image i is image i."""
    root = real_data("cifar-100-python")
    clean = load_images("cifar100", root, "test").pixels
    folder = root / "CIFAR-100-C"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"dataset": "cifar100", "asked": ["none"]}')
    np.save(folder / "none.npy", np.tile(clean.permute(0, 2, 3, 1).numpy(), (5, 1, 1, 1)))
    assert torch.equal(find_corruptions("cifar100", root).load("none", 4), clean)
