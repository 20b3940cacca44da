"""Puts right what a checksum would give away, so that damaged packets get past the first look."""

from netcore.wire import decode
from tests.hostile.cast import ICMP, TCP, UDP, VICTIM

# what is mended, a sum of: version, lengths and checksum of the IP header; the checksum of TCP, UDP or ICMP; addresses
FIX_IP, FIX_TRANSPORT, TO_VICTIM, FROM_STRANGER = 1, 2, 4, 8
EVERYTHING = FIX_IP | FIX_TRANSPORT | TO_VICTIM | FROM_STRANGER


def mended(octets: bytes, what: int, stranger: bytes) -> bytes:
    """An IP packet with addresses, lengths and checksums put right as `what` says; too short ones stay."""
    packet = bytearray(octets)
    if len(packet) < 20:
        return octets
    if what & FROM_STRANGER:
        packet[12:16] = stranger
    if what & TO_VICTIM:
        packet[16:20] = VICTIM
    head = max(20, (packet[0] & 15) * 4)
    if what & FIX_IP and head <= len(packet):
        packet[0] = 0x40 | head // 4
        packet[2:4] = len(packet).to_bytes(2, "big")
        packet[10:12] = bytes(2)
        packet[10:12] = decode.checksum(bytes(packet[:head])).to_bytes(2, "big")
    place = {TCP: 16, UDP: 6, ICMP: 2}.get(packet[9])
    if what & FIX_TRANSPORT and place is not None and len(packet) >= head + place + 2:
        at = head + place
        packet[at : at + 2] = bytes(2)
        payload = bytes(packet[head:])
        if packet[9] == ICMP:
            total = decode.checksum(payload)
        else:
            total = decode.transport_checksum(bytes(packet[12:16]), bytes(packet[16:20]), packet[9], payload)
        packet[at : at + 2] = total.to_bytes(2, "big")
    return bytes(packet)
