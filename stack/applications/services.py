"""The classic services: echo (RFC 862, port 7), discard (RFC 863, port 9), character generator (RFC 864, port 19)."""

from stack.applications.stream import StreamSocket

ECHO_PORT = 7
DISCARD_PORT = 9
SOURCE_PORT = 19

ECHO_BUFFER = 64 << 10
DISCARD_BUFFER = 1 << 20
SOURCE_PIECE = 1 << 20

LINE = 72  # RFC 864: lines of 72 characters out of the ring of the printable ones
_FIRST, _LAST = 0x20, 0x7E


def character_pattern(size: int) -> bytes:
    """Returns the first `size` bytes, rounded down to whole turns, of the pattern RFC 864 suggests.

    Every turn of the ring ends where the next begins, so pieces of this length sent one after another are one pattern.
    """
    ring = bytes(range(_FIRST, _LAST + 1))
    twice = ring + ring
    turn = b"".join(twice[start : start + LINE] + b"\r\n" for start in range(len(ring)))
    return turn * max(1, size // len(turn))


def echo(connection: StreamSocket) -> None:
    """Sends back what it receives, in order, until the peer has ended its stream."""
    connection.send_without_delay()
    buffer = memoryview(bytearray(ECHO_BUFFER))
    receive_into, send = connection.receive_into, connection.send
    while count := receive_into(buffer):
        send(buffer[:count])
    connection.finish()


def discard(connection: StreamSocket) -> None:
    """Receives until the peer has ended its stream."""
    buffer = bytearray(DISCARD_BUFFER)
    receive_into = connection.receive_into
    while receive_into(buffer):
        pass
    connection.finish()


def character_source(connection: StreamSocket) -> None:
    """Sends the pattern as fast as the peer takes it, until the peer is gone (EntryFailed)."""
    send = connection.send
    while True:
        send(_PATTERN)


_PATTERN = character_pattern(SOURCE_PIECE)

SERVICES = {
    "echo": (ECHO_PORT, echo),
    "discard": (DISCARD_PORT, discard),
    "source": (SOURCE_PORT, character_source),
}
