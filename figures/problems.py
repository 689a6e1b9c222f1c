"""What a problem of free embeddings is called: in file names and in captions."""

from collections.abc import Mapping
from typing import Any


def problem_name(row: Mapping[str, Any]) -> str:
    """As in N8_d16_B2, with loss and temperature where they are not those of the published study."""
    name = f"N{row['n_pairs']}_d{row['dim']}_B{row['batch_size']}"
    if row["loss"] != "clip_sum" or row["temperature"] != 1:
        name += f"_{row['loss']}_t{row['temperature']:g}"
    return name


def problem_title(row: Mapping[str, Any]) -> str:
    """As in N = 8, d = 16, B = 2."""
    return f"N = {row['n_pairs']}, d = {row['dim']}, B = {row['batch_size']}"
