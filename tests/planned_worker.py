"""Planned training under real trainers: the runs that tests look at, in one process and, through `run`, in two.

Every model here can tell which pairs it was trained on, in order (`seen`), and every rule what it planned.
"""

import os
import warnings
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import planned_rules as rules
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from batching import Bisection, Partitioned, Swaps, planned
from batching.adapters.embedding import embed_with
from batching.adapters.sentence_transformers import PlannedSampler
from batching.plan import Plan
from batching.sampler import PlannedBatchSampler

N, DIM, B, EPOCHS = 27, 5, 4, 2


class Pairs(Dataset):
    """Pair i is the number i."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return {"index": i}


class Model(nn.Module):
    """A free embedding for each side of each pair, trained fast enough that the order of pairs changes."""

    def __init__(self):
        super().__init__()
        self.u, self.v = (nn.Parameter(side.clone()) for side in rules.unit(N, DIM))
        self.dropout = nn.Dropout(0.5)
        self.seen = []

    def encode(self, index):
        return self.dropout(self.u[index]), self.dropout(self.v[index])

    def forward(self, index):
        self.seen.append(index.tolist())
        u, v = (functional.normalize(side[index], dim=-1) for side in (self.u, self.v))
        return {"loss": functional.cross_entropy(u @ v.mT / 0.1, torch.arange(len(index)))}


def embedder(model, group=None):
    return embed_with(model.encode, N, 4, model=model, group=group)


def facts(seen, rule, length):
    """What tests compare: batches, also of each epoch, plans, the announced length."""
    epochs = [seen[i : i + length] for i in range(0, len(seen), length)]
    return {
        "flat": seen,
        "seen": epochs,
        "plans": list(rule.plans),
        "planned": list(rule.planned),
        "length": length,
    }


def world():
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


# Plain torch


def plain(layout="own"):
    rank, size = world()
    model, rule = Model(), rules.Ranked()
    group = dist.group.WORLD if size > 1 else None
    sampler = PlannedBatchSampler(
        rule, N, B, embed=embedder(model, group), layout=layout, rank=rank, world_size=size, group=group
    )
    loader = DataLoader(Pairs(), batch_sampler=sampler)
    trained = DistributedDataParallel(model) if size > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        for batch in loader:
            optimizer.zero_grad()
            trained(batch["index"])["loss"].backward()
            optimizer.step()
    return facts(model.seen, rule, len(loader))


def shared_pools(n_pairs, group):
    """The plan of pools of 12 pairs, and how many embeddings this process was asked for."""
    u, v = rules.unit(n_pairs, seed=4)
    asked = []
    rule = Partitioned(Bisection(), Swaps(0.1), batches_per_pool=3, group=group)
    embed = lambda index: asked.extend(index.tolist()) or (u[index], v[index])  # noqa: E731
    plan = planned(rule, n_pairs, B, seed=1, epoch=2, embed=embed, temperature=0.1)
    return {"batches": plan.batches, "asked": len(asked), "swaps": plan.info["swaps"]}


def disagreeing(rank, size):
    """Plans of ranks whose embeddings differ, and a plan that every rank would order in its own way."""
    rule = rules.Ranked()
    embed = lambda index: tuple(rules.unit(N, seed=rank))  # noqa: ARG005, E731
    sampler = PlannedBatchSampler(rule, N, B, embed=embed, layout="all", rank=rank, world_size=size)
    batches = list(sampler)
    return {"batches": batches, "own": rule.plans[0], "state": sampler.state_dict()}


def several_plans_in_a_step(rank, size):
    """One batch a plan: each step of two ranks takes two plans, and both ranks make both."""

    class One(rules.Ranked):
        def plan(self, *args, **settings):
            plan = super().plan(*args, **settings)
            return Plan(plan.batches[:1], plan.remainder, "subset")

    rule = One()
    embed = embed_with(lambda index: tuple(rules.unit(N)[:, index]), N, 5, group=dist.group.WORLD)
    batches = list(PlannedBatchSampler(rule, N, B, embed=embed, rank=rank, world_size=size))
    return {"batches": batches, "planned": rule.planned, "plans": rule.plans}


def shared_embeddings(group=None):
    """Rows of shuffled pairs; how many were encoded here; and the complaint about a bad row."""
    u, v = rules.unit(N, seed=3)
    encoded = []

    def encode(index):
        encoded.append(index.tolist())
        return 2 * u[index], 3 * v[index]

    index = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    rows = embed_with(encode, N, 4, group=group)(index)
    few = embed_with(encode, N, 4, group=group)(index[:1])
    v[index[-2]] = torch.nan
    try:
        embed_with(encode, N, 4, group=group)(index)
    except ValueError as error:
        complaint = str(error)
    counted, different = list(encoded), ""
    if group is not None:
        try:
            embed_with(encode, N, 4, group=group)(index.roll(group.rank()))
        except ValueError as error:
            different = str(error)
    return {
        "index": index,
        "rows": rows,
        "few": few,
        "encoded": counted,
        "complaint": complaint,
        "different": different,
    }


# accelerate


def accelerated(layout="own", *, by="sampler", epochs=EPOCHS, stop=None, state=None, weights=None):
    """Sharded by our sampler, or by accelerate; stopped after `stop` steps of the last epoch, or resumed."""
    from accelerate import Accelerator, DataLoaderConfiguration

    from batching.adapters.accelerate import planned_loader

    split = by == "accelerate" and layout == "split"
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=split))
    rank, size = accelerator.process_index, accelerator.num_processes
    model, rule = Model(), rules.Ranked()
    if weights is not None:
        model.load_state_dict(weights)
    if by == "sampler":
        loader = planned_loader(accelerator, Pairs(), rule, B, embed=embedder(model), layout=layout)
        sampler = loader.batch_sampler.sampler
    else:
        sampler = PlannedBatchSampler(rule, N, B, embed=embedder(model), layout="all", rank=rank, world_size=size)
        loader = accelerator.prepare(DataLoader(Pairs(), batch_sampler=sampler))
    trained, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.5))
    first = 0
    if state is not None:
        sampler.load_state_dict(state)
        first = state["epoch"]
    saved = None
    for epoch in range(first, epochs):
        loader.set_epoch(epoch)
        for step, batch in enumerate(loader):
            optimizer.zero_grad()
            accelerator.backward(trained(batch["index"])["loss"])
            optimizer.step()
            if epoch == epochs - 1 and step + 1 == stop:
                saved = sampler.state_dict(epoch=epoch, position=step + 1)
                weights = {name: x.clone() for name, x in model.state_dict().items()}
    return facts(model.seen, rule, len(loader)) | {"state": saved, "weights": weights}


# transformers


def transformers_arguments(folder, **settings):
    return {
        "output_dir": str(folder),
        "use_cpu": True,
        "num_train_epochs": EPOCHS,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
        "learning_rate": 0.1,
        "lr_scheduler_type": "constant",
        "save_strategy": "steps",
        "save_steps": 1,
        **settings,
    }


def with_trainer(folder, *, rule=None, resume=None, layout="own"):
    """A `transformers.Trainer` that saves at every step, or goes on from the checkpoint of a step."""
    from transformers import Trainer, TrainingArguments

    from batching.adapters.accelerate import planned_loader
    from batching.adapters.transformers import plan_callback

    model, rule = Model(), rule or rules.Ranked()

    class PlannedTrainer(Trainer):
        def get_train_dataloader(self):
            self.loader = planned_loader(
                self.accelerator, self.train_dataset, rule, B, embed=embedder(model), layout=layout
            )
            return self.loader

    trainer = PlannedTrainer(
        model,
        TrainingArguments(**transformers_arguments(folder, remove_unused_columns=False)),
        train_dataset=Pairs(),
        callbacks=[plan_callback()],
    )
    trainer.train(resume_from_checkpoint=resume and str(Path(folder) / f"checkpoint-{resume}"))
    return facts(model.seen, rule, len(trainer.loader))


# sentence-transformers


def sentences(start=0):
    """Pair i is the anchor "a<i>" and the positive "p<i>"."""
    from datasets import Dataset as Table

    numbers = range(start, start + N)
    return Table.from_dict({"anchor": [f"a{i}" for i in numbers], "positive": [f"p{i}" for i in numbers]})


def sentence_model():
    """A table of word vectors; the number of "a<i>" is i."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {f"{letter}{i}": i + 2 * N * side for side, letter in enumerate("ap") for i in range(2 * N)}
    tokenizer = Tokenizer(WordLevel(vocabulary | {"?": len(vocabulary)}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = torch.randn(len(vocabulary) + 1, DIM, generator=torch.Generator().manual_seed(0))
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


class ByClass(PlannedSampler):
    """What a user would write, but for the rule and the model, which each run has its own of."""


def with_sentences(folder, *, resume=None, split=False, parts=None, by_class=False):
    """A `SentenceTransformerTrainer`, on one dataset or on a dictionary of `parts`."""
    from functools import partial

    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from batching.adapters import sentence_transformers as adapter
    from batching.adapters.transformers import plan_callback

    model, rule, seen = sentence_model(), rules.Ranked(), []

    class Recorded(MultipleNegativesRankingLoss):
        def forward(self, sentence_features, labels):
            features = list(sentence_features)
            seen.append(features[0]["input_ids"].tolist())
            return super().forward(features, labels)

    settings = {"accelerator_config": {"split_batches": True}} if split else {}
    embed = partial(adapter.model_embed, model, batch_size=3)
    ByClass.selection, ByClass.embed = rule, staticmethod(embed)
    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            **transformers_arguments(folder, **settings),
            per_device_train_batch_size=B,
            batch_sampler=ByClass if by_class else adapter.Planned(rule, embed=embed),
        ),
        train_dataset=sentences() if parts is None else parts,
        loss=Recorded(model, gather_across_devices=split),
        callbacks=[plan_callback()],
    )
    trainer.train(resume_from_checkpoint=resume and str(Path(folder) / f"checkpoint-{resume}"))
    return facts(seen, rule, len(trainer._train_dataloader))


# Lightning


def with_lightning(folder, *, layout="own", workers=0, resume=None, distributed_sampler=False):
    """A module whose `train_dataloader` plans; a checkpoint at every step."""
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint

    from batching.adapters.lightning import planned_loader

    rule = rules.Ranked()

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def train_dataloader(self):
            return planned_loader(
                self.trainer, Pairs(), rule, B, embed=embedder(self.model), layout=layout, num_workers=workers
            )

        def training_step(self, batch):
            return self.model(batch["index"])["loss"]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    size = world()[1]
    module = Module()
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        devices=size,
        strategy="ddp" if size > 1 else "auto",
        use_distributed_sampler=distributed_sampler,
        max_epochs=EPOCHS,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)],
    )
    trainer.fit(module, ckpt_path=resume and str(Path(folder) / f"step={resume}.ckpt"), weights_only=True)
    model = module.model
    return facts(model.seen, rule, len(trainer.train_dataloader))


def available(name):
    return find_spec(name) is not None


def run(rank, folder, size):
    """What one process of several does: everything."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": f"{rank}",
        "LOCAL_RANK": f"{rank}",
        "WORLD_SIZE": f"{size}",
        "LOCAL_WORLD_SIZE": f"{size}",
    }
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "ACCELERATE_USE_CPU": "true"}
    folder = Path(folder)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=size,
        timeout=timedelta(minutes=2),
    )
    found = {
        "plain": {layout: plain(layout) for layout in ("own", "split")},
        "disagreeing": disagreeing(rank, size),
        "several": several_plans_in_a_step(rank, size),
        "embedded": shared_embeddings(dist.group.WORLD),
        "pools": {n: shared_pools(n, dist.group.WORLD) for n in (24, 36, 12)},
    }
    if available("accelerate"):
        found["accelerate"] = {
            (layout, by): accelerated(layout, by=by)
            for layout in ("own", "split")
            for by in ("sampler", "accelerate")
        }
    if available("transformers") and available("accelerate"):
        found["transformers"] = with_trainer(folder / "transformers")
        dist.barrier()
        found["transformers, resumed"] = with_trainer(folder / "transformers", resume=4)
    if available("sentence_transformers"):
        found["sentence_transformers"] = {
            split: with_sentences(folder / f"sentences-{split}", split=split) for split in (False, True)
        }
    if available("lightning"):
        found["lightning"] = {
            layout: with_lightning(folder / f"lightning-{layout}", layout=layout) for layout in ("own", "split")
        }
        dist.barrier()
        found["lightning, resumed"] = with_lightning(folder / "lightning-own", resume=4)
        try:
            with_lightning(folder / "lightning-wrong", distributed_sampler=True)
        except ValueError as error:
            found["lightning, wrong"] = str(error)
    torch.save(found, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
