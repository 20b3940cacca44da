"""The `wspstack` command."""


def main() -> None:
    """Runs the command line and ends the process with its exit status."""
    from stack.cli.command import wspstack

    wspstack(prog_name="wspstack")
