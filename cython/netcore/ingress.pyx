"""The way in (RFC 894, RFC 791 with the checks of RFC 1122 3.2.1, RFC 9293 3.1; SEG-9, SEG-13, SEG-14, LIM-4)."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.host cimport host_t
from netcore.icmp cimport icmp_arrives, send_error
from netcore.ip.fragments cimport fragment_arrives
from netcore.ip.routes cimport is_worth_an_answer
from netcore.neighbors cimport arp_arrives
from netcore.posix cimport memset
from netcore.storage.chunks cimport chunk_give, chunk_t
from netcore.storage.frames cimport frame_t
from netcore.tcp.input cimport segment_arrives
from netcore.wire.address cimport address_of_ipv4, address_t, ipv4_of_address
from netcore.wire.checksum cimport finish, sum_octets, sum_piece, sum_pseudo_header4
from netcore.wire.ethernet cimport (
    ETHERNET_HEADER_LENGTH, ETHERTYPE_ARP, ETHERTYPE_IPV4, is_group_mac, load_mac,
)
from netcore.wire.icmp cimport (
    CODE_PORT_UNREACHABLE, CODE_PROTOCOL_UNREACHABLE, ICMP_PARAMETER_PROBLEM, ICMP_UNREACHABLE,
)
from netcore.wire.ipv4 cimport (
    ECN_FIELD, ECT_0, ECT_1, IPV4_HEADER_LENGTH, NOT_ECT, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, ipv4_t,
    is_fragment, parse_ipv4,
)
from netcore.wire.ipv4_options cimport OPTIONS_FINE, OPTIONS_ROUTE, judge_options
from netcore.wire.octets cimport load16
from netcore.wire.tcp cimport parse_tcp, segment_t
from netcore.wire.vnet cimport DATA_VALID, GSO_NONE, NEEDS_CSUM, vnet_header_t


cdef void frame_enters(host_t* host, frame_t* frame, const vnet_header_t* vnet, int64_t now) noexcept nogil:
    host.transport.counters.FramesIn += 1
    if host.interface.ethernet:
        ethernet_enters(host, frame, vnet, now)
    else:
        ipv4_enters(host, frame, vnet, frame.octets, frame.length, False, now)


cdef void ethernet_enters(host_t* host, frame_t* frame, const vnet_header_t* vnet, int64_t now) noexcept nogil:
    cdef int kind
    cdef unsigned long long destination
    cdef bint group
    if frame.length < ETHERNET_HEADER_LENGTH:
        host.transport.counters.FramesBad += 1
        return
    destination = load_mac(frame.octets)
    group = is_group_mac(destination)
    if destination != host.interface.mac and not group:
        # somebody else's, which a bridge may well flood to us
        return
    kind = load16(frame.octets + 12)
    if kind == ETHERTYPE_IPV4:
        ipv4_enters(host, frame, vnet, frame.octets + ETHERNET_HEADER_LENGTH, frame.length - ETHERNET_HEADER_LENGTH,
                    group, now)
    elif kind == ETHERTYPE_ARP:
        arp_arrives(&host.neighbors, frame.octets + ETHERNET_HEADER_LENGTH, frame.length - ETHERNET_HEADER_LENGTH, now)


cdef void count_ecn(host_t* host, const ipv4_t* header, uint32_t packets) noexcept nogil:
    cdef uint8_t codepoint = header.tos & ECN_FIELD
    if codepoint == NOT_ECT:
        host.transport.counters.InNoECTPkts += packets
    elif codepoint == ECT_0:
        host.transport.counters.InECT0Pkts += packets
    elif codepoint == ECT_1:
        host.transport.counters.InECT1Pkts += packets
    else:
        host.transport.counters.InCEPkts += packets


cdef void ipv4_enters(host_t* host, frame_t* frame, const vnet_header_t* vnet, const uint8_t* packet, uint32_t length,
                      bint group, int64_t now) noexcept nogil:
    cdef ipv4_t header
    cdef address_t source
    host.transport.counters.InReceives += 1
    if not parse_ipv4(packet, length, &header):
        host.transport.counters.InHdrErrors += 1
        return
    count_ecn(host, &header, 1)
    source = address_of_ipv4(header.source)
    # RFC 1122 3.2.1.3: for us, from a unicast address, and not a unicast packet in a group frame (3.3.6)
    if (header.destination != ipv4_of_address(&host.interface.address) or group
            or not is_worth_an_answer(&host.interface, &source)):
        host.transport.counters.InAddrErrors += 1
        return
    if header.header_length > IPV4_HEADER_LENGTH and not are_options_fine(host, &header, packet, now):
        return
    if is_fragment(&header):
        reassemble(host, &header, packet, now)
    else:
        deliver(host, frame, vnet, &header, packet, now)


cdef bint are_options_fine(host_t* host, const ipv4_t* header, const uint8_t* packet, int64_t now) noexcept nogil:
    """A source route is not followed and its packet dropped, as hosts do it today."""
    cdef int wrong = judge_options(packet, header.header_length)
    if wrong == OPTIONS_FINE:
        return True
    if wrong == OPTIONS_ROUTE:
        host.transport.counters.InDiscards += 1
        return False
    host.transport.counters.InHdrErrors += 1
    send_error(host, header, packet, ICMP_PARAMETER_PROBLEM, 0, <uint32_t> wrong << 24, now)
    return False


cdef void reassemble(host_t* host, const ipv4_t* header, const uint8_t* packet, int64_t now) noexcept nogil:
    cdef chunk_t* chunk = fragment_arrives(&host.fragments, header, packet, now)
    cdef vnet_header_t vnet
    cdef frame_t whole
    cdef ipv4_t read
    if chunk == NULL:
        return
    # no device has seen the whole of it, so none vouches for its sums
    memset(&vnet, 0, sizeof(vnet))
    whole.chunk = chunk
    whole.octets = chunk.data + chunk.start
    whole.length = chunk.end - chunk.start
    whole.arrival = now
    whole.landed = 0
    if parse_ipv4(whole.octets, whole.length, &read):
        deliver(host, &whole, &vnet, &read, whole.octets, now)
    if whole.chunk != NULL:
        chunk_give(&host.transport.pool, chunk)


cdef void deliver(host_t* host, frame_t* frame, const vnet_header_t* vnet, const ipv4_t* header,
                  const uint8_t* packet, int64_t now) noexcept nogil:
    cdef const uint8_t* body = packet + header.header_length
    cdef uint32_t body_length = header.total_length - header.header_length
    if header.protocol == PROTOCOL_TCP:
        host.transport.counters.InDelivers += 1
        tcp_enters(host, frame, vnet, header, body, body_length, now)
    elif header.protocol == PROTOCOL_ICMP:
        host.transport.counters.InDelivers += 1
        icmp_arrives(host, header, packet, now)
    elif header.protocol == PROTOCOL_UDP:
        host.transport.counters.UdpNoPorts += 1
        send_error(host, header, packet, ICMP_UNREACHABLE, CODE_PORT_UNREACHABLE, 0, now)
    else:
        host.transport.counters.InUnknownProtos += 1
        send_error(host, header, packet, ICMP_UNREACHABLE, CODE_PROTOCOL_UNREACHABLE, 0, now)


cdef uint64_t sum_with_landing(const uint8_t* octets, uint32_t length, const frame_t* frame,
                               uint64_t total) noexcept nogil:
    """Headers, text that landed elsewhere, text behind it."""
    cdef uint32_t header_length = (octets[12] >> 4) * 4
    cdef uint32_t behind = header_length + frame.landed
    total = sum_octets(frame.landing, frame.landed, sum_octets(octets, header_length, total))
    return sum_piece(octets + behind, length - behind, total, frame.landed & 1)


cdef void tcp_enters(host_t* host, frame_t* frame, const vnet_header_t* vnet, const ipv4_t* header,
                     const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil:
    cdef segment_t seg
    cdef uint64_t total
    host.transport.counters.InSegs += 1
    # SEG-14: a sum that the device vouches for, or has still to complete, is not checked
    if not vnet.flags & (NEEDS_CSUM | DATA_VALID):
        total = sum_pseudo_header4(octets - header.header_length + 12, octets - header.header_length + 16,
                                   PROTOCOL_TCP, length)
        if finish(sum_octets(octets, length, total) if not frame.landed
                  else sum_with_landing(octets, length, frame, total)) != 0:
            host.transport.counters.InCsumErrors += 1
            host.transport.counters.InErrs += 1
            return
    if not parse_tcp(octets, length, &seg):
        host.transport.counters.InErrs += 1
        return
    seg.source = address_of_ipv4(header.source)
    seg.destination = address_of_ipv4(header.destination)
    seg.ecn = header.tos & ECN_FIELD
    if vnet.gso_type != GSO_NONE and vnet.gso_size and seg.text_length > vnet.gso_size:
        seg.wire_segments = (seg.text_length + vnet.gso_size - 1) // vnet.gso_size
        host.transport.counters.InSegs += seg.wire_segments - 1
        count_ecn(host, header, seg.wire_segments - 1)
    segment_arrives(&host.transport, &seg, frame, now)
