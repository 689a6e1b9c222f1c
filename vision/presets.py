"""Settings that are known to work together: those of papers, and ours. Each has its command, its cost, its result.

Costs on a GPU that is not named are floors: the arithmetic at 790 TFLOP/s, a matrix product's rate on an H200.
"""

from dataclasses import replace

from vision.augmentation import Augmentation
from vision.config import VisionConfig

_PAPER = VisionConfig(
    image_size=224,
    augmentation=Augmentation(blur=1.0),
    stem="imagenet",
    head_norm="all",
    zero_init_residual=True,
    views="separately",
    feature_mode="train",
    embed_batch_size=2496,
    precision="bfloat16",
    optimizer="lars",
    learning_rate=0.075,
    rate_scaling="sqrt",
    warmup=0.1,
    weight_decay=1e-6,
    epochs=100,
    checkpoint_every=1500,
)
"""Cho et al. (2024, arXiv 2307.05906) and their code, in batches of 32 at temperature 0.1.

Different here: their code runs a 101st epoch at a learning rate of next to nothing; extracts features and plans
a second time each epoch for the last two steps; computes in float16 with a loss scaler; blurs with PIL's
approximation of a Gaussian; measures retrieval by dot products of the head's output, which training normalises, and
on training images unless told otherwise.
"""

PRESETS: dict[str, VisionConfig] = {
    # python -m vision.train digits --selection shuffled
    # 30 s of one CPU core, 0.18 s an update (spectral and osgd: 45 s). Recall@1 among 360 held-out digits, mean and
    # standard deviation of seeds 0-2: untrained 0.172 (0.010), shuffled 0.462 (0.008), spectral 0.423 (0.014).
    "digits": VisionConfig(
        dataset="digits",
        n_pairs=1408,  # 44 batches of 32, so that a fixed partition exists
        augmentation=Augmentation(min_area=0.5, flip=0.0, jitter=0.0, grey=0.0),
        stem="imagenet",
        candidates=44,
        keep=11,
        updates=120,
        learning_rate=0.01,
        rate_scaling="none",
        weight_decay=5e-4,
        measures=("retrieval", "knn", "probe"),
        log_every=10,
        checkpoint_every=40,
    ),
    # python -m vision.train cifar100 --selection spectral
    # Lee et al. (2025, arXiv 2506.09781), whose SGD at 0.3 B/256 and weight decay this is, report linear probes of
    # 55.7 % (NT-Xent) and 59.0 % (DCL) after 200 epochs. 156,200 updates, at least 42 s; result not measured yet.
    "cifar100": VisionConfig(
        n_pairs=49_984,  # 1562 batches of 32, so that a fixed partition exists
        precision="bfloat16",
        epochs=100,
    ),
    # python -m vision.train cifar100-cpu --selection graph
    # A fifth of the images and ImageNet's first layers, a 15th of the work: 624 updates, for a CPU.
    "cifar100-cpu": VisionConfig(
        n_pairs=9_984,  # 312 batches of 32
        stem="imagenet",
        precision="bfloat16",
        candidates=312,
        keep=104,
        epochs=2,
        evaluate_every=1,
        log_every=52,
        checkpoint_every=104,
    ),
    # python -m vision.train cifar100-paper --selection spectral
    # `_PAPER`: 224 pixels and ImageNet's first layers. At least 135 s; result not measured yet.
    "cifar100-paper": replace(_PAPER, n_pairs=49_984),
    # python -m vision.train tiny-imagenet --selection graph
    # As cifar100, at 64 pixels. At least 337 s on all 100,000 images; result not measured yet.
    "tiny-imagenet": VisionConfig(
        dataset="tiny-imagenet",
        image_size=64,
        precision="bfloat16",
        epochs=100,
    ),
    # python -m vision.train tiny-imagenet-paper --selection spectral
    # `_PAPER`. At least 270 s on all 100,000 images; result not measured yet.
    "tiny-imagenet-paper": replace(_PAPER, dataset="tiny-imagenet"),
    # python -m vision.train cifar100-losses --loss dcl
    # The comparison of losses in viig99/ContrastiveLearningLossComparison, which reports linear probes of 52.6 %
    # (InfoNCE, one way), 53.6 (NT-Xent), 56.3 (DCL, one way), 57.0 (DCL) and 56.1 (DHEL, one way). Different here:
    # every loss has both directions (clip, nt_xent, dcl, dhel_mean), logits are float32 and not bfloat16, the probe
    # is of the backbone and not of the head, the learning rate ends at 0. At least 270 s; not measured yet.
    "cifar100-losses": VisionConfig(
        n_pairs=49_920,  # 390 batches of 128
        image_size=224,
        augmentation=Augmentation(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5),
        stem="imagenet",
        dim=2048,
        head_layers=3,
        head_norm="all",
        views="separately",
        precision="bfloat16",
        temperature=0.07,
        batch_size=128,
        candidates=390,
        keep=39,
        epochs=200,
        optimizer="adamw",
        learning_rate=1e-3,
        rate_scaling="none",
        weight_decay=0.01,
    ),
    # python -m vision.train flatclr --batch-size 128
    # Chen et al. (2021, arXiv 2107.01152) and their code, with a ResNet-18 for their ResNet-50. Their learning
    # rates for batches of 128, 256, 512, ... are 0.075 sqrt(B), as here. At least 42 s; result not measured yet.
    "flatclr": VisionConfig(
        dataset="cifar10",
        n_pairs=49_664,  # 97 batches of 512
        augmentation=Augmentation(saturation=0.4),
        precision="bfloat16",
        loss="flatnce",
        batch_size=512,
        candidates=97,
        keep=10,
        batches_per_pool=4,
        epochs=100,
        optimizer="lars",
        learning_rate=0.075,
        rate_scaling="sqrt",
        warmup=0.1,
        weight_decay=1e-6,
    ),
    # python -m vision.train sogclr
    # LibAUC's example for CIFAR-100, which reports a linear probe of 58.1 % after 200 epochs. At least 84 s; result
    # not measured yet.
    "sogclr": VisionConfig(
        n_pairs=49_920,  # 195 batches of 256
        head_norm="all",
        dim=256,
        views="separately",
        precision="bfloat16",
        loss="sogclr",
        loss_settings=("gamma=0.9",),
        temperature=0.5,
        batch_size=256,
        candidates=195,
        keep=20,
        epochs=200,
        optimizer="lars",
        learning_rate=0.075,
        rate_scaling="sqrt",
        weight_decay=1e-6,
    ),
    # python -m vision.train moco
    # MoCo v2 (arXiv 2003.04297) with solo-learn's settings for CIFAR, one direction, at a constant momentum (theirs
    # rises from 0.99 to 0.999). At least 63 s (keys have no backward pass); result not measured yet.
    "moco": VisionConfig(
        n_pairs=49_920,
        augmentation=Augmentation(saturation=0.4, blur=0.5),
        dim=256,
        head_norm="none",
        momentum_encoder=0.99,
        queue_size=32_768,
        precision="bfloat16",
        loss="moco",
        temperature=0.2,
        batch_size=256,
        candidates=195,
        keep=20,
        epochs=200,
    ),
    # python -m vision.train folder --data IMAGES        (IMAGES/train/CLASS/*.jpg and IMAGES/val)
    # SimCLR's settings for ImageNet (arXiv 2002.05709, Section 2.2): LARS at 0.3 B/256, weight decay 1e-6, jitter
    # of strength 1, blur. Not measured.
    "folder": VisionConfig(
        dataset="folder",
        image_size=224,
        augmentation=Augmentation(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5),
        stem="imagenet",
        head_norm="all",
        precision="bfloat16",
        batch_size=256,
        batches_per_pool=None,
        candidates=100,
        keep=10,
        epochs=100,
        optimizer="lars",
        learning_rate=0.3,
        warmup=0.1,
        weight_decay=1e-6,
    ),
    # python -m vision.train smoke
    # A second or two of one CPU core; learns nothing.
    "smoke": VisionConfig(
        dataset="digits",
        n_pairs=64,
        n_test=32,
        image_size=16,
        stem="imagenet",
        hidden_dim=32,
        dim=16,
        batch_size=8,
        candidates=8,
        keep=4,
        batches_per_pool=4,
        learning_rate=1.0,
        measures=("retrieval",),
        updates=6,
        log_every=1,
        checkpoint_every=2,
    ),
}

DESCRIPTIONS: dict[str, str] = {
    "digits": "digits that come with scikit-learn, 120 updates: half a minute of one CPU core",
    "cifar100": "CIFAR-100, 100 epochs in batches of 32: for a GPU",
    "cifar100-cpu": "a fifth of CIFAR-100, 2 epochs at low resolution: three minutes of one CPU core",
    "cifar100-paper": "CIFAR-100 as Cho et al. (2024): 224 pixels, LARS; for a GPU",
    "tiny-imagenet": "Tiny-ImageNet at 64 pixels, 100 epochs; for a GPU",
    "tiny-imagenet-paper": "Tiny-ImageNet as Cho et al. (2024): 224 pixels, LARS; for a GPU",
    "cifar100-losses": "a comparison of losses: batches of 128, 200 epochs at 224 pixels; for a GPU",
    "flatclr": "CIFAR-10 as FlatCLR: FlatNCE, batches of 512, LARS; for a GPU",
    "sogclr": "CIFAR-100 as SogCLR: batches of 256, LARS; for a GPU",
    "moco": "CIFAR-100 with a momentum encoder and a queue of 32,768 keys; for a GPU",
    "folder": "any folder of images, as SimCLR on ImageNet; for a GPU",
    "smoke": "64 digits of 16 pixels, 6 updates: for tests, learns nothing",
}
"""One line for each preset, shown by --help."""
