"""Packets of a script -> IPv4 packets of the link, and back (RFC 791, RFC 9293, RFC 768, RFC 792)."""

from typing import Final

from netcore.wire import decode
from stack.packetdrill import icmp_names
from stack.packetdrill.flows import Flow
from stack.packetdrill.options_wire import build_options, read_options
from stack.packetdrill.packets import (
    Flags,
    IcmpPacket,
    IpFields,
    Mark,
    Packet,
    Quoted,
    RawQuote,
    Sequence,
    TcpPacket,
    UdpPacket,
)

ICMP, TCP, UDP = 1, 6, 17
_TTL: Final = 64
_RAW: Final = 255  # IPPROTO_RAW, reserved: no protocol of ours
_IPV4_HEADER: Final = 20
_MARKS: Final = {0: Mark.NOECN, 1: Mark.ECT1, 2: Mark.ECT0, 3: Mark.CE}


class Unreadable(ValueError):
    """A packet of the link is none that can be shown as a script's."""


def payload(first: int, length: int) -> bytes:
    """Returns the bytes of the peer's stream from a sequence number on: a pattern, so that misplaced ones show."""
    period = bytes(range(256))
    start = first % 256
    return (period * (length // 256 + 2))[start : start + length]


def _tos(ip: IpFields) -> int:
    tos = ip.tos or 0
    return tos if ip.mark is None else tos & 0xFC | ip.mark.codepoints[0]


def _inward(flow: Flow, protocol: int, octets: bytes, ip: IpFields) -> bytes:
    local, _, remote, _ = flow.ends
    return decode.build_ipv4(remote, local, protocol, octets, tos=_tos(ip), ttl=_TTL if ip.ttl is None else ip.ttl)


def build_tcp(packet: TcpPacket, flow: Flow) -> bytes:
    """Returns the IPv4 packet of an inbound segment. Raises ValueError for what cannot be written."""
    on_link = flow.to_link(packet)
    local, local_port, remote, remote_port = flow.ends
    segment = decode.build_tcp(
        remote_port,
        local_port,
        on_link.sequence.first,
        on_link.ack or 0,
        int(on_link.flags),
        on_link.window or 0,
        payload(packet.sequence.first, packet.sequence.length),
        options=build_options(on_link.options or ()),
        urgent=on_link.urgent or 0,
        addresses=(remote, local),
    )
    return _inward(flow, TCP, segment, packet.ip)


def build_udp(packet: UdpPacket, flow: Flow) -> bytes:
    """Returns the IPv4 packet of an inbound datagram."""
    local, local_port, remote, remote_port = flow.ends
    header = remote_port, local_port, packet.length + 8, 0
    octets = bytearray(b"".join(number.to_bytes(2, "big") for number in header))
    octets += payload(0, packet.length)
    octets[6:8] = (decode.transport_checksum(remote, local, UDP, octets) or 0xFFFF).to_bytes(2, "big")
    return _inward(flow, UDP, bytes(octets), packet.ip)


def build_icmp(packet: IcmpPacket, flow: Flow) -> bytes:
    """Returns the IPv4 packet of an inbound ICMP message. Raises ValueError for names that it does not know."""
    kind = icmp_names.kind_number(packet.kind)
    if kind is None:
        raise ValueError(f"{packet.kind!r} is no type of ICMP; there are: {', '.join(icmp_names.KINDS)}, type_N")
    code = icmp_names.code_number(kind, packet.code)
    if code is None:
        codes = ", ".join([*icmp_names.CODES.get(kind, ()), "code_N"])
        raise ValueError(f"{packet.code!r} is no code of {packet.kind}; there are: {codes}")
    rest = (packet.echo_id or 0).to_bytes(2, "big") + (packet.next_mtu or 0).to_bytes(2, "big")
    body = _quote(packet.quoted, flow) if kind in icmp_names.ERRORS else b""
    return _inward(flow, ICMP, decode.build_icmp(kind, code, rest, body), packet.ip)


def _quote(quoted: Quoted | None, flow: Flow) -> bytes:
    """The IP header and the first 8 bytes of a packet of ours, as an error carries them (RFC 792)."""
    local, local_port, remote, remote_port = flow.ends
    if quoted is None and flow.last_sent:
        return flow.last_sent[: _IPV4_HEADER + 8]
    ports = local_port.to_bytes(2, "big") + remote_port.to_bytes(2, "big")
    if isinstance(quoted, RawQuote):
        octets, length, protocol = b"", quoted.length, _RAW
    elif isinstance(quoted, int):
        octets = ports + (quoted + 8).to_bytes(2, "big") + bytes(2)
        length, protocol = quoted + 8, UDP
    else:
        first = 0 if quoted is None else quoted.first
        octets = ports + ((first + (flow.offset or 0)) % (1 << 32)).to_bytes(4, "big")
        length, protocol = 20 + (0 if quoted is None else quoted.length), TCP
    whole = decode.build_ipv4(local, remote, protocol, octets + bytes(max(0, length - len(octets))), fragment=0x4000)
    return whole[: _IPV4_HEADER + 8]


def read(frame: bytes) -> tuple[Packet, tuple[bytes, int, bytes, int]]:
    """Returns an outbound packet in numbers of the link, and its ends. Raises Unreadable."""
    ip = decode.parse_ipv4(frame)
    if ip is None:
        raise Unreadable(f"no IPv4 packet: {frame[:60].hex()}")
    fields = IpFields(_MARKS[ip["tos"] & 3], ip["tos"], ip["ttl"])
    octets = ip["payload"]
    if ip["protocol"] == TCP:
        packet, ports = _read_tcp(octets, fields)
        return packet, (ip["source"], ports[0], ip["destination"], ports[1])
    if ip["protocol"] == UDP and len(octets) >= 8:
        ends = (ip["source"], _at(octets, 0), ip["destination"], _at(octets, 2))
        return UdpPacket(True, _at(octets, 4) - 8, fields, (ends[1], ends[3])), ends
    if ip["protocol"] == ICMP and (message := decode.parse_icmp(octets)) is not None:
        kind, code = message["kind"], message["code"]
        next_mtu = _at(message["rest"], 2) if (kind, code) == (3, 4) else None
        names = icmp_names.kind_name(kind), icmp_names.code_name(kind, code)
        return IcmpPacket(True, *names, next_mtu, ip=fields), (ip["source"], 0, ip["destination"], 0)
    raise Unreadable(f"a packet of protocol {ip['protocol']}: {frame[:60].hex()}")


def _at(octets: bytes, place: int) -> int:
    return int.from_bytes(octets[place : place + 2], "big")


def _read_tcp(octets: bytes, ip: IpFields) -> tuple[TcpPacket, tuple[int, int]]:
    if len(octets) < 20 or not 20 <= (header := (octets[12] >> 4) * 4) <= len(octets):
        raise Unreadable(f"a TCP header that is cut off: {octets[:60].hex()}")
    seq, ack = (int.from_bytes(octets[at : at + 4], "big") for at in (4, 8))
    flags = Flags(_at(octets, 12) & 0x1FF)
    length = len(octets) - header
    packet = TcpPacket(
        True,
        flags,
        Sequence(seq, (seq + length) % (1 << 32), length),
        ack if flags & Flags.ACK else None,
        _at(octets, 14),
        _at(octets, 18) if flags & Flags.URG else None,
        read_options(octets[20:header]),
        ip,
        (_at(octets, 0), _at(octets, 2)),
    )
    return packet, (_at(octets, 0), _at(octets, 2))
