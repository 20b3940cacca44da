"""Sends SYNs from random addresses of 198.18.0.0/15 (RFC 2544) into a device; a program that runs in the namespace.

    listener_flooder.py DEVICE MAC ADDRESS PORT

MAC, ADDRESS, PORT: whom the SYNs are for. It reads commands, one a line, `RATE SECONDS` each: so many SYNs a second
for so long, 0 for as many as go. It answers each with one line of JSON: sent, seconds, and dropped: how many frames the
device had no room for.

Each SYN differs from all others in address, port and sequence number, and no checksum is computed: the random words
stand in the packet once as they are and once inverted, so that their sum is always the same (RFC 1071).
"""

import ctypes
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

STRIDE = 64
FRAMES = 4096
BURST = 64  # frames a system call
TICK = 0.0005  # seconds between bursts
ETHERTYPE_IPV4 = 0x0800
DEVICES = Path("/proc/net/dev")
TRANSMIT_DROP = 11  # column of DEVICES
INVERTED = bytes(range(255, -1, -1))
SEGMENT = 24  # bytes of a TCP header with an MSS option
# Where the random octets stand, and where their inverse.
PAIRS = (
    ((28, 18, 40), (29, 19, 41)),  # low word of the source address: identification, low word of the sequence number
    ((34, 38), (35, 39)),  # source port: high word of the sequence number
)


class MessageHeader(ctypes.Structure):
    """struct mmsghdr of sendmmsg(2), for a connected or bound socket."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint32),
    ]


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of octets."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def syn(mac: bytes, own: bytes, address: bytes, port: int, second: int) -> bytes:
    """A frame whose random words are 0 and their inverse 0xffff; the source is in 198.`second`.0.0/16."""
    source = bytes((198, second, 0, 0))
    tcp = struct.pack(">HHIIBBHHH", 0, port, 0xFFFFFFFF, 0, (SEGMENT // 4) << 4, 2, 64240, 0, 0) + b"\x02\x04\x05\xb4"
    tcp = tcp[:16] + struct.pack(">H", checksum(source + address + struct.pack(">HH", 6, SEGMENT) + tcp)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + SEGMENT, 0xFFFF, 0, 64, 6, 0) + source + address
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return mac + own + struct.pack(">H", ETHERTYPE_IPV4) + ip + tcp


class Flooder:
    """Frames in one piece of memory, sent in turn; new random words after each turn."""

    def __init__(self, device: str, mac: str, address: str, port: int) -> None:
        self.device = device
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((device, ETHERTYPE_IPV4))
        own = self.socket.getsockname()[4]
        frames = [
            syn(bytes.fromhex(mac.replace(":", "")), own, socket.inet_aton(address), port, 18 + number % 2)
            for number in range(FRAMES)
        ]
        length = len(frames[0])
        self.memory = bytearray(b"".join(frame.ljust(STRIDE, b"\0") for frame in frames))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.pieces = (Piece * FRAMES)(*((start + number * STRIDE, length) for number in range(FRAMES)))
        self.headers = (MessageHeader * FRAMES)()
        for number, header in enumerate(self.headers):
            header.pieces = ctypes.addressof(self.pieces) + number * ctypes.sizeof(Piece)
            header.piece_count = 1
        self.sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self.place = FRAMES

    def turn(self) -> None:
        """Draws the random words of all frames anew."""
        for words in PAIRS:
            for straight, *inverse in words:
                column = os.urandom(FRAMES)
                self.memory[straight::STRIDE] = column
                for place in inverse:
                    self.memory[place::STRIDE] = column.translate(INVERTED)
        self.place = 0

    def send(self, most: int) -> int:
        """Sends at most so many frames; how many."""
        if self.place == FRAMES:
            self.turn()
        count = min(most, BURST, FRAMES - self.place)
        place = ctypes.addressof(self.headers) + self.place * ctypes.sizeof(MessageHeader)
        sent = int(self.sendmmsg(self.socket.fileno(), ctypes.c_void_p(place), count, 0))
        if sent < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.place += sent
        return sent

    def drops(self) -> int:
        """Frames that the device had no room for so far."""
        (line,) = (line for line in DEVICES.read_text().splitlines() if line.strip().startswith(f"{self.device}:"))
        return int(line.partition(":")[2].split()[TRANSMIT_DROP])

    def flood(self, rate: int, seconds: float) -> dict[str, float]:
        """Sends `rate` frames a second, all that go when it is 0."""
        dropped, sent = self.drops(), 0
        start = time.monotonic()
        while (passed := time.monotonic() - start) < seconds:
            due = int(passed * rate) - sent if rate else BURST
            if due <= 0:
                time.sleep(TICK)
                continue
            sent += self.send(due)
        return {"sent": sent, "seconds": passed, "dropped": self.drops() - dropped}


def main() -> None:
    """Reads commands to the end of input."""
    device, mac, address, port = sys.argv[1:]
    flooder = Flooder(device, mac, address, int(port))
    for line in sys.stdin:
        rate, seconds = line.split()
        print(json.dumps(flooder.flood(int(rate), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
