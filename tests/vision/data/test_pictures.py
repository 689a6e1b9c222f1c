"""Decoding pictures: torchvision's geometry, three channels whatever the file has, and clear words for damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional

from vision.data.pictures import decode_pictures, list_pictures, read_picture


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 70), side=st.integers(1, 48), seed=st.integers(0, 99))
def test_fitting_is_what_torchvision_does(width, height, side, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    path = tmp_path_factory.mktemp("fit") / "noise.png"
    picture.save(path)
    expected = functional.center_crop(functional.resize(picture, side), [side, side])
    assert np.array_equal(read_picture(path, side, fit=True), np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", "png"),
        ("LA", "png"),
        ("RGB", "bmp"),
        ("RGBA", "webp"),
        ("P", "png"),
        ("P", "gif"),
        ("CMYK", "tiff"),
        ("1", "png"),
    ],
)
def test_every_mode_becomes_red_green_and_blue(mode, suffix, tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    picture = Image.fromarray(grey).convert(mode)
    path = tmp_path / f"picture.{suffix}"
    picture.save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = read_picture(path, 8, fit=False)
    assert (pixels.shape, pixels.dtype) == ((3, 8, 8), np.uint8)
    assert (pixels[0] == pixels[1]).all()
    assert mode == "1" or (pixels[0] == grey).all()


def test_transparent_palettes_are_read_without_a_warning(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 250, 120, 10])
    picture.save(tmp_path / "palette.png", transparency=b"\x80\x40")
    assert read_picture(tmp_path / "palette.png", 4, fit=False)[:, 0, 0].tolist() == [250, 120, 10]


def test_more_than_8_bits_are_refused(tmp_path):
    """Pillow would turn all but the darkest pixels white."""
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png must have 8 bits a channel, got mode I"):
        read_picture(tmp_path / "deep.png", 4, fit=True)


@pytest.mark.parametrize("content", [b"", b"no picture", None], ids=["empty", "text", "cut"])
def test_damaged_pictures_are_named(content, tmp_path, write_picture):
    path = write_picture(tmp_path / "broken.png", size=(64, 64))
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ValueError, match=r"broken\.png must be a picture, but cannot be decoded \(.*\); replace"):
        list(decode_pictures([path], 64, fit=True))


def test_another_size_is_refused(tmp_path, write_picture):
    with pytest.raises(ValueError, match="must be 8 x 8 pixels, got 9 x 8"):
        read_picture(write_picture(tmp_path / "wide.png", size=(9, 8)), 8, fit=False)


def test_blocks_keep_the_order(tmp_path, write_picture, monkeypatch):
    monkeypatch.setattr("vision.data.pictures._BLOCK", 3)
    files = [write_picture(tmp_path / f"{i}.png", i) for i in range(8)]
    blocks = list(decode_pictures(files, 8, fit=False))
    assert [len(block) for block in blocks] == [3, 3, 2]
    assert np.concatenate(blocks)[:, 0, 0, 0].tolist() == list(range(8))


def test_pictures_are_listed_by_suffix(write_folder):
    root = write_folder("b/deep/er.jpg", "a.PNG", "c.Webp", "b/x.bmp")
    for other in ("notes.txt", ".hidden.png", ".Trash/x.png", "jpg"):
        (root / other).parent.mkdir(exist_ok=True)
        (root / other).touch()
    found = [path.relative_to(root).as_posix() for path in list_pictures(root)]
    assert found == ["a.PNG", "b/deep/er.jpg", "b/x.bmp", "c.Webp"]
