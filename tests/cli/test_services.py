"""Echo, discard and the character source, under virtual time."""

import random

import pytest

from stack.applications.services import LINE, character_pattern, character_source, discard, echo
from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants
from tests.cli.conversation import MILLISECOND, PORT, SERVER, Conversation, set_nonblocking


@pytest.mark.parametrize("size", [0, 1, 1459, 65_536, 300_000])
def test_echo_gives_back_every_byte_and_then_the_end(size: int) -> None:
    said = random.Random(size).randbytes(size)
    assert Conversation().hold(echo, said) == said


def test_discard_takes_everything_and_says_nothing() -> None:
    conversation = Conversation()
    assert conversation.hold(discard, bytes(1_000_000)) == b""


def test_pattern_repeats_without_a_seam() -> None:
    pattern = character_pattern(20_000)
    assert 0 < len(pattern) <= 20_000
    lines = (pattern + pattern).decode().split("\r\n")[:-1]
    assert {len(line) for line in lines} == {LINE}
    ring = "".join(chr(code) for code in range(0x20, 0x7F))
    for number, line in enumerate(lines):
        start = number % len(ring)
        assert line == (ring + ring)[start : start + LINE]


def test_source_sends_the_pattern_until_the_reader_goes() -> None:
    conversation = Conversation()
    client = StreamSocket.connected(conversation.client, SERVER, PORT)
    set_nonblocking(conversation.client, client)
    received = bytearray()
    buffer = bytearray(1 << 20)

    def read() -> None:
        try:
            received.extend(buffer[: client.receive_into(buffer)])
        except EntryFailed as failure:
            if failure.code != constants.WSAEWOULDBLOCK:
                raise
        if len(received) > 3_000_000:
            client.close()
        else:
            conversation.pair.after(MILLISECOND, read)

    conversation.pair.after(0, read)
    connection = conversation.listener.accept()
    with pytest.raises(EntryFailed) as failed:
        character_source(connection)
    assert failed.value.code in (constants.WSAECONNRESET, constants.WSAECONNABORTED)
    pattern = character_pattern(1 << 20)
    assert bytes(received) == (pattern * (len(received) // len(pattern) + 1))[: len(received)]
