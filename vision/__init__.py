"""Images: two augmented views of each, a ResNet-18, and training on chosen batches.

python -m vision.train digits --selection spectral

config      what a run is made of, and the presets
data        CIFAR-100 and scikit-learn's digits as tensors of bytes
augment     random views: what is drawn;  pixels: what is done
model       ResNet-18 with a projection head
pairs       images as pairs of views, for the training loop
train       the command
retrieve    does one view find the other?
"""

from vision.augmentation import Augmentation, two_views
from vision.config import PRESETS, VisionConfig
from vision.data import Images, load_images
from vision.model import Encoder
from vision.pairs import ImagePairs
from vision.evaluate import Retrieval, retrieve

__all__ = [
    "PRESETS",
    "Augmentation",
    "Encoder",
    "ImagePairs",
    "Images",
    "Retrieval",
    "VisionConfig",
    "load_images",
    "retrieve",
    "two_views",
]
