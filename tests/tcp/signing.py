"""Signatures computed beside the core, from the RFCs: RFC 2385 and RFC 5925 over packets as scapy writes them."""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from scapy.layers.inet import IP, TCP

from netcore.keyring import Keyring
from tests.tcp.scripted_peer import PEER_ADDRESS, Host, Peer
from tests.tcp.segments import MODULUS, Segment

KIND_MD5 = 19
KIND_AO = 29
SHA1 = "hmac-sha-1-96"
CMAC_96 = "aes-128-cmac-96"


def cmac(key: bytes, text: bytes) -> bytes:
    """AES-128-CMAC (RFC 4493)."""
    code = CMAC(algorithms.AES(key))
    code.update(text)
    return code.finalize()


def traffic_key(algorithm: str, secret: bytes, context: bytes) -> bytes:
    """RFC 5926 3.1.1; `context`: both addresses, both ports, both initial sequence numbers, the sender's first."""
    if algorithm == SHA1:
        return hmac.digest(secret, b"\x01TCP-AO" + context + (160).to_bytes(2, "big"), "sha1")
    key = secret if len(secret) == 16 else cmac(bytes(16), secret)
    return cmac(key, b"\x01TCP-AO" + context + (128).to_bytes(2, "big"))


def options_of(segment: bytes) -> list[tuple[int, int, int]]:
    """Kind, place and length of each option of a TCP segment."""
    at, end, found = 20, (segment[12] >> 4) * 4, []
    while at < end and segment[at] != 0:
        if segment[at] == 1:
            at += 1
            continue
        found.append((segment[at], at, segment[at + 1]))
        at += segment[at + 1]
    return found


def place_of(segment: bytes, kind: int) -> int:
    """Where the only option of this kind is; no other signs the segment."""
    places = [(found, at) for found, at, _ in options_of(segment) if found in (KIND_MD5, KIND_AO)]
    assert [found for found, _ in places] == [kind], f"options {options_of(segment)}, not one of kind {kind}"
    return places[0][1]


def pseudo_header(packet: bytes) -> bytes:
    """That of the checksum (RFC 9293 3.1, RFC 8200 8.1)."""
    if packet[0] >> 4 == 4:
        return packet[12:20] + b"\0\x06" + (len(packet) - 20).to_bytes(2, "big")
    return packet[8:40] + (len(packet) - 40).to_bytes(4, "big") + b"\0\0\0\x06"


def tcp_of(packet: bytes) -> bytes:
    """The segment of an IP packet without options."""
    return packet[20:] if packet[0] >> 4 == 4 else packet[40:]


def md5_code(packet: bytes, secret: bytes) -> bytes:
    """RFC 2385 2.0."""
    segment = tcp_of(packet)
    header = segment[:16] + b"\0\0" + segment[18:20]
    text = segment[(segment[12] >> 4) * 4 :]
    return hashlib.md5(pseudo_header(packet) + header + text + secret).digest()


@dataclass(frozen=True)
class AoKey:
    """A master key tuple as the peer has it; send_id is in what the peer sends."""

    secret: bytes = b"testvector"
    algorithm: str = SHA1
    send_id: int = 61
    receive_id: int = 84
    cover_options: bool = True

    def code(self, packet: bytes, source_isn: int, destination_isn: int, extension: int = 0) -> bytes:
        """RFC 5925 5.1 of a packet with its option in place."""
        segment = bytearray(tcp_of(packet))
        at, length = place_of(segment, KIND_AO), (segment[12] >> 4) * 4
        addresses = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
        isns = source_isn.to_bytes(4, "big") + destination_isn.to_bytes(4, "big")
        key = traffic_key(self.algorithm, self.secret, addresses + bytes(segment[:4]) + isns)
        segment[16:18] = bytes(2)
        segment[at + 4 : at + 16] = bytes(12)
        covered = bytes(segment)
        if not self.cover_options:
            covered = covered[:20] + covered[at : at + 16] + covered[length:]
        text = extension.to_bytes(4, "big") + pseudo_header(packet) + covered
        return hmac.digest(key, text, "sha1")[:12] if self.algorithm == SHA1 else cmac(key, text)[:12]

    def give_to(self, keyring: Keyring, peer: str = PEER_ADDRESS, **ports: int) -> int:
        """The host's side of this key."""
        return keyring.add_ao(
            peer,
            self.secret,
            send_id=self.receive_id,
            receive_id=self.send_id,
            algorithm=self.algorithm,
            cover_options=self.cover_options,
            **ports,
        )


class SignedPeer(Peer):
    """A scripted peer that signs what it sends and checks the signature of all that it gets.

    secret: of RFC 2385; or key: of RFC 5925. `wanted_key` is the one it asks for, `known` all that it takes.
    corrupt: the bit of the next code to be turned. signed: False sends without.
    """

    def __init__(self, host: Host, *, secret: bytes | None = None, key: AoKey | None = None, **fields: Any) -> None:
        super().__init__(host, **fields)
        self.secret = secret
        self.key = key
        self.wanted_key = key
        self.known = [key] if key else []
        self.corrupt: int | None = None
        self.signed = True
        self.extension = 0
        self.their_extension = 0
        self.asked: list[int] = []

    def syn_options(self) -> list[Any]:
        """Without the NOPs around SACK-permitted: the others and a digest fill the 40 octets."""
        options: list[Any] = [("MSS", self.mss)]
        options += [("NOP", None), ("WScale", self.scale)] if self.scale is not None else []
        options += [("SAckOK", b"")] if self.sack else []
        return [*options, ("Timestamp", (self.tsval, self.tsecr))] if self.timestamps else options

    def isns(self, flags: str) -> tuple[int, int]:
        """Ours and theirs, as they take part in a key (RFC 5925 5.2)."""
        return self.iss, 0 if "S" in flags and "A" not in flags else self.base or 0

    def segment(self, flags: str, *arguments: Any, **fields: Any) -> IP:
        if "blocks" in fields:
            # the code leaves room for so many
            others = (18 if self.secret is not None else 16) + (12 if self.timestamps else 0) + 4
            fields["blocks"] = fields["blocks"][: (40 - others) // 8]
        packet = super().segment(flags, *arguments, **fields)
        return self.sign(packet) if self.signed else packet

    def sign(self, packet: IP) -> IP:
        """Puts the option behind the others."""
        if self.secret is not None:
            option: tuple[Any, bytes] = (KIND_MD5, bytes(16))
        else:
            assert self.key is not None
            assert self.wanted_key is not None
            option = (KIND_AO, bytes((self.key.send_id, self.wanted_key.receive_id)) + bytes(12))
        tcp = packet[TCP]
        others = list(tcp.options)
        tcp.options = [*others, option]
        del packet.len, packet.chksum, tcp.chksum, tcp.dataofs
        octets = bytes(packet)
        if self.secret is not None:
            code = md5_code(octets, self.secret)
        else:
            assert self.key is not None
            code = self.key.code(octets, *self.isns(str(tcp.flags)), self.extension)
        if self.corrupt is not None:
            code = (int.from_bytes(code, "big") ^ 1 << self.corrupt).to_bytes(len(code), "big")
            self.corrupt = None
        tcp.options = [*others, (option[0], option[1][: -len(code)] + code)]
        return packet

    def note(self, segment: Segment) -> Segment:
        """Every segment that comes is signed, and rightly."""
        self.check(bytes(segment.packet), segment)
        return super().note(segment)

    def check(self, octets: bytes, segment: Segment) -> None:
        tcp = tcp_of(octets)
        assert len(octets) <= 1500
        if self.secret is not None:
            at = place_of(tcp, KIND_MD5)
            assert tcp[at + 2 : at + 18] == md5_code(octets, self.secret), f"wrong digest on {segment}"
            return
        at = place_of(tcp, KIND_AO)
        keys = [key for key in self.known if key.receive_id == tcp[at + 2]]
        assert len(keys) == 1, f"KeyID {tcp[at + 2]}"
        self.asked.append(tcp[at + 3])
        ours = 0 if segment.flags == "S" else self.iss
        theirs = 0 if "R" in segment.flags and self.base is None else self.base or 0
        code = keys[0].code(octets, theirs, ours, self.their_extension)
        assert tcp[at + 4 : at + 16] == code, f"wrong code on {segment}"


def context(source: str, destination: str, ports: Sequence[int], isns: Sequence[int]) -> bytes:
    """RFC 5926 3.1.1's Context."""
    addresses = b"".join(ipaddress.ip_address(address).packed for address in (source, destination))
    numbers = b"".join(port.to_bytes(2, "big") for port in ports)
    return addresses + numbers + b"".join((isn % MODULUS).to_bytes(4, "big") for isn in isns)
