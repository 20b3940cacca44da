"""Traffic keys and codes of the segments that RFC 9235 publishes, and of random ones beside the library."""

import random
from pathlib import Path
from types import ModuleType

import pytest

from tests.tcp.signing import (
    CMAC_96,
    KIND_AO,
    KIND_MD5,
    SHA1,
    AoKey,
    context,
    md5_code,
    place_of,
    tcp_of,
    traffic_key,
)

pytestmark = pytest.mark.requirement("TCPX-7")

# RFC 9235 3.1: the master key of all
SECRET = b"testvector"
VECTORS = [
    line.split()
    for line in Path(__file__).with_name("rfc9235.txt").read_text().splitlines()
    if not line.startswith("#")
]


def ends_of(packet: bytes) -> tuple[bytes, bytes]:
    """Source and destination address."""
    return (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])


def ports_of(segment: bytes) -> tuple[int, int]:
    """Source and destination port."""
    return int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector[0])
def test_segment_of_rfc_9235_has_its_traffic_key_and_code(digests: ModuleType, vector: list[str]) -> None:
    _, algorithm, flag, source, destination, key, text = vector
    covered, source_isn, destination_isn = flag == "1", int(source, 16), int(destination, 16)
    packet = bytes.fromhex(text)
    segment, ends = tcp_of(packet), ends_of(packet)
    traffic = digests.traffic_key(algorithm, SECRET, ends, ports_of(segment), (source_isn, destination_isn))
    assert traffic.hex() == key
    at = place_of(segment, KIND_AO)
    code = digests.code(algorithm, SECRET, traffic, 0, ends, segment, at, covered)
    assert code == segment[at + 4 : at + 16]
    # what the other tests take for right is right as well
    assert AoKey(SECRET, algorithm, cover_options=covered).code(packet, source_isn, destination_isn) == code


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("algorithm", [SHA1, CMAC_96])
def test_random_segments_have_the_codes_of_the_library(digests: ModuleType, algorithm: str, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        secret = draw.randbytes(draw.choice([1, 15, 16, 17, 64, 65, 80]))
        wide, covered = draw.random() < 0.5, draw.random() < 0.5
        ends = (draw.randbytes(16 if wide else 4), draw.randbytes(16 if wide else 4))
        before = b"\x01" * (4 * draw.randrange(7))
        option = bytes((KIND_AO, 16)) + draw.randbytes(14)
        size = (20 + len(before) + 16) // 4
        segment = draw.randbytes(12) + bytes((size << 4, 24)) + draw.randbytes(6) + before + option
        segment += draw.randbytes(draw.randrange(1500))
        head = bytes((0x60,)) + bytes(7) if wide else bytes((0x45,)) + bytes(11)
        isns = (draw.getrandbits(32), draw.getrandbits(32))
        traffic = digests.traffic_key(algorithm, secret, ends, ports_of(segment), isns)
        if not wide:
            name = [".".join(map(str, end)) for end in ends]
            assert traffic == traffic_key(algorithm, secret, context(name[0], name[1], ports_of(segment), isns))
        upper = draw.getrandbits(32)
        expected = AoKey(secret, algorithm, cover_options=covered).code(head + b"".join(ends) + segment, *isns, upper)
        assert digests.code(algorithm, secret, traffic, upper, ends, segment, 20 + len(before), covered) == expected


def test_random_segments_have_the_md5_of_the_library(digests: ModuleType) -> None:
    draw = random.Random(9)
    for _ in range(100):
        secret, ends = draw.randbytes(draw.randrange(1, 81)), (draw.randbytes(4), draw.randbytes(4))
        option = bytes((KIND_MD5, 18)) + draw.randbytes(16) + b"\x01\x01"
        segment = draw.randbytes(12) + bytes((10 << 4, 24)) + draw.randbytes(6) + option
        segment += draw.randbytes(draw.randrange(1500))
        packet = bytes((0x45,)) + bytes(11) + b"".join(ends) + segment
        assert digests.code("md5", secret, b"", 0, ends, segment, 20, True) == md5_code(packet, secret)
