"""ResNet-18 and its projection head: from views to unit embeddings."""

from typing import Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18
from typing_extensions import override

Stem = Literal["cifar", "imagenet"]
Precision = Literal["float32", "bfloat16"]


class Encoder(nn.Module):
    """x -> head(backbone(x)) / |head(backbone(x))|, head: linear, batch normalisation, ReLU, linear.

    The weights of the backbone have torchvision's names after `backbone.`, so they go into a plain
    `torchvision.models.resnet18` without renaming.

    Args:
        stem: "imagenet" is torchvision's first layer, 7 x 7 with stride 2 and a max-pooling after it; "cifar" a
            3 x 3 with stride 1 and none, as usual for images of 32 pixels: 15 times the work there.
        hidden_dim: Width of the head.
        dim: Of the embeddings.
        precision: What the backbone computes in; the weights, the head and the embeddings are float32.
        seed: Of the weights.

    References:
        He et al., 2016, arXiv 1512.03385; Chen et al., 2020, Appendix B.9 (the stem for CIFAR), arXiv 2002.05709.
    """

    def __init__(
        self, *, stem: Stem, hidden_dim: int = 2048, dim: int = 128, precision: Precision = "float32", seed: int
    ) -> None:
        """See the class."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # nobody else's random numbers change
            torch.manual_seed(seed)
            self.backbone = _backbone(stem)
            self.head = nn.Sequential(
                nn.Linear(512, hidden_dim), nn.BatchNorm1d(hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, dim)
            )
        self.precision: Precision = precision
        self.to(memory_format=torch.channels_last)

    def features(self, images: Float[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 512"]:
        """What the head gets: the representation that a linear probe is trained on."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.backbone(images).float()

    @override
    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dim"]:
        return functional.normalize(self.head(self.features(images)))


def _backbone(stem: Stem) -> nn.Module:
    """ResNet-18 without its classifier."""
    network = resnet18(weights=None)
    network.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return network
