"""What a trained encoder is worth: pure functions of an encoder and images, each with a record of its settings.

    retrieve              one augmented view finds the other among those of all images
    among_corruptions     a view of a corrupted image finds its partner among the image's corruptions (Cho et al.)
    across_corruption     an image finds itself among all images, corrupted another way
    nearest_neighbours    classification without training
    linear_probe          logistic regression on frozen features, with all or few labels
    fine_tune             all weights trained on labels, from trained or fresh ones
    geometry, collisions  alignment, uniformity, rank; negatives that are of the anchor's class

`evaluate` does several at once; `python -m vision.evaluate RUN` does all of them for a run.
"""

from vision.evaluate.corrupted import AcrossCorruption, AmongCorruptions, across_corruption, among_corruptions
from vision.evaluate.features import embeddings, features
from vision.evaluate.finetune import FineTuned, FineTuning, crop_and_flip, fine_tune
from vision.evaluate.geometry import Collisions, Geometry, collisions, geometry
from vision.evaluate.knn import Neighbours, nearest_neighbours
from vision.evaluate.probe import Probe, linear_probe
from vision.evaluate.retrieval import Retrieval, retrieve
from vision.evaluate.suite import Passes, QuickMeasure, evaluate

__all__ = [
    "AcrossCorruption",
    "AmongCorruptions",
    "Collisions",
    "FineTuned",
    "FineTuning",
    "Geometry",
    "Neighbours",
    "Passes",
    "Probe",
    "QuickMeasure",
    "Retrieval",
    "across_corruption",
    "among_corruptions",
    "collisions",
    "crop_and_flip",
    "embeddings",
    "evaluate",
    "features",
    "fine_tune",
    "geometry",
    "linear_probe",
    "nearest_neighbours",
    "retrieve",
]
