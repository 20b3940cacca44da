#!/usr/bin/env python3
"""The kernel's ends of the benchmark: a client that measures and a server, each a program of its own in a namespace.

    kernel_ends.py serve ADDRESS    echo on port 7, discard on 9, source on 19; prints `ready`
    kernel_ends.py up ADDRESS       sends to port 9 and counts what the peer has acknowledged
    kernel_ends.py down ADDRESS     receives from port 19
    kernel_ends.py echo ADDRESS     one byte to port 7 and back, again and again

The client prints one line of JSON. The time before a connection runs at full speed is left out (`--warm-up` seconds).
Every socket has the congestion control `--congestion`: the default of a machine may be one that paces itself.
Buffers are large and every system call runs without the GIL, so that Python is not what is measured.
"""

import argparse
import array
import contextlib
import fcntl
import json
import signal
import socket
import statistics
import struct
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

ECHO, DISCARD, SOURCE = 7, 9, 19
SEND_SIZE = 256 << 10  # bytes a call; larger pieces fall out of the processor's cache
RECEIVE_SIZE = 1 << 20
PATIENCE = 10  # seconds without progress before a connection counts as stalled


def stream_socket(options: argparse.Namespace) -> socket.socket:
    """Returns a TCP socket with the congestion control of the options."""
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, options.congestion.encode())
    return stream


def connected(options: argparse.Namespace, port: int) -> socket.socket:
    """Returns a connection to `port`. Raises OSError."""
    stream = stream_socket(options)
    stream.connect((options.address, port))
    # SO_SNDTIMEO and SO_RCVTIMEO keep the calls blocking ones: one system call each, without a poll before.
    patience = struct.pack("ll", PATIENCE, 0)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    return stream


def unacknowledged(stream: socket.socket) -> int:
    """Returns how many bytes of what was sent the peer has not acknowledged (SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(stream, termios.TIOCOUTQ, count)
    return count[0]


class Flow:
    """One connection that sends or receives as fast as it can, on a thread of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.sends = options.action == "up"
        self.stream = connected(options, DISCARD if self.sends else SOURCE)
        self.count = 0
        self.error: OSError | None = None
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._send() if self.sends else self._receive()
        except OSError as error:
            if not self.ending:
                self.error = error

    def _send(self) -> None:
        send, data = self.stream.send, bytes(SEND_SIZE)
        while not self.ending:
            self.count += send(data)

    def _receive(self) -> None:
        receive_into, buffer = self.stream.recv_into, bytearray(RECEIVE_SIZE)
        while not self.ending:
            count = receive_into(buffer)
            if not count:
                raise ConnectionError("the source has ended")
            self.count += count

    def delivered(self) -> int:
        """Bytes that have come to the other end so far."""
        return self.count - unacknowledged(self.stream) if self.sends else self.count

    def end(self) -> None:
        """Ends the thread and resets the connection, so that nothing lingers into the next measurement."""
        self.ending = True
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.stream.close()


def measure_streams(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the connections and returns bytes and seconds between warm-up and end."""
    flows = [Flow(options) for _ in range(options.connections)]
    for flow in flows:
        flow.thread.start()
    time.sleep(options.warm_up)
    first, begin = sum(flow.delivered() for flow in flows), time.monotonic()
    time.sleep(options.seconds)
    last, end = sum(flow.delivered() for flow in flows), time.monotonic()
    errors = [str(flow.error) for flow in flows if flow.error is not None]
    if errors:
        raise ConnectionError(f"{len(errors)} of {len(flows)} connections failed: {errors[0]}")
    for flow in flows:
        flow.end()
    return {"bytes": last - first, "seconds": end - begin}


def measure_echo(options: argparse.Namespace) -> dict[str, Any]:
    """Sends single bytes and waits for each; returns microseconds at the median and the 99th percentile."""
    times: list[int] = []
    buffer, clock = bytearray(1), time.monotonic_ns
    with connected(options, ECHO) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = clock() + int(options.warm_up * 1e9)
        end = begin + int(options.seconds * 1e9)
        while (start := clock()) < end:
            stream.send(b"x")
            if stream.recv_into(buffer) != 1:
                raise ConnectionError("the echo has ended")
            if start >= begin:
                times.append(clock() - start)
    cuts = statistics.quantiles(times, n=100)
    return {"rounds": len(times), "median": statistics.median(times) / 1000, "p99": cuts[98] / 1000}


def serve(options: argparse.Namespace) -> None:
    """Serves the three ports, each connection on a thread of its own, until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    for port, program in ((ECHO, give_back), (DISCARD, throw_away), (SOURCE, give_out)):
        listener = stream_socket(options)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.address, port))
        listener.listen()
        threading.Thread(target=accept_all, args=(listener, program), daemon=True).start()
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])


def accept_all(listener: socket.socket, program: Callable[[socket.socket], None]) -> None:
    """Accepts connections for ever."""
    while True:
        stream, _ = listener.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=run_connection, args=(program, stream), daemon=True).start()


def run_connection(program: Callable[[socket.socket], None], stream: socket.socket) -> None:
    """Runs the program of one connection until the peer ends or resets it."""
    with stream:
        with contextlib.suppress(ConnectionError):
            program(stream)


def give_back(stream: socket.socket) -> None:
    """Echo (RFC 862)."""
    buffer = memoryview(bytearray(64 << 10))
    while count := stream.recv_into(buffer):
        stream.sendall(buffer[:count])


def throw_away(stream: socket.socket) -> None:
    """Discard (RFC 863)."""
    buffer = bytearray(RECEIVE_SIZE)
    while stream.recv_into(buffer):
        pass


def give_out(stream: socket.socket) -> None:
    """A source as fast as the peer takes it (after RFC 864)."""
    data = bytes(SEND_SIZE)
    while True:
        stream.send(data)


def main() -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["serve", "up", "down", "echo"])
    parser.add_argument("address")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warm-up", type=float, default=0.3)
    parser.add_argument("--congestion", default="cubic")
    options = parser.parse_args()
    if options.action == "serve":
        serve(options)
        return
    try:
        print(json.dumps(measure_echo(options) if options.action == "echo" else measure_streams(options)))
    except OSError as error:
        raise SystemExit(f"kernel_ends: {options.action} to {options.address}: {error}") from None


if __name__ == "__main__":
    main()
