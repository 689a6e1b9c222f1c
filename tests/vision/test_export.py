"""`python -m vision.export`: the network of a run for other programs."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from torchvision.models import resnet18

from training import run_command
from vision.config import VisionConfig
from vision.data import load_images
from vision.evaluate.load import fresh_encoder
from vision.export import main, parse
from vision.model import Encoder

CONFIG = VisionConfig(
    dataset="digits", n_pairs=64, n_test=32, image_size=32, hidden_dim=16, dim=8, batch_size=8, updates=6
)


@pytest.fixture(scope="module", params=["imagenet", "cifar"])
def run(request, tmp_path_factory):
    """The folder of a run, and its encoder."""
    folder = tmp_path_factory.mktemp(request.param)
    config = replace(CONFIG, stem=request.param, data=folder)
    (folder / "config.json").write_text(json.dumps({"experiment": "vision", "config": config.record()}))
    encoder = fresh_encoder(config)
    torch.save(encoder.state_dict(), folder / "model.pt")
    return folder, encoder.eval(), request.param


def export(*arguments):
    return main(parse([*map(str, arguments)]))


def change(network, *lines):
    """By lines of Python, such as the file says."""
    for line in lines:
        exec(line, {"torch": torch, "network": network})


def words_of(path):
    """What a file says of its weights, lists as such."""
    if path.suffix == ".pt":
        return json.loads(path.with_name(f"{path.name}.json").read_text())
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {n: json.loads(word) if word.startswith("[") else word for n, word in file.metadata().items()}


def read(path):
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    from safetensors.torch import load_file

    return load_file(path)


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_the_backbone_is_torchvisions(run, name, tmp_path, capsys):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    folder, encoder, stem = run
    weights = read(export(folder, tmp_path / name))
    told = words_of(tmp_path / name)
    assert told["stem"] == stem
    network = resnet18()
    change(network, *told.get("before loading", []))
    missing = network.load_state_dict(weights, strict=False)
    assert missing.missing_keys == ["fc.weight", "fc.bias"]
    assert missing.unexpected_keys == []
    change(network, "network.fc = torch.nn.Identity()")
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network.eval()(images), encoder.features(images), atol=1e-5)
    printed = capsys.readouterr().out
    for line in ("network.conv1 = torch.nn.Conv2d(3, 64, kernel_size=3,", "network.maxpool = torch.nn.Identity()"):
        assert (line in printed) == (stem == "cifar")
    assert {path.name for path in tmp_path.iterdir()} - {"net.pt.json"} == {name}


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_the_file_says_how_images_must_be(run, name, tmp_path, capsys):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    told = words_of(export(run[0], tmp_path / name))
    clean = load_images("digits", tmp_path, "test")
    assert torch.equal(torch.tensor(told["mean"]), clean.mean)
    assert torch.equal(torch.tensor(told["std"]), clean.std)
    assert (told["trained on"], int(told["image size"])) == ("digits", 32)
    assert "std: [0.324, 0.324, 0.324]" in capsys.readouterr().out


def test_the_whole_encoder_is_made_anew_of_what_the_file_says(run, tmp_path):
    folder, encoder, _ = run
    path = export(folder, tmp_path / "all.pt", "--whole")
    names = ("stem", "hidden_dim", "dim", "head_layers", "head_norm", "precision")
    told = {name: words_of(path)[name] for name in names}
    other = Encoder(**told, seed=1)
    other.load_state_dict(read(path))
    assert all(torch.equal(encoder.state_dict()[name], value) for name, value in other.state_dict().items())


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        run_command(main, parse, [*map(str, arguments)])
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_bad_targets_are_refused(run, tmp_path, capsys, monkeypatch):
    folder, _, _ = run
    assert "OUT must end in .pt or .safetensors" in refused(capsys, folder, tmp_path / "net.onnx")
    assert "must be in a folder that exists" in refused(capsys, folder, tmp_path / "none" / "net.pt")
    (tmp_path / "net.pt").write_text("mine")
    assert "OUT must be a new file" in refused(capsys, folder, tmp_path / "net.pt")
    assert (tmp_path / "net.pt").read_text() == "mine"
    assert not (tmp_path / "net.pt.json").exists()
    (tmp_path / "other.pt.json").write_text("mine")
    assert "other.pt.json exists" in refused(capsys, folder, tmp_path / "other.pt")
    export(folder, tmp_path / "net.pt", "--overwrite")
    assert "with a config.json" in refused(capsys, tmp_path, tmp_path / "another.pt")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    assert "`pip install safetensors`" in refused(capsys, folder, tmp_path / "net.safetensors")
