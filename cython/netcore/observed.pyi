"""What can be seen of a simulated network."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple, final

from netcore.endpoint import Endpoint
from netcore.flows import Application, Flows
from netcore.topology import Link

class Frame(NamedTuple):
    """A frame as it arrived at the end of a link."""

    time: int  # of arrival, ns
    link: int  # Link.number
    forward: bool  # False: from ends[1] to ends[0]
    octets: bytes

@final
class Samples:
    """What was recorded of one connection. From Simulator.watch.

    A sample is taken after each event at which one of its fields (but time) had changed.
    """

    @property
    def dropped(self) -> int:
        """Samples not kept because `limit` of them were waiting to be taken."""
    def __len__(self) -> int: ...
    def take(self) -> dict[str, array[int]]:
        """Takes the samples: one array of int64 for each name in `SAMPLE_FIELDS`, all of one length."""

SAMPLE_FIELDS: tuple[str, ...]
"""time (ns), state, snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd (sequence numbers less iss or irs), cwnd, ssthresh,
flight, in_flight, sacked, queued (bytes in the send queue), unread (bytes in the receive queue), srtt, rttvar, rto,
min_rtt (ns), backoff, phase (0 open, 1 reducing, 2 recovery, 3 loss), delivered, lost (bytes in all), pacing_rate (in
bytes per second), retransmits, timeouts (the host's counters RetransSegs, TCPTimeouts)."""

class Observed(Flows):
    """A network that is recorded and sampled. Simulator is one."""

    def record(self, links: Sequence[Link] | None = None, *, limit: int = 1 << 30) -> None:
        """Keeps a copy of every frame that arrives at the end of these links (None: all), at most `limit` bytes."""
    def recorded(self) -> list[Frame]:
        """Takes the copies, in the order of arrival."""
    def watch(self, watched: Endpoint | Application, *, limit: int = 1_000_000) -> Samples:
        """Records the variables of a connection from now on, at most `limit` samples that nobody has taken.

        An Application may be watched before it is connected.
        """
