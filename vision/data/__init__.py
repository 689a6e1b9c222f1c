"""Data sets as tensors of bytes: CIFAR-100 from its official files, the digits that scikit-learn brings along."""

from vision.data.images import DATASETS, Dataset, Images, Split, known_dataset, load_images

__all__ = ["DATASETS", "Dataset", "Images", "Split", "known_dataset", "load_images"]
