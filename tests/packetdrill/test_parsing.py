"""The language: what is read, what prints again as it was read, and what is said of a text that is not of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.packetdrill import expressions, packets
from stack.packetdrill.failures import SyntaxProblem
from stack.packetdrill.packets import Flags, TcpPacket
from stack.packetdrill.parsing import parse
from stack.packetdrill.script import Base, Call, Code, End, Event, Place, Script, ScriptOption, Shell, When
from tests.packetdrill.strategies import scripts


def only_event(text: str) -> Event:
    """The event of a script of one line."""
    (event,) = parse(text).events
    return event


def only_packet(text: str) -> TcpPacket:
    action = only_event(f"0 {text}").action
    assert isinstance(action, TcpPacket)
    return action


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("0.100", When(Base.START, 100_000_000)),
        ("2", When(Base.START, 2_000_000_000)),
        ("+.1", When(Base.PREVIOUS, 100_000_000)),
        ("+0", When(Base.PREVIOUS, 0)),
        ("*", When(Base.PREVIOUS, None)),
        ("0.1~0.2", When(Base.START, 100_000_000, 200_000_000)),
        ("+0~+.1", When(Base.PREVIOUS, 0, 100_000_000)),
        ("+.000000001", When(Base.PREVIOUS, 1)),
    ],
)
def test_each_form_of_time_is_read(text: str, when: When) -> None:
    assert only_event(f"{text} > . 1:1(0) ack 1").when == when


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("0.1...0.3", End(Base.START, 300_000_000)),
        ("+.1...0.2", End(Base.START, 200_000_000)),
        ("+0...+0.2", End(Base.PREVIOUS, 200_000_000)),
    ],
)
def test_end_of_a_blocking_call_is_read(text: str, end: End) -> None:
    action = only_event(f"{text} read(4, ..., 10) = 10").action
    assert isinstance(action, Call)
    assert action.end == end


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("S", Flags.SYN),
        ("S.", Flags.SYN | Flags.ACK),
        ("SEW", Flags.SYN | Flags.ECE | Flags.CWR),
        ("SEWA", Flags.SYN | Flags.ECE | Flags.CWR | Flags.AE),
        ("FP.", Flags.FIN | Flags.PSH | Flags.ACK),
        ("RU.", Flags.RST | Flags.URG | Flags.ACK),
        (".5", Flags.ACK | Flags.AE | Flags.ECE),
        ("P5.", Flags.PSH | Flags.ACK | Flags.AE | Flags.ECE),
        ("0.", Flags.ACK),
        ("-", Flags(0)),
    ],
)
def test_flags_are_read(text: str, flags: Flags) -> None:
    assert only_packet(f"< {text} 1:1(0) ack 1").flags == flags


def test_every_tcp_option_is_read_in_its_order() -> None:
    packet = only_packet(
        "> S. 0:0(0) ack 1 <mss 1460,nop,wscale 7,sackOK,TS val 10 ecr 20,sack 1:2 3:4,FO 0123456789abcdef,FO,"
        "FOEXP a0b1,md5,ECN e1b 1 ceb 0 e0b 1,eol>"
    )
    assert packet.options == (
        packets.Valued("mss", 1460),
        packets.Plain("nop"),
        packets.Valued("wscale", 7),
        packets.Plain("sackOK"),
        packets.Timestamps(10, 20),
        packets.SackBlocks(((1, 2), (3, 4))),
        packets.Octets("FO", bytes.fromhex("0123456789abcdef")),
        packets.Octets("FO", b""),
        packets.Octets("FOEXP", b"\xa0\xb1"),
        packets.Octets("md5", b""),
        packets.Counters((("e1b", 1), ("ceb", 0), ("e0b", 1))),
        packets.Plain("eol"),
    )


def test_left_out_options_are_none_and_an_ellipsis_is_any() -> None:
    assert only_packet("> . 1:1(0) ack 1").options == ()
    assert only_packet("> . 1:1(0) ack 1 <...>").options is None


def test_packet_with_every_field_is_read() -> None:
    packet = only_packet("> [ect0, ttl 9] 80 > 4000 UP. 5:15(10) ack 7 win 100 urg 3")
    assert packet.ip == packets.IpFields(packets.Mark.ECT0, None, 9)
    assert packet.ports == (80, 4000)
    assert packet.sequence == packets.Sequence(5, 15, 10)
    assert (packet.ack, packet.window, packet.urgent) == (7, 100, 3)


@pytest.mark.parametrize(
    "text",
    [
        "0 < [1:1461(1460)] icmp unreachable frag_needed mtu 1200",
        "0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]",
    ],
)
def test_icmp_message_is_read_with_its_quotation_on_either_side(text: str) -> None:
    expected = packets.IcmpPacket(False, "unreachable", "frag_needed", 1200, packets.Sequence(1, 1461, 1460))
    assert only_event(text).action == expected


def test_datagrams_are_read() -> None:
    assert only_event("0 < udp (1000)").action == packets.UdpPacket(False, 1000)
    quoting = only_event("0 < [udp (9)] icmp unreachable port_unreachable").action
    assert quoting == packets.IcmpPacket(False, "unreachable", "port_unreachable", quoted=9)


def test_packet_within_other_headers_is_read_as_text() -> None:
    action = only_event("0 < ipv4 10.0.0.1 > 10.0.0.2: gre: P. 1:2(1) ack 1  // comment").action
    assert action == packets.ForeignPacket(False, "ipv4 10.0.0.1 > 10.0.0.2: gre: P. 1:2(1) ack 1")
    assert (
        len(parse("0 < ipv4 1.1.1.1 > 2.2.2.2: gre:\n  mpls (label 1, ttl 2): . 1:1(0)\n+0 close(3) = 0").events) == 2
    )


@pytest.mark.parametrize(
    "text",
    [
        "< ipv4 2.2.2.2 > 1.1.1.1 : gre flags 0xb000, sum 511, key 0x80001234: . 1:1001(1000) ack 1 win 123",
        "> encap psp spi 0x684abfc1, vc 0x12 . 1:1001(1000) ack 1 win 123",
        "< sctp: INIT_ACK[flgs=0, tag=2,\n   STATE_COOKIE[len=4, val=...]]",
        "< addr[caddr0] > addr[saddr0] S 0:0(0) win 65535 <mss 1460>",
        "< > addr[saddr1] F. 1:1(0) ack 1 win 256",
    ],
)
def test_packet_of_another_protocol_is_read_up_to_the_next_event(text: str) -> None:
    first, second = parse(f"0 {text}  // comment\n\n+0 close(3) = 0\n").events
    assert str(first.action) == text
    assert isinstance(second.action, Call)


def test_option_of_multipath_tcp_is_read_as_text() -> None:
    packet = only_packet("> S. 0:0(0) ack 1 <mss 1460,mpcapable v1 flags[flag_h] key[ckey=2,skey],nop>")
    assert packet.options is not None
    assert [str(option) for option in packet.options] == [
        "mss 1460",
        "mpcapable v1 flags[flag_h] key[ckey=2,skey]",
        "nop",
    ]


def test_timestamps_may_be_left_open() -> None:
    assert only_packet("> S 0:0(0) <TS val ... ecr 0>").options == (packets.Timestamps(None, 0),)


def test_fields_of_the_ip_header_may_stand_in_parentheses() -> None:
    assert only_packet("> (tos 0x2, flowlabel 0x7) . 1:1(0)").ip == packets.IpFields(tos=2, flow_label=7)


def test_datagram_with_ports_is_read() -> None:
    assert only_event("0 > udp 53 > 4000 (9)").action == packets.UdpPacket(True, 9, ports=(53, 4000))


def test_icmp_message_with_identifier_and_raw_quotation_is_read() -> None:
    action = only_event("0 < icmp unreachable port_unreachable id 7 [raw (20)]").action
    assert action == packets.IcmpPacket(
        False, "unreachable", "port_unreachable", quoted=packets.RawQuote(20), echo_id=7
    )


def test_strings_side_by_side_are_one() -> None:
    assert only_event('0 write(4, "ab" "cd", 4) = 4').action == Call(
        "write", (expressions.Number(4), expressions.Text("abcd"), expressions.Number(4)), expressions.Number(4)
    )


def test_names_that_a_script_defines_stand_for_their_meaning() -> None:
    script = parse('--define=SIZE=1400\n--define=CC="reno"\n--define=FIN=`true`\n0 > S 0:0(0) <mss SIZE>\n0 f(CC) = 0')
    packet, call = (event.action for event in script.events)
    assert isinstance(packet, packets.TcpPacket)
    assert packet.options == (packets.Valued("mss", 1400),)
    assert isinstance(call, Call)
    assert call.arguments == (expressions.Text("reno"),)


def test_meaning_given_from_outside_counts_more() -> None:
    event = parse("--define=SIZE=1400\n0 f(SIZE) = 0", symbols={"SIZE": "7"}).events[0]
    assert event.action == Call("f", (expressions.Number(7),), expressions.Number(0))


def test_messages_of_version_6_are_read() -> None:
    action = only_event("0 < icmpv6 unreachable port_unreachable").action
    assert isinstance(action, packets.IcmpPacket)
    assert action.version == 6


def test_call_with_error_and_note_is_read() -> None:
    action = only_event("0 read(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)").action
    assert action == Call(
        "read",
        (expressions.Number(4), expressions.Elided(), expressions.Number(10)),
        expressions.Number(-1),
        "EAGAIN",
        "Resource temporarily unavailable",
    )


@pytest.mark.parametrize(
    "text",
    [
        "fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0",
        "fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)",
        "poll([{fd = 4, events = POLLIN|POLLOUT, revents = POLLIN}], 1, 0) = 1",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff = 1, linger = 0}, 8) = 0",
        'connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("10.0.0.1")}, 16) = 0',
        "recvmsg(3, {msg_name(...) = ..., msg_iov(1) = [{..., 10}], msg_flags = 0, msg_control = []}, 0) = 10",
        'write(3, "ab\\"c"..., 9) = 9',
        "pipe() = ...",
        "fcntl(3, F_GETFL) = O_RDWR",
        "setsockopt(4, SOL_IP, IP_X, {(label 1, tc 0, [S], ttl 9)}, 8) = 0",
        "recvmsg(3, {msg_control(48) = [{cmsg_type = X, cmsg_data = {ee_errno = EMSGSIZE}}]}, MSG_ERRQUEUE) = 0",
    ],
)
def test_call_prints_as_it_is_written(text: str) -> None:
    assert str(only_event(f"0 {text}").action) == text


def test_comments_of_both_kinds_are_left_out() -> None:
    script = parse("// one\n/* two\n lines */ 0 < . 1:1(0) // behind\n/* * / ** */\n")
    assert len(script.events) == 1
    assert script.events[0].place == Place(3, 11)


def test_options_commands_and_code_are_read() -> None:
    script = parse("--tolerance_usecs=10000\n--verbose\n--local_ip=10.0.0.1\n`one\ntwo`\n+.5 %{ assert x }%\n`three`")
    assert script.options == (
        ScriptOption("tolerance_usecs", "10000"),
        ScriptOption("verbose", None),
        ScriptOption("local_ip", "10.0.0.1"),
    )
    actions = [event.action for event in script.events]
    assert actions == [Shell("one\ntwo"), Code(" assert x "), Shell("three")]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("0 > S 0:0(0) ack\n", Place(1, 14), ["ends too early", "a number"]),
        ("+0 < . 1:1(0)\n+0 < X. 1:1(0)", Place(2, 6), ["'X'", "TCP flags"]),
        ("0 < S 0:0(0) <mss 1460,frob>", Place(1, 24), ["'frob'", "'wscale'", "'sackOK'"]),
        ("0 socket(..., SOCK_STREAM = 3", Place(1, 27), ["'='", "')'"]),
        ("0 < S 0:5(4)", Place(1, 7), ["the length must be the end less the first"]),
        ("0 < . 1:1(0) win 70000", Place(1, 18), ["win is 70000", "65535"]),
        ("hello", Place(1, 1), ["'hello'", "a number", "'*'"]),
        ("0 < . 1:1(0) <FO 123>", Place(1, 18), ["even number"]),
        ("0 %{ assert", Place(1, 3), ["'%{'"]),
        ("0 > S 0:0(0) <mss SIZE>", Place(1, 19), ["mss SIZE", "--define"]),
        ("0 > 80 > 70000 S 0:0(0)", Place(1, 5), ["65535"]),
        ("+99999999999 < . 1:1(0)", Place(1, 2), ["too late", "100000000"]),
    ],
)
def test_text_that_is_not_of_the_language_is_named_with_its_place(text: str, place: Place, words: list[str]) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.place == place
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_mistake_is_shown_under_its_line() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse("0 < . 1:1(0)\n  +0 < ? 1:1(0)\n")
    line, mark = str(caught.value).splitlines()[-2:]
    assert line[mark.index("^")] == "?"


# ---- whatever can be said prints as text that reads as the same


@given(scripts)
def test_script_prints_as_text_that_reads_as_the_same_script(script: Script) -> None:
    assert parse(str(script)) == script


def refused(text: str) -> SyntaxProblem | None:
    try:
        parse(text)
    except SyntaxProblem as problem:
        return problem
    return None


@given(st.text(alphabet='0123456789+.~*<>SF:()[]{}|,=%`"/ \nackwinmsREAD_-', max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problem = refused(text)
    assert problem is None or (1 <= problem.place.line <= len(text.splitlines()) + 1 and problem.place.column >= 1)
