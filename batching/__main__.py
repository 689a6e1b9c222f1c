"""Batches for the pairs in a file: `python -m batching pairs.npz --selection graph --batch-size 32 --out plan.npz`.

`python -m batching --list` prints the methods as a table in Markdown, `--list README.md` puts it there.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from batching.command.config import parse
from batching.command.listing import listing, write_listing
from batching.command.run import run


def main(argv: Sequence[str]) -> None:
    """Do what the arguments ask for; bad input is one line and status 2."""
    try:
        if argv[:1] == ["--list"]:
            for page in argv[1:]:
                write_listing(Path(page))
            if not argv[1:]:
                sys.stdout.write(listing() + "\n")
        else:
            run(parse(argv))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error


if __name__ == "__main__":
    main(sys.argv[1:])
