"""The encoder: unit embeddings, torchvision's names, and what its options change."""

import pytest
import torch
from torchvision.models import resnet18

from vision.model import Encoder


@pytest.fixture(scope="module")
def images():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_embeddings_are_unit_rows(stem, images):
    model = Encoder(stem=stem, hidden_dim=16, dim=8, seed=0).eval()
    with torch.no_grad():
        z = model(images)
    assert z.shape == (4, 8)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(4))
    assert len(z.unique(dim=0)) == 4


@pytest.mark.parametrize(("stem", "side"), [("imagenet", 8), ("cifar", 32)])
def test_the_cifar_stem_keeps_the_resolution(stem, side, images):
    """ImageNet's halves it twice, by its stride and by its pooling."""
    backbone = Encoder(stem=stem, hidden_dim=16, dim=8, seed=0).backbone.eval()
    seen = []
    backbone.layer1.register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape[-1]))
    with torch.no_grad():
        backbone(images)
    assert seen == [side]


def test_the_backbone_goes_into_torchvision_s_resnet18(images):
    model = Encoder(stem="imagenet", hidden_dim=16, dim=8, seed=0).eval()
    prefix = "backbone."
    weights = {k.removeprefix(prefix): v for k, v in model.state_dict().items() if k.startswith(prefix)}
    plain = resnet18(weights=None).eval()
    answer = plain.load_state_dict(weights, strict=False)
    assert set(answer.missing_keys) == {"fc.weight", "fc.bias"}
    assert not answer.unexpected_keys
    plain.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(plain(images), model.features(images), rtol=1e-4, atol=1e-5)


def test_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = Encoder(stem="cifar", hidden_dim=16, dim=8, seed=1).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    again = Encoder(stem="cifar", hidden_dim=16, dim=8, seed=1).state_dict()
    other = Encoder(stem="cifar", hidden_dim=16, dim=8, seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["backbone.conv1.weight"], other["backbone.conv1.weight"])


def test_bfloat16_is_close_and_its_embeddings_are_float32(images):
    exact, coarse = (
        Encoder(stem="imagenet", hidden_dim=16, dim=8, precision=precision, seed=0).eval()
        for precision in ("float32", "bfloat16")
    )
    with torch.no_grad():
        u, v = exact(images), coarse(images)
    assert v.dtype == torch.float32
    assert not torch.equal(u, v)
    torch.testing.assert_close(u, v, rtol=0, atol=0.05)


HEADS = {
    "hidden": ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"],
    "all": ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"],
    "none": ["Linear", "ReLU", "Linear", "ReLU", "Linear"],
}


@pytest.mark.parametrize("norm", HEADS)
def test_heads_are_the_published_ones(norm):
    head = Encoder(stem="imagenet", hidden_dim=16, dim=8, head_layers=3, head_norm=norm, seed=0).head
    assert [type(layer).__name__ for layer in head] == HEADS[norm]
    linear = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [16, 16, 8]
    assert all((layer.bias is None) == (norm == "all") for layer in linear)
    if norm == "all":
        assert head[-1].weight is None  # neither scale nor shift
        assert head[1].weight is not None


def test_a_linear_head():
    assert [type(layer).__name__ for layer in Encoder(stem="imagenet", dim=8, head_layers=1, seed=0).head] == [
        "Linear"
    ]


def test_the_published_encoder_has_as_many_parameters():
    """12.49 million: ResNet-18 and a head of 512-2048-128 whose last normalisation has none."""
    model = Encoder(stem="imagenet", head_norm="all", zero_init_residual=True, seed=0)
    assert sum(p.numel() for p in model.parameters()) == 12_491_328
    assert not model.backbone.layer1[0].bn2.weight.any()


def test_projections_are_embeddings_before_they_are_normalised(images):
    model = Encoder(stem="imagenet", hidden_dim=16, dim=8, seed=0).eval()
    with torch.no_grad():
        z = model.project(images)
        torch.testing.assert_close(z / z.norm(dim=1, keepdim=True), model(images))
