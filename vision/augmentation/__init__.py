"""Random views of images, each view with parameters of its own, on the device that the images are on.

    first, second = two_views(pixels, index, augmentation=Augmentation(), size=32, ..., counter=update)

strengths   how much may change, `Augmentation`
draws       random numbers become parameters of each view
pixels      crops, blur, solarisation;  colour    brightness, contrast, saturation, hue, grey
apply       the changes, portion by portion;  fused, kernel    all of them in one kernel on a GPU
policies    torchvision's automatic augmentations, mixup and cutmix
views       the two views of a batch, or of many
"""

from vision.augmentation.apply import apply_changes
from vision.augmentation.draws import Changes, draw_changes
from vision.augmentation.policies import mixed
from vision.augmentation.strengths import Augmentation, Policy
from vision.augmentation.views import two_views, views_of_steps

__all__ = [
    "Augmentation",
    "Changes",
    "Policy",
    "apply_changes",
    "draw_changes",
    "mixed",
    "two_views",
    "views_of_steps",
]
