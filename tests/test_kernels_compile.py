"""Every Triton kernel compiles for an H200 (sm_90), without one: its interpreter is laxer than its compiler.

Shared memory is counted, too: what a program asks for beyond what a multiprocessor has fails only when launched.
"""

import warnings
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="this build of torch has no Triton")

SHARED = 227 * 1024
"""Bytes that a block may have on compute capability 9.0."""
HALF = ("fp16", "bf16")


def log_sums(half, dim, *, ids, slopes):
    """The kernels of `losses.fused`, as it launches them."""
    from losses.tiles import slopes_kernel, sums_kernel

    pointers = {"x_at": half, "y_at": half, "scale_at": "fp32", "out_at": "fp32"}
    constants = {"HAS_DIAGONAL": True, "HAS_IDS": ids, "KEYS": 64, "DIM": dim}
    if slopes:
        pointers |= dict.fromkeys(("rows_at", "d_rows_at", "columns_at", "d_columns_at"), "fp32")
        constants |= {"HAS_ROWS": True, "HAS_COLUMNS": not ids, "ROWS": 64}
    else:
        constants |= {"ROWS": 128}
    pointers |= dict.fromkeys(("ids", "key_ids"), "i64" if ids else "fp32")
    numbers = ("n", "m", "dim", "diagonal")
    kernel, stages = (slopes_kernel, 2) if slopes else (sums_kernel, 3)
    return kernel, pointers, numbers, constants, {"num_warps": 8, "num_stages": stages}


def views(kind, side, *, changes):
    """The kernel of `vision.augmentation.fused`, as it launches it."""
    from vision.augmentation.kernel import views_kernel

    pointers = {"out_at": kind, "pixels_at": "u8", "source_at": "i64", "choices_at": "i32"}
    pointers |= dict.fromkeys(("amounts_at", "mean_at", "std_at"), "fp32")
    constants = dict.fromkeys(("HAS_COLOUR", "HAS_GREY", "HAS_SOLARIZE"), changes) | {"PIXELS": side**2}
    return views_kernel, pointers, ("side", "size"), constants, {"num_warps": 4 if side <= 32 else 16}


def assignments(kind, places):
    """The kernel of `batching.algorithms.assignment`, as it launches it."""
    from batching.algorithms.augmenting_paths import assignment_kernel

    pointers = {"cost_at": kind, "labels_at": "i64"}
    return assignment_kernel, pointers, ("items", "clusters", "size"), {"PLACES": places}, {"num_warps": 1}


CASES = {
    **{f"sums-{half}-{dim}": (log_sums, half, dim, {"ids": dim == 256, "slopes": False})
       for half, dim in zip(HALF, (16, 256), strict=True)},
    **{f"slopes-{half}-{dim}": (log_sums, half, dim, {"ids": dim == 16, "slopes": True})
       for half, dim in zip(HALF, (16, 256), strict=True)},
    "views-32": (views, "bf16", 32, {"changes": True}),
    "views-64": (views, "fp32", 64, {"changes": False}),
    "assignments-8": (assignments, "fp64", 16, {}),
    "assignments-64": (assignments, "fp32", 64, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_kernel_compiles(case, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the next versions of Triton and Python will do
        from triton import compile as compiled
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        make, *arguments, options = CASES[case]
        kernel, pointers, numbers, constants, launch = make(*arguments, **options)
        signature = {name: f"*{kind}" for name, kind in pointers.items()} | dict.fromkeys(numbers, "i32")
        signature = {name: signature.get(name, "constexpr") for name in kernel.arg_names}
        made = compiled(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 90, 32), options=launch)
    assert made.asm["cubin"]
    assert made.metadata.shared <= SHARED
