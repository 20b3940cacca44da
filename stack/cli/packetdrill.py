"""`wspstack packetdrill`: scripts of calls and packets against this stack, under a virtual clock."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stack.cli.asking import json_option
from stack.cli.failures import one_line_failures

if TYPE_CHECKING:
    from stack.packetdrill.reporting import Report

EXAMPLES = """\b
Examples:
  wspstack packetdrill handshake.pkt
  wspstack packetdrill --jobs 4 scripts/
  wspstack packetdrill --tolerance_usecs=10000 --option_order=any --push=any of-others.pkt
  wspstack packetdrill -D COOKIE=0123456789abcdef fast-open.pkt
  wspstack packetdrill --check handshake.pkt
      reads it and runs nothing
"""

FAILED = 1  # exit status
NOT_SUPPORTED = 3


@click.command(epilog=EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", metavar="FILE...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of every script, over its own."
)
@click.option(
    "-D", "--define", "symbols", multiple=True, metavar="NAME=VALUE", help="What a name in a script stands for."
)
@click.option("--check", is_flag=True, help="Read the scripts and run nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Say each call and packet as it happens.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of what passed.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Run so many at a time.")
@json_option
def packetdrill(
    arguments: tuple[str, ...],
    options: tuple[str, ...],
    symbols: tuple[str, ...],
    check: bool,
    verbose: bool,
    quiet: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Run scripts in packetdrill's language: each against a stack of its own, in virtual time, without a device.

    A folder stands for every .pkt file below it. An option of the language may stand among the files as well, as
    --tolerance_usecs=10000 or --ip_version=ipv4.

    The exit status is 0 when all passed, 1 when one failed, and 3 when none failed but one needs what this stack does
    not have. docs/packetdrill.md describes the language.
    """
    files = list(_files(text for text in arguments if not text.startswith("--")))
    for text in arguments:
        if text.startswith("-") and not text.startswith("--"):
            raise click.UsageError(f"no such option: {text}")
    if not files:
        raise click.UsageError("FILE... is missing, or its folders hold no script (.pkt)")
    with one_line_failures():
        from stack.packetdrill.reporting import Verdict, run_files

        given = [*options, *(text for text in arguments if text.startswith("--")), *(["dry_run"] if check else [])]
        overrides = dict(map(_pair, given))
        names = {name: value or "" for name, value in map(_pair, symbols)}
        reports = []
        try:
            for report in run_files(files, overrides, names, jobs, trace=verbose and not as_json):
                reports.append(report)
                if not as_json:
                    _tell(report, quiet)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror or error}") from error
    verdicts = [report.verdict for report in reports]
    if as_json:
        click.echo(json.dumps([report.fields() for report in reports], indent=1))
    elif len(files) > 1:
        counts = ((verdict, verdicts.count(verdict)) for verdict in Verdict)
        click.echo(", ".join(f"{count} {verdict.value.lower()}" for verdict, count in counts if count))
    if Verdict.FAILED in verdicts:
        return FAILED
    return NOT_SUPPORTED if Verdict.UNSUPPORTED in verdicts else 0


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.removeprefix("--").partition("=")
    return name, value if equals else None


def _files(texts: Iterable[str]) -> Iterator[Path]:
    """The files named, and those below the folders named, in the order of their names."""
    for path in map(Path, texts):
        yield from sorted(path.rglob("*.pkt")) if path.is_dir() else [path]


def _tell(report: "Report", quiet: bool) -> None:
    from stack.packetdrill.reporting import Verdict
    from stack.packetdrill.script import seconds

    for line in report.trace:
        click.echo(line)
    if report.verdict is Verdict.PASSED:
        if not quiet:
            click.echo(f"{report.path}: passed, {seconds(report.duration)} s of virtual time")
            for place, note in report.notes:
                click.echo(f"{report.path}:{place}: note: {note}", err=True)
    else:
        click.echo(f"{report.path}: {report.verdict.value}\n  {report.message}".replace("\n", "\n  "))
