"""One stream from a sender to a receiver over a relay with faults; kernel or ours at either end.

Whoever is at an end, the link is the same: the relay's own thread, and the kernel's TAP device at the kernel's ends.
Our stack takes the place of one of them with a packet socket that, as a TAP does, carries superframes behind virtio
headers. So what is compared is the ends alone. The relay cuts everybody's superframes before it loses any of them.

Timing begins with the connection made and neighbours known, and ends with the end of the stream at the receiver.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from netcore.engine import congestion_names
from stack.applications.stream import EntryFailed, StreamSocket
from stack.assembly import Stack
from stack.config import StackConfig
from stack.relaying import End, RunningRelay
from tapdev import Namespace, Offload, PathLab, link
from tests.interop.links import SECOND, Link
from tests.interop.transfer_end import Source, drain, pour

PROGRAM = Path(__file__).with_name("transfer_end.py")
PATIENCE = 30.0  # seconds without progress, and for what is buffered when the time is up
OUR_MAC = "02:77:00:00:00:03"
SOCKET_BUFFER = 8 << 20  # bytes
FIRST_PORT = 20_000
TEXT = 1448  # bytes of a full segment with timestamps, at an MTU of 1500
LOST = ("lost", "corrupted", "truncated", "overflowed", "blacked_out", "oversized", "refused")

# Congestion control: the kernel's name and ours for one algorithm.
OUR_NAMES = {"reno": "newreno", "cubic": "cubic", "bbr": "bbr"}

# Who sends and who receives.
WAYS = {"kk": "kernel to kernel", "ku": "kernel to us", "uk": "us to kernel"}


class TransferFailed(Exception):
    """A stream did not arrive as it was sent; the message is one line."""


@dataclass(frozen=True)
class Result:
    """A stream that arrived, octet for octet.

    seconds: from the connection to the end of the stream, at the receiver. goodput: Mbit/s there while the sender had
    more to send (afterwards it may only empty its buffer, which differs in size). retransmitted: segments, as the
    sender says. dropped: packets of the data's direction that the link lost or damaged. late: the share of packets that
    the relay delivered over 1 ms after their time, because the machine was busy.
    """

    bytes: int
    seconds: float
    goodput: float
    retransmitted: int
    dropped: int
    late: float

    @property
    def spurious(self) -> int:
        """Retransmissions beyond what was lost: each lost packet needs one."""
        return max(0, self.retransmitted - self.dropped)

    @property
    def spurious_share(self) -> float:
        """Of all segments that the stream needs."""
        return self.spurious / max(1, -(-self.bytes // TEXT))


class OurDevice:
    """Our end: a packet socket that passes for a TAP device with offloads; `far` is the relay's end of it."""

    kind = "tap"
    vnet_header = True
    thread_switch = None
    offloads = int(Offload.CSUM | Offload.TSO4)

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls, undo: contextlib.ExitStack) -> "tuple[OurDevice, OurDevice]":
        """Returns the stack's end and the relay's."""
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ends:
            undo.enter_context(end)
            end.setblocking(False)
            # SO_SNDBUFFORCE: beyond the machine's limit, as the queue of a device is
            with contextlib.suppress(PermissionError):
                end.setsockopt(socket.SOL_SOCKET, 32, SOCKET_BUFFER)
        return cls(ends[0]), cls(ends[1])

    def fileno(self) -> int:
        """The descriptor."""
        return self._end.fileno()


def kernel_algorithms() -> list[str]:
    """What this kernel has of reno, cubic and bbr."""
    there = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return [name for name in OUR_NAMES if name in there]


def our_algorithms() -> list[str]:
    """What our core has of newreno, cubic and bbr."""
    return [name for name in OUR_NAMES.values() if name in congestion_names()]


class Laboratory:
    """Two namespaces with TAP devices, and the transfers between them and our stack. A context manager.

    mtu: bytes of IP packet. patience: seconds without progress after which an end gives up.
    """

    def __init__(self, mtu: int = 1500) -> None:
        self.mtu = mtu
        self.patience = PATIENCE
        self._undo = contextlib.ExitStack()
        self._ports = iter(range(FIRST_PORT, 60_000))

    def __enter__(self) -> "Laboratory":
        with contextlib.ExitStack() as undo:
            # no more than an Impairment can do in the kernel's place: the relay has none that hands superframes on
            self.lab = undo.enter_context(PathLab(mtu=self.mtu, wanted=Offload.CSUM | Offload.TSO4))
            self.our_address = IPv4Address(int(self.lab.left_address) + 2)
            left, right = self.lab.left, self.lab.right
            macs = [mac_of(left, self.lab.left_tap.name), mac_of(right, self.lab.right_tap.name)]
            for namespace, other, mac in (
                (left, self.lab.right_address, macs[1]),
                (right, self.lab.left_address, macs[0]),
            ):
                quieten(namespace)
                # A damaged ARP packet would point the kernel at nobody for half a minute: that is not TCP's doing.
                with namespace.routes() as route:
                    link.add_neighbor(route, "tap0", other, mac)
                    link.add_neighbor(route, "tap0", self.our_address, OUR_MAC)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    def transfer(self, way: str, algorithm: str, chosen: Link, seed: int = 1) -> Result:
        """Carries one stream over `chosen`; way is a key of WAYS, algorithm the kernel's name of the sender's.

        Raises TransferFailed.
        """
        port = next(self._ports)
        with contextlib.ExitStack() as undo:
            if way == "kk":
                sender, receiver = self._kernel_sender(algorithm, chosen, seed), self._kernel_receiver(port, chosen)
                return self._carry(self.lab.left_tap, self.lab.right_tap, sender, receiver, port, chosen, seed)
            ours, far = OurDevice.pair(undo)
            ends: tuple[End, End] = (far, self.lab.right_tap) if way == "uk" else (self.lab.left_tap, far)
            place, tap = (self.lab.right, self.lab.right_tap) if way == "uk" else (self.lab.left, self.lab.left_tap)
            stack = undo.enter_context(Stack(self._configuration(algorithm if way == "uk" else None), tap=ours))
            meet(place, str(self.our_address), tap, far)
            if way == "uk":
                our_sender = OurSender(stack, chosen, seed)
                return self._carry(*ends, our_sender, self._kernel_receiver(port, chosen), port, chosen, seed)
            sender = self._kernel_sender(algorithm, chosen, seed)
            return self._carry(
                *ends, sender, OurReceiver(stack, str(self.our_address), port, chosen.seconds), port, chosen, seed
            )

    def _configuration(self, algorithm: str | None) -> StackConfig:
        choice = {} if algorithm is None else {"congestion": OUR_NAMES[algorithm]}
        return StackConfig(address=str(self.our_address), prefix=24, mac=OUR_MAC, mtu=self.mtu, **choice)

    def _kernel_sender(self, algorithm: str, chosen: Link, seed: int) -> "KernelEnd":
        options = ["--congestion", algorithm, "--bytes", chosen.bytes, "--seconds", chosen.seconds, "--seed", seed]
        return KernelEnd(self.lab.left, "send", *options, "--patience", self.patience)

    def _kernel_receiver(self, port: int, chosen: Link) -> "KernelEnd":
        options = ["--patience", self.patience, "--seconds", chosen.seconds]
        return KernelEnd(self.lab.right, "receive", *options, address=str(self.lab.right_address), port=port)

    def _carry(
        self,
        from_end: End,
        to_end: End,
        sender: "KernelEnd | OurSender",
        receiver: "KernelEnd | OurReceiver",
        port: int,
        chosen: Link,
        seed: int,
    ) -> Result:
        forward, backward = chosen.impairments(seed, self.mtu, time.monotonic_ns() + SECOND // 4)
        limit = chosen.seconds + 2 * self.patience
        with receiver, RunningRelay(from_end, to_end, forward=forward, backward=backward) as relay:
            with sender:
                sender.start(receiver.address, port)
                sent = sender.result(limit)
            got = receiver.result(limit)
            counters = relay.counters()
            for end in (sender, receiver):
                end.part()
        if (sent["bytes"], sent["sha256"]) != (got["bytes"], got["sha256"]):
            raise TransferFailed(
                f"{sent['bytes']} bytes with SHA-256 {sent['sha256']} were sent,"
                f" {got['bytes']} with {got['sha256']} received"
            )
        data = counters["forward"]
        return Result(
            bytes=got["bytes"],
            seconds=got["seconds"],
            goodput=got["goodput"],
            retransmitted=sent["total_retrans"],
            dropped=sum(data.get(name, 0) for name in LOST),
            late=data["late"] / max(1, data["delivered"]),
        )


def mac_of(namespace: Namespace, name: str) -> str:
    """The Ethernet address of an interface."""
    with namespace.routes() as route:
        return link.mac_of(route, name)


def quieten(namespace: Namespace) -> None:
    """No IPv6 chatter, and no memory of earlier connections (tcp_metrics), which would make their order matter."""
    for setting in ("ipv6/conf/all/disable_ipv6", "ipv4/tcp_no_metrics_save"):
        namespace.run(["sh", "-c", f"echo 1 > /proc/sys/net/{setting}"], stderr=subprocess.DEVNULL)


def meet(place: Namespace, address: str, tap: End, far: End) -> None:
    """Lets our stack learn the kernel's Ethernet address over a good link. Raises TransferFailed."""
    with RunningRelay(tap, far):
        told = place.run(["ping", "-c", "1", "-W", "5", address], capture_output=True, text=True)
    if told.returncode:
        raise TransferFailed(f"no answer to a ping: {told.stdout.strip()} {told.stderr.strip()}")


class KernelEnd:
    """transfer_end.py in a namespace; a receiver listens when it is entered, a sender begins with `start`."""

    def __init__(self, place: Namespace, action: str, *options: object, address: str = "", port: int = 0) -> None:
        self.address = address
        self._place = place
        self._action = action
        self._options = [str(option) for option in options]
        self._port = port
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "KernelEnd":
        if self._action == "receive":
            self.start(self.address, self._port)
            assert self._process is not None
            assert self._process.stdout is not None
            if self._process.stdout.readline() != "ready\n":
                raise TransferFailed("the receiver ended before it listened")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def part(self) -> None:
        """The kernel sees to the ends of its connections."""

    def start(self, address: str, port: int) -> None:
        """Runs the program."""
        command = [sys.executable, str(PROGRAM), self._action, address, str(port)]
        self._process = self._place.popen([*command, *self._options], stdout=subprocess.PIPE, text=True)

    def result(self, seconds: float) -> dict[str, Any]:
        """What it tells at its end. Raises TransferFailed."""
        assert self._process is not None
        try:
            output, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TransferFailed(f"the kernel's end did not {self._action} within {seconds:g} s") from None
        told: dict[str, Any] = json.loads(output.splitlines()[-1]) if output else {"error": "no word"}
        if "error" in told:
            raise TransferFailed(f"the kernel's end: {told['error']}")
        return told


class OurEnd:
    """A thread on our stack that carries one stream and tells of it, as transfer_end.py does."""

    address = ""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._told: dict[str, Any] = {}
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "OurEnd":
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def result(self, seconds: float) -> dict[str, Any]:
        """What came of it. Raises TransferFailed."""
        assert self._thread is not None
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TransferFailed(f"our end did not end within {seconds:g} s")
        if "error" in self._told:
            raise TransferFailed(f"our end: {self._told['error']}")
        return self._told

    def part(self) -> None:
        """Stops the stack while the link is there, so that the connection ends in order."""
        self.stack.stop()

    def _begin(self, work: Callable[[], dict[str, Any]]) -> None:
        def run() -> None:
            try:
                self._told = work()
            except EntryFailed as error:
                self._told = {"error": str(error)}

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()


class OurSender(OurEnd):
    """Our stack sends."""

    def __init__(self, stack: Stack, chosen: Link, seed: int) -> None:
        super().__init__(stack)
        self._link = chosen
        self._seed = seed

    def start(self, address: str, port: int) -> None:
        """Connects and sends, in the thread."""
        self._begin(lambda: self._send(address, port))

    def _send(self, address: str, port: int) -> dict[str, Any]:
        source = Source(self._seed)
        connection = StreamSocket.connected(self.stack.provider, address, port)
        connection.limit_waiting(round(PATIENCE * 1000), round(PATIENCE * 1000))

        def send(piece: memoryview) -> int:
            connection.send(piece)
            return len(piece)

        pour(source, send, self._link.bytes, time.monotonic() + self._link.seconds)
        connection.shutdown_send()
        with contextlib.closing(connection):
            if connection.receive_into(bytearray(1)):
                raise EntryFailed("WSPRecv", 0)
        counters = self.stack.counters()
        return {"bytes": source.count, "sha256": source.digest, "total_retrans": counters["RetransSegs"]}


class OurReceiver(OurEnd):
    """Our stack receives; it listens from the moment it is made."""

    def __init__(self, stack: Stack, address: str, port: int, window: float) -> None:
        super().__init__(stack)
        self.address = address
        self._window = window
        self._listener = StreamSocket.listening(stack.provider, port)
        self._begin(self._receive)

    def __exit__(self, *exception: object) -> None:
        self._listener.close()

    def _receive(self) -> dict[str, Any]:
        connection = self._listener.accept()
        with contextlib.closing(connection):
            connection.limit_waiting(round(PATIENCE * 1000))
            told = drain(connection.receive_into, self._window)
            connection.finish()
        return told
