"""Echo, discard and the character source, under virtual time."""

import random

import pytest

from stack.applications.services import (
    ECHO_BUFFER,
    LINE,
    SOURCE_PIECE,
    SOURCE_SENDS,
    Discard,
    Echo,
    Source,
    character_pattern,
)
from stack.applications.stream import EntryFailed
from stack.wsp import constants
from tests.cli.conversation import set_nonblocking
from tests.cli.served import Served


@pytest.mark.parametrize("size", [0, 1, 1459, 65_536, 300_000])
def test_echo_gives_back_every_byte_and_then_the_end(size: int) -> None:
    said = random.Random(size).randbytes(size)
    served = Served(Echo)
    assert served.hold(said) == said
    assert served.server.connections == 0


def test_echo_over_a_bad_link_gives_back_every_byte() -> None:
    said = random.Random(3).randbytes(500_000)
    assert Served(Echo, loss=10_000, reorder=20_000).hold(said) == said


def test_echo_holds_back_a_peer_that_does_not_read_and_loses_nothing() -> None:
    said = random.Random(1).randbytes(64 << 20)
    served = Served(Echo)
    client = served.connect()
    set_nonblocking(served.conversation.client, client)
    pieces = [said[start : start + ECHO_BUFFER] for start in range(0, len(said), ECHO_BUFFER)]
    sent = 0

    def send() -> bool:
        """As much as goes; whether it was all."""
        nonlocal sent
        try:
            while sent < len(pieces):
                client.send(pieces[sent])
                sent += 1
        except EntryFailed as failure:
            if failure.code != constants.WSAEWOULDBLOCK:
                raise
        return sent == len(pieces)

    before = -1
    while before != sent:
        before = sent
        send()
        served.serve_for(50)
    assert sent < len(pieces), "the server took all of it and the peer has read nothing"
    reader = served.reader(client)
    served.serve_until(send)
    served.serve_until(lambda: len(reader.received) == len(said))
    assert bytes(reader.received) == said


def test_discard_takes_everything_and_says_nothing() -> None:
    served = Served(Discard)
    assert served.hold(bytes(1_000_000)) == b""
    assert served.server.connections == 0


def test_pattern_repeats_without_a_seam() -> None:
    pattern = character_pattern(20_000)
    assert 0 < len(pattern) <= 20_000
    lines = (pattern + pattern).decode().split("\r\n")[:-1]
    assert {len(line) for line in lines} == {LINE}
    ring = "".join(chr(code) for code in range(0x20, 0x7F))
    for number, line in enumerate(lines):
        start = number % len(ring)
        assert line == (ring + ring)[start : start + LINE]


@pytest.mark.parametrize("half_closed", [False, True])
def test_source_sends_the_pattern_until_the_reader_goes(half_closed: bool) -> None:
    served = Served(Source)
    client = served.connect()
    if half_closed:
        client.shutdown_send()
    reader = served.reader(client)
    served.serve_until(lambda: len(reader.received) > 12_000_000)
    received = bytes(reader.received)
    client.close()
    served.serve_until(lambda: not served.server.connections)
    pattern = character_pattern(SOURCE_PIECE)
    assert received == (pattern * (len(received) // len(pattern) + 1))[: len(received)]


def test_source_holds_little_for_a_reader_that_never_reads() -> None:
    served = Served(Source)
    served.connect()
    served.serve_for(100)
    assert 0 < served.conversation.pair.left.engine.usage()["chunks"] < SOURCE_PIECE * SOURCE_SENDS[-1] // 4
