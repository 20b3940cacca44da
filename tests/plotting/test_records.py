"""Files of frames: every form of pcap and pcapng gives the same records, and what is no capture is said in a line."""

import gzip
import struct
from pathlib import Path

import pytest

from stack.plotting.records import CaptureUnreadable, Records, read_records

FRAMES = [(1_700_000_000_000_001_000, b"first"), (1_700_000_001_500_000_000, b"the second")]


def pcap(order: str, magic: int, unit: int, frames: list[tuple[int, bytes]] = FRAMES, link: int = 1) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for time, frame in frames:
        seconds, rest = divmod(time, 10**9)
        out += struct.pack(order + "IIII", seconds, rest // unit, len(frame), len(frame) + 3) + frame
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(
    order: str = "<", resolution: int | None = None, offset: int = 0, stamps: list[int] | None = None, link: int = 1
) -> bytes:
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset:
        options += struct.pack(order + "HHq", 14, 8, offset)
    out = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)
    for index, (time, frame) in enumerate(FRAMES):
        stamp = time // 1000 if stamps is None else stamps[index]
        head = struct.pack(order + "IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame) + 3)
        out += block(order, 6, head + frame + bytes(-len(frame) % 4))
    return out


def contents(records: Records) -> list[tuple[int, bytes]]:
    return [
        (int(time), records.octets[offset : offset + length].tobytes())
        for time, offset, length in zip(records.time, records.offset, records.captured, strict=True)
    ]


def read(folder: Path, data: bytes) -> Records:
    path = folder / "capture"
    path.write_bytes(data)
    return read_records(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap_of_any_byte_order_and_unit_is_read(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    records = read(tmp_path, pcap(order, magic, unit, link=0x1000_0001))
    assert contents(records) == FRAMES
    assert records.original.tolist() == [8, 13]
    assert records.link.tolist() == [1, 1]
    assert records.notes == ()


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_any_byte_order_is_read(tmp_path: Path, order: str) -> None:
    records = read(tmp_path, pcapng(order, link=101))
    assert contents(records) == FRAMES
    assert records.original.tolist() == [8, 13]
    assert records.link.tolist() == [101, 101]


@pytest.mark.parametrize(
    ("resolution", "offset", "stamps"),
    [
        (9, 0, [time for time, _ in FRAMES]),
        (6, 1_700_000_000, [1, 1_500_000]),
        (3, 1_700_000_000, [0, 1500]),
        (12, 1_700_000_000, [1_000_000, 1_500_000_000_000]),
        (0x80 | 1, 1_700_000_000, [0, 3]),
        (0x80 | 40, 1_700_000_000, [1_099_511, 3 << 39]),
    ],
)
def test_resolution_and_offset_of_the_interface_are_used(
    tmp_path: Path, resolution: int, offset: int, stamps: list[int]
) -> None:
    times = [time for time, _ in contents(read(tmp_path, pcapng("<", resolution, offset, stamps)))]
    exact = [1000 if resolution in (6, 9, 12, 0x80 | 40) else 0, 1_500_000_000]
    assert [time - 1_700_000_000 * 10**9 for time in times] == pytest.approx(exact, abs=2)


def test_sections_of_two_byte_orders_keep_their_interfaces(tmp_path: Path) -> None:
    records = read(tmp_path, pcapng("<", link=1) + pcapng(">", link=113))
    assert contents(records) == FRAMES * 2
    assert records.link.tolist() == [1, 1, 113, 113]
    assert records.interface.tolist() == [0, 0, 1, 1]


def test_obsolete_packet_blocks_are_read_and_simple_ones_are_counted(tmp_path: Path) -> None:
    time, frame = FRAMES[0]
    stamp = time // 1000
    head = struct.pack("<HHIIII", 0, 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
    data = pcapng() + block("<", 2, head + frame) + block("<", 3, struct.pack("<I", 5) + frame)
    records = read(tmp_path, data)
    assert sorted(contents(records)) == sorted([*FRAMES, FRAMES[0]])
    assert "1 frames are left out" in records.notes[0]


def test_gzipped_capture_is_read(tmp_path: Path) -> None:
    assert contents(read(tmp_path, gzip.compress(pcapng()))) == FRAMES


@pytest.mark.parametrize("data", [pcap("<", 0xA1B2C3D4, 1000), pcapng()], ids=["pcap", "pcapng"])
def test_file_that_breaks_off_gives_what_is_whole_and_a_note(tmp_path: Path, data: bytes) -> None:
    records = read(tmp_path, data[:-3])
    assert contents(records) == FRAMES[:1]
    assert records.notes == ("the file ends in the middle of a record, after 1 frames",)


def test_every_prefix_of_a_capture_is_read_or_refused_with_its_name(tmp_path: Path) -> None:
    refused = []
    for data in (pcap("<", 0xA1B2C3D4, 1000), pcapng()):
        for length in range(len(data)):
            try:
                read(tmp_path, data[:length])
            except CaptureUnreadable as error:
                refused.append(str(error))
    assert refused
    assert all(text.startswith(str(tmp_path)) for text in refused)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "nothing"),
        (b"GET / HTTP/1.0\r\n", "47 45 54 20"),
        (b"\xd4\xc3\xb2\xa1", "4 bytes"),
        (b"\x1f\x8bnonsense", "unpacked"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "byte order"),
    ],
)
def test_what_is_no_capture_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(CaptureUnreadable, match=said):
        read(tmp_path, data)
