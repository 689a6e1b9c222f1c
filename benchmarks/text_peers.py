"""Training in sentence-transformers' own trainer: on texts, or on tokens that were made before.

The loss is its own MultipleNegativesRankingLoss, the optimiser the trainer's AdamW, and batches are those of our
shuffled plans, so that all train on the same pairs in the same order. Gradients are not clipped, as in ours; all
else is the trainer's default.
"""

import logging
import warnings
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from batching.adapters.sentence_transformers import Planned
from batching.rules.oblivious import Shuffled
from benchmarks.text_cases import MAX_TOKENS, Material
from benchmarks.vision_clock import Clock, Timing
from text.config import TextConfig
from text.tokens import encode, load_tokenizer

COLUMNS = ("query", "passage")


@dataclass
class PadTokens:
    """A collator of columns of tokens: pads each column to its longest text."""

    valid_label_columns: list[str] = field(default_factory=list)

    def __call__(self, rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        """What the model takes, for each column."""
        batch = {}
        for column in COLUMNS:
            texts = [torch.tensor(row[column]) for row in rows]
            ids = pad_sequence(texts, batch_first=True)
            length = torch.tensor([len(text) for text in texts])
            batch[f"{column}_input_ids"] = ids
            batch[f"{column}_attention_mask"] = (torch.arange(ids.shape[1]) < length[:, None]).long()
        return batch


class SentenceTransformers:
    """Takes steps in a new trainer each time, with the model as it was at first.

    Args:
        config: Sizes, precision, learning rate, seed.
        material: Model and texts.
        device: Where the network is.
        ready: Whether texts come as tokens, or are tokenised by the trainer's own collator.
        workers: Processes that make batches; 0, the default of the trainer, for none beside this one.
        warm_up: Steps before the clock starts.
    """

    def __init__(
        self,
        config: TextConfig,
        material: Material,
        device: torch.device,
        *,
        ready: bool,
        workers: int = 0,
        warm_up: int,
    ) -> None:
        """See the class."""
        from datasets import Dataset, disable_progress_bars

        disable_progress_bars()
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        self.config, self.material, self.device = config, material, device
        self.ready, self.workers, self.warm_up, self.turn = ready, workers, warm_up, 0
        sides: list[list[Any]] = [material.queries, material.passages]
        if ready:
            sides = [_tokens(material, side) for side in sides]
        self.data = Dataset.from_dict(dict(zip(COLUMNS, sides, strict=True)))

    def take(self, steps: int) -> Timing:
        """So many steps on the clock, of each turn on the same pairs as ours."""
        with TemporaryDirectory() as out, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            timings: list[Timing] = []
            self._trainer(out, steps, timings).train()
        self.turn += 1
        return timings[0]

    def _trainer(self, out: str, steps: int, timings: list[Timing]) -> Any:
        from sentence_transformers import (
            SentenceTransformer,
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
        )
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
        from transformers import ProgressCallback
        from transformers.trainer_callback import PrinterCallback

        config = self.config
        transformer = Transformer(str(self.material.folder), max_seq_length=MAX_TOKENS)
        pooling = Pooling(transformer.get_embedding_dimension(), "mean")
        model = SentenceTransformer(modules=[transformer, pooling], device=str(self.device))
        arguments = SentenceTransformerTrainingArguments(
            output_dir=out,
            use_cpu=self.device.type == "cpu",
            max_steps=self.warm_up + steps,
            per_device_train_batch_size=config.batch_size,
            batch_sampler=Planned(Shuffled(), seed=config.seed + self.turn),  # pyright: ignore[reportArgumentType]
            learning_rate=config.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=config.weight_decay,
            max_grad_norm=0,
            bf16=config.precision == "bfloat16",
            dataloader_num_workers=self.workers,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model,
            arguments,
            train_dataset=self.data,
            loss=MultipleNegativesRankingLoss(model, scale=1 / config.temperature),
            data_collator=PadTokens() if self.ready else None,  # pyright: ignore[reportArgumentType]
            callbacks=[self._watch(steps, timings)],
        )
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        return trainer

    def _watch(self, steps: int, timings: list[Timing]) -> Any:
        """What starts and stops the clock."""
        from transformers import TrainerCallback

        clocks: list[Clock] = []
        device, warm_up = self.device, self.warm_up

        class Watch(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
                if state.global_step == warm_up:
                    clocks.append(Clock(device))
                elif state.global_step == warm_up + steps:
                    timings.append(clocks[0].stop(steps))

        return Watch()


def _tokens(material: Material, texts: list[str]) -> list[list[int]]:
    ids, lengths = encode(load_tokenizer(material.folder, MAX_TOKENS), texts)
    return [part.tolist() for part in torch.from_numpy(ids).split(lengths.tolist())]
