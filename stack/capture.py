"""Writes the frames of a host to a pcapng file that tshark and Wireshark read.

The core keeps copies of the frames (`Engine.start_capture`); a thread takes them away and writes them down, so that
neither the packet path nor the program waits for the disk. What the core had to leave out is counted, and said in the
file too (Interface Statistics Block, draft-ietf-opsawg-pcapng section 4.6).
"""

import os
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from pcapng import blocks, structs, writer

LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101

NANOSECONDS = b"\x09"  # if_tsresol: ten to the power of minus nine


def direction_flags(direction: str) -> Any:
    """Returns the epb_flags of a frame that went `direction`: inbound or outbound."""
    flags = structs.EPBFlags()
    flags.inout = direction
    return flags


class CaptureSource(Protocol):
    """What a host must offer to be captured; `netcore.engine.Engine` does."""

    def start_capture(self, limit: int = ...) -> None:
        """Begins to keep copies, at most `limit` bytes at a time."""

    def stop_capture(self) -> None:
        """Ends it."""

    def captured(self) -> list[tuple[int, bool, bytes]]:
        """Takes the copies: (time in ns, True when outbound, frame)."""

    def counters(self) -> dict[str, int]:
        """Counters by name; CaptureDrops is read."""


class Capture:
    """Captures `source` into the file `path` from `start` to `stop`; a context manager does both.

    ethernet: frames carry an Ethernet header; False: bare IP packets.
    name: what the interface is called in the file.
    limit: bytes of frames the core may hold while they are not yet written.
    epoch: ns added to the host's time to get the time of day; None: the host's time is the monotonic clock.
    interval: seconds between two looks at the core; 0 starts no thread and `drain` is for the caller (virtual time).

    Raises OSError when the file cannot be made.
    """

    def __init__(
        self,
        source: CaptureSource,
        path: Path,
        *,
        ethernet: bool = True,
        name: str = "wspstack",
        limit: int = 64 << 20,
        epoch: int | None = None,
        interval: float = 0.02,
    ) -> None:
        self.path = path
        self.frames = 0
        self._source = source
        self._limit = limit
        self._epoch = time.time_ns() - time.monotonic_ns() if epoch is None else epoch
        self._interval = interval
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running = False
        self._drops_before = 0
        self._last_time = 0
        self._directions = {False: direction_flags("inbound"), True: direction_flags("outbound")}
        self._file: BinaryIO = path.open("wb", buffering=1 << 20)
        try:
            self._section = blocks.SectionHeader(options={"shb_userappl": "wspstack", "shb_os": os.uname().sysname})
            self._section.new_member(
                blocks.InterfaceDescription,
                link_type=LINKTYPE_ETHERNET if ethernet else LINKTYPE_RAW,
                snaplen=0,
                options={"if_name": name, "if_tsresol": NANOSECONDS},
            )
            self._writer = writer.FileWriter(self._file, self._section)
            self._file.flush()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def drops(self) -> int:
        """Frames that the core left out because the file could not keep up."""
        return self._source.counters().get("CaptureDrops", 0) - self._drops_before

    def start(self) -> None:
        """Begins the capture."""
        self._drops_before = self._source.counters().get("CaptureDrops", 0)
        self._source.start_capture(self._limit)
        self._running = True
        if self._interval > 0:
            self._thread = threading.Thread(target=self._write_down, name="capture", daemon=True)
            self._thread.start()

    def drain(self) -> int:
        """Writes all that the core holds now; returns the number of frames."""
        with self._lock:
            taken = self._source.captured()
            for moment, outbound, frame in taken:
                self._writer.write_block(self._packet(moment, outbound, frame))
            self.frames += len(taken)
            return len(taken)

    def stop(self) -> None:
        """Ends the capture, writes what is left and closes the file; the second time it does nothing."""
        if not self._running:
            self._file.close()
            return
        self._running = False
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.drain()
            self._writer.write_block(self._statistics())
        finally:
            self._source.stop_capture()
            self._file.close()

    def report(self) -> str:
        """One line about what was captured and what was not."""
        dropped = f", {self.drops} dropped: the file could not keep up" if self.drops else ""
        return f"captured {self.frames} frames in {self.path}{dropped}"

    def _write_down(self) -> None:
        while not self._stopping.wait(self._interval):
            try:
                if self.drain():
                    self._file.flush()
            except OSError:
                return  # the disk is full: `stop` meets the same error and reports it

    def _packet(self, moment: int, outbound: bool, frame: bytes) -> Any:
        self._last_time = moment + self._epoch
        packet = self._section.new_member(
            blocks.EnhancedPacket,
            interface_id=0,
            timestamp_high=self._last_time >> 32,
            timestamp_low=self._last_time & 0xFFFFFFFF,
            packet_data=frame,
        )
        packet.options["epb_flags"] = self._directions[outbound]
        return packet

    def _statistics(self) -> Any:
        return self._section.new_member(
            blocks.InterfaceStatistics,
            interface_id=0,
            timestamp_high=self._last_time >> 32,
            timestamp_low=self._last_time & 0xFFFFFFFF,
            options={"isb_ifrecv": self.frames + self.drops, "isb_ifdrop": self.drops},
        )
