"""`python -m synthetic`."""

from synthetic.cli import run

if __name__ == "__main__":
    run()
