"""Flows: the connections of a script, and how their numbers on the link follow from the numbers in the script.

The peer's sequence numbers are sent as the script writes them. Ours are random: the first SYN that leaves fixes the
difference between what was seen and what the script calls it. The same holds for our timestamps.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from stack.packetdrill.packets import Flags, Packet, SackBlocks, Sequence, TcpPacket, Timestamps

_WORD: Final = 1 << 32

Ends = tuple[bytes, int, bytes, int]
"""Our address and port, the peer's address and port."""


@dataclass(slots=True)
class Flow:
    """One connection. offset: ours on the link less ours in the script, None until a SYN of ours was seen."""

    ends: Ends
    offset: int | None = None
    timestamp_offset: int | None = None
    last_timestamp: int = 0
    last_sent: bytes = field(default=b"")

    def to_link(self, packet: TcpPacket) -> TcpPacket:
        """Returns an inbound packet in the numbers of the link."""
        ours = self.offset or 0
        acknowledges = bool(packet.flags & Flags.ACK) and packet.ack is not None
        options = []
        for option in packet.options or ():
            if isinstance(option, SackBlocks):
                option = SackBlocks(tuple(((a + ours) % _WORD, (b + ours) % _WORD) for a, b in option.blocks))
            elif isinstance(option, Timestamps) and packet.flags & Flags.ACK:
                option = Timestamps(option.value, self._echo(option.echo))
            options.append(option)
        ack = (packet.ack + ours) % _WORD if acknowledges and packet.ack is not None else packet.ack
        return replace(packet, ack=ack, options=tuple(options))

    def _echo(self, echo: int) -> int:
        if self.timestamp_offset is None:
            # The script does not look at our timestamps, so it cannot know them: the peer echoes what it last saw.
            return self.last_timestamp or echo
        return (echo + self.timestamp_offset) % _WORD

    def learn(self, seen: TcpPacket, expected: TcpPacket) -> None:
        """Takes the differences from a packet of ours that the script expects; `seen` is in numbers of the link."""
        if seen.flags & Flags.SYN and expected.flags & Flags.SYN:
            self.offset = (seen.sequence.first - expected.sequence.first) % _WORD
        for mine in seen.options or ():
            if isinstance(mine, Timestamps):
                self.last_timestamp = mine.value
                for wanted in expected.options or ():
                    if isinstance(wanted, Timestamps) and self.timestamp_offset is None:
                        self.timestamp_offset = (mine.value - wanted.value) % _WORD

    def to_script(self, packet: TcpPacket) -> TcpPacket:
        """Returns an outbound packet in the numbers of the script."""
        sequence = packet.sequence
        first = (sequence.first - (self.offset or 0)) % _WORD
        options = tuple(
            Timestamps((option.value - self.timestamp_offset) % _WORD, option.echo)
            if isinstance(option, Timestamps) and self.timestamp_offset is not None
            else option
            for option in packet.options or ()
        )
        end = (first + sequence.length) % _WORD
        return replace(packet, sequence=Sequence(first, end, sequence.length), options=options)


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
        if isinstance(packet, TcpPacket) and packet.ports is not None:
            return self.of_ends((self._local, packet.ports[1], self._remote, packet.ports[0]))
        if self.current is not None:
            return self.current
        return self.of_ends((self._local, self._default_ports[0], self._remote, self._default_ports[1]))
