"""Streams longer than the sequence space: numbers come round, and nothing may take an old meaning for a new one."""

import pytest

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from tests.tcp.scripted_peer import MILLISECOND, OUR_ADDRESS, OUR_PORT, PEER_ADDRESS, SEED, packed

SPACE = 1 << 32
TEXT = bytes(range(250)) * 1000


class Stream:
    """Two hosts with large frames between them, and a connection."""

    def __init__(self) -> None:
        self.now = MILLISECOND
        self.client, self.server = (
            Engine(address=address, prefix=24, seed=SEED, ethernet=False, vnet_header=True, offloads=True, mtu=65535)
            for address in (OUR_ADDRESS, PEER_ADDRESS)
        )
        listener = self.server.listen(None, OUR_PORT, 4)
        sender = self.client.connect(1000, (packed(PEER_ADDRESS), OUR_PORT))
        assert isinstance(listener, Listener)
        assert isinstance(sender, Endpoint)
        self.exchange()
        receiver = listener.accept()
        assert isinstance(receiver, Endpoint)
        self.sender, self.receiver = sender, receiver

    def exchange(self) -> None:
        """Frames go to and fro until both are silent."""
        while True:
            going, coming = self.client.frames_to_send(), self.server.frames_to_send()
            if not going and not coming:
                return
            self.server.frames_arrive(going, self.now)
            self.client.frames_arrive(coming, self.now)
            self.now += MILLISECOND // 10

    def rest(self) -> None:
        """Lets time pass, beyond delayed ACKs."""
        self.exchange()
        for _ in range(10):
            self.now += 100 * MILLISECOND
            self.client.advance(self.now)
            self.server.advance(self.now)
            self.exchange()

    def carry(self, length: int) -> bytes:
        """Sends so many bytes; what came of the last piece."""
        buffer = bytearray(len(TEXT))
        size = 0
        while length:
            size = min(length, len(TEXT))
            assert self.sender.send(memoryview(TEXT)[:size]) == size
            length -= size
            got = 0
            for _ in range(1000):
                self.exchange()
                got += max(self.receiver.receive_into(memoryview(buffer)[got:]), 0)
                if got == size:
                    break
                self.rest()
            assert got == size, f"{got} of {size} bytes came, {length} before the end"
        return bytes(buffer[:size])


@pytest.mark.requirement("SND-9", "SND-10")
@pytest.mark.parametrize("beyond", [-1, 0])
def test_stream_goes_on_where_the_acknowledged_number_comes_round_to_the_initial_one(beyond):
    stream = Stream()
    iss = stream.sender.info()["iss"]
    stream.carry(SPACE + beyond)
    stream.rest()
    assert stream.sender.buffered_bytes == 0
    assert stream.sender.info()["snd_una"] == (iss + 1 + beyond) % SPACE
    assert stream.carry(5) == TEXT[:5]
    stream.rest()
    assert stream.sender.buffered_bytes == 0
