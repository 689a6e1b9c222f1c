"""A ResNet-18 that costs next to nothing, for what is not about the network."""

import pytest
import torch

from vision.data import load_images


class SmallBackbone(torch.nn.Module):
    """Stands in for torchvision's ResNet-18: its first layer and its 512 features at a hundredth of its time."""

    def __init__(self, weights=None, zero_init_residual=False):
        super().__init__()
        assert weights is None
        self.conv1 = torch.nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        self.maxpool = torch.nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.last = torch.nn.Linear(64, 512)
        if zero_init_residual:
            torch.nn.init.zeros_(self.last.weight)

    def forward(self, images):
        return self.last(self.maxpool(self.bn1(self.conv1(images)).relu()).mean((2, 3)))


@pytest.fixture
def small_backbone(monkeypatch):
    monkeypatch.setattr("torchvision.models.resnet18", SmallBackbone)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """64 digits."""
    return load_images("digits", tmp_path_factory.mktemp("none"), "train").subset(64)
