"""Signatures (RFC 2385, RFC 5925) among hostile bytes: keys of the hosts, options that attackers can make."""

import hashlib
import random

from netcore.engine import Engine
from netcore.keyring import Keyring
from netcore.wire import decode
from tests.hostile.cast import FRIEND, STRANGERS, TCP, VICTIM

# of the friend, whose connection from here is signed
SIGNED_PORT = 50004
SECRET = b"of friends"
# the attacker plays this one and has its key too
SIGNED_STRANGER = STRANGERS[0]
STRANGERS_SECRET = b"of strangers"
MOST_BEFORE_DIGEST = 20
KIND_MD5, KIND_AO = 19, 29


def text_of(address: bytes) -> str:
    """An IPv4 address as people write it."""
    return ".".join(map(str, address))


def share_keys(victim: Engine, friend: Engine, kind: str) -> None:
    """Victim and friend sign what goes from and to SIGNED_PORT; one stranger signs as well.

    kind: "md5", or an algorithm of TCP-AO.
    """
    for host, peer, local, remote, mine, theirs in (
        (victim, FRIEND, 0, SIGNED_PORT, 1, 2),
        (friend, VICTIM, SIGNED_PORT, 0, 2, 1),
    ):
        keys = Keyring(host)
        if kind == "md5":
            keys.add_md5(text_of(peer), SECRET, local_port=local, remote_port=remote)
        else:
            keys.add_ao(
                text_of(peer), SECRET, send_id=mine, receive_id=theirs, algorithm=kind, local_port=local,
                remote_port=remote,
            )  # fmt: skip
    Keyring(victim).add_md5(text_of(SIGNED_STRANGER), STRANGERS_SECRET)


def false_signature(source: random.Random) -> bytes:
    """Options of a multiple of four octets that sign nothing: no code, a wrong one, one of another length, two."""
    code = source.randbytes(16)
    digest = bytes([1, 1, KIND_MD5, 18]) + code
    ao = bytes([KIND_AO, 16, source.choice((1, 2, 3)), source.choice((1, 2, 3))]) + code[:12]
    return source.choice(
        (b"", digest, digest, ao, ao, ao + digest, ao + ao, digest[:2] + bytes([KIND_AO, 18]) + code,
         bytes([KIND_AO, 4, 1, 2]), bytes([1, KIND_AO, 3, 1]), bytes([1, 1, KIND_AO, 2]), bytes([KIND_MD5, 40, 0, 0]),
         bytes([1, 1, KIND_MD5, 2]))
    )  # fmt: skip


def digest_option(
    ports: tuple[int, int], numbers: tuple[int, int], flags: int, window: int, text: bytes, options: bytes, urgent: int
) -> bytes:
    """The options and behind them the right digest of a segment from SIGNED_STRANGER; just the options: no room."""
    if len(options) > MOST_BEFORE_DIGEST or len(options) % 4:
        return options
    head = options + bytes([1, 1, KIND_MD5, 18])
    segment = decode.build_tcp(
        *ports, *numbers, flags, window, text, options=head + bytes(16), addresses=(SIGNED_STRANGER, VICTIM),
        urgent=urgent,
    )  # fmt: skip
    covered = SIGNED_STRANGER + VICTIM + bytes([0, TCP]) + len(segment).to_bytes(2, "big")
    covered += segment[:16] + bytes(2) + segment[18:20] + text + STRANGERS_SECRET
    return head + hashlib.md5(covered).digest()
