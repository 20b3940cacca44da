"""What a listener costs: connections made, accepted and closed by the thousand; SYNs into queues of any length.

    listener_cost.py syns QUEUE COUNT

sends COUNT SYNs to a listener whose queue holds QUEUE connections already; to be looked at by callgrind.
"""

import resource
import statistics
import struct
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from tests.tcp.strangers import checksum

SECOND = 1_000_000_000
TWO_MSL = 61 * SECOND
OURS, THEIRS = "10.0.0.1", "10.0.0.2"
PORT = 80
LARGEST_BACKLOG = 65535  # what SOMAXCONN_HINT can ask for
AGED = 1_100_000_000  # ns after which half-open connections are old
ROUND = 500  # connections at a time
FIRST_PORT = 1024


def packed(address: str) -> bytes:
    """The four octets of an address."""
    return bytes(map(int, address.split(".")))


def host(address: str) -> Engine:
    """A host on bare IP packets."""
    return Engine(address=address, prefix=8, seed=address.encode().ljust(16, b"."), ethernet=False)


def listening(engine: Engine, backlog: int) -> Listener:
    """A listener at PORT."""
    listener = engine.listen(None, PORT, backlog)
    assert isinstance(listener, Listener), listener
    return listener


class Turnover:
    """Two hosts in memory; one connects, the other accepts and closes first."""

    def __init__(self) -> None:
        self.server, self.client = host(OURS), host(THEIRS)
        self.listener = listening(self.server, ROUND)
        self.now = SECOND
        self.ports = range(FIRST_PORT, FIRST_PORT + ROUND)

    def exchange(self) -> None:
        """Frames go to and fro until both are silent."""
        while True:
            going, coming = self.client.frames_to_send(), self.server.frames_to_send()
            if not going and not coming:
                return
            self.server.frames_arrive(going, self.now)
            self.client.frames_arrive(coming, self.now)

    def round(self) -> None:
        """ROUND connections from their SYN to the end of their TIME-WAIT, each with a few bytes one way."""
        target, buffer = (packed(OURS), PORT), bytearray(8)
        asking = [self.client.connect(port, target) for port in self.ports]
        self.exchange()
        for each in asking:
            each.send(b"x")  # type: ignore[union-attr]
        self.exchange()
        for _ in self.ports:
            accepted = self.listener.accept()
            assert isinstance(accepted, Endpoint), accepted
            assert accepted.receive_into(buffer) == 1
            accepted.close()
        self.exchange()
        for each in asking:
            assert each.receive_into(buffer) == 0  # type: ignore[union-attr]
            each.close()  # type: ignore[union-attr]
        self.exchange()
        self.server.events()
        self.client.events()
        self.now += TWO_MSL
        for engine in (self.server, self.client):
            engine.advance(self.now)

    def held(self) -> list[dict[str, int]]:
        """What the two hosts hold."""
        return [engine.usage() for engine in (self.server, self.client)]


def resident() -> int:
    """Bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def syns(first: int, count: int) -> list[bytes]:
    """SYNs of `count` different peers, those from number `first` on."""
    ours, packets = packed(OURS), []
    for number in range(first, first + count):
        source = bytes((10, 1, number >> 8 & 255, number & 255))
        tcp = struct.pack(">HHIIBBHHH", 40000, PORT, number, 0, 5 << 4, 2, 64240, 0, 0)
        total = checksum(source + ours + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack(">H", total) + tcp[18:]
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source + ours
        packets.append(header[:10] + struct.pack(">H", checksum(header)) + header[12:] + tcp)
    return packets


def answered(engine: Engine, packets: list[bytes], now: int) -> None:
    """The engine takes the packets and answers each."""
    for start in range(0, len(packets), 32):
        batch = packets[start : start + 32]
        engine.frames_arrive(batch, now)
        assert len(engine.frames_to_send()) == len(batch)


def filled(queue: int) -> tuple[Engine, Listener]:
    """A host whose listener has `queue` half-open connections and room for more."""
    engine = host(OURS)
    listener = listening(engine, LARGEST_BACKLOG)
    answered(engine, syns(0, queue), SECOND)
    assert listener.occupancy == queue
    return engine, listener


def time_of_syn(queue: int, rounds: int, batch: int = 64) -> float:
    """Nanoseconds that a SYN takes into the queue, the median of `rounds` batches, each of which leaves it again."""
    engine, listener = filled(queue)
    packets = syns(queue, batch)
    resets = [reset_after(packet) for packet in packets]
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        engine.frames_arrive(packets, SECOND)
        times.append(time.perf_counter_ns() - start)
        assert len(engine.frames_to_send()) == batch
        engine.frames_arrive(resets, SECOND)
        assert listener.occupancy == queue
    return statistics.median(times) / batch


def time_of_refusal(protection: bool, rounds: int, batch: int = 64) -> float:
    """Nanoseconds that a SYN takes to the RST of a full queue, or under protection to its cookie; as `time_of_syn`."""
    full = 128
    engine = Engine(
        address=OURS, prefix=8, seed=bytes(16), ethernet=False, syn_protection=int(protection),
    )  # fmt: skip
    listener = listening(engine, full)
    answered(engine, syns(0, full), SECOND)
    packets, times = syns(full, batch), []
    now = SECOND + AGED
    engine.advance(now)
    engine.frames_to_send()
    for _ in range(rounds):
        start = time.perf_counter_ns()
        engine.frames_arrive(packets, now)
        answers = engine.frames_to_send()
        times.append(time.perf_counter_ns() - start)
        assert len(answers) == batch
        assert listener.under_attack == protection
        assert all(answer[33] == (0x12 if protection else 0x14) for answer in answers)
    return statistics.median(times) / batch


def reset_after(syn: bytes) -> bytes:
    """The RST with which the peer that sent this SYN takes it back."""
    (seq,) = struct.unpack_from(">I", syn, 24)
    tcp = syn[20:24] + struct.pack(">IIBBHHH", seq + 1, 0, 5 << 4, 4, 0, 0, 0)
    total = checksum(syn[12:20] + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
    return syn[:20] + tcp[:16] + struct.pack(">H", total) + tcp[18:]


def main() -> None:
    """For callgrind: SYNs into a queue."""
    action, queue, count = sys.argv[1:]
    assert action == "syns"
    engine, _ = filled(int(queue))
    answered(engine, syns(int(queue), int(count)), SECOND)


if __name__ == "__main__":
    main()
