"""Whatever a script says, a run of it ends with a result or with a message that has a place."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.packetdrill.failures import ScriptProblem
from stack.packetdrill.parsing import parse
from stack.packetdrill.running import run
from stack.packetdrill.script import Base, Event, When
from tests.packetdrill.conftest import CONNECTED
from tests.packetdrill.strategies import calls, icmp_packets, tcp_packets, udp_packets

LINES = st.sampled_from(
    [
        "read(4, ..., 100) = ...",
        "write(4, ..., 70000) = ...",
        "close(4) = ...",
        "shutdown(4, SHUT_WR) = ...",
        "accept(3, ..., ...) = ...",
        "socket(..., SOCK_STREAM, IPPROTO_TCP) = ...",
        "connect(6, ..., ...) = ...",
        "poll([{fd=4, events=POLLIN}], 1, 100) = ...",
        "fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = ...",
        "ioctl(4, SIOCINQ, ...) = ...",
        "setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = ...",
    ]
).map(lambda text: parse(f"0 {text}").events[0].action)
actions = st.one_of(
    LINES,
    calls,
    *(
        packets.map(lambda packet: replace(packet, outbound=False))
        for packets in (tcp_packets, udp_packets, icmp_packets)
    ),
)
events = st.builds(Event, st.builds(When, st.just(Base.PREVIOUS), st.integers(0, 10**9)), actions)


def problem_of(text: str) -> ScriptProblem | None:
    try:
        run(parse(text))
    except ScriptProblem as problem:
        return problem
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=8))
def test_any_script_runs_to_an_end_or_to_a_message_with_a_place(lines: list[Event]) -> None:
    problem = problem_of(CONNECTED + "\n".join(map(str, lines)))
    if problem is not None:
        assert problem.place.line > 7
        assert problem.message
