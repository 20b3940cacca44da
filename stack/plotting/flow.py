"""What one direction of a connection did, as plain data: the result of the analysis, and all that the picture needs.

Times are ns since `Flow.origin`; sequence numbers are counted from the initial one (the SYN is 0, the first byte 1) and
do not wrap.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from stack.plotting.columns import Booleans, Integers
from stack.plotting.connections import End

SECOND = 1_000_000_000


class Kind(IntEnum):
    """Why a segment was sent, as far as the place of the capture shows.

    NEW: bytes not seen before, beyond all others. REORDERED: bytes not seen before, overtaken by later ones.
    RETRANSMISSION: sent again. NEEDLESS: sent again after its acknowledgement was seen. PROBE: of a closed window, or
    keep-alive.
    """

    NEW = 0
    REORDERED = 1
    RETRANSMISSION = 2
    NEEDLESS = 3
    PROBE = 4


class Phase(IntEnum):
    """What the sender does about congestion: nothing, REDUCING after an ECN mark, RECOVERY, LOSS after a time-out."""

    OPEN = 0
    REDUCING = 1
    RECOVERY = 2
    LOSS = 3


@dataclass(frozen=True)
class Series:
    """Values at times, ascending in time."""

    time: Integers
    value: Integers

    def __len__(self) -> int:
        return len(self.time)


def empty_series() -> Series:
    """Returns a series without values."""
    return Series(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Sent:
    """Segments that take sequence numbers, SYN and FIN among them, and probes. kind: of `Kind`. length: payload."""

    time: Integers
    start: Integers
    end: Integers
    length: Integers
    kind: Integers

    def __len__(self) -> int:
        return len(self.time)

    def of(self, *kinds: Kind) -> "Sent":
        """Returns the segments of these kinds."""
        return self.where(np.isin(self.kind, kinds))

    def where(self, chosen: Booleans) -> "Sent":
        """Returns the segments that are chosen."""
        return Sent(self.time[chosen], self.start[chosen], self.end[chosen], self.length[chosen], self.kind[chosen])


@dataclass(frozen=True)
class Acknowledgements:
    """What came back. ack: as received, it may fall behind. edge: right edge of the window; -1 when it is not known.

    duplicate: RFC 5681 section 2, or with a SACK block. closed: the window was zero.
    """

    time: Integers
    ack: Integers
    edge: Integers
    duplicate: Booleans
    closed: Booleans

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class SackBlocks:
    """SACK blocks in the order of their arrival. duplicate: it reports bytes that came twice (DSACK, RFC 2883)."""

    time: Integers
    left: Integers
    right: Integers
    duplicate: Booleans

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Mark:
    """Something to be pointed at. name: SYN, FIN or RST."""

    time: int
    sequence: int
    name: str


@dataclass(frozen=True)
class RoundTrips:
    """Samples of the round trip from the place of the capture to the receiver and back, ns at the time of the ACK.

    by_sequence: an ACK that moves forward over bytes sent once only (Karn). by_sack: the same for a SACK block.
    by_timestamps: from the echo in an ACK that moves forward (RFC 7323 section 4), also after retransmissions.
    """

    by_sequence: Series
    by_sack: Series
    by_timestamps: Series

    def best(self) -> Series:
        """Returns the most exact samples that there are."""
        time = np.concatenate((self.by_sequence.time, self.by_sack.time))
        value = np.concatenate((self.by_sequence.value, self.by_sack.value))
        if not len(time):
            return self.by_timestamps
        order = np.argsort(time, kind="stable")
        return Series(time[order], value[order])


@dataclass(frozen=True)
class SenderSamples:
    """What only the sender itself knows: of a simulated run, never of a capture. Empty series: not sampled.

    cwnd, ssthresh: bytes. in_flight: bytes that the sender takes to be in the network, without what was SACKed and what
    it holds for lost. srtt, rto: ns. pacing_rate: bytes a second. phase: of `Phase`.
    """

    cwnd: Series = field(default_factory=empty_series)
    ssthresh: Series = field(default_factory=empty_series)
    in_flight: Series = field(default_factory=empty_series)
    srtt: Series = field(default_factory=empty_series)
    rto: Series = field(default_factory=empty_series)
    pacing_rate: Series = field(default_factory=empty_series)
    phase: Series = field(default_factory=empty_series)


@dataclass(frozen=True)
class Flow:
    """One direction of a connection.

    origin: ns, the first segment of the connection. base: the initial sequence number as it stood in the header.
    duration: ns from `origin` to the last segment of either direction. flight: bytes sent and not acknowledged.
    samples: None for a capture. lost: of a simulated run, which of `sent` did not arrive. notes: what a person should
    know before believing the picture.
    """

    sender: End
    receiver: End
    origin: int
    base: int
    duration: int
    sent: Sent
    acknowledgements: Acknowledgements
    sacks: SackBlocks
    flight: Series
    round_trips: RoundTrips
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()
    samples: SenderSamples | None = None
    lost: Booleans | None = None

    def __str__(self) -> str:
        return f"{self.sender} → {self.receiver}"
