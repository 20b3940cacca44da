"""The JSON documents that answer requests, made piece by piece so that no piece holds the interpreter for long."""

import ipaddress
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, Protocol

from netcore.connections import connection_slice, listener_rows
from netcore.engine import Engine
from stack.config import StackConfig
from stack.observation.counter_tables import grouped
from stack.observation.requests import Choice, Request

_MILLISECOND: Final = 1_000_000
_LISTENERS_MOST: Final = 65_536


class Observed(Protocol):
    """A stack, as far as observation goes; `stack.assembly.Stack` is one."""

    config: StackConfig
    engine: Engine

    def counters(self) -> dict[str, int]:
        """Counters of the host and of its loop."""


def stack_document(stack: Observed) -> dict[str, Any]:
    """Returns who a stack is: its address, its process, what it holds."""
    return {
        "address": stack.engine.address,
        "prefix": stack.config.prefix,
        "pid": os.getpid(),
        "program": os.path.basename(sys.argv[0]) or "python",
        "usage": stack.engine.usage(),
    }


def counters_document(stack: Observed) -> dict[str, Any]:
    """Returns the counters by table."""
    return {"stack": stack_document(stack), "counters": grouped(stack.counters())}


def answer(stack: Observed, request: Request) -> Iterator[str]:
    """Yields the pieces of the document that answers `request`; between two of them the caller may pause."""
    if request.get == "stack":
        yield json.dumps({"stack": stack_document(stack)})
    elif request.get == "counters":
        yield json.dumps(counters_document(stack))
    else:
        yield from _sockets(stack, request)


def _sockets(stack: Observed, request: Request) -> Iterator[str]:
    choice = Choice(request)
    yield f'{{"stack": {json.dumps(stack_document(stack))}, "listeners": '
    listeners = map(_dotted, listener_rows(stack.engine, _LISTENERS_MOST)) if choice.listeners else ()
    yield json.dumps([row for row in listeners if choice.takes_listener(row)])
    yield ', "connections": ['
    place = 0 if choice.connections else -1
    seen: set[tuple[Any, ...]] = set()
    more = False
    while place >= 0 and not more:
        rows, place = connection_slice(stack.engine, place, request.info)
        pieces = []
        for row in map(_dotted, rows):
            # the table may have grown between two slices, and what was read is met again
            names = row["local"], row["local_port"], row["remote"], row["remote_port"]
            if names in seen or not choice.takes_connection(row):
                continue
            if len(seen) == request.limit:
                more = True
                break
            pieces.append((", " if seen else "") + json.dumps(row))
            seen.add(names)
        yield "".join(pieces)
    yield f'], "more": {json.dumps(more)}}}'


def _dotted(row: dict[str, Any]) -> dict[str, Any]:
    for end in ("local", "remote"):
        if end in row:
            row[end] = str(ipaddress.ip_address(row[end]))
    if row.get("timer"):
        name, left = row["timer"]
        row["timer"] = {"name": name, "ms": left // _MILLISECOND}
    return row
