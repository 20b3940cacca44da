"""Capture: a pcapng file with every frame, its time, its direction, and the count of what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pcapng import FileScanner, blocks

from stack.capture import Capture

EPOCH = 1_700_000_000_000_000_000


class Source:
    """A host that hands out prepared frames."""

    def __init__(self, frames: list[tuple[int, bool, bytes]]) -> None:
        self.frames = frames
        self.drops = 0
        self.running = False

    def start_capture(self, limit: int = 0) -> None:
        self.running = True

    def stop_capture(self) -> None:
        self.running = False

    def captured(self) -> list[tuple[int, bool, bytes]]:
        taken, self.frames = self.frames, []
        return taken

    def counters(self) -> dict[str, int]:
        return {"CaptureDrops": self.drops}


FRAMES = [(7, False, bytes(range(60))), (1_000_000_009, True, b"\xff" * 65_549)]


def read(path: Path) -> list[object]:
    with path.open("rb") as stream:
        return list(FileScanner(stream))


def test_frames_are_written_with_time_direction_and_content(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with Capture(Source(list(FRAMES)), path, epoch=EPOCH, interval=0) as capture:
        capture.drain()
    packets = [block for block in read(path) if isinstance(block, blocks.EnhancedPacket)]
    assert [packet.packet_data for packet in packets] == [frame for _, _, frame in FRAMES]
    assert [(packet.timestamp_high << 32) + packet.timestamp_low for packet in packets] == [
        EPOCH + moment for moment, _, _ in FRAMES
    ]
    assert [packet.options["epb_flags"].inout for packet in packets] == ["inbound", "outbound"]


@pytest.mark.parametrize(("ethernet", "link_type"), [(True, 1), (False, 101)])
def test_interface_says_link_type_and_nanoseconds(tmp_path: Path, ethernet: bool, link_type: int) -> None:
    path = tmp_path / "out.pcapng"
    with Capture(Source([]), path, ethernet=ethernet, name="tap9"):
        pass
    (interface,) = [block for block in read(path) if isinstance(block, blocks.InterfaceDescription)]
    assert interface.link_type == link_type
    assert interface.options["if_tsresol"] == b"\x09"
    assert interface.options["if_name"] == "tap9"


def test_stop_writes_what_is_left_and_stops_the_host(tmp_path: Path) -> None:
    source = Source([])
    capture = Capture(source, tmp_path / "out.pcapng", interval=0)
    capture.start()
    assert source.running
    source.frames = list(FRAMES)
    capture.stop()
    capture.stop()
    assert not source.running
    assert capture.frames == 2


def test_drops_are_counted_from_the_start_and_said(tmp_path: Path) -> None:
    source = Source(list(FRAMES))
    source.drops = 5
    capture = Capture(source, tmp_path / "out.pcapng", interval=0)
    capture.start()
    source.drops = 8
    capture.stop()
    assert capture.drops == 3
    assert "3 dropped" in capture.report()
    (statistics,) = [block for block in read(tmp_path / "out.pcapng") if isinstance(block, blocks.InterfaceStatistics)]
    assert statistics.options["isb_ifdrop"] == 3


def test_file_that_cannot_be_made_raises_before_the_capture_begins(tmp_path: Path) -> None:
    source = Source([])
    with pytest.raises(OSError, match="missing"):
        Capture(source, tmp_path / "missing" / "out.pcapng")
    assert not source.running


def test_tshark_reads_the_file(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is missing (package tshark)")
    path = tmp_path / "out.pcapng"
    with Capture(Source(list(FRAMES)), path, epoch=EPOCH, interval=0):
        pass
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    result = subprocess.run(["tshark", "-r", str(path), *fields], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["1700000000.000000007", "60", "1700000001.000000009", "65549"]
