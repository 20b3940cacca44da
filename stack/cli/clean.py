"""`wspstack clean`: removes what killed runs left behind."""

import click

EXAMPLES = """\b
Examples:
  wspstack clean        lists what it removed; nothing that a living run uses, nothing of others
"""


@click.command(epilog=EXAMPLES)
def clean() -> None:
    """Remove what runs that were killed left behind.

    Touches only what wspstack made and nobody uses any more. Every start does the same; this command is for those who
    do not want to start anything.
    """
    import tapdev

    removed = tapdev.clean()
    for name in removed:
        click.echo(f"removed network namespace {name}")
    if not removed:
        click.echo("nothing to remove")
