"""A client of our own that is refused or not answered (wsp.md 2.7), frame by frame under virtual time."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import TCP

from stack.driving import SECOND
from stack.wsp import constants as ws
from tests.wsp.clients import Frame
from tests.wsp.crafted import PEER, CraftedPeer
from tests.wsp.hosts import MILLISECOND, RIGHT, two_hosts

Answer = Callable[[Any], tuple[str, int, int]]


def refuse(syn: Any) -> tuple[str, int, int]:
    return "RA", 0, syn.seq + 1


class Refuser:
    """A peer that answers the SYNs of port 80 as told, one after the other, and never more."""

    def __init__(self, *answers: Answer | None, **fields: Any) -> None:
        self.peer = CraftedPeer(**fields)
        self.host = self.peer.host
        self._answers = list(answers)
        self.peer.driver.respond(self._react)

    def _react(self, frame: bytes) -> None:
        segment = TCP(frame[20:])
        answer = self._answers.pop(0) if self._answers and segment.flags == "S" else None
        if answer is not None:
            flags, seq, ack = answer(segment)
            self.peer.driver.after(MILLISECOND, lambda: self.peer.arrive(flags, 80, segment.sport, seq, ack))

    def syns(self) -> list[int]:
        """The times in ms of the frames sent, which must all be the same SYN."""
        sent = self.peer.sent()
        (frame,) = {Frame(each.dport, str(each.flags), each.seq, each.ack) for _, each in sent}
        assert (frame.port, frame.flags, frame.ack) == (80, "S", 0)
        assert len({each.sport for _, each in sent}) == 1
        return [time // MILLISECOND for time, _ in sent]

    def initial_rto(self, s: int, milliseconds: int, retries: int) -> None:
        given = milliseconds.to_bytes(2, "little") + bytes([retries])
        returned = ctypes.c_uint32()
        self.host.ok("WSPIoctl", s, ws.SIO_TCP_INITIAL_RTO, given, 3, None, 0, returned, None, None, None)


@pytest.mark.requirement("LISTEN-67", "LISTEN-68", "CONN-9")
def test_refusal_is_final_after_five_syns_half_a_second_apart() -> None:
    refuser = Refuser(*[refuse] * 9)
    assert refuser.host.connect_code(refuser.host.tcp(), 80, PEER) == ws.WSAECONNREFUSED
    # each wait begins when the RST comes, a millisecond after its SYN
    assert refuser.syns() == [0, 501, 1002, 1503, 2004]
    assert refuser.peer.driver.now() == 2005 * MILLISECOND
    refuser.peer.driver.run(60 * SECOND)
    assert refuser.peer.sent() == []


@pytest.mark.requirement("LISTEN-67", "LISTEN-68")
@pytest.mark.parametrize(("retries", "milliseconds"), [(3, [0, 501, 1002, 1503]), (2, [0, 501, 1002]), (0, [0])])
def test_number_of_retries_is_tunable(retries: int, milliseconds: list[int]) -> None:
    refuser = Refuser(*[refuse] * 9, syn_retries=retries)
    assert refuser.host.connect_code(refuser.host.tcp(), 80, PEER) == ws.WSAECONNREFUSED
    assert refuser.syns() == milliseconds


@pytest.mark.requirement("LISTEN-70", "IOCTL-19")
def test_initial_rto_governs_the_number_of_refused_syns() -> None:
    refuser = Refuser(*[refuse] * 9)
    s = refuser.host.tcp()
    refuser.initial_rto(s, 0xFFFF, 2)
    assert refuser.host.connect_code(s, 80, PEER) == ws.WSAECONNREFUSED
    assert refuser.syns() == [0, 501, 1002]


@pytest.mark.requirement("LISTEN-70", "IOCTL-19")
def test_no_retransmission_makes_the_first_reset_final() -> None:
    refuser = Refuser(refuse)
    s = refuser.host.tcp()
    refuser.initial_rto(s, 0xFFFF, 0xFE)
    assert refuser.host.connect_code(s, 80, PEER) == ws.WSAECONNREFUSED
    assert refuser.syns() == [0]
    assert refuser.peer.driver.now() == MILLISECOND


@pytest.mark.requirement("LISTEN-71", "CONN-9")
def test_unanswered_syns_double_their_waits() -> None:
    refuser = Refuser()
    assert refuser.host.connect_code(refuser.host.tcp(), 80, PEER) == ws.WSAETIMEDOUT
    assert refuser.syns() == [0, 1000, 3000, 7000, 15000]
    assert refuser.peer.driver.now() == 31 * SECOND


@pytest.mark.requirement("LISTEN-70", "LISTEN-71", "IOCTL-19")
@pytest.mark.parametrize(
    ("given", "milliseconds", "end"),
    [
        ((500, 2), [0, 500, 1500], 3500),
        ((0xFFFF, 1), [0, 1000], 3000),
        ((250, 0xFF), [0, 250, 750, 1750, 3750], 7750),
        ((500, 0xFE), [0], 500),
        ((0, 0), [0, 1000, 3000, 7000, 15000], 31000),
        ((0xFFFF, 0xFF), [0, 1000, 3000, 7000, 15000], 31000),
    ],
)
def test_initial_rto_changes_both_knobs(given: tuple[int, int], milliseconds: list[int], end: int) -> None:
    refuser = Refuser()
    s = refuser.host.tcp()
    refuser.initial_rto(s, *given)
    assert refuser.host.connect_code(s, 80, PEER) == ws.WSAETIMEDOUT
    assert refuser.syns() == milliseconds
    assert refuser.peer.driver.now() == end * MILLISECOND


@pytest.mark.requirement("LISTEN-71", "LISTEN-67")
def test_waits_after_a_refusal_are_constant_whatever_came_before() -> None:
    refuser = Refuser(None, refuse, refuse, refuse, refuse)
    assert refuser.host.connect_code(refuser.host.tcp(), 80, PEER) == ws.WSAECONNREFUSED
    assert refuser.syns() == [0, 1000, 1501, 2002, 2503]


@pytest.mark.requirement("LISTEN-67", "CONN-12")
def test_reset_that_acknowledges_something_else_changes_nothing() -> None:
    refuser = Refuser(lambda syn: ("RA", 0, syn.seq + 2), lambda syn: ("R", syn.seq, 0))
    assert refuser.host.connect_code(refuser.host.tcp(), 80, PEER) == ws.WSAETIMEDOUT
    assert refuser.syns() == [0, 1000, 3000, 7000, 15000]


@pytest.mark.requirement("LISTEN-69")
@pytest.mark.parametrize("refusals", [1, 4])
def test_client_that_is_admitted_before_its_retries_end_is_connected(refusals: int) -> None:
    refuser = Refuser(*[refuse] * refusals, lambda syn: ("SA", 700, syn.seq + 1))
    host = refuser.host
    s = host.tcp()
    assert host.connect_code(s, 80, PEER) == 0
    sent = refuser.peer.sent()
    assert [str(each.flags) for _, each in sent] == ["S"] * (refusals + 1) + ["A"]
    assert host.get(s, ws.SO_ERROR) == 0


@pytest.mark.requirement("LISTEN-69", "LISTEN-24")
def test_freed_slot_lets_our_own_refused_client_in() -> None:
    hosts = two_hosts()
    listener = hosts.right.listening(80, 1)
    hosts.left.connected(80, RIGHT)
    hosts.driver.after(1700 * MILLISECOND, lambda: hosts.right.accept(listener))
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == 0
    assert 2000 * MILLISECOND <= hosts.driver.now() < 2010 * MILLISECOND
