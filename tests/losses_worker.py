"""One process of several that share a batch: each loss with a group, in a step of data-parallel training.

`losses/test_distributed.py` starts these and compares what they write with the same steps in one process.
"""

import inspect
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from losses import (
    LOSSES,
    PAIR_LOSSES,
    GlobalContrastive,
    LearnedTemperature,
    cached_backward,
    gather,
    info_nce,
    make_loss,
)

N, FEATURES, DIM = 12, 6, 5  # pairs of all ranks, divisible by 2 and 3
TAU = 0.3
FUNCTIONS = [name for name in PAIR_LOSSES if not LOSSES[name].is_stateful]
TEMPERED = [name for name in FUNCTIONS if "temperature" in LOSSES[name].settings]
FAMILY = [
    name
    for name in FUNCTIONS
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(LOSSES[name].function).parameters.values())
]


def fixed(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


IDS = torch.tensor([0, 1, 2, 3, 0, 1, 4, 5, 6, 0, 7, 8])
HARD = functional.normalize(fixed(N, DIM, seed=1), dim=-1)
LOG_NOISE = fixed(N, seed=2).log_softmax(-1)

# Name of a case -> (loss, settings, what it takes one of for each pair of the rank)
CASES = {name: (name, {}, {}) for name in FUNCTIONS}
CASES |= {f"{name}, chunk_size": (name, {"chunk_size": 3}, {}) for name in [*FAMILY, "siglip"]}
CASES |= {f"{name}, ids": (name, {}, {"ids": IDS}) for name in FAMILY}
CASES |= {
    f"{name}, ids, chunk_size": (name, {"chunk_size": 3}, {"ids": IDS}) for name in ("clip", "nt_xent", "hcl")
}
CASES |= {f"{name}, negatives": (name, {}, {"negatives": HARD}) for name in ("info_nce", "dcl_one_way", "triplet")}
CASES |= {
    "simcse, negatives, own_log_weight": ("simcse", {"own_log_weight": 0.7}, {"negatives": HARD}),
    "n_pair, l2": ("n_pair", {"l2": 0.1}, {}),
    "supcon, labels": ("supcon", {"base_temperature": 0.07}, {"labels": IDS % 4}),
    "nce, log_noise": ("nce", {}, {"log_noise": LOG_NOISE}),
    "triplet, hardest": ("triplet", {"mining": "hardest"}, {}),
    "triplet, semi_hard": ("triplet", {"mining": "semi_hard", "margin": 0.5}, {}),
    "contrastive, same": ("contrastive", {}, {"same": IDS % 2 == 0}),
}

# Numbers of the pairs in three successive batches of the loss with a memory: old and new ones, some twice.
VISITS = [torch.arange(N), torch.arange(N) + N // 2, torch.tensor([0, 1, 2, 30, 0, 31, 32, 33, 5, 0, 34, 35])]


class Encoder(nn.Module):
    """Unit rows from a linear map shared by both views."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(fixed(FEATURES, DIM, seed=3))

    def forward(self, views):
        u, v = functional.normalize(views @ self.weight, dim=-1).unbind(1)
        return u, v


def modules():
    """What is trained: an encoder and, with the losses that have one, a temperature."""
    return Encoder(), LearnedTemperature(TAU).double()


def averaged_gradient(trained, group=None):
    """Of all parameters of these modules; with a group its mean, as DistributedDataParallel takes."""
    parameters = [p for module in trained for p in module.parameters()]
    flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters])
    if group is not None:
        dist.all_reduce(flat, group=group)
        flat /= group.size()
    return flat


def inputs(group=None, seed=4):
    """Both views of this rank's pairs, [n, 2, FEATURES]."""
    return mine(fixed(N, 2, FEATURES, seed=seed), group)


def mine(x, group):
    return x if group is None else x.chunk(group.size())[group.rank()]


def step(case, group=None):
    """Value, gradient of the parameters, values of the pairs."""
    name, settings, per_pair = CASES[case]
    encoder, temperature = modules()
    if name in TEMPERED:
        settings = settings | {"temperature": temperature()}
    given = {key: mine(x, group) for key, x in per_pair.items()}
    loss = partial(LOSSES[name].function, **settings, **given, group=group)
    u, v = encoder(inputs(group))
    value = loss(u, v)
    value.backward()
    return value.detach(), averaged_gradient((encoder, temperature), group), loss(u, v, reduction="none").detach()


def remembering_steps(group=None, **settings):
    """The same of `GlobalContrastive`, for each of several batches in a row, and what it remembers in the end."""
    memory = GlobalContrastive(3 * N, temperature=TAU, gamma=0.7, group=group, **settings).double()
    steps = []
    for seed, index in enumerate(VISITS):
        encoder = Encoder()
        u, v = encoder(inputs(group, seed=10 + seed))
        given = mine(index, group)
        per_pair = memory.eval()(u, v, index=given, reduction="none")
        value = memory.train()(u, v, index=given)
        value.backward()
        steps.append((value.detach(), averaged_gradient([encoder], group), per_pair.detach()))
    return steps, memory.state_dict()


def wrapped_steps(group):
    """Gradients that DistributedDataParallel itself averages: of a plain step, and of one in chunks."""
    found = {}
    for way in ("plain", "in chunks"):
        trained = modules()
        encoder, temperature = (DistributedDataParallel(module, process_group=group) for module in trained)
        if way == "plain":
            value = info_nce(*encoder(inputs(group)), temperature=temperature(), group=group)
            value.backward()
        else:
            loss = lambda u, v: info_nce(u, v, temperature=temperature(), group=group)  # noqa: B023, E731
            value = cached_backward(encoder, inputs(group).split(3), loss, no_sync=encoder.no_sync)
        found[way] = value.detach(), averaged_gradient(trained)
    return found


def constants_and_a_local_loss(u, v, group):
    """Not the gradient of the whole batch: what a rank's pairs are to the others' anchors is lost."""
    u_all, v_all = gather(u.detach(), group), gather(v.detach(), group)
    partners = torch.arange(len(u)) + group.rank() * len(u)
    directions = [functional.cross_entropy(x @ keys.mT / TAU, partners) for x, keys in ((u, v_all), (v, u_all))]
    return sum(directions) / 2


def constants_and_the_full_loss(u, v, group):
    """The right direction, W times too short: a rank's own rows have gradients, in the loss of all anchors."""
    u_all, v_all = gather(u.detach(), group), gather(v.detach(), group)
    own = slice(group.rank() * len(u), (group.rank() + 1) * len(u))
    u_all[own], v_all[own] = u, v
    return make_loss("clip", temperature=TAU)(u_all, v_all)


def no_exchange(u, v, group):  # noqa: ARG001
    """Negatives of the own rank alone."""
    return make_loss("clip", temperature=TAU)(u, v)


WRONG = (constants_and_a_local_loss, constants_and_the_full_loss, no_exchange)


def wrong_steps(group):
    """Gradients by recipes in use elsewhere, to be compared with those of clip."""
    found = {}
    for recipe in WRONG:
        encoder = Encoder()
        recipe(*encoder(inputs(group)), group).backward()
        found[recipe.__name__] = averaged_gradient([encoder], group)
    return found


def refusals(group):
    """What the losses say to a group where there cannot be one."""
    x = functional.normalize(fixed(2, N, DIM, seed=5), dim=-1)
    return {
        "lead": _error(lambda: make_loss("alignment")(x, x, group=group)),
        "batches": _error(lambda: make_loss("alignment")(x[0], x[0], group=group, batches=torch.arange(N)[None])),
        "exclude": _error(lambda: make_loss("clip")(x[0], x[0], group=group, exclude=torch.eye(N) > 0)),
    }


def _error(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


def run(rank, folder, sizes):
    """What one process does: all of it in every group of the first `size` ranks."""
    torch.set_num_threads(1)
    folder = Path(folder)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=max(sizes),
        timeout=timedelta(minutes=2),
    )
    groups = {n: dist.group.WORLD if n == max(sizes) else dist.new_group(list(range(n))) for n in sizes}
    for size, group in groups.items():
        if rank >= size:
            continue
        found = {
            "steps": {case: step(case, group) for case in CASES},
            "remembering": {chunk: remembering_steps(group, chunk_size=chunk) for chunk in (None, 2)},
            "wrapped": wrapped_steps(group),
            "wrong": wrong_steps(group),
            "refusals": refusals(group),
        }
        torch.save(found, folder / f"{size}-{rank}.pt")
    dist.destroy_process_group()
