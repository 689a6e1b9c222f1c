"""Checkpoints of planned training in the Trainers of transformers and sentence-transformers."""

from pathlib import Path
from typing import Any

import torch

from batching.adapters.accelerate import planned_samplers

FILE = "planned_batches.pt"


def plan_callback() -> Any:
    """A `TrainerCallback` that saves plans with checkpoints, and goes on with them.

        trainer = PlannedTrainer(..., callbacks=[plan_callback()])
        trainer.train(resume_from_checkpoint=...)

    A resumed Trainer begins the epoch again and skips the batches that were trained on. A plan depends on the
    weights of when it was made, so it is saved in the checkpoint's folder and loaded from there; and the epoch is
    set, which the Trainer fails to do in several processes when it skips.

    Raises:
        ValueError: When training resumes, if the rule needs embeddings and the plans of the checkpoint, which is
            looked for in the Trainer's `output_dir`, are not there.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError("plan_callback needs transformers; pip install transformers") from error

    class PlanCallback(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if args.should_save:
                samplers = planned_samplers(kwargs["train_dataloader"])
                torch.save([sampler.state_dict(position=0) for sampler in samplers], _file(args, state))

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if not state.global_step:
                return
            loader = kwargs["train_dataloader"]
            samplers, file = planned_samplers(loader), _file(args, state)
            if file.exists():
                for sampler, saved in zip(samplers, torch.load(file), strict=True):
                    sampler.load_state_dict(saved)
            elif any(sampler.selection.uses_embeddings for sampler in samplers):
                raise ValueError(
                    f"resuming needs the plans that were saved with the checkpoint, got no {file}; set output_dir "
                    "to the folder of the checkpoints, and save them with this callback"
                )
            for sampler in samplers:
                sampler.set_epoch(state.global_step // -(-len(loader) // args.gradient_accumulation_steps))

    return PlanCallback()


def _file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
