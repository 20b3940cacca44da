"""A third connection of the kernel and us, put out of step by text that one who sees every number has forged.

Each of the two then hears of octets that it has not sent, or has sent long ago, and says so. What each says must not
bring the other's next word, or they go on for ever at the speed of the link: an ACK storm.
"""

import contextlib
import subprocess
import sys
from dataclasses import dataclass

from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tests.attacks.blind import ACK, PSH, Forger
from tests.attacks.ground import PATIENCE, Flow, FlowServer, ground
from tests.live.host import wait_until

PORT = 4304
FORGED = b"forged octets, more than the client sends"
RETRANSMISSIONS = 3  # of the client's text that are waited for: about 2 seconds, by the kernel's minimum of 200 ms

CLIENT = """if 1:
    import socket, sys
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        connection.sendall(b"hello")
        connection.recv(5, socket.MSG_WAITALL)
        print(connection.getsockname()[1], flush=True)
        sys.stdin.readline()
        connection.sendall(b"text")
        sys.stdin.readline()
"""


@dataclass
class Exchange:
    """What went over the connection once it was out of step, as we counted it, and how often the kernel sent again."""

    segments_in: int
    segments_out: int
    sent_again: int


class EchoServer(FlowServer):
    """Says what it hears, as text of its own."""

    def _receive(self, connection: StreamSocket) -> None:
        buffer = bytearray(1 << 16)
        while count := connection.receive_into(buffer):
            self.moved += count
            connection.send(bytes(buffer[:count]))


def storm() -> Exchange:
    """Puts a connection out of step, beside the live streams, and lets the client send on it."""
    with ground(connection_statistics=1) as place, contextlib.ExitStack() as undo:
        host = place.host
        server = EchoServer(host, PORT)
        undo.enter_context(Server(host.stack.provider, PORT, server.serve, name="echo"))
        command = [sys.executable, "-c", CLIENT, host.address, str(PORT)]
        process = undo.enter_context(
            host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        )
        undo.callback(process.kill)
        assert process.stdout is not None
        assert process.stdin is not None
        flow = Flow(server, process, int(process.stdout.readline()))
        info, before, sent = flow.info, flow.endpoint.tcp_info(), host.kernel_counters()["TcpRetransSegs"]
        expected = flow.moved + len(FORGED)
        place.tap.send(Forger(place).segment(flow, info["rcv_nxt"], info["snd_una"], PSH | ACK, FORGED))
        wait_until(lambda: flow.moved == expected, PATIENCE, lambda: "the forged text is not taken")
        process.stdin.write("\n")

        def sent_again() -> int:
            return host.kernel_counters()["TcpRetransSegs"] - sent

        wait_until(
            lambda: sent_again() >= RETRANSMISSIONS, PATIENCE, lambda: f"the client has sent again {sent_again()} times"
        )
        after = flow.endpoint.tcp_info()
        place.await_progress()
        flow.endpoint.abort()
        return Exchange(
            after["tcpi_segs_in"] - before["tcpi_segs_in"],
            after["tcpi_segs_out"] - before["tcpi_segs_out"],
            sent_again(),
        )
