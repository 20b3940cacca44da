"""A connection of ours with text in flight to a peer that SACKs; its segments are counted from 0."""

from typing import Any

from netcore.endpoint import Endpoint
from tests.tcp.scripted_peer import MILLISECOND, OUR_PORT, PEER_PORT, Host, Peer
from tests.tcp.segments import MODULUS, wanted

MSS = 1000
RTT = 100 * MILLISECOND

OPEN, REDUCING, RECOVERY, LOSS = range(4)  # the phases of Endpoint.info()


def at(number: int) -> int:
    """The sequence number with which a segment begins."""
    return number * MSS + 1


def running(
    host: Host, segments: int = 10, more: int = 0, *, round_trip: int = RTT, **arguments: Any
) -> tuple[Peer, Endpoint]:
    """A connection with as many full segments in flight, sent at once after a handshake that took a round trip.

    segments: no more than the initial window; `more` of them wait. Further arguments are the peer's; it permits SACK
    and has a large window.
    """
    peer, endpoint = established(host, round_trip=round_trip, **arguments)
    endpoint.send(bytes(number % 251 for number in range((segments + more) * MSS)))
    assert sent(peer) == list(range(segments))
    return peer, endpoint


def established(host: Host, *, round_trip: int = RTT, **arguments: Any) -> tuple[Peer, Endpoint]:
    """A connection whose handshake took a round trip; full segments of it have MSS bytes whatever the options."""
    arguments = {"sack": True, "scale": 7, **arguments}
    peer = Peer(host, mss=MSS + 12 * arguments.get("timestamps", False), **arguments)
    listener = host.listeners[0] if host.listeners else host.listen(peer.our_port)
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    host.advance(round_trip)
    peer.send("A")
    peer.expect_nothing()
    return peer, host.accept(listener)


def sent(peer: Peer) -> list[int]:
    """The numbers of the full segments that were sent, in their order; superframes count as their segments."""
    numbers: list[int] = []
    for segment in peer.take():
        assert (segment.seq - 1) % MSS == 0, segment
        assert segment.text, segment
        assert len(segment.text) % MSS == 0, segment
        first = (segment.seq - 1) // MSS
        numbers += range(first, first + len(segment.text) // MSS)
    return numbers


def acknowledge(peer: Peer, number: int, *blocks: tuple[int, int], **fields: Any) -> None:
    """An ACK of everything before segment `number`, with a SACK block for each (first, behind the last) segment."""
    edges = [(at(first), at(behind)) for first, behind in blocks]
    peer.send("A", ack=at(number), blocks=edges, **fields)


def lost_bytes(endpoint: Endpoint) -> int:
    """Bytes that count as lost and were not sent again since."""
    info = endpoint.info()
    return info["flight"] - info["in_flight"] - info["sacked"]


def board(endpoint: Endpoint) -> tuple[int, int, int]:
    """Segments in flight, SACKed and lost."""
    info = endpoint.info()
    numbers = (info["in_flight"], info["sacked"], lost_bytes(endpoint))
    assert all(number % MSS == 0 for number in numbers), numbers
    return numbers[0] // MSS, numbers[1] // MSS, numbers[2] // MSS


def start_before_wrap(make_host: Any, distance: int, **arguments: Any) -> Host:
    """A host whose next passive connection on the usual ports begins `distance` before our numbers wrap around."""
    trial = Peer(make_host(**arguments), port=PEER_PORT, our_port=OUR_PORT)
    trial.open_passively()
    assert trial.base is not None
    # the clock of initial sequence numbers steps every 4 microseconds (RFC 9293 3.4.1)
    shift = (MODULUS - distance - trial.base) % MODULUS * 4000
    host: Host = make_host(start=trial.host.now + shift, **arguments)
    return host


def time_out(peer: Peer) -> list[int]:
    """Runs time-outs until the retransmission timer has expired; what it sent."""
    before = peer.host.counter("TCPTimeouts")
    for _ in range(4):
        peer.take()
        peer.host.advance(peer.host.until_deadline())
        if peer.host.counter("TCPTimeouts") > before:
            return sent(peer)
    raise AssertionError("no time-out")


def timed_out(host: Host, more: int = 50, segments: int = 10, **arguments: Any) -> tuple[Peer, Any, dict[str, int]]:
    """Segments out, a time-out, and the first of them sent again.

    Without SACK, for with it a probe goes before the time-out and changes what is out.
    """
    peer, endpoint = running(host, segments, more, **arguments)
    before = endpoint.info()
    assert time_out(peer) == [0]
    info = endpoint.info()
    assert info["phase"] == LOSS
    assert info["ssthresh"] == before["cwnd"] // 2
    assert info["cwnd"] <= 2 * MSS
    return peer, endpoint, before


def is_undone(host: Host, endpoint: Any, before: dict[str, int]) -> bool:
    """Windows are as before, and nothing counts as lost."""
    info = endpoint.info()
    return (
        info["phase"] == OPEN
        and info["ssthresh"] >= before["cwnd"]
        and info["cwnd"] >= before["cwnd"] - MSS
        and host.counter("TCPSpuriousRTOs") == 1
    )
