"""`wspstack ss`: the sockets of a running stack, as ss(8) shows the kernel's."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from stack.cli.asking import control_failures, json_option, lines_of, stack_option, table_of
from stack.cli.failures import one_line_failures
from stack.cli.host import note
from stack.cli.ss_words import GROUPS, ORDINARY, SHORT, info_words, timer_words

EXAMPLES = """\b
Examples:
  wspstack ss                         connections of the stack that runs
  wspstack ss -tlnp                   its listeners: Recv-Q is who waits to be accepted, Send-Q the backlog
  wspstack ss -ai                     everything, TIME-WAIT too, and tcp_info in the words of ss
  wspstack ss --state fin-wait-1 --state closing
  wspstack ss --dst 10.77.0.1 --sport 80 --json
  wspstack ss --stack 10.77.1.2       of several stacks the one at this address
"""

LIMIT = 10_000


def _states(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> frozenset[str]:
    for word in words:
        if word.lower() not in GROUPS:
            raise click.BadParameter(f"no state {word!r}: there are {', '.join(GROUPS)}")
    return frozenset().union(*(GROUPS[word.lower()] for word in words))


def _network(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise click.BadParameter(f"{text!r} is neither an address nor a network such as 10.77.0.0/24") from None
    return text


_PORT = click.IntRange(0, 65535)


@click.command(epilog=EXAMPLES)
@click.option("-l", "--listening", is_flag=True, help="Listeners only.")
@click.option("-a", "--all", "everything", is_flag=True, help="Listeners, half-open connections and TIME-WAIT too.")
@click.option("-i", "--info", "with_info", is_flag=True, help="With tcp_info, in the words of ss.")
@click.option("-o", "--options", "with_timer", is_flag=True, help="With the timer that runs.")
@click.option("-p", "--processes", "with_process", is_flag=True, help="With the stack's process.")
@click.option("-t", "--tcp", is_flag=True, help="TCP, which is all there is.")
@click.option("-n", "--numeric", is_flag=True, help="Ports as numbers, as they are anyway.")
@click.option("-H", "--no-header", is_flag=True, help="Without the heading.")
@click.option(
    "--state", "states", multiple=True, callback=_states, metavar="STATE", help="In this state or group; repeatable."
)
@click.option("--src", callback=_network, metavar="ADDR[/PREFIX]", help="With this local address.")
@click.option("--dst", callback=_network, metavar="ADDR[/PREFIX]", help="With this peer.")
@click.option("--sport", type=_PORT, help="With this local port.")
@click.option("--dport", type=_PORT, help="With this port of the peer.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True, help="Most connections shown."
)
@json_option
@stack_option
def ss(
    listening: bool,
    everything: bool,
    with_info: bool,
    with_timer: bool,
    with_process: bool,
    tcp: bool,
    numeric: bool,
    no_header: bool,
    states: frozenset[str],
    src: str | None,
    dst: str | None,
    sport: int | None,
    dport: int | None,
    limit: int,
    as_json: bool,
    wanted: str | None,
) -> None:
    """Show the connections and listeners of a running stack.

    The stack is one that this user's `wspstack run`, `serve` or `services` runs, or a program whose configuration says
    `control=True`.
    """
    chosen = states or (GROUPS["all"] if everything else frozenset({"LISTEN"}) if listening else ORDINARY)
    with one_line_failures(), control_failures():
        from stack.observation.asking import ask, find_stack

        document = ask(
            find_stack(wanted),
            get="sockets",
            states=sorted(chosen),
            local=src,
            remote=dst,
            local_port=sport,
            remote_port=dport,
            info=with_info or with_timer or as_json,
            limit=limit,
        )
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        for line in _lines(document, with_info, with_timer, with_process)[no_header:]:
            click.echo(line)
    if document["more"]:
        note(f"there are more than {limit} connections: ask for some with a filter, or raise --limit")


def _lines(document: Mapping[str, Any], with_info: bool, with_timer: bool, with_process: bool) -> Sequence[str]:
    columns = [("State", False), ("Recv-Q", True), ("Send-Q", True), ("Local Address:Port", False)]
    table = table_of(*columns, ("Peer Address:Port", False), *([("Process", False)] if with_process else []))
    stack = document["stack"]
    process = [f'users:(("{stack["program"]}",pid={stack["pid"]}))'] if with_process else []
    details = []
    for row in sorted(document["listeners"], key=lambda row: (row["local_port"], row["local"])):
        queues = str(row["finished"] + row["requests"]), str(row["backlog"])
        table.add_row("LISTEN", *queues, _name(row, "local"), "0.0.0.0:*", *process)
        details.append(_listener_words(row) if with_info else "")
    for row in sorted(document["connections"], key=_order):
        queues = str(row["recv_q"]), str(row["send_q"])
        # what the program has let go has no owner
        owner = [""] if process and (row["orphan"] or row["state"] == "TIME-WAIT") else process
        table.add_row(SHORT[row["state"]], *queues, _name(row, "local"), _name(row, "remote"), *owner)
        info = row.get("info", {})
        words = [timer_words(row["timer"], info)] if with_timer else []
        if with_info and info:
            words.append(info_words(info, row["congestion"]))
        details.append(" ".join(word for word in words if word))
    heading, *lines = lines_of(table)
    return [heading, *(f"{line}\n\t {detail}" if detail else line for line, detail in zip(lines, details, strict=True))]


def _order(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["local_port"], ipaddress.ip_address(row["remote"]).packed, row["remote_port"]


def _name(row: Mapping[str, Any], end: str) -> str:
    return f"{row[end]}:{row[f'{end}_port']}"


def _listener_words(row: Mapping[str, Any]) -> str:
    words = [f"half_open:{row['half_open']}", f"finished:{row['finished']}", f"requests:{row['requests']}"]
    return " ".join(words + [word for word in ("conditional", "paused", "under_attack") if row[word]])
