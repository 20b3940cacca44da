"""An expected packet beside the one that was seen: where they differ, and how that is shown."""

from dataclasses import dataclass, replace
from typing import Final

from stack.packetdrill.packets import (
    Flags,
    IcmpPacket,
    IpFields,
    Octets,
    Option,
    Packet,
    Plain,
    Sequence,
    TcpPacket,
    Timestamps,
    UdpPacket,
    flags_text,
)

_WORD: Final = 1 << 32
_PADDING: Final = (Plain("nop"), Plain("eol"))


@dataclass(frozen=True, slots=True)
class Row:
    """One field of both packets, as text. expected None: the script does not look at it."""

    name: str
    expected: str | None
    seen: str
    same: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """How packets are compared.

    any_order: options may stand in any order, with any padding. any_push: the flag PSH is not compared. ticks: how far
    our timestamps may be off; None: any.
    """

    any_order: bool = False
    any_push: bool = False
    ticks: int | None = None


def compare(expected: Packet, seen: Packet, rules: Rules) -> list[Row]:
    """Returns the rows of two packets."""
    if type(expected) is not type(seen):
        return [Row("packet", str(expected), str(seen), False)]
    rows: list[Row] = []
    if isinstance(expected, TcpPacket) and isinstance(seen, TcpPacket):
        rows += _tcp_rows(expected, seen, rules)
    elif isinstance(expected, UdpPacket) and isinstance(seen, UdpPacket):
        if expected.ports is not None:
            rows.append(_row("ports", _ports(expected), _ports(seen)))
        rows.append(_row("length", expected.length, seen.length))
    elif isinstance(expected, IcmpPacket) and isinstance(seen, IcmpPacket):
        rows.append(_row("type", expected.kind, seen.kind))
        rows.append(_row("code", expected.code or seen.code, seen.code))
        if expected.next_mtu is not None:
            rows.append(_row("mtu", expected.next_mtu, seen.next_mtu))
    return rows + _ip_rows(expected.ip, seen.ip)


def differ(rows: list[Row]) -> list[str]:
    """Returns the names of the fields that differ."""
    return [row.name for row in rows if not row.same]


def _row(name: str, expected: object, seen: object) -> Row:
    return Row(name, "-" if expected is None else str(expected), "-" if seen is None else str(seen), expected == seen)


def _unwatched(name: str, seen: object) -> Row:
    return Row(name, None, "-" if seen is None else str(seen), True)


def _tcp_rows(expected: TcpPacket, seen: TcpPacket, rules: Rules) -> list[Row]:
    rows = []
    if expected.ports is not None:
        rows.append(_row("ports", _ports(expected), _ports(seen)))
    unlike = expected.flags ^ seen.flags
    same_flags = not (unlike & ~Flags.PSH if rules.any_push else unlike)
    rows.append(Row("flags", flags_text(expected.flags), flags_text(seen.flags), same_flags))
    rows.append(_row("seq", expected.sequence, seen.sequence))
    rows.append(_row("ack", expected.ack, seen.ack))
    watched = expected.window is not None
    rows.append(_row("win", expected.window, seen.window) if watched else _unwatched("win", seen.window))
    if expected.urgent is not None or seen.flags & Flags.URG:
        rows.append(_row("urg", expected.urgent, seen.urgent))
    text = _options_text(seen.options)
    if expected.options is None:
        rows.append(Row("options", None, text, True))
    else:
        same = _same_options(expected.options, seen.options or (), rules)
        rows.append(Row("options", _options_text(expected.options), text, same))
    return rows


def _ports(packet: TcpPacket | UdpPacket) -> str:
    return "-" if packet.ports is None else f"{packet.ports[0]} > {packet.ports[1]}"


def _options_text(options: tuple[Option, ...] | None) -> str:
    return ",".join(map(str, options or ())) or "none"


def _same_options(expected: tuple[Option, ...], seen: tuple[Option, ...], rules: Rules) -> bool:
    if rules.any_order:
        pair = [sorted((each for each in side if each not in _PADDING), key=str) for side in (expected, seen)]
        first, second = [
            sorted(side, key=lambda option: type(option).__name__ + getattr(option, "name", "")) for side in pair
        ]
    else:
        first, second = list(_without_end(expected)), list(_without_end(seen))
    return len(first) == len(second) and all(_same_option(*both, rules) for both in zip(first, second, strict=True))


def _without_end(options: tuple[Option, ...]) -> tuple[Option, ...]:
    while options and options[-1] == Plain("eol"):
        options = options[:-1]
    return options


def _same_option(expected: Option, seen: Option, rules: Rules) -> bool:
    if isinstance(expected, Timestamps) and isinstance(seen, Timestamps):
        if expected.echo is not None and expected.echo != seen.echo:
            return False
        if rules.ticks is None or expected.value is None or seen.value is None:
            return True
        distance = (expected.value - seen.value) % _WORD
        return min(distance, _WORD - distance) <= rules.ticks
    if isinstance(expected, Octets) and isinstance(seen, Octets) and expected.name == "md5" and not expected.octets:
        return seen.name == "md5"
    return expected == seen


def _ip_rows(expected: IpFields, seen: IpFields) -> list[Row]:
    rows = []
    if expected.mark is not None and seen.mark is not None:
        same = seen.mark.codepoints[0] in expected.mark.codepoints
        rows.append(Row("ecn", expected.mark.value, seen.mark.value, same))
    if expected.tos is not None:
        rows.append(_row("tos", expected.tos, seen.tos))
    if expected.ttl is not None:
        rows.append(_row("ttl", expected.ttl, seen.ttl))
    return rows


def joined(first: TcpPacket, second: TcpPacket) -> TcpPacket | None:
    """Returns two segments as the one that they are parts of, None when they are not: the second has to go on."""
    if first.sequence.end != second.sequence.first or not first.sequence.length or not second.sequence.length:
        return None
    if first.flags & (Flags.SYN | Flags.FIN | Flags.RST) or second.flags & (Flags.SYN | Flags.RST):
        return None
    length = first.sequence.length + second.sequence.length
    sequence = Sequence(first.sequence.first, second.sequence.end, length)
    return replace(second, flags=first.flags | second.flags, sequence=sequence)


def shown(rows: list[Row]) -> str:
    """Returns the rows as a table of two columns, with a mark at those that differ."""
    table = [("", "expected", "seen", "")]
    table += [(row.name, row.expected or "", row.seen, "" if row.same else "<--") for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    return "\n".join(
        "    " + "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]]).rstrip()
        for line in table
    )
