"""Scripts at random: whatever the language can say."""

from hypothesis import strategies as st

from stack.packetdrill import expressions, packets
from stack.packetdrill.packets import Flags, TcpPacket
from stack.packetdrill.script import Base, Call, Code, End, Event, Script, ScriptOption, Shell, When

WORD = 0xFFFF_FFFF

numbers = st.integers(0, WORD)
small = st.integers(0, 65535)
names = st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True)
times = st.integers(0, 10**13)


@st.composite
def sequences(draw: st.DrawFn) -> packets.Sequence:
    first, length = draw(numbers), draw(small)
    return packets.Sequence(first, (first + length) & WORD, length)


tcp_options = st.one_of(
    st.sampled_from(["nop", "eol", "sackOK"]).map(packets.Plain),
    st.builds(packets.Valued, st.just("mss"), small),
    st.builds(packets.Valued, st.just("wscale"), st.integers(0, 255)),
    st.builds(packets.Timestamps, st.none() | numbers, st.none() | numbers),
    st.just(packets.Multipath("dss dack4=1 key[a,b]")),
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4).map(lambda blocks: packets.SackBlocks(tuple(blocks))),
    st.builds(packets.Octets, st.sampled_from(["FO", "FOEXP", "md5"]), st.binary(max_size=16)),
    st.lists(st.tuples(st.sampled_from(["e0b", "ceb", "e1b"]), st.integers(0, 0xFFFFFF)), max_size=3).map(
        lambda counters: packets.Counters(tuple(counters))
    ),
)
ip_fields = st.builds(
    packets.IpFields,
    st.none() | st.sampled_from(packets.Mark),
    st.none() | st.integers(0, 255),
    st.none() | st.integers(0, 255),
    st.none() | st.integers(0, 0xFFFFF),
)
tcp_packets = st.builds(
    TcpPacket,
    st.booleans(),
    st.integers(0, 0x1FF).map(Flags),
    sequences(),
    st.none() | numbers,
    st.none() | small,
    st.none() | small,
    st.none() | st.lists(tcp_options, max_size=4).map(tuple),
    ip_fields,
    st.none() | st.tuples(small, small),
)
ports = st.none() | st.tuples(small, small)
udp_packets = st.builds(packets.UdpPacket, st.booleans(), st.integers(0, 65507), ip_fields, ports)
icmp_packets = st.builds(
    packets.IcmpPacket,
    st.booleans(),
    st.sampled_from(["unreachable", "time_exceeded"]),
    st.none() | st.sampled_from(["frag_needed", "exc_ttl"]),
    st.none() | small,
    st.none() | sequences() | st.integers(0, 65507) | st.builds(packets.RawQuote, st.integers(0, 65515)),
    st.sampled_from([4, 6]),
    ip_fields,
    st.none() | small,
)
atoms = st.one_of(
    st.just(expressions.Elided()),
    st.builds(expressions.Number, st.integers(-5, WORD)),
    st.builds(expressions.Number, numbers, st.just(True)),
    names.map(expressions.Name),
    st.builds(expressions.Text, st.from_regex(r"([a-z ]|\\\\|\\\"){0,9}", fullmatch=True), st.booleans()),
)
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: expressions.Array(tuple(items))),
        st.builds(expressions.Invocation, names, st.lists(inner, max_size=2).map(tuple)),
        st.lists(
            st.one_of(inner, st.builds(expressions.Assignment, names.map(expressions.Name), inner)), min_size=1
        ).map(lambda members: expressions.Structure(tuple(members))),
    ),
    max_leaves=8,
)
either = st.lists(atoms, min_size=2, max_size=3).map(lambda parts: expressions.Alternatives(tuple(parts)))
ends = st.none() | st.builds(End, st.sampled_from(Base), times)
calls = st.builds(
    Call,
    names,
    st.lists(values | either, max_size=4).map(tuple),
    st.builds(expressions.Number, st.integers(-1, 100)) | st.just(expressions.Elided()),
    st.none() | names,
    st.none() | st.from_regex(r"[a-z]{1,5}( [a-z]{1,5})?", fullmatch=True),
    ends,
)
whens = st.one_of(
    st.builds(When, st.sampled_from(Base), times),
    st.builds(When, st.sampled_from(Base), times, times),
    st.just(When(Base.PREVIOUS, None)),
)
codes = st.from_regex(r"[a-z ={}\n]{0,20}", fullmatch=True).filter(lambda text: "}%" not in text + "}").map(Code)
events = st.one_of(
    st.builds(Event, whens, st.one_of(tcp_packets, udp_packets, icmp_packets, calls)),
    st.builds(Event, st.none() | whens, st.from_regex(r"[a-z ./=\n]{0,20}", fullmatch=True).map(Shell)),
)
options = st.builds(
    ScriptOption,
    st.from_regex(r"[a-z_]{1,9}", fullmatch=True),
    st.none() | st.from_regex(r"[a-z0-9.]{1,9}", fullmatch=True),
)
scripts = st.builds(Script, st.lists(options, max_size=2).map(tuple), st.lists(events, max_size=4).map(tuple))
