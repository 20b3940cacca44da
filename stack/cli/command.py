"""The group of subcommands, its version, and the manner in which a wrong argument is answered: one line, status 2."""

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

import click

from stack.cli.clean import clean
from stack.cli.packetdrill import packetdrill
from stack.cli.plot import plot
from stack.cli.relay import relay
from stack.cli.run import run
from stack.cli.serve import serve
from stack.cli.services import services
from stack.cli.simulate import simulate
from stack.cli.ss import ss
from stack.cli.stat import stat

EXAMPLES = """\b
Examples:
  wspstack run                            a stack, a file server, a proof; until Ctrl-C
  wspstack run -- curl -s http://10.77.0.2/
  wspstack serve --capture out.pcapng .   the files of this directory, and a capture
  wspstack ss -ti                         connections of a running stack, as ss(8) shows the kernel's
  wspstack stat --interval 1              its counters, as nstat(8) shows the kernel's
  wspstack relay --delay 10 --loss 1      two namespaces joined by a bad link
  wspstack simulate run scenario.json     hosts and links under a virtual clock
  wspstack plot out.pcapng                a picture of its largest connection
  wspstack packetdrill handshake.pkt      a script of calls and packets against the stack
  wspstack services --tap tap0            echo, discard and source in this namespace
  wspstack COMMAND --help                 more of them
"""


class OneLineGroup(click.Group):
    """A click group that says what is wrong in one line on stderr instead of a page of usage."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs the command; always ends in SystemExit."""
        extra.pop("standalone_mode", None)
        try:
            status = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.ClickException as error:
            click.echo(f"{_path(error, prog_name)}: {_one_line(error)}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)
        sys.exit(status if isinstance(status, int) else 0)


def _path(error: click.ClickException, prog_name: str | None) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else prog_name or "wspstack"


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += f" ('{error.ctx.command_path} --help' tells what there is)"
    return text


def _version() -> str:
    try:
        return version("wspstack")
    except PackageNotFoundError:
        return "not installed"


@click.group(
    cls=OneLineGroup,
    epilog=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(_version(), "--version", message="wspstack %(version)s")
@click.pass_context
def wspstack(context: click.Context) -> None:
    """A user-space TCP/IP stack on a TAP device, with Windows Sockets provider semantics.

    Real clients of this machine talk to it: each command makes a network namespace of its own, or works in the
    current one with --tap.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for subcommand in (run, serve, services, ss, stat, relay, simulate, plot, packetdrill, clean):
    wspstack.add_command(subcommand)
