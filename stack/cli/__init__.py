"""The wspstack command."""


def main() -> None:
    """Runs the command line."""
    raise SystemExit("wspstack: the command line is not written yet")
