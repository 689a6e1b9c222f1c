"""Planned batches and our losses in `SentenceTransformerTrainer`: in one process and, through `run`, in two."""

import os
import warnings
from functools import partial
from itertools import chain
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from batching import Bisection, Partitioned
from losses import LearnedTemperature, clip, make_loss, takes_index

N, B, EPOCHS, RATE = 16, 4, 2, 0.05
WORDS = [f"w{i}" for i in range(40)]


def save_model(folder):
    """A BERT of 8 numbers, without dropout, as transformers writes it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=16, pad_token="[PAD]", unk_token="[UNK]"
    )
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=16, **shape, **no_dropout)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)  # with the pooler that nobody asks for: loaded, not made anew
    wrapped.save_pretrained(folder)
    return folder


def model(folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(folder))
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")


def static_model():
    """One that is a table of word vectors."""
    from planned_worker import sentence_model

    return sentence_model()


def texts():
    """Anchors and positives of different lengths."""
    sides = [torch.randint(40, (N, 9), generator=torch.Generator().manual_seed(side)).tolist() for side in (0, 1)]
    return [[" ".join(WORDS[w] for w in row[: 1 + i % 9]) for i, row in enumerate(side)] for side in sides]


class Learned(nn.Module):
    """CLIP's loss and temperature."""

    def __init__(self, group=None):
        super().__init__()
        self.temperature, self.group = LearnedTemperature(0.3), group

    def forward(self, u, v):
        return clip(u, v, temperature=self.temperature(), group=self.group)


def learned(group=None):
    return Learned(group)


def memory(group=None):
    return make_loss("sogclr", n_pairs=N, temperature=0.5, gamma=0.5, group=group)


def flat(module):
    return torch.cat([x.detach().float().flatten() for x in module.state_dict().values()])


def trained(folder, out, *, make=memory, chunk_size=None, resume=None):
    """The trainer's weights, losses, and batches."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    from batching.adapters.sentence_transformers import Planned, model_embed
    from batching.adapters.transformers import plan_callback
    from losses.adapters.sentence_transformers import PairLoss
    from losses.adapters.transformers import loss_callback

    ranks = dist.get_world_size() if dist.is_initialized() else 1
    encoder, seen = model(folder), []
    args = SentenceTransformerTrainingArguments(
        output_dir=str(out),
        use_cpu=True,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=B,
        accelerator_config={"split_batches": True},
        learning_rate=RATE,
        lr_scheduler_type="constant",
        optim="sgd",
        max_grad_norm=0,
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="steps" if ranks == 1 else "no",
        save_steps=1,
        batch_sampler=Planned(Partitioned(Bisection()), embed=partial(model_embed, encoder), seed=1),
    )
    loss = make(dist.group.WORLD if ranks > 1 else None)

    pair_loss = PairLoss(encoder, loss, chunk_size=chunk_size)
    pair_loss.register_forward_pre_hook(lambda _module, given: seen.append(given[1].tolist()))
    anchors, positives = texts()
    data = Dataset.from_dict({"anchor": anchors, "positive": positives, "label": range(N)})
    trainer = SentenceTransformerTrainer(
        encoder,
        args,
        train_dataset=data,
        loss=pair_loss,
        callbacks=[plan_callback(), loss_callback(loss)],
    )
    trainer.train(resume_from_checkpoint=resume and str(Path(out) / f"checkpoint-{resume}"))
    return {
        "weights": flat(encoder),
        "memory": flat(loss),
        "losses": [line["loss"] for line in trainer.state.log_history if "loss" in line][resume or 0 :],
        "plans": seen,
    }


def by_hand(folder, plans, *, loss=None):
    """The same steps in a loop: batches of all ranks, one process."""
    encoder, loss = model(folder), memory() if loss is None else loss
    optimizer = torch.optim.SGD([*encoder.parameters(), *loss.parameters()], lr=RATE)
    anchors, positives = texts()
    for rows in plans:
        u, v = (
            functional.normalize(encoder(encoder.preprocess([side[i] for i in rows]))["sentence_embedding"], dim=-1)
            for side in (anchors, positives)
        )
        optimizer.zero_grad()
        loss(u, v, **({"index": torch.tensor(rows)} if takes_index(loss) else {})).backward()
        optimizer.step()
    return {"weights": flat(encoder), "memory": flat(loss)}


def gathered(found):
    """With the batches of all ranks."""
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, found["plans"])
    return found | {"plans": [list(chain(*batch)) for batch in zip(*parts, strict=True)]}


def run(rank, folder, out, size):
    """What one process of several does."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{size}"}
    os.environ |= {"LOCAL_WORLD_SIZE": f"{size}", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    os.environ |= {"ACCELERATE_USE_CPU": "true"}
    dist.init_process_group("gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=size)
    found = {}
    for name, make, chunk_size in (("sogclr", memory, None), ("learned", learned, 1)):
        found[name] = gathered(trained(folder, Path(out) / name, make=make, chunk_size=chunk_size))
    try:
        trained(folder, Path(out) / "refused", make=lambda _group: memory())
    except ValueError as error:
        found["refused"] = str(error)
    torch.save(found, Path(out) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
