"""What a trained encoder is worth."""

from vision.evaluate.retrieval import Retrieval, retrieve

__all__ = ["Retrieval", "retrieve"]
