"""`python -m stack.cli`: the `wspstack` command without its script."""

from stack.cli import main

main()
