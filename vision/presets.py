"""Settings that are known to work together: those of papers, and ours. Each has its command, its cost, its result.

`python -m vision.train --help` lists them, `python -m vision.train PRESET --help` tells all about one. A cost of
"at least" so much is a floor: the arithmetic at 790 TFLOP/s, a matrix product's rate on an H200.
"""

from dataclasses import replace

from training.command import Preset
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
_PAPER_DIFFERS = (
    "follows Cho et al. (2024, arXiv 2307.05906) and their code, in batches of 32 at temperature 0.1. Their code "
    "runs a 101st epoch at a learning rate of next to nothing; extracts features and plans a second time each "
    "epoch for the last two steps; computes in float16 with a loss scaler; blurs with PIL's approximation of a "
    "Gaussian; measures retrieval by dot products of the head's output, which training normalises, and on training "
    "images unless told otherwise"
)

CATALOGUE: dict[str, Preset[VisionConfig]] = {
    "digits": Preset(
        title="the digits of scikit-learn",
        command="python -m vision.train digits --selection shuffled",
        cost="30 s of one CPU core, 0.18 s an update (spectral and osgd: 45 s)",
        reached="mean and standard deviation of seeds 0-2, recall@1 among 360 held-out digits, k nearest "
        "neighbours, linear probe: shuffled 0.459 (0.027), 0.806 (0.027), 0.932 (0.008); spectral 0.445 (0.018), "
        "0.730 (0.049), 0.942 (0.012); untrained recall@1 0.172 (0.010)",
        config=VisionConfig(
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
    ),
    "cifar100": Preset(
        title="CIFAR-100, 100 epochs in batches of 32",
        command="python -m vision.train cifar100 --selection spectral",
        cost="at least 42 s on an H200",
        differs="SGD at 0.3 B/256 and the weight decay are those of Lee et al. (2025, arXiv 2506.09781), who "
        "report linear probes of 55.7 % (NT-Xent) and 59.0 % (DCL) after 200 epochs; here 100, 156,200 updates",
        config=VisionConfig(
            n_pairs=49_984,  # 1562 batches of 32, so that a fixed partition exists
            precision="bfloat16",
            epochs=100,
        ),
    ),
    "cifar100-cpu": Preset(
        title="a fifth of CIFAR-100, 2 epochs with ImageNet's first layers",
        command="python -m vision.train cifar100-cpu --selection graph",
        cost="three minutes of one CPU core",
        reached="mean and standard deviation of seeds 0-2, k nearest neighbours and linear probe: shuffled 0.107 "
        "(0.003) and 0.149 (0.004), graph 0.105 (0.003) and 0.146 (0.004), spectral 0.105 (0.001) and 0.134 "
        "(0.007); untrained k nearest neighbours 0.101 (0.005)",
        differs="from cifar100, for a CPU: a fifth of the images, ImageNet's first layers, which are a 15th of "
        "the work, 624 updates",
        config=VisionConfig(
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
    ),
    "cifar100-paper": Preset(
        title="CIFAR-100 as Cho et al. (2024), at 224 pixels with LARS",
        command="python -m vision.train cifar100-paper --selection spectral",
        cost="at least 135 s on an H200",
        differs=_PAPER_DIFFERS,
        config=replace(_PAPER, n_pairs=49_984),
    ),
    "tiny-imagenet": Preset(
        title="Tiny-ImageNet at 64 pixels, 100 epochs",
        command="python -m vision.train tiny-imagenet --selection graph",
        cost="at least 337 s on an H200 (all 100,000 images)",
        differs="as cifar100, but for the size of the images",
        config=VisionConfig(dataset="tiny-imagenet", image_size=64, precision="bfloat16", epochs=100),
    ),
    "tiny-imagenet-paper": Preset(
        title="Tiny-ImageNet as Cho et al. (2024), at 224 pixels",
        command="python -m vision.train tiny-imagenet-paper --selection spectral",
        cost="at least 270 s on an H200 (all 100,000 images)",
        differs=_PAPER_DIFFERS,
        config=replace(_PAPER, dataset="tiny-imagenet"),
    ),
    "cifar100-losses": Preset(
        title="losses compared on CIFAR-100: batches of 128, 200 epochs at 224 pixels",
        command="python -m vision.train cifar100-losses --loss dcl",
        cost="at least 270 s on an H200",
        differs="follows viig99/ContrastiveLearningLossComparison, which reports linear probes of 52.6 % "
        "(InfoNCE, one way), 53.6 (NT-Xent), 56.3 (DCL, one way), 57.0 (DCL) and 56.1 (DHEL, one way). Here every "
        "loss has both directions (clip, nt_xent, dcl, dhel_mean), logits are float32 and not bfloat16, the probe "
        "is of the backbone and not of the head, the learning rate ends at 0",
        config=VisionConfig(
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
    ),
    "flatclr": Preset(
        title="CIFAR-10 as FlatCLR: FlatNCE, batches of 512, LARS",
        command="python -m vision.train flatclr --batch-size 128",
        cost="at least 42 s on an H200",
        differs="follows Chen et al. (2021, arXiv 2107.01152) and their code, with a ResNet-18 for their "
        "ResNet-50. Their learning rates for batches of 128, 256, 512, ... are 0.075 sqrt(B), as here",
        config=VisionConfig(
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
    ),
    "sogclr": Preset(
        title="CIFAR-100 as SogCLR: batches of 256, LARS",
        command="python -m vision.train sogclr",
        cost="at least 84 s on an H200",
        differs="follows LibAUC's example for CIFAR-100, which reports a linear probe of 58.1 % after 200 epochs",
        config=VisionConfig(
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
    ),
    "moco": Preset(
        title="CIFAR-100 as MoCo v2, with 32,768 keys",
        command="python -m vision.train moco",
        cost="at least 56 s on an H200 (keys have no backward pass)",
        differs="follows MoCo v2 (arXiv 2003.04297) with solo-learn's settings for CIFAR, one direction, at a "
        "constant momentum; theirs rises from 0.99 to 0.999",
        config=VisionConfig(
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
    ),
    "folder": Preset(
        title="any folder of images, as SimCLR on ImageNet",
        command="python -m vision.train folder --data IMAGES",
        cost="at least 27 s on an H200 for every 10,000 images",
        differs="SimCLR's settings for ImageNet (arXiv 2002.05709, Section 2.2): LARS at 0.3 B/256, weight decay "
        "1e-6, jitter of strength 1, blur. Here a ResNet-18 and batches of 256; the pictures, "
        "IMAGES/train/CLASS/*.jpg and IMAGES/val, are first shrunk and centre-cut to image_size when they are "
        "decoded, so small crops are enlarged again",
        config=VisionConfig(
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
    ),
    "smoke": Preset(
        title="64 digits of 16 pixels, 6 updates",
        command="python -m vision.train smoke",
        cost="a second or two of one CPU core",
        reached="nothing is learned: it shows that everything runs",
        config=VisionConfig(
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
    ),
}
"""All there is to know about each preset; what follows is derived from it."""

PRESETS: dict[str, VisionConfig] = {name: preset.config for name, preset in CATALOGUE.items()}
DESCRIPTIONS: dict[str, str] = {name: preset.line for name, preset in CATALOGUE.items()}
"""One line for each preset, shown by --help."""
DETAILS: dict[str, str] = {name: preset.details for name, preset in CATALOGUE.items()}
"""What PRESET --help begins with."""
