"""Random views of images: what is drawn (`views`), and what is done to pixels (`pixels`)."""

from vision.augmentation.views import Augmentation, apply_changes, draw_changes, two_views

__all__ = ["Augmentation", "apply_changes", "draw_changes", "two_views"]
