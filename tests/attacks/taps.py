"""An attacker's place on the link: packet sockets of the namespace, held by this process."""

import ctypes
import errno
import socket
import struct
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from netcore.wire import decode
from tapdev import Lab, link

ETHERTYPE_IPV4 = 0x0800
SPOOFED = "198.18.0.0/15"  # RFC 2544: whoever is said to be there does not answer
QUEUE = 16384  # frames that the device keeps for the stack's loop
VNET_HEADER = 10  # bytes
RECEIVE_BUFFER = 32 << 20  # bytes
LARGEST = 70_000  # bytes of a superframe

# Of linux/if_packet.h and asm/socket.h, where the socket module has no names for them.
SOL_PACKET = 263
PACKET_VNET_HDR = 15
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33

# The program inside: it opens the sockets and hands them out over its standard input.
OPENER = """if 1:
    import socket
    sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2)]
    with socket.socket(fileno=0) as channel:
        socket.send_fds(channel, [b"x"], [each.fileno() for each in sockets])
"""

# Classic BPF, on the frame without its virtio header: what has an IPv4 destination in SPOOFED is kept.
FILTER = (
    (0x28, 0, 0, 12),  # ldh [12]
    (0x15, 0, 4, ETHERTYPE_IPV4),  # jeq, else drop
    (0x20, 0, 0, 30),  # ld [30]
    (0x54, 0, 0, 0xFFFE0000),  # and
    (0x15, 0, 1, 0xC6120000),  # jeq 198.18.0.0, else drop
    (0x06, 0, 0, 0xFFFFFFFF),  # ret all of it
    (0x06, 0, 0, 0),  # ret nothing
)


class Tap:
    """Sends frames to the stack at the far end of the lab's device, and receives what it sends to SPOOFED.

    Opens two packet sockets inside the lab's namespace. A context manager.
    """

    def __init__(self, lab: Lab) -> None:
        self.device = lab.tap.name
        with lab.inside.routes() as route:
            route.route("add", dst=SPOOFED, type="blackhole")
            link.set_queue_length(route, self.device, QUEUE)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            lab.run([sys.executable, "-c", OPENER], stdin=theirs, stderr=subprocess.PIPE, check=True, timeout=60)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 2)
        self._out, self._in = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        self._out.bind((self.device, ETHERTYPE_IPV4))
        self.own_mac: bytes = self._out.getsockname()[4]
        self._listen()

    def _listen(self) -> None:
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in FILTER)
        memory = ctypes.create_string_buffer(program, len(program))
        self._in.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(FILTER), ctypes.addressof(memory))
        )
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self._in.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self._in.bind((self.device, ETHERTYPE_IPV4))
        self._in.setblocking(False)

    def send(self, frame: bytes) -> None:
        """Puts a frame into the device; waits for room in its queue."""
        while True:
            try:
                self._out.send(frame)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)
            else:
                return

    def receive(self) -> list[tuple[bytes, int]]:
        """Takes the IP packets to SPOOFED that have come, each with the text of one segment of a superframe, or 0."""
        packets: list[tuple[bytes, int]] = []
        while True:
            try:
                octets, address = self._in.recvfrom(LARGEST)
            except BlockingIOError:
                return packets
            if address[2] == socket.PACKET_OUTGOING:
                continue
            header = decode.parse_vnet(octets[:VNET_HEADER])
            assert header is not None
            packets.append((octets[VNET_HEADER + 14 :], header["gso_size"] if header["gso_type"] else 0))

    def close(self) -> None:
        """Closes the sockets."""
        self._out.close()
        self._in.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
