"""Close is safe (SND-10): what was sent before the close arrives, however soon the close comes."""

import hashlib
import itertools
import random
import threading
from typing import Any

import pytest

from netcore.impair import Impairment
from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tests.live.host import live_host

pytestmark = pytest.mark.live

PORT = 4001
TRANSFERS = 1000
WORKERS = 20
NUMBER = 8  # bytes at the head of each transfer


class SendAndClose:
    """Sends a transfer of random size in one call or several, and closes at once.

    sums: SHA-256 of what the transfers were, by their numbers.
    """

    def __init__(self) -> None:
        self.sums: dict[str, str] = {}
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.random = random.Random(3)

    def serve(self, connection: StreamSocket) -> None:
        """The program of one connection."""
        with self.lock:
            number = next(self.numbers)
            octets = number.to_bytes(NUMBER, "big") + self.random.randbytes(int(2 ** self.random.uniform(0, 19)))
            pieces = self.random.choice((1, 2, 7))
            self.sums[str(number)] = hashlib.sha256(octets).hexdigest()
        view, size = memoryview(octets), -(-len(octets) // pieces)
        for start in range(0, len(octets), size):
            connection.send(view[start : start + size])
        connection.close()


@pytest.mark.requirement("SND-10", "CLOSE-3")
@pytest.mark.parametrize("bad", [False, True], ids=["good link", "bad link"])
def test_what_is_sent_before_an_immediate_close_arrives_every_time(bad: bool) -> None:
    faults: dict[str, Any] = {}
    if bad:
        wrong = {"loss": 10_000, "reorder": 20_000, "duplicate": 10_000}
        faults = {"inbound": Impairment(seed=5, **wrong), "outbound": Impairment(seed=6, **wrong)}
    program = SendAndClose()
    with live_host(**faults) as host:
        with Server(host.stack.provider, PORT, program.serve, name="close"):
            told = host.peer("collect", PORT, TRANSFERS, WORKERS)
        host.settle()
    assert told["failures"] == []
    assert len(program.sums) == TRANSFERS
    assert told["sums"] == program.sums
