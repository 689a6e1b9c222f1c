"""What is optimal, who proved it, and which batches suffice: `python -m theory N d [--loss --B --tau ...]`."""

import sys

from theory.command import main

if __name__ == "__main__":
    main(sys.argv[1:])
