"""Our training on texts, with the clock of the benchmark: steps, plans, embeddings."""

from dataclasses import replace
from math import ceil

import torch

from batching import planned
from benchmarks.text_cases import Material
from benchmarks.vision_clock import Clock, Timing
from text.assembly import assemble
from text.config import TextConfig
from training import Moment, Ranks, constant, fit


class Ours:
    """Training as `python -m text.train` does it, without a run folder.

    Args:
        config: Of the run; n_pairs None for as many as make whole batches.
        material: Model and texts.
        device: Where the network is.
        line: Updates between two lines of the log; the first as many steps of `take` are not on the clock.
    """

    def __init__(self, config: TextConfig, material: Material, device: torch.device, *, line: int) -> None:
        """See the class."""
        self.config = replace(config, model=material.folder, data=material.scratch)
        self.line, self.device, self.turn = line, device, 0
        n_pairs = self.config.count_pairs(len(material.queries))
        self.parts = assemble(self.config, material.first(n_pairs), Ranks(device=device))

    def take(self, steps: int) -> Timing:
        """So many steps, rounded up to whole lines, after a line (and the first plan) off the clock.

        Each turn has a seed of its own, so that all who take turns see the same pairs.
        """
        updates = self.line * (1 + ceil(steps / self.line))
        clocks: list[Clock] = []
        timings: list[Timing] = []

        def watch(moment: Moment) -> dict[str, int | float]:
            if moment.update == self.line:
                clocks.append(Clock(self.device))
            elif moment.update == updates:
                timings.append(clocks[0].stop(updates - self.line))
            return {}

        parts = self.parts
        fit(
            parts.pairs,
            selection=parts.rule,
            loss=parts.loss,
            optimizer=parts.optimizer,
            learning_rate=constant(self.config.learning_rate),
            batch_size=self.config.batch_size,
            updates=updates,
            seed=self.config.seed + self.turn,
            log_every=self.line,
            observe=watch,
            report=parts.report,
        )
        self.turn += 1
        return timings[0]

    def plan(self) -> Timing:
        """A plan, and of how many updates it is; on a GPU the second."""
        timing, parts = Timing(0, 0.0, 0.0), self.parts
        for epoch in range(2 if self.device.type == "cuda" else 1):
            parts.pairs.begin_update(epoch)
            clock = Clock(self.device)
            plan = planned(
                parts.rule,
                parts.pairs.n_pairs,
                self.config.batch_size,
                seed=self.config.seed,
                epoch=epoch,
                embed=parts.pairs.embed,
                temperature=parts.report.temperature,
                labels=parts.report.labels,
            )
            timing = clock.stop(plan.n_updates)
        return timing

    def embed(self) -> Timing:
        """All pairs' embeddings, as a selection asks for them; `steps` are pairs."""
        clock = Clock(self.device)
        self.parts.pairs.embed(None)
        return clock.stop(self.parts.pairs.n_pairs)
