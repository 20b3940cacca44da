"""Flows: the connections of a script, and how their numbers on the link follow from the numbers in the script.

On a SYN the script's numbers are those of the link, the peer's as they are written; ours are random, so the first SYN
that leaves fixes the difference. On every other segment they count from the SYN of the side they belong to. Our
timestamps are random too: the first that the script writes fixes the difference.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from stack.packetdrill.packets import Flags, Option, Packet, SackBlocks, Sequence, TcpPacket, Timestamps, UdpPacket

_WORD: Final = 1 << 32

Ends = tuple[bytes, int, bytes, int]
"""Our address and port, the peer's address and port."""


@dataclass(slots=True)
class Flow:
    """One connection.

    offset: the number of our SYN on the link, from which the script counts; None until it was seen. syn_offset: what to
    add to the number that the script gives our SYN. peer_start: the number of the peer's SYN, likewise. timestamps:
    ours as the script last called them -> as they were on the link, for scripts that do not count with the time.
    """

    ends: Ends
    offset: int | None = None
    syn_offset: int = 0
    peer_start: int = 0
    timestamp_offset: int | None = None
    last_timestamp: int = 0
    timestamps: dict[int, int] = field(default_factory=dict)
    last_sent: bytes = field(default=b"")
    _peer_syn: Sequence | None = None
    _agreed: bool = False

    def to_link(self, packet: TcpPacket) -> TcpPacket:
        """Returns an inbound packet in the numbers of the link."""
        syn = bool(packet.flags & Flags.SYN)
        if syn:
            self._peer_syn = packet.sequence
            if not self._agreed:
                self.peer_start = packet.sequence.first
        ours, theirs = (self.syn_offset, 0) if syn else (self.offset or 0, self.peer_start)
        options = []
        for option in packet.options or ():
            if isinstance(option, SackBlocks):
                option = _moved(option, ours)
            elif isinstance(option, Timestamps) and packet.flags & Flags.ACK:
                option = Timestamps(option.value, None if option.echo is None else self._echo(option.echo))
            options.append(option)
        ack = packet.ack
        if ack is not None and packet.flags & Flags.ACK:
            ack = (ack + ours) % _WORD
        return replace(packet, sequence=_shifted(packet.sequence, theirs), ack=ack, options=tuple(options))

    def _echo(self, echo: int) -> int:
        if echo in self.timestamps:
            return self.timestamps[echo]
        if self.timestamp_offset is None:
            # The script does not look at our timestamps, so it cannot know them: the peer echoes what it last saw.
            return self.last_timestamp or echo
        return (echo + self.timestamp_offset) % _WORD

    def learn(self, seen: TcpPacket, expected: TcpPacket) -> None:
        """Takes the differences from a packet of ours that the script expects; `seen` is in numbers of the link."""
        if seen.flags & Flags.SYN and expected.flags & Flags.SYN:
            self.offset = seen.sequence.first
            self.syn_offset = (seen.sequence.first - expected.sequence.first) % _WORD
        self._learn_peer(seen)
        for mine in seen.options or ():
            if isinstance(mine, Timestamps):
                self.last_timestamp = mine.value or 0
                for wanted in expected.options or ():
                    if isinstance(wanted, Timestamps) and wanted.value is not None and mine.value is not None:
                        self.timestamps[wanted.value] = mine.value
                        if self.timestamp_offset is None:
                            self.timestamp_offset = (mine.value - wanted.value) % _WORD

    def _learn_peer(self, seen: TcpPacket) -> None:
        """Which SYN of the peer we have taken: a later one counts only when a SYN of ours answers it."""
        syn = self._peer_syn
        if syn is None or seen.ack is None or seen.flags & Flags.RST or (self._agreed and not seen.flags & Flags.SYN):
            return
        if (seen.ack - syn.first - 1) % _WORD <= syn.length:
            self.peer_start = syn.first
            self._agreed = True

    def to_script(self, packet: TcpPacket) -> TcpPacket:
        """Returns an outbound packet in the numbers of the script."""
        syn = bool(packet.flags & Flags.SYN)
        ours, theirs = (self.syn_offset, 0) if syn else (self.offset or 0, self.peer_start)
        options: list[Option] = []
        for option in packet.options or ():
            if isinstance(option, Timestamps) and self.timestamp_offset is not None and option.value is not None:
                option = Timestamps((option.value - self.timestamp_offset) % _WORD, option.echo)
            elif isinstance(option, SackBlocks):
                option = _moved(option, -theirs)
            options.append(option)
        ack = None if packet.ack is None else (packet.ack - theirs) % _WORD
        return replace(packet, sequence=_shifted(packet.sequence, -ours), ack=ack, options=tuple(options))


def _moved(option: SackBlocks, offset: int) -> SackBlocks:
    return SackBlocks(tuple(((first + offset) % _WORD, (end + offset) % _WORD) for first, end in option.blocks))


def _shifted(sequence: Sequence, offset: int) -> Sequence:
    return Sequence((sequence.first + offset) % _WORD, (sequence.end + offset) % _WORD, sequence.length)


class Flows:
    """All flows of one run, and the one that packets without ports belong to."""

    def __init__(self, local: bytes, remote: bytes, bind_port: int, peer_port: int) -> None:
        self._local = local
        self._remote = remote
        self._default_ports = bind_port, peer_port
        self._flows: dict[Ends, Flow] = {}
        self.current: Flow | None = None

    def of_ends(self, ends: Ends) -> Flow:
        """Returns the flow of these ends and makes it the current one."""
        self.current = self._flows.setdefault(ends, Flow(ends))
        return self.current

    def inbound(self, packet: Packet) -> Flow:
        """Returns the flow of a packet that the script sends."""
        if isinstance(packet, TcpPacket | UdpPacket) and packet.ports is not None:
            return self.of_ends((self._local, packet.ports[1], self._remote, packet.ports[0]))
        if self.current is not None:
            return self.current
        return self.of_ends((self._local, self._default_ports[0], self._remote, self._default_ports[1]))
