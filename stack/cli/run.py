"""`wspstack run`: everything at once, and a proof that it works."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stack.cli.ending import Ending
from stack.cli.failures import one_line_failures
from stack.cli.host import RunningHost, note, running_host
from stack.cli.inside import own_failures, run_command
from stack.cli.options import HostOptions, host_options
from stack.cli.proof import Proof, ProofFailed, choose_sample, fetch_with_curl, web_address
from stack.cli.serve import GRACE

if TYPE_CHECKING:
    from stack.applications.server import Server

EXAMPLES = """\b
Examples:
  wspstack run
      serves the current directory at http://10.77.0.2/, shows that it works, stays until Ctrl-C
  wspstack run --once
      ends after the proof; exit status 0 says that it succeeded
  wspstack run --dir /srv/files -- curl -s http://10.77.0.2/
      runs a command where the stack can be reached; its exit status is handed back
  wspstack run --loss 1 -- sh -c 'ping -c 5 $WSPSTACK_ADDRESS; curl -s $WSPSTACK_URL'
      COMMAND finds both in its environment, also where 10.77.0.2 is taken and another is used

\b
Exit status of `run -- COMMAND`: that of COMMAND, 128+N when signal N ended it; 125 when the stack
could not start, 126 when COMMAND cannot be run, 127 when there is no such command.
"""


@click.command(epilog=EXAMPLES, context_settings={"ignore_unknown_options": False})
@click.option("--once", is_flag=True, help="End after the proof.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="What to serve; the current directory unless given.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=80, show_default=True, help="TCP port.")
@host_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(host: HostOptions, once: bool, directory: Path, port: int, command: tuple[str, ...]) -> int:
    """Start a stack, serve a directory over HTTP, prove it with one fetch, stay until Ctrl-C.

    With COMMAND, run that instead of the proof, inside the namespace, and end with it.
    """
    if once and command:
        raise click.UsageError("--once and a COMMAND exclude each other: leave one of them out")
    if host.tap is not None:
        raise click.UsageError("--tap is for serve and services: run makes a namespace of its own")
    with Ending() as ending, own_failures(bool(command)), one_line_failures():
        from tapdev import LabUnavailable

        with contextlib.ExitStack() as undo:
            try:
                running = undo.enter_context(running_host(host))
            except LabUnavailable as reason:
                if command:
                    raise
                return _run_in_memory(host, directory, port, once, ending, str(reason))

            def failed(failure: Exception) -> None:
                ending.fail(running.explain(failure))

            server = undo.enter_context(_file_server(running.stack.provider, port, directory, failed))
            assert running.lab is not None
            if command:
                if ending.wished:
                    return 128 + signal.SIGTERM  # told to end before the command could be started
                url = web_address(str(running.address.ip), port)
                return run_command(
                    running.lab, command, {"WSPSTACK_ADDRESS": str(running.address.ip), "WSPSTACK_URL": url}
                )
            return _show(host, running, server, directory, once, ending)


@contextlib.contextmanager
def _file_server(provider: Any, port: int, directory: Path, on_failure: Callable[[Any], None]) -> "Iterator[Server]":
    from stack.applications.file_server import FileServer
    from stack.applications.server import Server

    server = Server(provider, port, FileServer(directory).serve, name="http", on_failure=on_failure)
    server.start()
    try:
        yield server
    finally:
        server.stop(GRACE)


def _show(
    host: HostOptions, running: RunningHost, server: "Server", directory: Path, once: bool, ending: Ending
) -> int:
    assert running.lab is not None
    lab = running.lab
    url = web_address(str(running.address.ip), server.port)
    click.echo(f"stack    {running.describe()}")
    click.echo(f"serving  {directory.absolute()} at {url}")
    status = _prove(lambda: fetch_with_curl(lab, url, choose_sample(directory)), ending)
    if once or status:
        return status
    click.echo(f"try      {running.inside(f'curl {url}')}")
    click.echo(f"         {running.inside(f'ping {running.address.ip}')}")
    click.echo("stop     Ctrl-C")
    click.echo("ready")
    ending.wait()
    return 0


def _prove(fetch: Callable[[], Proof], ending: Ending) -> int:
    try:
        proof = fetch()
    except ProofFailed as failure:
        if ending.wished:
            return 0  # Ctrl-C ended curl too
        note(f"the proof failed: {failure}")
        return 1
    click.echo(f"proof    {proof}")
    return 0


def _run_in_memory(host: HostOptions, directory: Path, port: int, once: bool, ending: Ending, reason: str) -> int:
    from stack.cli.memory_link import fetch_in_memory, memory_hosts

    note(f"{reason}; until then two hosts of our own on a link in memory")
    with memory_hosts(host) as (serving, client), _file_server(serving.provider, port, directory, ending.fail):
        address = serving.config.address
        click.echo(f"serving  {directory.absolute()} at {web_address(str(address), port)}, in this process only")
        status = _prove(lambda: fetch_in_memory(client, str(address), port, choose_sample(directory)), ending)
        if once or status:
            return status
        click.echo("stop     Ctrl-C")
        click.echo("ready")
        ending.wait()
        return 0
