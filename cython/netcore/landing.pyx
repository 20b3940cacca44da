"""Header prediction at the device (Van Jacobson, 1990): every field that the long way would look at is looked at."""

from libc.stdint cimport uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.tcp.tcb cimport ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, STATUS_OK, receive_window, tcb_t
from netcore.wire.address cimport ipv4_of_address
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH, ETHERTYPE_IPV4, load_mac
from netcore.wire.ipv4 cimport IPV4_HEADER_LENGTH, PROTOCOL_TCP
from netcore.wire.octets cimport load16, load32
from netcore.wire.tcp cimport ACK, FIN, RST, SYN, TCP_HEADER_LENGTH, URG
from netcore.wire.vnet cimport VNET_HEADER_LENGTH

cdef enum:
    LIKELY = 2
    TIMESTAMPS_LENGTH = 12
    # NOP, NOP, kind 8, length 10 (RFC 7323 appendix A)
    TIMESTAMPS_BEGIN = 0x0101080a
    FRAGMENT_BITS = 0x3fff
    VERSION_AND_LENGTH = 0x45


cdef bint is_in_turn(const tcb_t* tcb) noexcept nogil:
    """A wrong guess costs two copies, so the last frames of text must all have been this connection's."""
    return tcb.transport.text_of == tcb and tcb.transport.text_run >= LIKELY


cdef bint may_land(const tcb_t* tcb) noexcept nogil:
    """Its text is likely to come next, nothing waits before it, and nothing in it needs a second look."""
    if tcb == NULL or not is_in_turn(tcb) or tcb.status != STATUS_OK or tcb.receive_shut or tcb.signature != NULL:
        return False
    if tcb.state != ESTABLISHED and tcb.state != FIN_WAIT_1 and tcb.state != FIN_WAIT_2:
        return False
    if tcb.receive_queue.length or (tcb.reassembly != NULL and tcb.reassembly.count):
        return False
    return tcb.extras == NULL or not (tcb.extras.mark_count or tcb.extras.held_count)


cdef uint32_t headers_before_landing(const host_t* host) noexcept nogil:
    cdef const tcb_t* tcb
    cdef uint32_t length = IPV4_HEADER_LENGTH + TCP_HEADER_LENGTH
    if host.device.landing == NULL or host.device.landing.filled == host.device.landing.length:
        return 0
    if host.device.captures.on or host.device.inbound != NULL:
        # both want frames in one piece
        return 0
    tcb = host.device.landing.slot[0]
    if not may_land(tcb):
        return 0
    if tcb.timestamps:
        length += TIMESTAMPS_LENGTH
    if host.interface.ethernet:
        length += ETHERNET_HEADER_LENGTH
    if host.device.vnet_header:
        length += VNET_HEADER_LENGTH
    return length


cdef bint is_segment_expected(const tcb_t* tcb, const uint8_t* octets, uint32_t text_length) noexcept nogil:
    cdef uint32_t header = TCP_HEADER_LENGTH + (TIMESTAMPS_LENGTH if tcb.timestamps else 0)
    if load16(octets) != tcb.entry.remote_port or load16(octets + 2) != tcb.entry.local_port:
        return False
    if load32(octets + 4) != tcb.rcv_nxt or <uint32_t> (octets[12] >> 4) * 4 != header:
        return False
    if octets[13] & (ACK | SYN | FIN | RST | URG) != ACK:
        return False
    if tcb.timestamps and load32(octets + TCP_HEADER_LENGTH) != TIMESTAMPS_BEGIN:
        return False
    return text_length <= receive_window(tcb)


cdef bint is_frame_expected(const host_t* host, const uint8_t* frame, uint32_t length,
                            uint32_t headers) noexcept nogil:
    cdef const tcb_t* tcb = host.device.landing.slot[0]
    if host.interface.ethernet:
        if load_mac(frame) != host.interface.mac or load16(frame + 12) != ETHERTYPE_IPV4:
            return False
        frame += ETHERNET_HEADER_LENGTH
        length -= ETHERNET_HEADER_LENGTH
        headers -= ETHERNET_HEADER_LENGTH
    # without padding behind it: what lands is text to the last octet
    if frame[0] != VERSION_AND_LENGTH or load16(frame + 2) != length or load16(frame + 6) & FRAGMENT_BITS:
        return False
    if (frame[9] != PROTOCOL_TCP or load32(frame + 12) != ipv4_of_address(&tcb.entry.remote)
            or load32(frame + 16) != ipv4_of_address(&tcb.entry.local)):
        return False
    return is_segment_expected(tcb, frame + IPV4_HEADER_LENGTH, length - headers)
