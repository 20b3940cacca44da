"""`wspstack packetdrill`: scripts of calls and packets against this stack, under a virtual clock."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stack.cli.failures import one_line_failures

if TYPE_CHECKING:
    from stack.packetdrill.reporting import Report

EXAMPLES = """\b
Examples:
  wspstack packetdrill handshake.pkt
  wspstack packetdrill scripts/*.pkt
  wspstack packetdrill --option tolerance_usecs=10000 --option option_order=any of-others.pkt
  wspstack packetdrill --check handshake.pkt
      reads it and runs nothing
"""

FAILED = 1  # exit status
NOT_SUPPORTED = 3


@click.command(epilog=EXAMPLES)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of every script, before its own."
)
@click.option("--tolerance_usecs", type=click.IntRange(0), metavar="N", help="How far times may be off, µs (4000).")
@click.option("--check", is_flag=True, help="Read the scripts and run nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of what passed.")
def packetdrill(
    files: tuple[Path, ...], options: tuple[str, ...], tolerance_usecs: int | None, check: bool, quiet: bool
) -> int:
    """Run scripts in packetdrill's language: each against a stack of its own, in virtual time, without a device.

    The exit status is 0 when all passed, 1 when one failed, and 3 when none failed but one needs what this stack does
    not have. docs/packetdrill.md describes the language.
    """
    with one_line_failures():
        from stack.packetdrill.reporting import Verdict, run_file

        overrides = _overrides(options, tolerance_usecs, check)
        verdicts = []
        for path in files:
            try:
                report = run_file(path, overrides)
            except OSError as error:
                raise click.ClickException(f"{path}: {error.strerror or error}") from error
            verdicts.append(report.verdict)
            _tell(report, quiet)
    if len(files) > 1:
        counts = ((verdict, verdicts.count(verdict)) for verdict in Verdict)
        click.echo(", ".join(f"{count} {verdict.value.lower()}" for verdict, count in counts if count))
    if Verdict.FAILED in verdicts:
        return FAILED
    return NOT_SUPPORTED if Verdict.UNSUPPORTED in verdicts else 0


def _overrides(options: tuple[str, ...], tolerance: int | None, check: bool) -> dict[str, str | None]:
    overrides: dict[str, str | None] = {}
    for text in options:
        name, equals, value = text.removeprefix("--").partition("=")
        overrides[name] = value if equals else None
    if tolerance is not None:
        overrides["tolerance_usecs"] = str(tolerance)
    if check:
        overrides["dry_run"] = None
    return overrides


def _tell(report: "Report", quiet: bool) -> None:
    from stack.packetdrill.reporting import Verdict
    from stack.packetdrill.script import seconds

    if report.verdict is Verdict.PASSED:
        if not quiet:
            click.echo(f"{report.path}: passed, {seconds(report.duration)} s")
            for place, note in report.notes:
                click.echo(f"{report.path}:{place}: note: {note}", err=True)
    else:
        click.echo(f"{report.path}: {report.verdict.value}\n  {report.message}".replace("\n", "\n  "))
