"""Taking the steps: the one loop, schedules, run folders, progress.

task = ...                      # pairs with parameters behind them, see `Task`
run = Run.open("runs/first", experiment="vision", config={...})
fit(task, selection=rule, loss=make_loss("nt_xent", temperature=0.1), ..., run=run)
run.finish({"recall_at_1": ...})
"""

from batching.device import resolve_device
from batching.table import aligned
from training.command import default_folder, parse_preset, run_command
from training.config import TrainingConfig
from training.descent import GradientDescent
from training.loop import Moment, fit
from training.progress import Progress
from training.run import Run
from training.schedule import constant, warmup_cosine
from training.task import EncodedPairs, Task

__all__ = [
    "EncodedPairs",
    "GradientDescent",
    "Moment",
    "Progress",
    "Run",
    "Task",
    "TrainingConfig",
    "aligned",
    "constant",
    "default_folder",
    "fit",
    "parse_preset",
    "resolve_device",
    "run_command",
    "warmup_cosine",
]
