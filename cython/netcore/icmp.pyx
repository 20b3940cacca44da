"""Echo replies and errors, built as finished packets for egress."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.posix cimport memcpy, memset
from netcore.storage.chunks cimport chunk_give, chunk_take
from netcore.storage.replies cimport HEADROOM, packet_t, replies_put
from netcore.wire.ethernet cimport ETHERTYPE_IPV4
from netcore.wire.icmp cimport (
    ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER_LENGTH, ICMP_UNREACHABLE, build_icmp, is_icmp_sound,
)
from netcore.wire.ipv4 cimport IPV4_HEADER_LENGTH, PROTOCOL_ICMP, build_ipv4, ipv4_t


cdef bint begin_packet(host_t* host, const ipv4_t* answered, uint32_t length, packet_t* packet) noexcept nogil:
    """A packet with `length` octets of ICMP to come, back to the sender of `answered`."""
    cdef ipv4_t header
    memset(packet, 0, sizeof(packet_t))
    packet.chunk = chunk_take(&host.transport.pool, HEADROOM + IPV4_HEADER_LENGTH + length)
    if packet.chunk == NULL:
        return False
    packet.ethertype = ETHERTYPE_IPV4
    packet.chunk.start = HEADROOM
    packet.chunk.end = HEADROOM + IPV4_HEADER_LENGTH + length
    header.tos = 0
    header.total_length = <unsigned short> (IPV4_HEADER_LENGTH + length)
    header.identification = 0
    header.fragment = 0
    header.ttl = <uint8_t> host.transport.tunables.ttl
    header.protocol = PROTOCOL_ICMP
    header.source = answered.destination
    header.destination = answered.source
    build_ipv4(packet.chunk.data + HEADROOM, &header)
    return True


cdef void put_packet(host_t* host, packet_t* packet) noexcept nogil:
    if not replies_put(&host.replies, packet):
        host.transport.counters.ReplyDrops += 1
        chunk_give(&host.transport.pool, packet.chunk)


cdef void icmp_arrives(host_t* host, const ipv4_t* header, const uint8_t* octets, uint32_t length) noexcept nogil:
    cdef packet_t packet
    cdef uint8_t* body
    host.transport.counters.IcmpInMsgs += 1
    if not is_icmp_sound(octets, length):
        host.transport.counters.IcmpInErrors += 1
        if length >= ICMP_HEADER_LENGTH:
            host.transport.counters.IcmpInCsumErrors += 1
        return
    if octets[0] == ICMP_UNREACHABLE:
        host.transport.counters.IcmpInDestUnreachs += 1
    if octets[0] != ICMP_ECHO_REQUEST or octets[1] != 0:
        return
    host.transport.counters.IcmpInEchos += 1
    if IPV4_HEADER_LENGTH + length > host.interface.mtu or not begin_packet(host, header, length, &packet):
        return
    body = packet.chunk.data + HEADROOM + IPV4_HEADER_LENGTH
    memcpy(body, octets, length)
    build_icmp(body, length, ICMP_ECHO_REPLY, 0)
    host.transport.counters.IcmpOutEchoReps += 1
    put_packet(host, &packet)


cdef void send_unreachable(host_t* host, const ipv4_t* header, const uint8_t* packet, uint8_t code,
                           int64_t now) noexcept nogil:
    cdef packet_t error
    cdef uint8_t* body
    cdef uint32_t quoted = header.header_length + 8
    if now < host.icmp_next:
        # RFC 1812 4.3.2.8: errors must not multiply a flood
        host.transport.counters.IcmpOutRateLimited += 1
        return
    if quoted > header.total_length:
        quoted = header.total_length
    if not begin_packet(host, header, ICMP_HEADER_LENGTH + quoted, &error):
        return
    host.icmp_next = now + host.transport.tunables.icmp_interval
    body = error.chunk.data + HEADROOM + IPV4_HEADER_LENGTH
    memset(body, 0, ICMP_HEADER_LENGTH)
    memcpy(body + ICMP_HEADER_LENGTH, packet, quoted)
    build_icmp(body, ICMP_HEADER_LENGTH + quoted, ICMP_UNREACHABLE, code)
    host.transport.counters.IcmpOutDestUnreachs += 1
    put_packet(host, &error)
