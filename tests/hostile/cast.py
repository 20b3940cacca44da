"""Who takes part in a fuzz run, and frames on their link.

The victim is the host under attack. The friend has live connections with it, which nobody may disturb. Strangers are
addresses that the attacker plays itself: their connections with the victim are there to be broken.
"""

import random
from dataclasses import dataclass

from netcore.wire import decode

VICTIM = bytes([10, 9, 0, 1])
FRIEND = bytes([10, 9, 0, 2])
GATEWAY = bytes([10, 9, 0, 254])
STRANGERS = [bytes([10, 9, 0, 16 + number]) for number in range(24)] + [bytes([192, 0, 2, number]) for number in (1, 2)]

VICTIM_MAC = bytes.fromhex("02c0de000001")
FRIEND_MAC = bytes.fromhex("02c0de000002")
STRANGER_MAC = bytes.fromhex("02bad0000000")
BROADCAST_MAC = bytes([255] * 6)

# the friend connects here; attackers may send what they like to it, but their SYNs would take its backlog
PRIVATE_PORT = 4000
PUBLIC_PORTS = (80, 443, 8080)

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

TCP, ICMP, UDP, ARP_TYPE, IPV4_TYPE = 6, 1, 17, 0x806, 0x800


@dataclass(frozen=True)
class Link:
    """How frames on the victim's link look."""

    ethernet: bool = True
    vnet: bool = False

    @property
    def head(self) -> int:
        """Bytes before the network header."""
        return (10 if self.vnet else 0) + (14 if self.ethernet else 0)

    def frame(
        self,
        packet: bytes,
        *,
        kind: int = IPV4_TYPE,
        source: bytes = STRANGER_MAC,
        destination: bytes = VICTIM_MAC,
        vnet: bytes = bytes(10),
    ) -> bytes:
        """Puts the headers of the link before a packet."""
        head = vnet if self.vnet else b""
        return head + (decode.build_ethernet(destination, source, kind, packet) if self.ethernet else packet)

    def kind(self, frame: bytes) -> int:
        """The Ethernet type of a frame; what carries no Ethernet header is IPv4. -1: too short."""
        if not self.ethernet:
            return IPV4_TYPE
        at = self.head - 2
        return int.from_bytes(frame[at : at + 2], "big") if len(frame) >= self.head else -1

    def may_hurt_the_friend(self, frame: bytes) -> bool:
        """True for what only somebody on the path could send: it passes for the friend's own and is well-summed.

        Such a frame may rightly end a live connection, so no attacker here sends one that it has not thought about.
        """
        if FRIEND not in frame:
            return False
        packet = frame[self.head :]
        kind = self.kind(frame)
        if kind == ARP_TYPE:
            return packet[14:18] == FRIEND
        if kind != IPV4_TYPE:
            return False
        header = decode.parse_ipv4(packet)
        if header is None or header["source"] != FRIEND or header["protocol"] != TCP:
            return False
        vouched = self.vnet and frame[0] & 3
        return bool(vouched) or decode.transport_checksum(FRIEND, header["destination"], TCP, header["payload"]) == 0


def octets(random_source: random.Random, most: int) -> bytes:
    """Random octets, mostly few."""
    return random_source.randbytes(random_source.randrange(random_source.choice((2, 9, 65, most + 1))))
