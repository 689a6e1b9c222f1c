"""ResNet-18 and its projection head: from views to unit embeddings."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

Stem = Literal["cifar", "imagenet"]
Precision = Literal["float32", "bfloat16"]
HeadNorm = Literal["hidden", "all", "none"]

FEATURE_DIM = 512
"""Of what the backbone gives."""


class Encoder(nn.Module):
    """x -> head(backbone(x)) / |head(backbone(x))|.

    The weights of the backbone have torchvision's names after `backbone.`, so they go into a plain
    `torchvision.models.resnet18` without renaming (the CIFAR stem's first layer is smaller there).

    Args:
        stem: "imagenet" is torchvision's first layer, 7 x 7 with stride 2 and a max-pooling after it; "cifar" a
            3 x 3 with stride 1 and none, as usual for images of 32 pixels: 15 times the work there.
        hidden_dim: Width of the head.
        dim: Of the embeddings.
        head_layers: Linear layers of the head, with a ReLU between two of them; 1 is a linear head.
        head_norm: Where the head has batch normalisation: after every "hidden" layer; after "all", the last one
            without scale and shift, and no layer with a bias (SimCLR, MoCo v3, Cho et al.); or "none" (MoCo v2).
        zero_init_residual: Every residual branch begins at zero.
        precision: What the backbone computes in; the weights, the head and the embeddings are float32.
        seed: Of the weights.

    References:
        He et al., 2016, arXiv 1512.03385; Chen et al., 2020, Appendix B.9 (the stem for CIFAR), arXiv 2002.05709;
        Goyal et al., 2017, Section 5.1 (zero_init_residual), arXiv 1706.02677.
    """

    def __init__(
        self,
        *,
        stem: Stem,
        hidden_dim: int = 2048,
        dim: int = 128,
        head_layers: int = 2,
        head_norm: HeadNorm = "hidden",
        zero_init_residual: bool = False,
        precision: Precision = "float32",
        seed: int,
    ) -> None:
        """See the class."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # nobody else's random numbers change
            torch.manual_seed(seed)
            self.backbone = _backbone(stem, zero_init_residual)
            self.head = _head([FEATURE_DIM, *[hidden_dim] * (head_layers - 1), dim], head_norm)
        self.precision: Precision = precision
        self.to(memory_format=torch.channels_last)

    def features(self, images: Float[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 512"]:
        """What the head gets: the representation that a linear probe is trained on."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.backbone(images).float()

    def project(self, images: Float[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dim"]:
        """What the head gives, of any length: what losses of raw embeddings take (VICReg, Barlow Twins)."""
        return self.head(self.features(images))

    @override
    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dim"]:
        return functional.normalize(self.project(images))


def _backbone(stem: Stem, zero_init_residual: bool) -> nn.Module:
    """ResNet-18 without its classifier."""
    from torchvision.models import resnet18  # two seconds that --help and bad input need not wait for

    network = resnet18(weights=None, zero_init_residual=zero_init_residual)
    network.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return network


def _head(widths: list[int], norm: HeadNorm) -> nn.Sequential:
    """Linear layers of these widths."""
    last = len(widths) - 2
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after, bias=norm != "all"))
        if norm == "all" or (norm == "hidden" and i < last):
            layers.append(nn.BatchNorm1d(after, affine=i < last))
        if i < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
