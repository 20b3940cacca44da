"""Signed connections (RFC 2385, RFC 5925; TCPX-7): whose key, what is refused, the option on what is sent."""

from libc.stdint cimport uint8_t, uint32_t
from netcore.tcp.keys cimport MD5_ROOM
from netcore.tcp.tcb cimport entry_t, segment_out_t, tcb_t, timewait_t, transport_t
from netcore.wire.tcp cimport AO_OPTION_LENGTH, MD5_OPTION_LENGTH, OPTIONS_MOST, segment_t

# Gives a connection that is being made what it signs with, if a key of the host's covers its peer. `seg`: the segment
# that makes it, checked; NULL: ours is the first. False: there is no memory.
cdef bint begin_signature(tcb_t* tcb, const segment_t* seg) noexcept nogil
# Sequence numbers begin at iss and irs.
cdef void restart_extensions(tcb_t* tcb) noexcept nogil
cdef void end_signature(tcb_t* tcb) noexcept nogil
# The record signs in place of the connection from now on.
cdef void hand_signature_over(tcb_t* tcb, timewait_t* record) noexcept nogil
cdef void end_record_signature(timewait_t* record) noexcept nogil
# Whether a segment may be looked at; `entry`: where it belongs, NULL: to a listener or to nobody. What is refused is
# counted and nobody is told. To be asked when `is_any_signed`.
cdef bint is_signature_good(transport_t* transport, entry_t* entry, const segment_t* seg) noexcept nogil
# Puts the option of a signed connection behind the others of a segment that is complete otherwise.
cdef void sign_segment(tcb_t* tcb, segment_out_t* out) noexcept nogil
cdef void sign_for_time_wait(timewait_t* record, segment_out_t* out) noexcept nogil
# The same for the answer to a segment of a peer with a key and of no connection, or of one whose number is wrong.
# False: nothing that the peer would take can be made, so it is not to be sent.
cdef bint sign_answer(transport_t* transport, entry_t* entry, const segment_t* seg, segment_out_t* out) noexcept nogil
# RFC 5925 7.8: ICMP, which nobody signs, is not believed where it could end or slow a connection that is signed.
cdef bint is_icmp_ignored(const entry_t* entry, uint8_t kind, uint8_t code) noexcept nogil
# RFC 5925 7.3: the key that the peer is asked to use from now on. False: the host has none of this identifier for it.
cdef bint request_key(tcb_t* tcb, uint8_t receive_id) noexcept nogil


cdef inline bint is_any_signed(const transport_t* transport, const segment_t* seg) noexcept nogil:
    """False: no host without keys and no segment without signature has anything to check."""
    return seg.signatures != 0 or transport.keys.slab.in_use != 0


cdef inline uint8_t signature_room(const tcb_t* tcb) noexcept nogil:
    """Octets of every segment that are not the text's."""
    return tcb.signature.room if tcb.signature != NULL else 0


cdef inline uint32_t signature_option(const tcb_t* tcb) noexcept nogil:
    """Octets of the option itself."""
    if tcb.signature == NULL:
        return 0
    return MD5_OPTION_LENGTH if tcb.signature.room == MD5_ROOM else AO_OPTION_LENGTH


cdef inline uint32_t options_room(const tcb_t* tcb, const segment_out_t* out) noexcept nogil:
    """Octets that further options of a segment may take (RFC 9293 3.1: at most 40 in all)."""
    cdef uint32_t taken = out.options_length + signature_option(tcb)
    return OPTIONS_MOST - taken if taken < OPTIONS_MOST else 0


cdef inline uint32_t option_filling(const tcb_t* tcb) noexcept nogil:
    """NOPs that align an option where there is room for it to be aligned: beside a signature there is not."""
    return 0 if tcb.signature != NULL else 2
