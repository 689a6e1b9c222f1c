"""Taking the steps: the one loop, schedules, run folders, progress.

task = ...                      # pairs with parameters behind them, see `Task`
run = Run.open("runs/first", experiment="vision", config={...})
fit(task, selection=rule, loss=nt_xent, ..., run=run)
run.finish({"recall_at_1": ...})
"""

from training.command import resolve_device, run_command
from training.descent import GradientDescent
from training.loop import Moment, fit
from training.progress import Progress
from training.run import Run
from training.schedule import constant, warmup_cosine
from training.table import aligned
from training.task import EncodedPairs, Task

__all__ = [
    "EncodedPairs",
    "GradientDescent",
    "Moment",
    "Progress",
    "Run",
    "Task",
    "aligned",
    "constant",
    "fit",
    "resolve_device",
    "run_command",
    "warmup_cosine",
]
