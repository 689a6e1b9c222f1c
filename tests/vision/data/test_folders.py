"""Folders of pictures: which label a picture gets, what counts as which split, what is refused."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vision.data import load_images
from vision.data.folders import find_folder

NAMES = st.text(st.sampled_from("abcXYZ09_ "), min_size=1, max_size=5).filter(lambda name: name == name.strip())


def test_a_folder_for_each_class(write_folder):
    root = write_folder("train/dog/x.png", "train/cat/b.png", "train/cat/a/c.bmp", "val/dog/y.webp")
    train, test = (load_images("folder", root, split, side=16) for split in ("train", "test"))
    assert train.class_names == test.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 1]
    assert train.pixels[:, 0, 0, 0].tolist() == [3, 2, 1]
    assert test.labels.tolist() == [1], "a class may have no held-out pictures"
    assert train.pixels.shape == (3, 3, 16, 16)
    assert train.source == "image folder"
    assert train.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_sides_are_cached_apart(write_folder):
    root = write_folder("train/dog/x.png", "val/dog/y.png")
    sides = [load_images("folder", root, "train", side=side).pixels.shape[-1] for side in (16, 24, None, 16)]
    assert sides == [16, 24, 224, 16]
    cached = sorted(path.name for path in (root / ".contrabatch-cache").iterdir())
    assert cached == ["folder-train-16", "folder-train-224", "folder-train-24"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(NAMES, st.sets(NAMES, min_size=1, max_size=3), min_size=1, max_size=4))
def test_labels_are_places_among_sorted_classes(tree, tmp_path_factory):
    """Of any folders; nothing is decoded for that."""
    root = tmp_path_factory.mktemp("tree")
    for split in ("train", "test"):
        for name, files in tree.items():
            (root / split / name).mkdir(parents=True)
            for file in files:
                (root / split / name / f"{file}.png").touch()
    source = find_folder(root, "train", 8)
    decoded = source.decode()
    assert decoded.class_names == tuple(sorted(tree))
    found = [
        (decoded.class_names[label], file.stem) for label, file in zip(decoded.labels, source.files, strict=True)
    ]
    assert sorted(found) == sorted((name, file) for name, files in tree.items() for file in files)
    assert [file.parent.name for file in source.files] == [name for name, _ in found]
    assert decoded.labels.tolist() == sorted(decoded.labels.tolist())


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ([], "folder needs pictures in .*train/CLASS/, but there is no folder of a class"),
        (["train/x.png", "val/a/x.png"], "there is no folder of a class"),
        (["train/a/x.png"], "held-out pictures in .*val/CLASS/ or .*test/CLASS/, but neither has"),
        (["train/a/x.png", "val/b/x.png"], "every class of .*val must be one of .*train, but b cannot be found"),
        (
            ["train/a/x.png", "train/b/c/x.txt", "val/a/x.png"],
            "every class folder of .*train must hold .*but b has",
        ),
        (["train/a/x.png", "val/a/x.txt"], "every class folder of .*val must hold pictures, but a has none"),
    ],
)
def test_what_is_missing_is_told(paths, told, tmp_path, write_picture):
    for path in paths:
        if path.endswith(".txt"):
            (tmp_path / path).parent.mkdir(parents=True)
            (tmp_path / path).touch()
        else:
            write_picture(tmp_path / path)
    split = "test" if paths and paths[-1].endswith(".txt") else "train"
    with pytest.raises(ValueError, match=told):
        load_images("folder", tmp_path, split)


def test_val_is_preferred_to_test(write_folder):
    """ImageNet's test folder has pictures, but no classes."""
    root = write_folder("train/a/x.png", "test/a/y.png", "test/a/z.png")
    assert len(load_images("folder", root, "test", side=8)) == 2
    write_folder("train/a/x.png", "val/a/v.png")
    assert len(load_images("folder", root, "test", side=8)) == 1


def test_tiny_imagenet_in_its_official_layout(write_tiny):
    root = write_tiny()
    train, test = (load_images("tiny-imagenet", root, split) for split in ("train", "test"))
    assert train.class_names == ("goldfish, Carassius", "frog", "boa"), "in the order of the sorted wnids"
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert (train.pixels[:, 0, 9, 9].float() - torch.tensor([80.0, 80, 160, 160, 0, 0])).abs().max() <= 2
    assert test.labels.tolist() == [1, 0, 2], "in the order of the annotations"
    assert (test.pixels[1, 0] == test.pixels[1, 2]).all(), "a grey picture"
    assert train.source == "subset of the official files, 6 of 100000 images"
    assert test.source == "subset of the official files, 3 of 10000 images"


def test_all_of_tiny_imagenet_is_called_official(write_tiny, monkeypatch):
    monkeypatch.setattr("vision.data.folders._TINY_IMAGES", {"train": 6, "test": 2})
    root = write_tiny()
    assert load_images("tiny-imagenet", root, "train").source == "official files"
    with pytest.raises(ValueError, match=r"test split in .* must have 1 to 2 pictures, got 3"):
        load_images("tiny-imagenet", root, "test")


@pytest.mark.parametrize(
    ("path", "split", "told"),
    [
        ("train/n09/images/n09_0.JPEG", "train", "must be classes of wnids.txt, but n09 are not"),
        (
            "val/images/val_9.JPEG",
            "test",
            "must be those of val_annotations.txt and wnids.txt, but val_9.JPEG is not",
        ),
    ],
)
def test_pictures_without_a_label_are_refused(path, split, told, write_tiny, write_picture):
    root = write_tiny()
    write_picture(root / "tiny-imagenet-200" / path, size=(64, 64))
    with pytest.raises(ValueError, match=told):
        load_images("tiny-imagenet", root, split)


def test_absent_tiny_imagenet_is_told(tmp_path):
    with pytest.raises(
        ValueError, match=r"wnids.txt, words.txt, val/val_annotations.txt cannot be found there; run `py"
    ):
        load_images("tiny-imagenet", tmp_path, "test")


@pytest.mark.data
def test_real_tiny_imagenet(real_data):
    test = load_images("tiny-imagenet", real_data("tiny-imagenet-200"), "test")
    assert test.pixels.shape == (10_000, 3, 64, 64)
    assert test.labels.bincount().tolist() == [50] * 200
    assert test.class_names[0].startswith("goldfish")
    grey = (test.pixels[:, 0] == test.pixels[:, 1]).flatten(1).all(1).float().mean()
    assert 0.01 < grey < 0.04
    mean, std = (
        f(test.pixels[::10].float() / 255) for f in (lambda x: x.mean((0, 2, 3)), lambda x: x.std((0, 2, 3)))
    )
    assert (mean - test.mean).abs().max() < 0.02
    assert (std - test.std).abs().max() < 0.06
