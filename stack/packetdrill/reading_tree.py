"""Lark's tree of a script -> the classes of script, packets and expressions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from lark import Token, Transformer, v_args

from stack.packetdrill import expressions, packets
from stack.packetdrill.failures import SyntaxProblem
from stack.packetdrill.script import SECOND, Base, Call, Code, End, Event, Place, ScriptOption, Shell, When

_WORD: Final = 1 << 32
_LATEST: Final = 100_000_000 * SECOND


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _number(token: Token, most: int, what: str) -> int:
    """An unsigned number. Raises SyntaxProblem when it does not fit its field."""
    value = int(token, 0) if token.startswith("0x") else int(token)
    if not 0 <= value <= most:
        raise SyntaxProblem(f"{what} is {value}, but must be between 0 and {most}", _place(token))
    return value


def _stamp(token: Token, what: str) -> int | None:
    """A timestamp; None for `...`."""
    return None if token == "..." else _number(token, _WORD - 1, what)


def _pair_of_ports(token: Token | None) -> tuple[int, int] | None:
    if token is None:
        return None
    first, second = (int(part) for part in token.split(">"))
    if max(first, second) > 65535:
        raise SyntaxProblem(f"{token}: a port is a number up to 65535", _place(token))
    return first, second


_PROTOCOLS: Final = {"sctp": "SCTP", "udplite": "UDP-Lite", "encap": "PSP", "psp": "PSP", "addr": "several addresses"}


def _protocol(text: str) -> str:
    """What a packet that we have no counterpart of is made of, in words."""
    word = text.lstrip("> ").partition("[")[0].split()[0].rstrip(":,")
    return f"packets of {_PROTOCOLS[word]}" if word in _PROTOCOLS else "packets within other packets"


@v_args(inline=True)
class TreeReader(Transformer[Token, Any]):
    """Gives ([options], [events]). symbols: what stands for names of the script's own, as text."""

    def __init__(self, symbols: Mapping[str, str]) -> None:
        super().__init__()
        self._symbols = symbols

    def start(self, *children: Any) -> tuple[list[ScriptOption], list[Event]]:
        options = [self._option(child) for child in children if isinstance(child, Token)]
        return options, [child for child in children if isinstance(child, Event)]

    def _option(self, token: Token) -> ScriptOption:
        name, equals, value = token[2:].partition("=")
        return ScriptOption(name.strip(), value.strip().strip('"') if equals else None, _place(token))

    # ---- events

    @v_args(inline=True, meta=True)
    def packet_event(self, meta: Any, when: When, packet: packets.Packet) -> Event:
        return Event(when, packet, Place(meta.line, meta.column))

    @v_args(inline=True, meta=True)
    def call_event(self, meta: Any, when: When, end: End | None, call: Call) -> Event:
        ended = Call(call.name, call.arguments, call.result, call.error, call.note, end)
        return Event(when, ended, Place(meta.line, meta.column))

    @v_args(inline=True, meta=True)
    def shell_event(self, meta: Any, when: When | None, text: Token) -> Event:
        return Event(when, Shell(text[1:-1]), Place(meta.line, meta.column))

    @v_args(inline=True, meta=True)
    def code_event(self, meta: Any, when: When, text: Token) -> Event:
        return Event(when, Code(text[2:-2]), Place(meta.line, meta.column))

    # ---- times

    def number(self, token: Token) -> int:
        value = Decimal(token) * SECOND
        if value < 0 or value != int(value):
            raise SyntaxProblem(f"{token} is no time: seconds from 0 on, to nanoseconds", _place(token))
        if value > _LATEST:
            raise SyntaxProblem(f"{token} is too late: seconds up to {_LATEST // SECOND} are possible", _place(token))
        return int(value)

    def absolute(self, first: int) -> When:
        return When(Base.START, first)

    def relative(self, first: int) -> When:
        return When(Base.PREVIOUS, first)

    def any_time(self) -> When:
        return When(Base.PREVIOUS, None)

    def absolute_range(self, first: int, last: int) -> When:
        return When(Base.START, first, last)

    def relative_range(self, first: int, last: int) -> When:
        return When(Base.PREVIOUS, first, last)

    def plain_end(self, time: int) -> End:
        return End(Base.START, time)

    def relative_end(self, time: int) -> End:
        return End(Base.PREVIOUS, time)

    # ---- packets

    def tcp_packet(
        self,
        direction: Token,
        ip: packets.IpFields | None,
        ports: Token | None,
        flags: Token,
        sequence: packets.Sequence,
        ack: int | None,
        window: int | None,
        urgent: int | None,
        options: tuple[packets.Option, ...] | bool | None,
        changes: Token | None,
    ) -> packets.TcpPacket | packets.ForeignPacket:
        listed = () if options is None else None if options is True else options
        if changes is not None:
            return packets.ForeignPacket(direction == ">", str(changes), "packets that are changed on their way")
        return packets.TcpPacket(
            direction == ">",
            packets.read_flags(flags),
            sequence,
            ack,
            window,
            urgent,
            listed,  # type: ignore[arg-type]
            ip or packets.IpFields(),
            _pair_of_ports(ports),
        )

    def udp_packet(
        self, direction: Token, ip: packets.IpFields | None, ports: Token | None, length: Token
    ) -> packets.UdpPacket:
        octets = _number(length, 65507, "the length")
        return packets.UdpPacket(direction == ">", octets, ip or packets.IpFields(), _pair_of_ports(ports))

    def icmp_packet(
        self,
        direction: Token,
        ip: packets.IpFields | None,
        before: packets.Quoted | None,
        protocol: Token,
        kind: Token,
        code: Token | None,
        next_mtu: int | None,
        echo_id: int | None,
        behind: packets.Quoted | None,
    ) -> packets.IcmpPacket:
        quoted = before if before is not None else behind
        version = 6 if protocol == "icmpv6" else 4
        return packets.IcmpPacket(
            direction == ">",
            str(kind),
            None if code is None else str(code),
            next_mtu,
            quoted,
            version,
            ip or packets.IpFields(),
            echo_id,
        )

    def foreign_packet(self, direction: Token, text: Token) -> packets.ForeignPacket:
        lines = (line.split("//")[0].rstrip() for line in text.splitlines())
        return packets.ForeignPacket(direction == ">", "\n".join(lines).rstrip(), _protocol(text))

    def ip_fields(self, *fields: tuple[str, Any]) -> packets.IpFields:
        return packets.IpFields(**dict(fields))

    def ecn_field(self, mark: Token) -> tuple[str, packets.Mark]:
        return "mark", packets.Mark(str(mark))

    def tos_field(self, value: Token) -> tuple[str, int]:
        return "tos", _number(value, 255, "tos")

    def ttl_field(self, value: Token) -> tuple[str, int]:
        return "ttl", _number(value, 255, "ttl")

    def flow_label_field(self, value: Token) -> tuple[str, int]:
        return "flow_label", _number(value, 0xFFFFF, "flowlabel")

    def quoted_tcp(self, sequence: packets.Sequence) -> packets.Sequence:
        return sequence

    def quoted_udp(self, length: Token) -> int:
        return _number(length, 65507, "the length")

    def quoted_raw(self, length: Token) -> packets.RawQuote:
        return packets.RawQuote(_number(length, 65515, "the length"))

    def echo_id(self, value: Token) -> int:
        return _number(value, 65535, "id")

    def next_mtu(self, value: Token) -> int:
        return _number(value, 65535, "mtu")

    def sequence(self, first: Token, end: Token, length: Token) -> packets.Sequence:
        numbers = (
            _number(first, _WORD - 1, "a sequence number"),
            _number(end, _WORD - 1, "a sequence number"),
            _number(length, (_WORD >> 1) - 1, "the length"),
        )
        if (numbers[1] - numbers[0] - numbers[2]) % _WORD:
            raise SyntaxProblem(f"{first}:{end}({length}): the length must be the end less the first", _place(first))
        return packets.Sequence(*numbers)

    def ack(self, value: Token) -> int:
        return _number(value, _WORD - 1, "ack")

    def window(self, value: Token) -> int:
        return _number(value, 65535, "win")

    def urgent(self, value: Token) -> int:
        return _number(value, 65535, "urg")

    # ---- TCP options

    def listed_options(self, *options: packets.Option) -> tuple[packets.Option, ...]:
        return options

    def any_options(self) -> bool:
        return True

    def nop_option(self) -> packets.Plain:
        return packets.Plain("nop")

    def eol_option(self) -> packets.Plain:
        return packets.Plain("eol")

    def sack_permitted_option(self) -> packets.Plain:
        return packets.Plain("sackOK")

    def mss_option(self, value: Token) -> packets.Valued:
        text = self._symbols.get(value, str(value))
        if not text.isdigit():
            raise SyntaxProblem(f"mss {text}: a number is needed, or a name that --define gives one", _place(value))
        return packets.Valued("mss", _number(Token.new_borrow_pos("INTEGER", text, value), 65535, "mss"))

    def window_scale_option(self, value: Token) -> packets.Valued:
        return packets.Valued("wscale", _number(value, 255, "wscale"))

    def timestamp_option(self, value: Token, echo: Token) -> packets.Timestamps:
        return packets.Timestamps(_stamp(value, "val"), _stamp(echo, "ecr"))

    def multipath_option(self, text: Token) -> packets.Multipath:
        return packets.Multipath(" ".join(text.split()))

    def sack_option(self, *blocks: tuple[int, int]) -> packets.SackBlocks:
        return packets.SackBlocks(blocks)

    def sack_block(self, first: Token, end: Token) -> tuple[int, int]:
        return _number(first, _WORD - 1, "a SACK edge"), _number(end, _WORD - 1, "a SACK edge")

    def fast_open_option(self, cookie: Token | None) -> packets.Octets:
        return self._octets("FO", cookie)

    def experimental_fast_open_option(self, cookie: Token | None) -> packets.Octets:
        return self._octets("FOEXP", cookie)

    def md5_option(self, digest: Token | None) -> packets.Octets:
        return self._octets("md5", digest)

    def _octets(self, name: str, digits: Token | None) -> packets.Octets:
        if digits is None:
            return packets.Octets(name, b"")
        text = self._symbols.get(digits, str(digits))
        try:
            return packets.Octets(name, bytes.fromhex(text))
        except ValueError:
            reason = "an even number of hexadecimal digits is needed, or a name that --define gives them"
            raise SyntaxProblem(f"{name} {text}: {reason}", _place(digits)) from None

    def accurate_ecn_option(self, *counters: tuple[str, int]) -> packets.Counters:
        return packets.Counters(counters)

    def ecn_counter(self, name: Token, value: Token) -> tuple[str, int]:
        return str(name), _number(value, 0xFFFFFF, str(name))

    # ---- calls

    def call(
        self,
        name: Token,
        arguments: tuple[expressions.Expression, ...] | None,
        result: expressions.Expression,
        error: Token | None,
        note: Token | None,
    ) -> Call:
        return Call(
            str(name),
            arguments or (),
            result,
            None if error is None else str(error),
            None if note is None else note[1:-1].strip(),
        )

    def arguments(self, *each: expressions.Expression) -> tuple[expressions.Expression, ...]:
        return each

    def elided(self) -> expressions.Elided:
        return expressions.Elided()

    def number_result(self, token: Token) -> expressions.Number:
        return expressions.Number(int(token, 0) if token.startswith("0x") else int(token), token.startswith("0x"))

    decimal = hexadecimal = number_result

    def name(self, token: Token) -> expressions.Name | expressions.Number | expressions.Text:
        text = self._symbols.get(token, str(token))
        if text.startswith('"'):
            return expressions.Text(text[1:-1])
        try:
            return expressions.Number(int(text, 0), text.startswith("0x"))
        except ValueError:
            return expressions.Name(text)

    def text(self, *tokens: Token) -> expressions.Text:
        return expressions.Text("".join(token[1:-1] for token in tokens))

    def header_stack(self, token: Token) -> expressions.HeaderStack:
        return expressions.HeaderStack(" ".join(token.split()))

    def beginning_of_text(self, token: Token) -> expressions.Text:
        return expressions.Text(token[1:-1], begins=True)

    def alternatives(self, *parts: expressions.Expression) -> expressions.Alternatives:
        return expressions.Alternatives(parts)

    def invocation(self, name: Token, arguments: tuple[expressions.Expression, ...] | None) -> expressions.Invocation:
        return expressions.Invocation(str(name), arguments or ())

    def array(self, items: tuple[expressions.Expression, ...] | None) -> expressions.Array:
        return expressions.Array(items or ())

    def assignment(self, target: expressions.Expression, value: expressions.Expression) -> expressions.Assignment:
        return expressions.Assignment(target, value)

    def structure(self, *members: expressions.Expression | expressions.Assignment) -> expressions.Structure:
        return expressions.Structure(members)
