"""SACK blocks take the room that timestamps, a signature and the text leave (RFC 2018 3: at most 40 octets)."""

from libc.stdint cimport uint8_t, uint32_t
from netcore.tcp.reassembly cimport forget_duplicate, sack_blocks
from netcore.tcp.seqnum cimport seq_gt
from netcore.tcp.signature cimport option_filling, signature_option
from netcore.wire.octets cimport store32
from netcore.wire.tcp cimport OPTIONS_MOST, put_sack


cdef bint report_received(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    """SACK blocks (RFC 2018 4), a duplicate in front (RFC 2883 4). False: something new is not reported yet."""
    cdef uint32_t starts[4]
    cdef uint32_t ends[4]
    cdef uint32_t count = 0
    cdef uint32_t filling = option_filling(tcb)
    cdef uint32_t most = (OPTIONS_MOST - out.options_length - signature_option(tcb) - filling - 2) // 8
    cdef uint32_t room, i
    cdef uint8_t* at = out.options + out.options_length
    cdef uint8_t length
    cdef const uint32_t* within = NULL
    if tcb.reassembly == NULL and tcb.twice_count == 0:
        return True
    if out.text_length:
        # options take from the text of a segment, so only a short one has room for them
        room = tcb.eff_mss - out.text_length if out.text_length < tcb.eff_mss else 0
        if room < 12:
            return is_all_reported(tcb)
        if most > (room - 4) // 8:
            most = (room - 4) // 8
    while out.text_length == 0 and most == 1 and tcb.twice_count and seq_gt(tcb.twice_end[0], tcb.rcv_nxt):
        # beside timestamps and a signature there is never room for the two blocks that say this
        forget_duplicate(tcb)
    if tcb.twice_count:
        starts[0] = tcb.twice_start[0]
        ends[0] = tcb.twice_end[0]
        if seq_gt(ends[0], tcb.rcv_nxt):
            # it is known for a duplicate by the block behind it
            within = &starts[0]
        if within == NULL or most > 1:
            forget_duplicate(tcb)
            count = 1
        else:
            within = NULL
    count += sack_blocks(tcb, within, starts + count, ends + count, most - count)
    if count:
        length = put_sack(at, count, filling)
        out.options_length += length
        at += length - 8 * count
        for i in range(count):
            store32(at + 8 * i, starts[i])
            store32(at + 8 * i + 4, ends[i])
    return is_all_reported(tcb)


cdef bint is_all_reported(const tcb_t* tcb) noexcept nogil:
    return tcb.twice_count == 0 and (tcb.reassembly == NULL or tcb.reassembly.fresh == 0)
