"""Corrupted test sets: `python -m vision.corruptions cifar100`."""

from training.command import run_command
from vision.corruptions.command import main, parse

if __name__ == "__main__":
    run_command(main, parse)
