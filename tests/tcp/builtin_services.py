"""What the tests of servers inside the core share."""

from tests.tcp.scripted_peer import Host, Peer
from tests.tcp.segments import Segment, wanted


def meet(peer: Peer) -> list[Segment]:
    """The handshake with a service; what it says at once."""
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    return peer.take()


def held(host: Host) -> int:
    """Bytes of memory in use for frames and queues."""
    return host.engine.usage()["chunks"]
