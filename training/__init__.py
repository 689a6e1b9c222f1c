"""Taking the steps: the one loop, schedules, run folders, progress.

task = ...                      # pairs with parameters behind them, see `Task`
run = Run.open("runs/first", experiment="vision", config={...})
fit(task, selection=rule, loss=make_loss("nt_xent", temperature=0.1), ..., run=run)
run.finish({"recall_at_1": ...})
"""

from batching.device import resolve_device, use_threads
from batching.table import aligned
from training.command import default_folder, parse_preset, run_command
from training.config import TrainingConfig
from training.descent import GradientDescent
from training.interrupt import Interrupted
from training.loop import fit
from training.optimizers import Lars, make_optimizer, scaled_rate
from training.progress import Progress
from training.ranks import Ranks
from training.run import Run
from training.schedule import constant, warmup_cosine, warmup_linear
from training.state import Moment
from training.task import EncodedPairs, Task

__all__ = [
    "EncodedPairs",
    "GradientDescent",
    "Interrupted",
    "Lars",
    "Moment",
    "Progress",
    "Ranks",
    "Run",
    "Task",
    "TrainingConfig",
    "aligned",
    "constant",
    "default_folder",
    "fit",
    "make_optimizer",
    "parse_preset",
    "resolve_device",
    "run_command",
    "scaled_rate",
    "use_threads",
    "warmup_cosine",
    "warmup_linear",
]
