"""The README's tables, written from the committed ones: `python -m figures.readme`."""

import argparse
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from figures.experiments import EXPERIMENTS
from figures.race_summary import race_table
from figures.style import SELECTION_LOOKS
from figures.table import DATA, read_table
from figures.text_speed import text_speed_block
from figures.trained_summary import trained_table
from figures.verdicts import all_evidence, verdict_table

ROOT = Path(__file__).parent.parent
SHOWN = (
    *("sufficiency.png", "design_race.png", "selection_race.png", "gap_curves_N8_d16_B2.png"),
    *("sufficiency_grams.png", "heatmaps_N8_d16_B2.png", "selection_cost.png"),
    "vision_batches_digits_imagenet_32px_N1408_B32_t0.1_120-updates.png",
    "text_losses_docstrings_1x256_N2240_B64_t0.05_100-updates.png",
)
"""Figures that README.md may show, those of its top first; `figures.gallery` keeps copies in figures/shown."""

ORIGINAL = {
    16: {"fixed": 2.4499, "shuffled": 2.3523, "full": 2.3464, "all": 2.3526, "osgd": 2.3464, "spectral": 2.3465},
    4: {"fixed": 2.5067, "shuffled": 2.4369, "full": 2.4135, "all": 2.4265, "osgd": 2.4136, "spectral": 2.4136},
}
"""Where the original code ends at its one seed (42) and learning rate 0.5, run on a CPU; by dimension."""


def study_table(results: pd.DataFrame) -> str:
    """The published study: theirs beside ours, for both dimensions."""
    study = results.query("n_pairs == 8 and batch_size == 2 and loss == 'clip_sum' and temperature == 1")
    lines = ["| selection | d = 16: original | ours | distance | d = 4: original | ours | distance |"]
    lines += ["|---|---|---|---|---|---|---|"]
    optima = []
    for name in ORIGINAL[16]:
        cells = [f"{SELECTION_LOOKS[name].label} (`{name}`)"]
        for dim, theirs in ORIGINAL.items():
            row = study[(study["dim"] == dim) & (study["selection"] == name)].iloc[0].to_dict()
            ours = f"{row['full_loss_mean']:.4f} ± {row['full_loss_std']:.4f}"
            cells += [f"{theirs[name]:.4f}", ours, f"{row['distance_mean']:.2f} ± {row['distance_std']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    for dim in ORIGINAL:
        optima.append(f"{study.loc[study['dim'] == dim, 'optimum'].iloc[0]:.6f}")
    lines.append("| *proved minimum* | | " + optima[0] + " | 0 | | " + optima[1] + " | 0 |")
    return "\n".join(lines)


def speed_table(speed: pd.DataFrame) -> str:
    """The synthetic study against the original code."""
    lines = ["| one thread each, in one run | original | ours | ratio |", "|---|---|---|---|"]
    for row in speed.to_dict("records"):
        what = {"command": "the whole command", "throughput": "optimisation loop"}[row["what"]]
        lines.append(
            f"| {what}, {row['selection']} ({row['unit']}) | {row['original']} | {row['ours']} | {row['ratio']} |"
        )
    first = speed.iloc[0].to_dict()
    return (
        "Speed against the original code on the study of d = 16 (`make bench SOURCE=../mini-batch-cl`), medians of "
        f"{first['runs']} runs; ours has 64 seeds side by side in the loops:\n\n"
        + "\n".join(lines)
        + f"\n\n{_where(first)}"
    )


def scale_table(scale: pd.DataFrame) -> str:
    """InfoNCE of one large batch."""
    names = {
        "cross_entropy": "`cross_entropy(u @ v.T / tau)`",
        "info_nce": "`info_nce`",
        "chunked": "`info_nce(chunk_size=1024)`",
    }
    first = scale.iloc[0].to_dict()
    lines = [
        f"| B = {first['size']:,}, d = {first['dim']}, {first['dtype']}, forward and backward | ms | | MiB | |",
        "|---|---|---|---|---|",
    ]
    for row in scale.to_dict("records"):
        cells = [names[row["way"]]]
        for what, digits in (("ms", 2), ("mib", 3)):
            cells += [f"{row[what]:,.0f}", f"{row[what] / first[what]:.{digits}f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\n{_where(first)}"


def peers_table(peers: pd.DataFrame) -> str:
    """Our losses beside other libraries': ratios of time and memory."""
    sizes = sorted(peers["size"].unique())
    header = " | ".join(f"B = {size:,}: time | memory" for size in sizes)
    lines = [f"| loss | library | {header} |", "|---|---|" + "---|---|" * len(sizes)]
    for _, rows in peers.groupby(["loss", "peer"], sort=False):
        first = rows.iloc[0].to_dict()
        cells = [f"`{first['loss']}`", first["peer"]]
        for size in sizes:
            found = rows[rows["size"] == size]
            cells += _ratios(found.iloc[0].to_dict()) if len(found) else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\n{_where(peers.iloc[0].to_dict())}"


def selection_table(results: pd.DataFrame) -> str:
    """Hardness and time of the methods: where there are few pairs, beside the published procedure's."""
    by_clock = results.query("threads > 1").to_dict("records")
    results = results.query("threads == 1")
    few, *more = sorted(set(results["n"]))
    sets = list(dict.fromkeys(results["data"]))
    header, columns = ["method"], []
    for n in (few, *more):
        of_n = results.query("n == @n")
        present = [name for name in sets if name in set(of_n["data"])]
        size = set(of_n["batch_size"]).pop()
        kinds = ("hardness_0.1_ratio", "time_ratio") if n == few else ("hardness_0.1", "cpu_seconds")
        header += [f"N = {n:,}, B = {size}: hardness ({', '.join(present)})", "time" if n == few else "CPU s"]
        columns += [(of_n, present, kind) for kind in kinds]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for method in dict.fromkeys(results["method"]):
        cells = [_of_method(of_n[of_n["method"] == method], present, kind) for of_n, present, kind in columns]
        lines.append("| " + " | ".join([f"`{method}`", *cells]) + " |")
    notes = [
        f"`{row['method']}`: {float(row['wall_seconds']):.1f} s by the clock for N = {row['n']:,} ({row['data']})."
        for row in by_clock
    ]
    return (
        f"Hardness (temperature 0.1, in nats) and time of one plan; for N = {few:,} as parts of the published "
        "procedure's:\n\n" + "\n".join(lines) + "\n\n" + "\n".join([*notes, _where(results.iloc[0].to_dict())])
    )


def _of_method(rows: pd.DataFrame, data: list[str], kind: str) -> str:
    """A number for each data set."""
    values = {row["data"]: float(row[kind]) for row in rows.to_dict("records")}
    digits = 1 if kind == "cpu_seconds" else 2
    cells = []
    for name in data:
        value = values.get(name, math.nan)
        rounded = f"{value:.{digits}f}"
        cells.append("–" if math.isnan(value) else rounded if float(rounded) or not value else f"{value:.1g}")
    return " / ".join(cells) if any(cell != "–" for cell in cells) else ""


def _ratios(row: dict[str, Any]) -> list[str]:
    """Ours over theirs, in time and in memory."""
    if pd.isna(row["ratio"]):
        return ["they run out", "of memory"]
    ratios = float(row["ratio"]), float(row["ours_mib"]) / float(row["theirs_mib"])
    return [f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}" for ratio in ratios]


def _where(row: dict[str, Any]) -> str:
    """What it was measured on."""
    return f"{row['device']}, Python {row['python']}, torch {row['torch']}, {row['date']}; commit {row['commit']}."


def augmentation_table(results: pd.DataFrame) -> str:
    """Two views of images of 32 pixels, against torchvision's transforms."""
    names = {
        "two_views": "`two_views`, a batch at once",
        "views_of_steps": "`views_of_steps`, several batches at once",
        "torchvision v1": "torchvision's transforms of Pillow images, one by one",
        "torchvision v2": "torchvision's v2 of tensors, one by one",
    }
    sizes = sorted(results["batch"].unique())
    heads = [f"batches of {size}: microseconds a view | times torchvision's faster" for size in sizes]
    lines = [f"| views of 32 pixels on one core | {' | '.join(heads)} |", "|---" * (1 + 2 * len(sizes)) + "|"]
    for way, label in names.items():
        cells = [label]
        for size in sizes:
            row = results[(results["way"] == way) & (results["batch"] == size)].iloc[0].to_dict()
            cells += [f"{row['microseconds_per_view']:.0f}", f"{row['ratio']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\n{_where(results.iloc[0].to_dict())}"


def text_speed() -> str:
    """Steps of training on texts against another trainer's, as `figures.text_speed` tells them."""
    results = ROOT / "benchmarks" / "results" / "text_cpu.csv"
    if not results.exists():
        return "`make bench-text` makes this table."
    return text_speed_block(pd.read_csv(results))


def filled(text: str) -> str:
    """The README with its blocks written anew."""
    blocks = {"study": study_table(pd.read_csv(DATA / "synthetic_results.csv"))}
    for name, file, table in (
        ("speed", "throughput", speed_table),
        ("scale", "scale_cpu", scale_table),
        ("peers", "peers_cpu", peers_table),
        ("selection", "selection_cpu", selection_table),
        ("augmentation", "augmentation_cpu", augmentation_table),
    ):
        results = ROOT / "benchmarks" / "results" / f"{file}.csv"
        if results.exists():
            blocks[name] = table(pd.read_csv(results))
    blocks["text-speed"] = text_speed()
    races = DATA / "race_needed.csv"
    blocks["race"] = race_table(read_table(races)) if races.exists() else "`make results-gpu` makes this table."
    if "<!-- verdicts:begin -->" in text:
        blocks["verdicts"] = verdict_table(all_evidence(), "figures/README.md")
    for name, experiment in EXPERIMENTS.items():
        file = DATA / f"{name}_results.csv"
        missing = f"`{experiment.command}` makes this table."
        blocks[name] = trained_table(read_table(file), experiment) if file.exists() else missing
    for name, block in blocks.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        text = re.sub(pattern, lambda found, block=block: f"{found[1]}{block}\n{found[2]}", text, flags=re.DOTALL)
    return text


def main() -> None:
    """Write README.md."""
    argparse.ArgumentParser(prog="python -m figures.readme", description=__doc__).parse_args()
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))


if __name__ == "__main__":
    main()
