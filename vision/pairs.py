"""Images as pairs: the two members are augmented views of one image."""

from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from batching import Plan
from losses import Loss
from training import EncodedPairs
from training.task import FeatureMode
from vision.ahead import Ahead, TwoViews
from vision.augmentation import Augmentation, two_views, views_of_steps
from vision.data import Images
from vision.model import Encoder
from vision.momentum import Follower

Views = Literal["together", "separately"]


class ImagePairs(EncodedPairs):
    """Pair i is two views of image i.

    Args:
        model: Encodes views.
        images: On the model's device, or on the CPU: then each batch travels.
        augmentation: Of the views.
        size: Of the views, in pixels.
        views: In training, batch normalisation sees both views of a batch "together", or one after the other,
            "separately", as most published code does; its statistics, and so the gradients, differ.
        raw: Training losses get what the head gives and not unit rows of it.
        follower: A second encoder, for the second views in training, without gradients.
        feature_mode: Batch normalisation, when embeddings are asked for, uses its running statistics ("eval") or
            those of each `embed_batch_size` images, by which the running ones move too ("train", as the code of
            Cho et al. does).
        embed_batch_size: Pairs at a time when embeddings are asked for.
        seed: Of the augmentation.
        encode_batch_size: Pairs that go through the model at a time in training; None for whole batches.
        steps_at_once: Steps whose views are made together, ahead of training on them.
        temperature: Of the diagnostics.
    """

    def __init__(
        self,
        model: Encoder,
        images: Images,
        *,
        augmentation: Augmentation,
        size: int,
        views: Views = "together",
        raw: bool = False,
        follower: Follower | None = None,
        feature_mode: FeatureMode = "eval",
        embed_batch_size: int = 256,
        seed: int,
        encode_batch_size: int | None = None,
        steps_at_once: int = 1,
        temperature: float = 0.1,
    ) -> None:
        """See the class."""
        super().__init__(
            model,
            n_pairs=len(images),
            seed=seed,
            embed_batch_size=embed_batch_size,
            encode_batch_size=encode_batch_size,
            feature_mode=feature_mode,
            temperature=temperature,
        )
        self.encoder = model
        self.images = images
        self.augmentation = augmentation
        self.size = size
        self.views: Views = views
        self.raw = raw
        self.follower = follower
        self.device = next(model.parameters()).device
        # What a bfloat16 backbone would round its input to: half the memory.
        self.dtype = torch.bfloat16 if model.precision == "bfloat16" else torch.float32
        self.normalisation = {"mean": images.mean.to(self.device), "std": images.std.to(self.device)}
        resident = images.pixels.device == self.device
        self.batches: Tensor | None = None
        self.first_update = 0
        self.ahead = Ahead(self._views_ahead, steps_at_once if resident else 1)

    def make_views(self, index: Int[Tensor, " n"], *, purpose: str) -> tuple[Tensor, Tensor]:
        """Two views of each of these images, of the update that was begun."""
        pixels = self.images.pixels.index_select(0, index.to(self.images.pixels.device)).to(self.device)
        return two_views(
            pixels,
            index.to(self.device),
            purpose=purpose,
            counter=self.update,
            **self._settings_of_views(),
        )

    def _views_ahead(self, batches: Int[Tensor, "steps batch"], updates: Int[Tensor, " steps"]) -> TwoViews:
        return views_of_steps(
            self.images.pixels,
            batches,
            purpose="train",
            counters=updates,
            **self._settings_of_views(),
        )

    def _settings_of_views(self) -> dict[str, Any]:
        return {
            "augmentation": self.augmentation,
            "size": self.size,
            **self.normalisation,
            "seed": self.seed,
            "dtype": self.dtype,
        }

    @override
    def encode(
        self, index: Int[Tensor, " n"], *, purpose: str
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        if purpose == "train":
            return self.encode_views(*self._training_views(index), training=True)
        return self.encode_views(*self.make_views(index, purpose=purpose), training=False)

    def _training_views(self, index: Int[Tensor, " n"]) -> TwoViews:
        return self.ahead.views(self.update, len(index)) or self.make_views(index, purpose="train")

    def encode_views(
        self, first: Float[Tensor, "n 3 size size"], second: Float[Tensor, "n 3 size size"], *, training: bool
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """The embeddings of views that are at hand."""
        model = self.encoder.project if self.raw and training else self.encoder
        if self.follower is not None and training:
            return model(first), self.follower.encode(second, raw=self.raw)
        if self.views == "separately":
            return model(first), model(second)
        u, v = model(torch.cat([first, second])).chunk(2)
        return u, v

    def inputs(self, batches: Int[Tensor, "1 batch"]) -> tuple[Tensor, ...]:
        """The views and the numbers of a batch: all that the work on it depends on, see `training.captured`."""
        (batch,) = batches
        return (*self._training_views(batch), self._on_device(batch))

    def _on_device(self, batch: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """The batch of this update, which lies there already where the plan is known."""
        row = self.update - self.first_update
        if self.batches is None or not 0 <= row < len(self.batches) or self.batches.shape[1] != len(batch):
            return batch.to(self.device)
        return self.batches[row]

    def accumulate_inputs(self, inputs: tuple[Tensor, ...], loss: Loss, scale: float) -> Float[Tensor, " one"]:
        """`accumulate` for the batch that these are the inputs of."""
        first, second, index = inputs
        self.model.train()
        value = self.loss_of(*self.encode_views(first, second, training=True), index, loss)
        (value * scale).backward()
        return value.detach()[None]

    def stateful(self) -> list[nn.Module]:
        """Every module that a step changes."""
        return [self.model, *([] if self.follower is None else [self.follower.model])]

    @override
    def begin_plan(self, plan: Plan, *, position: int, update: int) -> None:
        self.batches, self.first_update = None, update - position
        if isinstance(plan.batches, Tensor):  # sent once, so that no step waits for its numbers
            self.batches = plan.batches.to(self.device)
            plan = replace(plan, batches=self.batches)
        self.ahead.begin_plan(plan, position=position, update=update)

    @override
    def end_update(self) -> None:
        if self.follower is not None:
            self.follower.follow(self.encoder)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The model's, and its follower's if it has one."""
        if self.follower is None:
            return super().state_dict()
        return {"model": super().state_dict(), "follower": self.follower.state_dict()}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.follower is None:
            super().load_state_dict(state)
        else:
            super().load_state_dict(state["model"])
            self.follower.load_state_dict(state["follower"])
