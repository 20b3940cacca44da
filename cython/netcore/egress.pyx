"""The way out: headers are put beside the bytes of the send queue, which are written from where they lie (SND-9)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.host cimport host_t
from netcore.ip.identification cimport next_identification
from netcore.ip.routes cimport next_hop
from netcore.neighbors cimport known_neighbor, resolve, wait_for_neighbor
from netcore.paths cimport path_mtu_to
from netcore.posix cimport memcpy, memset
from netcore.storage.byte_queue cimport queue_gather
from netcore.storage.chunks cimport chunk_give, chunk_t, chunk_take
from netcore.storage.links cimport list_append, list_first, list_remove
from netcore.storage.replies cimport HEADROOM, packet_t, replies_take
from netcore.tcp.acknowledging cimport date_segment
from netcore.tcp.output cimport next_segment
from netcore.tcp.statistics cimport count_departure, count_limit
from netcore.tcp.tcb cimport CONTROL_CAPACITY, segment_out_t, tcb_t
from netcore.wire.address cimport address_of_ipv4, address_t, ipv4_of_address
from netcore.wire.checksum cimport fold, ntohs, sum_piece, sum_pseudo_fields4
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH, ETHERTYPE_IPV4, build_ethernet
from netcore.wire.ipv4 cimport (
    IPV4_DONT_FRAGMENT, IPV4_HEADER_LENGTH, IPV4_MORE_FRAGMENTS, PROTOCOL_TCP, build_ipv4, ipv4_t, sum_header_anew,
)
from netcore.wire.octets cimport load16, load32, store16
from netcore.wire.tcp cimport RST, TCP_HEADER_LENGTH, build_tcp, sum_tcp_fields
from netcore.wire.vnet cimport GSO_NONE, GSO_TCPV4, NEEDS_CSUM, vnet_header_t

cdef enum:
    # the network header begins here in outgoing_t.header; link and virtio headers lie before it
    NETWORK_AT = 32


cdef bint next_frame(host_t* host, outgoing_t* out, int64_t now) noexcept nogil:
    cdef packet_t packet
    cdef segment_out_t segment
    if host.cutting.packet.chunk != NULL:
        fragment_leaves(host, out)
        return True
    while True:
        # asked again after each segment that had to wait: an ARP request may have been added for it
        while replies_take(&host.replies, &packet):
            if packet_leaves(host, out, &packet, now):
                return True
        if not take_segment(host, &segment, now):
            return False
        if segment_leaves(host, out, &segment, now):
            return True


cdef bint take_segment(host_t* host, segment_out_t* segment, int64_t now) noexcept nogil:
    """Segments of no connection first, then one of each connection in turn."""
    cdef tcb_t* tcb
    if host.transport.control_count:
        segment[0] = host.transport.control[host.transport.control_first]
        host.transport.control_first = (host.transport.control_first + 1) % CONTROL_CAPACITY
        host.transport.control_count -= 1
        if segment.undated:
            date_segment(segment, now)
        return True
    while host.transport.output.first != NULL:
        tcb = <tcb_t*> list_first(&host.transport.output)
        if next_segment(tcb, segment, now):
            count_departure(tcb, segment, now)
            if segment.is_last:
                list_remove(&tcb.output_link)
                count_limit(tcb, now)
            elif tcb.output_link.next != NULL:
                list_remove(&tcb.output_link)
                list_append(&host.transport.output, &tcb.output_link, tcb)
            return True
        list_remove(&tcb.output_link)
        count_limit(tcb, now)
    return False


cdef inline void put_link_header(host_t* host, outgoing_t* out, uint64_t destination,
                                 uint16_t ethertype) noexcept nogil:
    """pieces[0] is the header from the link on; the virtio header is the device's to put before it."""
    cdef uint8_t* network = <uint8_t*> out.pieces[0].iov_base
    if not host.interface.ethernet:
        return
    build_ethernet(network - ETHERNET_HEADER_LENGTH, destination, host.interface.mac, ethertype)
    out.pieces[0].iov_base = network - ETHERNET_HEADER_LENGTH
    out.pieces[0].iov_len += ETHERNET_HEADER_LENGTH
    out.length += ETHERNET_HEADER_LENGTH
    if out.vnet.flags & NEEDS_CSUM:
        out.vnet.csum_start += ETHERNET_HEADER_LENGTH
        out.vnet.hdr_len += ETHERNET_HEADER_LENGTH


cdef bint packet_leaves(host_t* host, outgoing_t* out, packet_t* packet, int64_t now) noexcept nogil:
    """A finished packet. False when it waits for its neighbor or there is no route."""
    cdef address_t destination, hop
    cdef uint64_t mac = packet.destination_mac
    if mac == 0 and host.interface.ethernet:
        destination = address_of_ipv4(load32(packet.chunk.data + packet.chunk.start + 16))
        if not next_hop(&host.interface, &destination, &hop):
            host.transport.counters.OutNoRoutes += 1
            chunk_give(&host.transport.pool, packet.chunk)
            return False
        mac = resolve(&host.neighbors, &hop, now)
        if mac == 0:
            wait_for_neighbor(&host.neighbors, &hop, packet)
            return False
    if packet.ethertype == ETHERTYPE_IPV4:
        host.transport.counters.OutRequests += 1
        if packet.chunk.end - packet.chunk.start > host.interface.mtu and not packet.gso_size:
            return begin_cutting(host, out, packet, mac, now)
    memset(&out.vnet, 0, sizeof(vnet_header_t))
    out.chunk = packet.chunk
    out.count = 1
    out.pieces[0].iov_base = packet.chunk.data + packet.chunk.start
    out.pieces[0].iov_len = packet.chunk.end - packet.chunk.start
    out.length = packet.chunk.end - packet.chunk.start
    if packet.needs_checksum:
        describe_offload(out, packet.transport_offset, <uint32_t> out.pieces[0].iov_len, packet.gso_size,
                         packet.header_length)
    put_link_header(host, out, mac, packet.ethertype)
    return True


cdef bint begin_cutting(host_t* host, outgoing_t* out, packet_t* packet, uint64_t mac, int64_t now) noexcept nogil:
    """RFC 791 3.2. False when the packet forbids it: it cannot leave."""
    cdef uint8_t* header = packet.chunk.data + packet.chunk.start
    cdef address_t destination = address_of_ipv4(load32(header + 16))
    cdef int64_t expires = 0
    cdef uint32_t mtu = path_mtu_to(&host.transport.paths, &destination, now, &expires)
    cdef uint32_t header_length = (header[0] & 15) * 4
    if mtu == 0 or mtu > host.interface.mtu:
        mtu = host.interface.mtu
    if load16(header + 6) & IPV4_DONT_FRAGMENT or mtu < header_length + 8:
        host.transport.counters.FragFails += 1
        chunk_give(&host.transport.pool, packet.chunk)
        return False
    host.cutting.packet = packet[0]
    host.cutting.destination_mac = mac
    host.cutting.size = (mtu - header_length) & ~7U
    host.cutting.offset = 0
    fragment_leaves(host, out)
    return True


cdef void fragment_leaves(host_t* host, outgoing_t* out) noexcept nogil:
    """The next fragment. Options go with the first one alone: none that we send is to be copied into the others."""
    cdef chunk_t* chunk = host.cutting.packet.chunk
    cdef uint8_t* whole = chunk.data + chunk.start
    cdef uint8_t* network = out.header + NETWORK_AT
    cdef uint32_t whole_header = (whole[0] & 15) * 4
    cdef uint32_t header_length = whole_header if host.cutting.offset == 0 else IPV4_HEADER_LENGTH
    cdef uint32_t left = chunk.end - chunk.start - whole_header - host.cutting.offset
    cdef uint32_t size = host.cutting.size if host.cutting.size < left else left
    memcpy(network, whole, header_length)
    network[0] = <uint8_t> (0x40 | header_length // 4)
    store16(network + 2, <uint16_t> (header_length + size))
    store16(network + 6, <uint16_t> (host.cutting.offset // 8 | (IPV4_MORE_FRAGMENTS if size < left else 0)))
    sum_header_anew(network)
    memset(&out.vnet, 0, sizeof(vnet_header_t))
    out.chunk = NULL
    out.count = 2
    out.pieces[0].iov_base = network
    out.pieces[0].iov_len = header_length
    out.pieces[1].iov_base = whole + whole_header + host.cutting.offset
    out.pieces[1].iov_len = size
    out.length = header_length + size
    host.cutting.offset += size
    host.transport.counters.FragCreates += 1
    if size == left:
        out.chunk = chunk
        host.cutting.packet.chunk = NULL
        host.transport.counters.FragOKs += 1
    put_link_header(host, out, host.cutting.destination_mac, ETHERTYPE_IPV4)


cdef void describe_offload(outgoing_t* out, uint16_t start, uint32_t length, uint16_t gso_size,
                           uint16_t header_length) noexcept nogil:
    """What the device has to finish: the checksum, and the cut into segments of gso_size bytes of text."""
    out.vnet.flags = NEEDS_CSUM
    out.vnet.csum_start = start
    out.vnet.csum_offset = 16
    out.vnet.hdr_len = header_length
    if gso_size and length > <uint32_t> header_length + gso_size:
        out.vnet.gso_type = GSO_TCPV4
        out.vnet.gso_size = gso_size


cdef uint32_t build_packet(host_t* host, outgoing_t* out, segment_out_t* segment) noexcept nogil:
    """IPv4 and TCP headers before the text; the number of octets of both."""
    cdef uint8_t* network = out.header + NETWORK_AT
    cdef uint8_t* transport = network + IPV4_HEADER_LENGTH
    cdef uint32_t header_length = TCP_HEADER_LENGTH + segment.options_length
    cdef uint32_t tcp_length = header_length + segment.text_length
    cdef ipv4_t header
    header.tos = segment.ecn
    header.total_length = <uint16_t> (IPV4_HEADER_LENGTH + tcp_length)
    # RFC 6864 4.1: with DF set the identification means nothing
    header.identification = 0
    header.fragment = IPV4_DONT_FRAGMENT
    if segment.may_fragment:
        header.fragment = 0
        header.identification = next_identification(
            &host.identifications, ipv4_of_address(&segment.remote), PROTOCOL_TCP,
            (segment.text_length + segment.mss - 1) // segment.mss if segment.text_length > segment.mss else 1)
    header.ttl = <uint8_t> host.transport.tunables.ttl
    header.protocol = PROTOCOL_TCP
    header.source = ipv4_of_address(&segment.local)
    header.destination = ipv4_of_address(&segment.remote)
    build_ipv4(network, &header)
    build_tcp(transport, segment.local_port, segment.remote_port, segment.seq, segment.ack, <uint8_t> header_length,
              segment.flags, segment.wnd, segment.up)
    memset(&out.vnet, 0, sizeof(vnet_header_t))
    out.chunk = NULL
    out.pieces[0].iov_base = network
    out.pieces[0].iov_len = IPV4_HEADER_LENGTH + header_length
    out.count = 1
    if segment.text_length:
        out.count += queue_gather(segment.queue, segment.offset, segment.text_length, &out.pieces[1], PIECES_MOST - 1)
    out.length = IPV4_HEADER_LENGTH + tcp_length
    put_checksum(host, out, segment, transport, header_length, tcp_length,
                 put_options(transport + TCP_HEADER_LENGTH, segment))
    return IPV4_HEADER_LENGTH + header_length


cdef inline uint64_t put_options(uint8_t* octets, const segment_out_t* segment) noexcept nogil:
    """Their sum too. By fours, as they were written: a load wider than the stores before it waits for all of them."""
    cdef uint64_t total = 0
    cdef uint32_t word, at
    for at in range(0, segment.options_length, 4):
        memcpy(&word, segment.options + at, 4)
        memcpy(octets + at, &word, 4)
        total += word
    return total


cdef void put_checksum(host_t* host, outgoing_t* out, const segment_out_t* segment, uint8_t* transport,
                       uint32_t header_length, uint32_t tcp_length, uint64_t total) noexcept nogil:
    """total: of the options, as checksum.pxd sums; fields are summed in host order, before they are stored."""
    cdef uint64_t header = sum_pseudo_fields4(ipv4_of_address(&segment.local), ipv4_of_address(&segment.remote),
                                              PROTOCOL_TCP, tcp_length)
    cdef uint32_t at = header_length
    cdef int i
    if host.device.offloads:
        store16(transport + 16, fold(header))
        describe_offload(out, IPV4_HEADER_LENGTH, IPV4_HEADER_LENGTH + tcp_length, segment.mss,
                         <uint16_t> (IPV4_HEADER_LENGTH + header_length))
        return
    header += sum_tcp_fields(segment.local_port, segment.remote_port, segment.seq, segment.ack,
                             <uint8_t> header_length, segment.flags, segment.wnd, segment.up)
    for i in range(1, out.count):
        total = sum_piece(<uint8_t*> out.pieces[i].iov_base, out.pieces[i].iov_len, total, (at & 1) != 0)
        at += <uint32_t> out.pieces[i].iov_len
    store16(transport + 16, <uint16_t> ~fold(header + ntohs(fold(total))))


cdef void leave_waiting(host_t* host, outgoing_t* out, address_t* hop, uint32_t headers) noexcept nogil:
    """The neighbor is not known yet: the packet is copied and waits for it."""
    cdef packet_t packet
    cdef uint32_t at
    cdef int i
    memset(&packet, 0, sizeof(packet))
    packet.chunk = chunk_take(&host.transport.pool, HEADROOM + out.length)
    if packet.chunk == NULL:
        return
    at = HEADROOM
    for i in range(out.count):
        memcpy(packet.chunk.data + at, out.pieces[i].iov_base, out.pieces[i].iov_len)
        at += <uint32_t> out.pieces[i].iov_len
    packet.chunk.start = HEADROOM
    packet.chunk.end = at
    packet.ethertype = ETHERTYPE_IPV4
    packet.needs_checksum = (out.vnet.flags & NEEDS_CSUM) != 0
    packet.gso_size = out.vnet.gso_size
    packet.transport_offset = IPV4_HEADER_LENGTH
    packet.header_length = <uint16_t> headers
    wait_for_neighbor(&host.neighbors, hop, &packet)


cdef bint segment_leaves(host_t* host, outgoing_t* out, segment_out_t* segment, int64_t now) noexcept nogil:
    """False when it waits for its neighbor or there is no route: TCP will send it again if that matters."""
    cdef address_t hop
    cdef uint64_t mac = 0
    cdef uint32_t headers
    if not next_hop(&host.interface, &segment.remote, &hop):
        host.transport.counters.OutNoRoutes += 1
        return False
    headers = build_packet(host, out, segment)
    host.transport.counters.OutSegs += 1
    if out.vnet.gso_type != GSO_NONE:
        host.transport.counters.OutSegs += (segment.text_length - 1) // segment.mss
    if segment.flags & RST:
        host.transport.counters.OutRsts += 1
    if host.interface.ethernet:
        mac = known_neighbor(&host.neighbors, &hop, now)
        if mac == 0:
            mac = resolve(&host.neighbors, &hop, now)
        if mac == 0:
            leave_waiting(host, out, &hop, headers)
            return False
    host.transport.counters.OutRequests += 1
    put_link_header(host, out, mac, ETHERTYPE_IPV4)
    return True
