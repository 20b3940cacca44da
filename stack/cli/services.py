"""`wspstack services`: echo, discard and character source."""

import contextlib

import click
from rich.console import Console
from rich.table import Table

from stack.cli.ending import Ending
from stack.cli.failures import one_line_failures
from stack.cli.host import running_host
from stack.cli.options import HostOptions, host_options

EXAMPLES = """\b
Examples:
  wspstack services
      a namespace of its own; the printed lines tell how to reach it
  wspstack services --tap tap0 --address 10.77.0.2/24 --mtu 9000
      in the current namespace; then: ip addr add 10.77.0.1/24 dev tap0; ip link set tap0 mtu 9000 up
  wspstack services --delay 10 --rate 100
      20 ms and 100 Mbit/s away
  wspstack services --builtin
      the same three inside the core: no thread, no Python
"""


@click.command(epilog=EXAMPLES)
@click.option("--builtin", is_flag=True, help="Served by the core itself, without Python.")
@host_options
def services(host: HostOptions, builtin: bool) -> None:
    """Serve echo (port 7), discard (9) and a character source (19) until SIGINT or SIGTERM.

    The source sends as fast as its reader takes it. A line `ready` tells that the stack answers.
    """
    with Ending() as ending, one_line_failures():
        from stack.applications.event_server import EventServer
        from stack.applications.services import SERVICES

        with running_host(host) as running, contextlib.ExitStack() as undo:

            def failed(failure: Exception) -> None:
                ending.fail(running.explain(failure))

            provider = running.stack.provider
            table = Table(box=None, header_style="", pad_edge=False)
            table.add_column("service")
            table.add_column("port", justify="right")
            table.add_column("try")
            clients = {"echo": "nc {} 7", "discard": "nc -N {} 9 < FILE", "source": "nc {} 19 | head -c 1000000"}
            services = {port: make(provider) for port, make in SERVICES.items()}
            for port, service in services.items():
                command = clients[service.name].format(running.address.ip)
                table.add_row(service.name, str(port), running.inside(command))
                if builtin:
                    undo.enter_context(running.stack.serve(service.name, port, on_failure=failed))
            if not builtin:
                undo.enter_context(EventServer(provider, services, on_failure=failed))
            click.echo(f"stack    {running.describe()}")
            Console(soft_wrap=True, highlight=False).print(table)
            click.echo("ready")
            ending.wait()
