"""Turns what the machine refuses into one line and exit status 1."""

import contextlib
from collections.abc import Iterator

import click


@contextlib.contextmanager
def one_line_failures() -> Iterator[None]:
    """Raises click.ClickException in place of errors that a person can do something about."""
    try:
        import netcore.engine  # noqa: F401  # says how to build when the core is missing
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    from stack.applications.stream import EntryFailed
    from stack.config import ConfigurationError
    from tapdev import LabUnavailable

    try:
        yield
    except (LabUnavailable, EntryFailed, ConfigurationError) as error:
        raise click.ClickException(str(error)) from error
