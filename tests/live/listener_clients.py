"""Clients on the kernel's sockets, led step by step: a program that runs in the namespace, and its handle.

The program reads commands, one JSON list a line, `[name, number, ...]`, and answers each with one line of JSON:

    ["connect", NUMBER]    connects, waits for the outcome: {"error": null or its name, "milliseconds": how long}
    ["begin", NUMBER]      connects without waiting; ["outcome", NUMBER, SECONDS] waits for the outcome as `connect`
    ["state", NUMBER]      the kernel's name for the state of the connection
    ["exchange", NUMBER]   sends its number and reads one back: {"text": ..., "error": ...}
    ["receive", NUMBER]    reads once: {"text": ..., "error": ...}
    ["close", NUMBER]
"""

import contextlib
import errno
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.live.host import LiveHost

PATIENCE = 30  # seconds
STATES = ("", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
          "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING")  # fmt: skip  # the kernel's enumeration, tcp_states.h


class KernelClients:
    """Tells the program what to do and gives its answers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, *command: object) -> Any:
        """One command and its answer."""
        self.post(*command)
        return self.answer()

    def post(self, *command: object) -> None:
        """A command whose answer is fetched later with `answer`."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """The answer to the oldest command without one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the clients' program has ended"
        return json.loads(line)


@contextlib.contextmanager
def kernel_clients(host: "LiveHost", port: int) -> Iterator[KernelClients]:
    """Gives clients of one port of the host."""
    command = [sys.executable, __file__, host.address, str(port)]
    with host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield KernelClients(process)
        finally:
            process.kill()


class Program:
    """The program inside."""

    def __init__(self, address: str, port: int) -> None:
        self.target = address, port
        self.sockets: dict[int, socket.socket] = {}
        self.begun: dict[int, float] = {}

    def connect(self, number: int) -> dict[str, Any]:
        """Connects and waits."""
        self.begin(number)
        return self.outcome(number, PATIENCE)

    def begin(self, number: int) -> None:
        """Sends the SYN."""
        client = self.sockets[number] = socket.socket()
        client.setblocking(False)
        self.begun[number] = time.monotonic()
        code = client.connect_ex(self.target)
        assert code == errno.EINPROGRESS, code

    def outcome(self, number: int, seconds: float) -> dict[str, Any]:
        """What became of it; the error is TIMEOUT when `seconds` have brought nothing."""
        client = self.sockets[number]
        _, ready, _ = select.select([], [client], [], seconds)
        milliseconds = (time.monotonic() - self.begun[number]) * 1000
        if not ready:
            return {"error": "TIMEOUT", "milliseconds": milliseconds}
        code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        client.settimeout(PATIENCE)
        return {"error": errno.errorcode[code] if code else None, "milliseconds": milliseconds}

    def state(self, number: int) -> str:
        """From tcp_info, whose first octet it is."""
        return STATES[self.sockets[number].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]]

    def exchange(self, number: int) -> dict[str, Any]:
        """Says its number."""
        try:
            self.sockets[number].sendall(str(number).encode())
        except OSError as error:
            return {"text": "", "error": errno.errorcode[error.errno or 0]}
        return self.receive(number)

    def receive(self, number: int) -> dict[str, Any]:
        """Reads once."""
        try:
            return {"text": self.sockets[number].recv(100).decode(), "error": None}
        except TimeoutError:
            return {"text": "", "error": "TIMEOUT"}
        except OSError as error:
            return {"text": "", "error": errno.errorcode[error.errno or 0]}

    def close(self, number: int) -> None:
        """Lets go."""
        self.sockets.pop(number).close()

    def run(self) -> None:
        """Reads commands to the end of input."""
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(self, name)(*arguments)), flush=True)


if __name__ == "__main__":
    Program(sys.argv[1], int(sys.argv[2])).run()
