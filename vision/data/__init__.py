"""Data sets as tensors of bytes, decoded once and mapped into memory.

    images = load_images("cifar100", Path("data"), "train")     # .pixels, .labels, .mean, .std
    python -m vision.data cifar100 --download

images      a split as a tensor, and the registry of data sets
source      what a data set tells before it is decoded
cifar       CIFAR-10 and CIFAR-100, both official layouts
folders     folders of pictures, Tiny ImageNet's among them;  pictures: decoding
digits      what scikit-learn brings along
cache       decoded splits on the disk
corrupted   the test splits with noise, blur, weather and the like;  manifest: which corruptions they must hold
download    from their publishers
"""

from vision.data.corrupted import Corruptions, find_corruptions
from vision.data.download import download
from vision.data.images import DATASETS, Dataset, Images, known_dataset, load_images
from vision.data.source import Split

__all__ = [
    "DATASETS",
    "Corruptions",
    "Dataset",
    "Images",
    "Split",
    "download",
    "find_corruptions",
    "known_dataset",
    "load_images",
]
