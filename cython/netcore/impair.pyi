"""Impairment: what a link does to frames, from a seed."""

from collections.abc import Mapping, Sequence
from typing import Self, final

@final
class Impairment:
    """One direction of a link that misbehaves (RFC-free: a test's tool).

    Superframes are cut to the MTU and partial checksums completed first, so that what is lost is what a wire loses
    (SEG-14). Then each frame meets, in this order: MTU, blackout, loss, corruption, truncation, duplication, the queue
    before the transmitter (overflow, ECN mark), the transmitter's rate, and the way (delay, jitter, reordering).

    Probabilities are in parts per million of the frames, times in ns, rates in bits per second, sizes in bytes.

    seed: of every random choice.
    loss: frames lost, each for itself; where bursts are asked for, those lost outside of a burst.
    burst_begin, burst_end, burst_loss: the Gilbert-Elliott model. With each frame a burst begins, or ends, with these
        probabilities; within one, frames are lost with burst_loss. Mean length of a burst in frames: 1e6 / burst_end.
    duplicate, corrupt: a frame comes twice; one bit behind the link header is flipped.
    truncate: a frame is cut to a random shorter length.
    reorder: frames held back while others overtake; for reorder_by ns, or, when reorder_frames is N > 0, behind the
        next 1 to N frames (at random), but for at most reorder_by ns.
    delay, jitter: the way takes delay and a random part of jitter; jitter alone does not reorder.
    rate: of the transmitter, 0: no limit. queue: bytes that may wait for it; a frame beyond is dropped.
    ecn_bytes, ecn_delay: a frame with ECT that finds more bytes than this waiting, or that has to wait for longer than
        this many ns, is marked CE (RFC 3168 5); 0: no marks.
    mtu: a larger IP packet is dropped, without a word.
    down: 1 while the link passes nothing (what is under way still arrives).
    changes: what becomes of the above over time: (time, {name: value, ...}), in the order of the times. All names of
        this list but `seed` may change. Frames that wait for the transmitter leave at its new rate.
    blackouts: (begin, end) times between which nothing enters: short for changes of `down`.
    origin: added to the times of changes and blackouts (live: time.monotonic_ns() makes them count from now).

    Raises ValueError naming the argument and its value.
    """

    def __new__(
        cls,
        *,
        seed: int,
        loss: int = 0,
        burst_begin: int = 0,
        burst_end: int = 1_000_000,
        burst_loss: int = 1_000_000,
        duplicate: int = 0,
        corrupt: int = 0,
        truncate: int = 0,
        reorder: int = 0,
        reorder_by: int = 1_000_000,
        reorder_frames: int = 0,
        delay: int = 0,
        jitter: int = 0,
        rate: int = 0,
        queue: int = 1_048_576,
        ecn_bytes: int = 0,
        ecn_delay: int = 0,
        mtu: int = 65535,
        down: int = 0,
        changes: Sequence[tuple[int, Mapping[str, int]]] = (),
        blackouts: Sequence[tuple[int, int]] = (),
        origin: int = 0,
    ) -> Self: ...
    def counters(self) -> dict[str, int]:
        """Frames seen, passed, lost (burst_lost of them in bursts), duplicated, corrupted, truncated, reordered,
        overflowed (no room in the queue), marked (CE), oversized (beyond the MTU), blacked_out (while down)."""
    @property
    def waiting(self) -> int:
        """Frames that are in the queue or on the way."""
    @property
    def last_change(self) -> int:
        """The time (ns) of the last change handed in, 0 when there is none."""
