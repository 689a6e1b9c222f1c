"""Train free embeddings with every selection rule: `python synthetic.py --help`."""

from synthetic.cli import run

if __name__ == "__main__":
    run()
