"""IPv4 packets cut into fragments, as a router would and as none would."""

import random

from netcore.wire import decode

MORE = 0x2000


def in_pieces(packet: bytes, source: random.Random) -> list[bytes]:
    """The fragments of a good packet (RFC 791 3.2), last first or in disorder.

    A third of the time one thing is wrong: a piece is missing, comes twice, is longer than the next piece's beginning
    allows, or does not say that more follow.
    """
    header = decode.parse_ipv4(packet)
    assert header is not None
    payload = header["payload"]
    size = source.choice((8, 24, 64, 512, 1024))
    # a host that awaits few datagrams of each source is not to be kept busy by one
    size = max(size, (len(payload) // 16 + 7) & ~7)
    starts = list(range(0, max(len(payload), 1), size))
    wrong = source.randrange(12)
    chosen = source.randrange(len(starts))
    identification = source.getrandbits(16)
    pieces = []
    for number, start in enumerate(starts):
        last = number == len(starts) - 1
        length = size + (8 if wrong == 0 and number == chosen else 0)
        more = 0 if last or (wrong == 1 and number == chosen) else MORE
        piece = decode.build_ipv4(
            header["source"], header["destination"], header["protocol"], payload[start : start + length],
            tos=header["tos"], identification=identification, fragment=start // 8 | more,
        )  # fmt: skip
        pieces.append(piece)
    if wrong == 2:
        del pieces[chosen]
    elif wrong == 3:
        pieces.append(pieces[chosen])
    pieces.reverse()
    if source.random() < 0.5:
        source.shuffle(pieces)
    return pieces or [packet]
