"""Losses that learn or remember, in the checkpoints of the Trainers of transformers and sentence-transformers."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

FILE = "loss.pt"


def loss_callback(loss: nn.Module) -> Any:
    """A `TrainerCallback` that saves the state of a loss with each checkpoint, and goes on from it.

        memory = make_loss("sogclr", n_pairs=len(dataset))
        trainer = SentenceTransformerTrainer(..., loss=PairLoss(model, memory), callbacks=[loss_callback(memory)])
        trainer.train(resume_from_checkpoint=...)

    The Trainers save the model and the optimiser, but of a loss neither parameters nor running averages.

    Args:
        loss: The module with the state, without the model.

    Raises:
        ValueError: If there is no state; when training resumes, if the checkpoint, which is looked for in the
            Trainer's `output_dir`, has not got it.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError("loss_callback needs transformers; pip install transformers") from error
    if not loss.state_dict():
        raise ValueError(f"loss_callback is for losses with a state, got {type(loss).__name__}: leave it out")

    class LossCallback(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if args.should_save:
                torch.save(loss.state_dict(), _file(args, state))

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if not state.global_step:
                return
            file = _file(args, state)
            if not file.exists():
                raise ValueError(
                    f"resuming needs the state of the loss that was saved with the checkpoint, got no {file}; set "
                    "output_dir to the folder of the checkpoints, and save them with this callback"
                )
            loss.load_state_dict(torch.load(file, map_location="cpu"))

    return LossCallback()


def _file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
