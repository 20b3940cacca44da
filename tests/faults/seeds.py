"""Runs seeds of the campaign one after another, one line each, up to the first that finds something.

Usage: python -m tests.faults.seeds FIRST LAST
"""

import sys

from stack.simulation.campaign import Totals, try_seed


def main(first: int, last: int) -> int:
    """Runs the seeds from `first` to `last` - 1; returns 1 when one finds something."""
    print("begins", flush=True)
    totals = Totals()
    for seed in range(first, last):
        finding = try_seed(seed, totals)
        if finding is not None:
            print(f"{seed} finds {finding.kind}", flush=True)
            return 1
        print(f"{seed} holds", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
