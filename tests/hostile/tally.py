"""How many hostile frames of each kind were sent, and how many of them got deep."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from netcore.engine import Engine

# a look costs as much as several frames, so only every so many are looked at
EVERY = 8
# counters that say that a frame was taken for what it is, and those that say that it was refused all the same
TAKEN = ("InDelivers", "ReasmReqds", "ArpInRequests", "ArpInReplies")
REFUSED = (
    "InHdrErrors", "InAddrErrors", "InUnknownProtos", "ReasmFails", "InErrs", "InCsumErrors", "OutRsts",
    "TCPChallengeACK", "TCPACKSkippedChallenge", "PAWSEstab", "TCPTSMissing", "ListenOverflows", "IcmpInErrors",
    "IcmpInCsumErrors", "OutOfWindowIcmps", "UdpNoPorts", "FramesBad",
)  # fmt: skip


@dataclass
class Tally:
    """Three numbers for each kind of frame: sent, looked at, and of those deep: taken, and not refused."""

    kinds: dict[str, list[int]] = field(default_factory=dict)
    _next: int = 0

    def hand_in(self, victim: Engine, kind: str, frame: bytes, now: int) -> None:
        """Gives a frame to the victim and counts it."""
        numbers = self.kinds.setdefault(kind, [0, 0, 0])
        numbers[0] += 1
        self._next = (self._next + 1) % EVERY
        if self._next:
            victim.frame_arrives(frame, now)
            return
        before = victim.counters()
        victim.frame_arrives(frame, now)
        after = victim.counters()
        numbers[1] += 1
        taken = any(after[name] > before[name] for name in TAKEN)
        numbers[2] += taken and not any(after[name] > before[name] for name in REFUSED)

    def add(self, kinds: dict[str, list[int]]) -> None:
        """Adds what another has counted."""
        for kind, numbers in kinds.items():
            mine = self.kinds.setdefault(kind, [0, 0, 0])
            mine[:] = [first + second for first, second in zip(mine, numbers, strict=True)]

    def lines(self) -> Iterable[str]:
        """A table for people."""
        yield f"{'kind of frame':24} {'sent':>10}   deep (of every {EVERY}th, looked at)"
        for kind, (sent, looked, deep) in sorted(self.kinds.items(), key=lambda item: -item[1][0]):
            share = f"{100 * deep / looked:5.1f} %" if looked else "    -"
            yield f"{kind:24} {sent:10}   {share}"
