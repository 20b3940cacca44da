"""Two hosts of our own on a link in memory: what `run` shows where the machine gives no TAP device."""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stack.cli.host import THREAD_STACK, observed, stop
from stack.cli.options import DEFAULT_ADDRESS, HostOptions
from stack.cli.proof import Proof, ProofFailed, Sample, compare, web_address

if TYPE_CHECKING:
    from stack.assembly import Stack

CLIENT_ADDRESS = "10.77.0.1"
BUFFER = 4 << 20  # bytes of frames under way in each direction


@contextlib.contextmanager
def memory_hosts(options: HostOptions) -> "Iterator[tuple[Stack, Stack]]":
    """Gives two started stacks, server and client, whose devices are the ends of a pair of packet sockets.

    A SOCK_SEQPACKET socket keeps frames apart as a TAP does, so both hosts run the very loop that they run on a device.
    """
    from stack.assembly import Stack
    from stack.config import StackConfig

    threading.stack_size(THREAD_STACK)
    inbound, outbound = options.faults.impairments(options.mtu) or (None, None)
    with contextlib.ExitStack() as undo:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ends:
            undo.enter_context(end)
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

        def config(address: str) -> StackConfig:
            return StackConfig(address=address, prefix=DEFAULT_ADDRESS.network.prefixlen, mtu=options.mtu)

        server = Stack(config(str(DEFAULT_ADDRESS.ip)), descriptor=ends[0].fileno(), inbound=inbound, outbound=outbound)
        client = Stack(config(CLIENT_ADDRESS), descriptor=ends[1].fileno())
        for stack in (server, client):
            stack.start()
            undo.callback(stop, stack)
        undo.enter_context(observed(server, options))
        yield server, client


def fetch_in_memory(client: "Stack", address: str, port: int, sample: Sample) -> Proof:
    """Fetches the sample with a client of our own on the provider. Raises ProofFailed."""
    from stack.applications.http_fetch import FetchFailed, fetch
    from stack.applications.stream import EntryFailed

    begun = time.monotonic()
    digest, size = hashlib.sha256(), 0
    try:
        for piece in fetch(client.provider, address, port, sample.url_path):
            digest.update(piece)
            size += len(piece)
    except (FetchFailed, EntryFailed) as error:
        raise ProofFailed(str(error)) from error
    url = web_address(address, port).rstrip("/") + sample.url_path
    return compare(url, sample, size, time.monotonic() - begun, digest.hexdigest())
