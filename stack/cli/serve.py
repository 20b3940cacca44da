"""`wspstack serve DIR`: files over HTTP."""

from pathlib import Path

import click

from stack.cli.ending import Ending
from stack.cli.failures import one_line_failures
from stack.cli.host import running_host
from stack.cli.options import HostOptions, host_options
from stack.cli.proof import web_address

EXAMPLES = """\b
Examples:
  wspstack serve .
      a namespace of its own; the printed line tells how to reach it
  wspstack serve /srv/files --port 8080 --capture out.pcapng
  wspstack serve . --tap tap0 --address 10.77.0.2/24
      in the current namespace; then: ip addr add 10.77.0.1/24 dev tap0; ip link set tap0 up
  wspstack serve . --loss 1 --reorder 2
      over a bad link
"""

GRACE = 1.0  # seconds that responses under way have to end


@click.command(epilog=EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), default=80, show_default=True, help="TCP port.")
@host_options
def serve(host: HostOptions, directory: Path, port: int) -> None:
    """Serve the files of DIR over HTTP until SIGINT or SIGTERM.

    GET and HEAD, connections kept, byte ranges, listings of directories. A line `ready` tells that the stack answers.
    """
    with Ending() as ending, one_line_failures():
        from stack.applications.file_server import FileServer
        from stack.applications.server import Server

        with running_host(host) as running:
            server = Server(
                running.stack.provider, port, FileServer(directory).serve, name="http", on_failure=ending.fail
            )
            server.start()
            try:
                url = web_address(str(running.address.ip), port)
                click.echo(f"stack    {running.describe()}")
                click.echo(f"serving  {directory.absolute()} at {url}")
                if running.lab is not None:
                    click.echo(f"try      {running.inside(f'curl {url}')}")
                click.echo("ready")
                ending.wait()
            finally:
                server.stop(GRACE)
