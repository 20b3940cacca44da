"""ICMP errors about a connection's segments, as a router or an attacker would send them."""

from typing import Any

from scapy.layers.inet import ICMP, IP, TCP

from tests.tcp.scripted_peer import OUR_ADDRESS, Peer
from tests.tcp.segments import MODULUS

ROUTER = "192.0.2.1"
UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM = 3, 11, 12
FRAGMENTATION_NEEDED = 4


def quotation(peer: Peer, seq: int, length: int = 1500, **fields: Any) -> bytes:
    """IP header and 8 octets of one of the engine's segments, `length` octets long, that begins at `seq`.

    Further fields are those of scapy's TCP, and `ip`, a dict of those of its IP.
    """
    ip = {"src": OUR_ADDRESS, "dst": peer.address, "flags": "DF", **fields.pop("ip", {})}
    tcp = {"sport": peer.our_port, "dport": peer.port, "seq": ((peer.base or 0) + seq) % MODULUS, **fields}
    return bytes(IP(len=length, **ip) / TCP(**tcp))[:28]


def complain(
    peer: Peer, kind: int, code: int, seq: int, *, mtu: int = 0, length: int = 1500, quoted: bytes | None = None,
    **fields: Any,
) -> None:  # fmt: skip
    """An error about the engine's segment that begins at `seq` arrives."""
    body = quotation(peer, seq, length, **fields) if quoted is None else quoted
    message = ICMP(bytes([kind, code, 0, 0]) + bytes(2) + mtu.to_bytes(2, "big"))
    message.chksum = None  # to be made anew, over the quotation too
    peer.host.inject(IP(src=ROUTER, dst=OUR_ADDRESS) / message / body)


def narrow(peer: Peer, mtu: int, seq: int, length: int = 1500, **fields: Any) -> None:
    """Fragmentation needed: the engine's segment at `seq` does not pass, packets of `mtu` bytes would."""
    complain(peer, UNREACHABLE, FRAGMENTATION_NEEDED, seq, mtu=mtu, length=length, **fields)
