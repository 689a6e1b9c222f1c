"""Corrupted images: the 19 corruptions at 5 severities of ImageNet-C and CIFAR-C, recomputed from their recipe.

python -m vision.corruptions cifar100

recipes    constants for 32 and 64 pixels
noise, blur, weather, digital, spatter    what is done
draws      random numbers of each image
sampling   reading images between pixels, along lines, enlarged
pictures   the pictures of frost
registry   corruptions by name, and `corrupt`
folder     corrupted test sets on disk
command    the command

The published files hold other random numbers, so what is made here has their distribution and not their bytes.
Those of Tiny-ImageNet-C were cut from ImageNet's validation pictures and, after every corruption, saved as JPEG
of quality 85; here the data set's own test images are corrupted, and kept as they come out.
"""

from vision.corruptions.recipes import RECIPES, Recipe
from vision.corruptions.registry import CORRUPTIONS, Corruption, corrupt, recipe_for

__all__ = ["CORRUPTIONS", "RECIPES", "Corruption", "Recipe", "corrupt", "recipe_for"]
