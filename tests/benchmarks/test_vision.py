"""A step's floor is what the layers need; all steps are timed alike; recipes are what they are said to be."""

import csv
from dataclasses import replace
from math import log

import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks import floor, vision, vision_cases
from benchmarks.vision_clock import Clock, Timing
from benchmarks.vision_peers import Peer, eager_nt_xent
from benchmarks.vision_recipes import RECIPES, LoopLars, transform
from losses import nt_xent
from training import make_optimizer
from vision.config import VisionConfig
from vision.data import Images
from vision.model import Encoder
from vision.presets import PRESETS

CPU = torch.device("cpu")
PEAKS = floor.Peaks({"float32": 1e12, "bfloat16": 2e12}, bandwidth=1e11)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8)
    half = torch.full((3,), 0.5)
    return Images(
        name="noise", pixels=pixels, labels=torch.arange(64) % 4, class_names=tuple("abcd"), mean=half, std=half
    )


@pytest.fixture
def tiny() -> VisionConfig:
    return replace(PRESETS["smoke"], n_pairs=64)


class TestFloor:
    def test_work_of_one_layer_by_hand(self):
        layer = nn.Conv2d(3, 5, 3, padding=1, bias=False)
        work = floor.work_of_step(layer, views=4, image_size=8, precision="float32")
        forward = 2 * 64 * 5 * 3 * 9  # a multiplication and an addition for each output and each weight of it
        assert work.operations == 4 * 2 * forward  # the images get no gradient, the weights do
        entries = 3 * 3 * 64 + 3 * 5 * 64
        assert work.bytes == 4 * 4 * entries + 5 * 4 * 3 * 5 * 9

    # Counted by hand for a ResNet-18 with a head of 2048 and 128: GFLOP and MB (bfloat16) a view.
    @pytest.mark.parametrize(
        ("stem", "size", "operations", "megabytes"), [("cifar", 32, 3.337, 16.3), ("imagenet", 224, 10.65, 62.8)]
    )
    def test_work_of_a_resnet(self, stem, size, operations, megabytes):
        model = Encoder(stem=stem, seed=0)
        one, two = (
            floor.work_of_step(model, views=views, image_size=size, precision="bfloat16") for views in (64, 128)
        )
        assert (two.operations - one.operations) / 64e9 == pytest.approx(operations, rel=1e-3)
        assert (two.bytes - one.bytes) / 64e6 == pytest.approx(megabytes, rel=5e-3)
        weights = sum(p.numel() for p in model.parameters())
        assert 2 * one.bytes - two.bytes == pytest.approx(5 * 4 * weights)
        assert all(p.grad is None for p in model.parameters())

    def test_the_floor_is_the_larger_of_the_two(self):
        assert floor.Work(3e12, 1e11).floor(PEAKS, "float32") == (3.0, "arithmetic")
        assert floor.Work(3e12, 2e11).floor(PEAKS, "bfloat16") == (2.0, "memory")

    def test_peaks_are_measured(self, monkeypatch):
        before = torch.get_float32_matmul_precision()
        ticks = iter(range(1000))
        monkeypatch.setattr(floor, "SIDES", {"cpu": (64, 2**10)})
        monkeypatch.setattr(floor, "_now", lambda _device: float(next(ticks)))  # whatever is timed takes 1
        peaks = floor.measure_peaks(CPU, tries=1)
        assert peaks.operations == {"float32": 2 * 64**3, "bfloat16": 2 * 64**3}
        assert peaks.bandwidth == 2 * 4 * 2**10
        assert torch.get_float32_matmul_precision() == before


class TestRecipes:
    @pytest.mark.parametrize("clipped", [False, True])
    def test_the_loop_takes_the_steps_of_lars(self, clipped):
        def trained(make):
            generator = torch.Generator().manual_seed(1)
            weights = [
                nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (4,), (2, 3, 3, 3))
            ]
            optimizer = make(weights)
            for _ in range(3):
                for p in weights:
                    p.grad = torch.randn(p.shape, generator=generator)
                optimizer.step()
            return weights

        trust, name = (0.02, "lars-clipped") if clipped else (0.001, "lars")
        loop = trained(lambda p: LoopLars(p, lr=0.4, weight_decay=1e-2, trust=trust, clipped=clipped))
        ours = trained(lambda p: make_optimizer(name, p, learning_rate=0.4, weight_decay=1e-2))
        for a, b in zip(loop, ours, strict=True):
            torch.testing.assert_close(a, b)

    def test_their_loss_is_ours(self, unit_pairs):
        u, v = unit_pairs(6, 8)
        torch.testing.assert_close(eager_nt_xent(3 * u, v, 0.2), nt_xent(u, v, temperature=0.2))

    @pytest.mark.parametrize("name", RECIPES)
    def test_views_are_normalised_pictures_of_the_size(self, name):
        picture = Image.new("RGB", (32, 32), (255, 0, 0))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            view = transform(RECIPES[name])(picture)
        assert view.shape == (3, RECIPES[name].image_size, RECIPES[name].image_size)
        assert view.amin() < 0

    @pytest.mark.parametrize("name", RECIPES)
    def test_ours_has_the_sizes_of_the_recipe(self, name):
        recipe, ours = RECIPES[name], vision_cases.CONFIGS[name]
        same = ("image_size", "stem", "batch_size", "temperature")
        assert all(getattr(recipe, field) == getattr(ours, field) for field in same)
        jitter = ours.augmentation
        assert recipe.jitter == (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        assert recipe.blur == jitter.blur
        assert recipe.half == (ours.precision == "bfloat16")
        assert ours.views == "separately"
        theirs = sum(p.numel() for p in recipe.head().parameters())
        encoder = Encoder(
            stem="imagenet", hidden_dim=ours.hidden_dim, dim=ours.dim, head_norm=ours.head_norm, seed=0
        )
        assert theirs == sum(p.numel() for p in encoder.head.parameters())
        (group,) = recipe.optimizer([nn.Parameter(torch.zeros(1))]).param_groups
        assert group["lr"] == pytest.approx(ours.peak_rate)
        assert group["weight_decay"] == ours.weight_decay


class TestTurns:
    def test_a_peer_learns(self, images):
        recipe = replace(RECIPES["lightly"], stem="imagenet", batch_size=8)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            peer = Peer(recipe, images.pixels[:16], device=CPU, workers=0, seed=0)
            before = [p.detach().clone() for p in peer.model.parameters()]
            timing = peer.take(1)
        assert timing.steps == 1
        assert timing.seconds > 0
        assert not any(torch.equal(a, b) for a, b in zip(before, peer.model.parameters(), strict=True))

    def test_ours_trains_through_the_loop_off_and_on_the_clock(self, tiny, images):
        ours = vision_cases.Ours(tiny, images, line=2)
        before = [p.detach().clone() for p in ours.parts.encoder.parameters()]
        timing = ours.take(3)
        assert timing.steps == 4  # in whole lines, and the first line is not counted
        assert timing.seconds > 0
        assert ours.parts.pairs.update == 5
        assert not any(torch.equal(a, b) for a, b in zip(before, ours.parts.encoder.parameters(), strict=True))

    def test_a_plan_is_timed_with_its_embeddings(self, tiny, images):
        timing = vision_cases.Ours(replace(tiny, selection="osgd"), images, line=2).plan(times=2)
        assert timing.steps == tiny.keep
        assert timing.cpu_seconds > 0

    def test_the_clock_counts_the_work_of_this_process(self):
        clock = Clock(CPU)
        sum(range(10**6))
        timing = clock.stop(4)
        assert timing.steps == 4
        assert 0 < timing.cpu_seconds <= timing.seconds * 2

    def test_everyone_has_turns_of_equal_length(self):
        class Fake:
            def __init__(self, pace):
                self.pace, self.asked = pace, []

            def take(self, steps):
                self.asked.append(steps)
                return Timing(steps, steps * self.pace, steps * self.pace)

        slow, quick = Fake(1.0), Fake(0.01)
        found = vision.rounds({("a", "eager"): slow, ("a", "recipe"): quick}, seconds=30, shortest=2)
        assert slow.asked == [2, 10, 10, 10]
        assert quick.asked == [2, 1000, 1000, 1000]
        assert [vision.per_step(turns) for turns in found.values()] == pytest.approx([1.0, 0.01])


class TestTable:
    def test_rows(self):
        cases = {"cifar100": vision_cases.case("cifar100", "cpu"), "paper": vision_cases.case("paper", "cpu")}
        timings = {
            ("cifar100", "eager"): [Timing(10, 2.0, 4.0)] * 3,
            ("paper", "eager"): [Timing(1, 1.0, 1.0), Timing(1, 3.0, 3.0), Timing(1, 2.0, 2.0)],
            ("paper", vision.THEIRS): [Timing(1, 8.0, 9.0)] * 3,
        }
        rows = vision.table(cases, timings, {"osgd": Timing(10, 4.0, 4.0)}, PEAKS, "cpu")
        assert [row["case"] for row in rows] == ["cifar100", "paper", "paper", "cifar100 + osgd"]
        assert [row["ratio"] for row in rows] == [
            "1",
            "1",
            "4",
            "3",
        ]  # 0.2 s a step, and 0.4 s for its part of a plan
        assert (rows[0]["ms"], rows[0]["cpu_ms"], rows[0]["views_per_second"]) == ("200", "400", 320)
        updates = 50_000 // 32
        assert float(rows[0]["minutes"]) == pytest.approx(100 * updates * 0.2 / 60, rel=1e-3)
        assert float(rows[3]["minutes"]) == pytest.approx(100 * updates * 0.6 / 60, rel=1e-3)
        assert float(rows[3]["plan_seconds"]) == pytest.approx(updates * 0.4, rel=1e-3)
        assert rows[1]["scaled"] == "batch 8 for 32; float32 for half precision"
        assert float(rows[1]["over_floor"]) * float(rows[1]["floor_ms"]) == pytest.approx(2000, rel=1e-2)
        assert len({tuple(row) for row in rows}) == 1  # the same columns in all

    def test_the_command(self, tmp_path, monkeypatch, images, tiny):
        small = {name: replace(tiny, n_pairs=None, dataset="cifar100") for name in ("cifar100",)}
        monkeypatch.setattr(vision_cases, "CONFIGS", vision_cases.CONFIGS | small)
        monkeypatch.setattr(vision_cases, "_CPU_BATCH", {"cifar100": 8})
        monkeypatch.setattr(vision, "training_images", lambda _data, _device: (images, "noise"))
        monkeypatch.setattr(vision, "measure_peaks", lambda _device: PEAKS)
        monkeypatch.setattr(vision, "selecting", lambda selection, _device: replace(tiny, selection=selection))
        monkeypatch.setattr(
            vision, "case", lambda name, device: replace(vision_cases.case(name, device), variants=("eager",))
        )
        options = ["--seconds", "0.01", "--threads", str(torch.get_num_threads()), "--out", str(tmp_path / "x.csv")]
        vision.main(["--cases", "cifar100", "selections", *options])
        rows = list(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))
        assert [row["case"] for row in rows] == ["cifar100", *[f"cifar100 + {s}" for s in vision_cases.SELECTIONS]]
        assert float(rows[0]["ratio"]) == 1
        assert all(float(row["ratio"]) > 1 for row in rows[1:])
        assert {"device", "torch", "commit"} <= rows[0].keys()

    def test_where_the_table_goes(self):
        assert vision.parse([]).out == vision.RESULTS / "vision_cpu.csv"
        assert vision.parse(["--device", "cuda"]).out.name == "vision_cuda.csv"
        with pytest.raises(SystemExit):
            vision.parse(["--seconds", "0"])


class TestCases:
    @pytest.mark.parametrize("name", vision_cases.CONFIGS)
    def test_a_gpu_measures_what_is_promised_and_a_cpu_says_what_it_does_not(self, name):
        full, small = vision_cases.case(name, "cuda"), vision_cases.case(name, "cpu")
        assert full.scaled == ""
        assert full.config == vision_cases.CONFIGS[name]
        assert full.variants[0] == vision_cases.USUAL["cuda"]
        assert small.variants[0] == vision_cases.USUAL["cpu"]
        assert ("batch" in small.scaled) == (small.config.batch_size != full.config.batch_size)
        if small.peer is not None:
            assert small.peer.batch_size == small.config.batch_size

    def test_selections_on_a_cpu_keep_the_proportions(self):
        full, small = (vision_cases.selecting("osgd", device) for device in ("cuda", "cpu"))
        assert (full.candidates, full.keep) == (1500, 150)
        assert full.n_pairs is not None
        assert small.n_pairs is not None
        assert small.n_pairs / small.keep == pytest.approx(full.n_pairs / full.keep, rel=0.05)

    def test_without_cifar_the_images_are_random(self, tmp_path):
        images, told = vision_cases.training_images(tmp_path, CPU)
        assert len(images) == vision_cases.N_PAIRS
        assert images.pixels.shape[1:] == (3, 32, 32)
        assert told.startswith("random images (")
        entropy = images.pixels.flatten().bincount().double()
        share = entropy / entropy.sum()
        assert -(share * share.log()).sum().item() == pytest.approx(log(256), abs=1e-3)
