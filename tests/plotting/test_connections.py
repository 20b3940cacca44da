"""Which segments are one connection, who opened it, and how it is chosen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from stack.plotting.connections import EndFilter, NoSuchEnd, find_connections
from stack.plotting.decoding import decode
from stack.plotting.links import ETHERNET
from stack.plotting.records import records_of
from tests.plotting.crafted import CLIENT, CLIENT_PORT, ETHER, SERVER, SERVER_PORT, Talk, connections_of


def segment(source: str, destination: str, flags: str, **more: Any) -> bytes:
    """A segment between ends written as HOST PORT."""
    (one, sport), (other, dport) = source.split(), destination.split()
    layer = IPv6 if ":" in one else IP
    payload = bytes(more.pop("length", 0))
    segment = TCP(sport=int(sport), dport=int(dport), flags=flags, **more)
    return bytes(ETHER / layer(src=one, dst=other) / segment / payload)


def test_client_is_who_sent_the_syn() -> None:
    talk = Talk()
    talk.handshake()
    talk.data(30, 1, 500)
    connection = talk.connection()
    assert str(connection) == f"{CLIENT}:{CLIENT_PORT} → {SERVER}:{SERVER_PORT}"
    assert (connection.forward_bytes, connection.backward_bytes) == (500, 0)
    assert (connection.start, connection.end) == (0, 30_000_000)


@pytest.mark.parametrize("flags", ["SA", "A"])
def test_client_without_a_syn_is_told_by_the_answer_or_the_port(flags: str) -> None:
    (found,) = connections_of([(0, segment("10.0.0.1 80", "10.0.0.2 4000", flags))])
    assert (found.client.port, found.server.port) == (4000, 80)
    assert len(found.backward) == 1


def test_connections_are_numbered_by_their_first_segment() -> None:
    frames = [
        (30, segment("10.0.0.9 5000", "10.0.0.1 80", "S")),
        (10, segment("10.0.0.9 5001", "10.0.0.1 80", "S")),
        (20, segment("2001:db8::9 5000", "2001:db8::1 80", "S")),
        (40, segment("10.0.0.1 80", "10.0.0.9 5001", "SA")),
    ]
    found = connections_of(frames)
    assert [(one.number, str(one.client)) for one in found] == [
        (1, "10.0.0.9:5001"),
        (2, "[2001:db8::9]:5000"),
        (3, "10.0.0.9:5000"),
    ]
    assert [len(one.backward) for one in found] == [1, 0, 0]


def test_addresses_that_differ_in_one_half_only_are_told_apart() -> None:
    ends = ["2001:db8::1 5000", "2001:db8:0:1::1 5000", "::ffff:0:1 5000"]
    frames = [(index, segment(end, "2001:db8::2 80", "S")) for index, end in enumerate(ends)]
    frames.append((9, segment("255.255.0.1 5000", "10.0.0.2 80", "S")))
    assert len(connections_of(frames)) == 4


def test_syn_with_another_number_begins_a_new_connection() -> None:
    frames = [
        (0, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=100)),
        (1, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=100)),
        (2, segment("10.0.0.2 80", "10.0.0.1 5000", "SA", seq=900, ack=101)),
        (3, segment("10.0.0.1 5000", "10.0.0.2 80", "FA", seq=101)),
        (4, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=777)),
        (5, segment("10.0.0.2 80", "10.0.0.1 5000", "RA", ack=778)),
        (6, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=888)),
    ]
    assert [(len(one.forward), len(one.backward)) for one in connections_of(frames)] == [(3, 1), (1, 1), (1, 0)]


def test_syn_after_segments_without_one_begins_a_new_connection() -> None:
    frames = [
        (0, segment("10.0.0.1 5000", "10.0.0.2 80", "A", seq=100)),
        (1, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=100)),
    ]
    assert len(connections_of(frames)) == 2


def test_simultaneous_open_is_one_connection() -> None:
    frames = [
        (0, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=100)),
        (1, segment("10.0.0.2 80", "10.0.0.1 5000", "S", seq=900)),
        (2, segment("10.0.0.1 5000", "10.0.0.2 80", "SA", seq=100, ack=901)),
        (3, segment("10.0.0.2 80", "10.0.0.1 5000", "SA", seq=900, ack=101)),
    ]
    assert len(connections_of(frames)) == 1


def test_nothing_gives_no_connections() -> None:
    assert connections_of([]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", [1]),
        (":80", [1, 2]),
        ("10.0.0.1:5000", [1]),
        ("10.0.0.1:80", []),
        ("2001:db8::2", [2]),
        ("[2001:db8::1]:6000", [2]),
        ("[2001:db8::1]", [2]),
    ],
)
def test_end_chooses_connections(text: str, expected: list[int]) -> None:
    frames = [
        (0, segment("10.0.0.1 5000", "10.0.0.2 80", "S")),
        (1, segment("2001:db8::1 6000", "2001:db8::2 80", "S")),
    ]
    assert [one.number for one in connections_of(frames) if EndFilter(text).matches(one)] == expected


@pytest.mark.parametrize("text", ["", "host", ":http", "10.0.0.1:", "10.0.0.256", "10.0.0.1:70000", ":-1", "1:2:3"])
def test_what_is_no_end_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NoSuchEnd, match=":80"):
        EndFilter(text)


def captured_at(*interfaces: int) -> list[int]:
    """How many segments are left of a SYN, its answer and an ACK, when each was captured at these interfaces."""
    frames = [
        (0, segment("10.0.0.1 5000", "10.0.0.2 80", "S", seq=100)),
        (1, segment("10.0.0.2 80", "10.0.0.1 5000", "SA", seq=900, ack=101)),
        (2, segment("10.0.0.1 5000", "10.0.0.2 80", "A", seq=101, ack=901)),
    ]
    records = records_of([frames[number % 3] for number in range(len(interfaces))], ETHERNET)
    (found,) = find_connections(decode(replace(records, interface=np.array(interfaces))))
    return [len(found.forward), len(found.backward)]


def test_connection_captured_at_two_interfaces_is_taken_from_one() -> None:
    assert captured_at(0, 0, 0, 1, 1, 1) == [2, 1]
    assert captured_at(1, 0, 0, 0, 1, 1) == [2, 1]


def test_connection_with_each_way_at_its_own_interface_is_whole() -> None:
    assert captured_at(0, 1, 0) == [2, 1]
