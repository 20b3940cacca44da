"""Echo replies and errors, built as finished packets for egress; errors of others read as far as they quote."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.ip.error_rate cimport take_token
from netcore.ip.fragments cimport PAYLOAD_AT, datagram_t, release_datagram, take_expired
from netcore.ip.identification cimport next_identification
from netcore.posix cimport memcpy, memset
from netcore.storage.chunks cimport SMALL_CHUNK, chunk_give, chunk_take
from netcore.storage.replies cimport HEADROOM, packet_t, replies_put
from netcore.tcp.errors cimport error_arrives, quoted_t
from netcore.wire.address cimport address_of_ipv4, ipv4_of_address
from netcore.wire.ethernet cimport ETHERTYPE_IPV4
from netcore.wire.icmp cimport (
    CODE_FRAGMENTATION_NEEDED, CODE_REASSEMBLY_TIME_EXCEEDED, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER_LENGTH,
    ICMP_PARAMETER_PROBLEM, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, build_icmp, is_icmp_error, is_icmp_sound,
)
from netcore.wire.ipv4 cimport (
    IPV4_FRAGMENT_OFFSET, IPV4_HEADER_LENGTH, PROTOCOL_ICMP, PROTOCOL_TCP, build_ipv4, ipv4_t,
    parse_quoted_ipv4, sum_header_anew,
)
from netcore.wire.ipv4_options cimport answer_options
from netcore.wire.octets cimport load16, load32, store32

cdef enum:
    # RFC 791 3.1: the time of a timestamp option counts from somewhere else than midnight UT
    NO_STANDARD_TIME = 0x80000000U
    # of a transport header, what an error must quote at least
    QUOTED_LENGTH = 8


cdef uint8_t* begin_packet(host_t* host, const ipv4_t* answered, const uint8_t* options, uint32_t options_length,
                           uint32_t length, packet_t* packet) noexcept nogil:
    """A packet back to the sender of `answered`; where its `length` octets of ICMP are to come. NULL: no memory."""
    cdef ipv4_t header
    cdef uint32_t header_length = IPV4_HEADER_LENGTH + options_length
    cdef uint8_t* network
    memset(packet, 0, sizeof(packet_t))
    if (HEADROOM + header_length + length > SMALL_CHUNK
            and host.transport.pool.in_use > host.transport.tunables.memory_limit):
        # LIM-2: as many replies as may wait for their turn would hold more than the limit
        return NULL
    packet.chunk = chunk_take(&host.transport.pool, HEADROOM + header_length + length)
    if packet.chunk == NULL:
        return NULL
    packet.ethertype = ETHERTYPE_IPV4
    packet.chunk.start = HEADROOM
    packet.chunk.end = HEADROOM + header_length + length
    header.tos = 0
    header.total_length = <unsigned short> (header_length + length)
    header.identification = next_identification(&host.identifications, answered.source, PROTOCOL_ICMP, 1)
    header.fragment = 0
    header.ttl = <uint8_t> host.transport.tunables.ttl
    header.protocol = PROTOCOL_ICMP
    header.source = answered.destination
    header.destination = answered.source
    network = packet.chunk.data + HEADROOM
    build_ipv4(network, &header)
    if options_length:
        memcpy(network + IPV4_HEADER_LENGTH, options, options_length)
        network[0] = <uint8_t> (0x40 | header_length // 4)
        sum_header_anew(network)
    return network + header_length


cdef void put_packet(host_t* host, packet_t* packet) noexcept nogil:
    if not replies_put(&host.replies, packet):
        host.transport.counters.ReplyDrops += 1
        chunk_give(&host.transport.pool, packet.chunk)


cdef void answer_echo(host_t* host, const ipv4_t* header, const uint8_t* packet, int64_t now) noexcept nogil:
    """RFC 1122 3.2.2.6"""
    cdef uint8_t options[40]
    cdef uint32_t length = header.total_length - header.header_length
    cdef int options_length = 0
    cdef packet_t reply
    cdef uint8_t* body
    host.transport.counters.IcmpInEchos += 1
    if header.header_length > IPV4_HEADER_LENGTH:
        options_length = answer_options(packet, header.header_length, header.destination,
                                        <uint32_t> (now // 1_000_000) | NO_STANDARD_TIME, options)
    body = begin_packet(host, header, options, options_length, length, &reply)
    if body == NULL:
        return
    memcpy(body, packet + header.header_length, length)
    build_icmp(body, length, ICMP_ECHO_REPLY, 0)
    host.transport.counters.IcmpOutEchoReps += 1
    put_packet(host, &reply)


cdef void take_error(host_t* host, const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil:
    """What the error quotes must have been ours (RFC 5927 4)."""
    cdef const uint8_t* quotation = octets + ICMP_HEADER_LENGTH
    cdef quoted_t quoted
    cdef ipv4_t header
    if not parse_quoted_ipv4(quotation, length - ICMP_HEADER_LENGTH, &header):
        return
    if (header.source != ipv4_of_address(&host.interface.address) or header.fragment & IPV4_FRAGMENT_OFFSET
            or header.protocol != PROTOCOL_TCP
            or length < <uint32_t> ICMP_HEADER_LENGTH + header.header_length + QUOTED_LENGTH):
        return
    quotation += header.header_length
    quoted.local = address_of_ipv4(header.source)
    quoted.remote = address_of_ipv4(header.destination)
    quoted.local_port = load16(quotation)
    quoted.remote_port = load16(quotation + 2)
    quoted.seq = load32(quotation + 4)
    quoted.packet_length = header.total_length
    quoted.mtu = load16(octets + 6) if octets[1] == CODE_FRAGMENTATION_NEEDED else 0
    error_arrives(&host.transport, &quoted, octets[0], octets[1], now)


cdef void icmp_arrives(host_t* host, const ipv4_t* header, const uint8_t* packet, int64_t now) noexcept nogil:
    cdef const uint8_t* octets = packet + header.header_length
    cdef uint32_t length = header.total_length - header.header_length
    host.transport.counters.IcmpInMsgs += 1
    if not is_icmp_sound(octets, length):
        host.transport.counters.IcmpInErrors += 1
        if length >= ICMP_HEADER_LENGTH:
            host.transport.counters.IcmpInCsumErrors += 1
        return
    if octets[0] == ICMP_ECHO_REQUEST:
        # whatever its code: RFC 1122 3.2.2 wants silence for unknown types alone, and scanners vary the code
        answer_echo(host, header, packet, now)
        return
    if octets[0] == ICMP_UNREACHABLE:
        host.transport.counters.IcmpInDestUnreachs += 1
    elif octets[0] == ICMP_TIME_EXCEEDED:
        host.transport.counters.IcmpInTimeExcds += 1
    elif octets[0] == ICMP_PARAMETER_PROBLEM:
        host.transport.counters.IcmpInParmProbs += 1
    else:
        # RFC 6633: source quench too is passed over; there is but one gateway, so redirects are
        return
    take_error(host, octets, length, now)


cdef bint may_be_told(const ipv4_t* header, const uint8_t* packet) noexcept nogil:
    """RFC 1122 3.2.2: never about an error, nor about a fragment but the first.

    That packets to or from groups and in frames for all get none, ingress sees to.
    """
    if header.fragment & IPV4_FRAGMENT_OFFSET:
        return False
    if header.protocol != PROTOCOL_ICMP:
        return True
    # without its type nobody knows whether it is an error
    return header.total_length > header.header_length and not is_icmp_error(packet[header.header_length])


cdef void send_error(host_t* host, const ipv4_t* header, const uint8_t* packet, uint8_t kind, uint8_t code,
                     uint32_t rest, int64_t now) noexcept nogil:
    cdef packet_t error
    cdef uint8_t* body
    cdef uint32_t quoted = header.header_length + QUOTED_LENGTH
    if not may_be_told(header, packet):
        return
    if not take_token(&host.error_rate, header.source, &host.transport.tunables, now):
        host.transport.counters.IcmpOutRateLimited += 1
        return
    if quoted > header.total_length:
        quoted = header.total_length
    body = begin_packet(host, header, NULL, 0, ICMP_HEADER_LENGTH + quoted, &error)
    if body == NULL:
        return
    store32(body + 4, rest)
    memcpy(body + ICMP_HEADER_LENGTH, packet, quoted)
    build_icmp(body, ICMP_HEADER_LENGTH + quoted, kind, code)
    if kind == ICMP_UNREACHABLE:
        host.transport.counters.IcmpOutDestUnreachs += 1
    elif kind == ICMP_TIME_EXCEEDED:
        host.transport.counters.IcmpOutTimeExcds += 1
    elif kind == ICMP_PARAMETER_PROBLEM:
        host.transport.counters.IcmpOutParmProbs += 1
    put_packet(host, &error)


cdef void reassembly_expires(host_t* host, int64_t now) noexcept nogil:
    cdef datagram_t* datagram = take_expired(&host.fragments, now)
    cdef uint8_t* packet
    cdef ipv4_t header
    while datagram != NULL:
        if datagram.has_first and not datagram.discarded:
            packet = datagram.chunk.data + PAYLOAD_AT - datagram.header_length
            memcpy(packet, datagram.header, datagram.header_length)
            if parse_quoted_ipv4(packet, datagram.header_length, &header):
                send_error(host, &header, packet, ICMP_TIME_EXCEEDED, CODE_REASSEMBLY_TIME_EXCEEDED, 0, now)
        release_datagram(&host.fragments, datagram)
        datagram = take_expired(&host.fragments, now)
