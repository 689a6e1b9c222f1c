"""Images: two augmented views of each, a ResNet-18, and training on chosen batches.

python -m vision.train digits --selection spectral

config, presets   what a run is made of
data              CIFAR, Tiny-ImageNet, folders and digits as tensors of bytes; python -m vision.data
corruptions       the published corruptions recomputed; python -m vision.corruptions
augmentation      random views: what is drawn, and what is done to pixels
model             ResNet-18 with a projection head;  momentum: a second one that follows it
pairs             images as pairs of views, for the training loop;  ahead: views of the steps to come
train             the command
evaluate          retrieval, k nearest neighbours, linear probe, fine-tuning, ...; python -m vision.evaluate
export            the bare backbone; python -m vision.export
"""

from vision.augmentation import Augmentation, mixed, two_views, views_of_steps
from vision.config import VisionConfig
from vision.data import Images, load_images
from vision.evaluate import Retrieval, retrieve
from vision.model import Encoder
from vision.pairs import ImagePairs
from vision.presets import PRESETS

__all__ = [
    "PRESETS",
    "Augmentation",
    "Encoder",
    "ImagePairs",
    "Images",
    "Retrieval",
    "VisionConfig",
    "load_images",
    "mixed",
    "retrieve",
    "two_views",
    "views_of_steps",
]
