"""What a SYN's options settle for a connection (RFC 9293 3.7.1, RFC 7323 1.3 and 2, RFC 2018 2); what ours offers."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.tcp.autotune cimport largest_window
from netcore.tcp.ecn cimport take_ecn_setup
from netcore.tcp.signature cimport option_filling, signature_room
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport MINIMUM_MSS, put_mss, put_sack_permitted, put_timestamps, put_window_scale, segment_t

cdef enum:
    TIMESTAMPS_LENGTH = 12


cdef inline uint8_t window_shift_for(int64_t buffer) noexcept nogil:
    """The smallest shift with which `buffer` bytes can be announced."""
    cdef uint8_t shift = 0
    while shift < 14 and (<int64_t> 65535 << shift) < buffer:
        shift += 1
    return shift


cdef inline uint16_t constant_options(const tcb_t* tcb) noexcept nogil:
    """Octets of options that every segment of a synchronized connection has: they take from its text."""
    return (TIMESTAMPS_LENGTH if tcb.timestamps else 0) + signature_room(tcb)


cdef inline void settle_mss(tcb_t* tcb, uint16_t announced) noexcept nogil:
    """SEG-13: what the peer takes, bounded by our own link, less the options of every segment."""
    cdef uint16_t mss = announced if announced >= MINIMUM_MSS else MINIMUM_MSS
    tcb.snd_mss = mss if mss < tcb.transport.local_mss else tcb.transport.local_mss
    tcb.eff_mss = tcb.snd_mss - constant_options(tcb)


cdef inline void take_syn_options(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    """An option is in force when both sides sent it; we send those of the configuration, and in a SYN,ACK only those
    that the SYN carried."""
    tcb.window_scaling = seg.has_window_scale and tcb.transport.tunables.window_scaling != 0
    if tcb.window_scaling:
        tcb.snd_wind_shift = seg.window_scale
        tcb.rcv_wind_shift = window_shift_for(largest_window(tcb))
    else:
        tcb.snd_wind_shift = tcb.rcv_wind_shift = 0
    tcb.timestamps = seg.has_timestamps and tcb.transport.tunables.timestamps != 0
    tcb.sack = seg.sack_permitted and tcb.transport.tunables.sack != 0
    take_ecn_setup(tcb, seg)
    if tcb.timestamps:
        tcb.ts_recent = seg.tsval
        tcb.ts_recent_time = now
    # 536 is what a peer takes that says nothing (RFC 9293 3.7.1)
    settle_mss(tcb, seg.mss if seg.has_mss else 536)


cdef inline uint8_t put_syn_options(const tcb_t* tcb, uint8_t* octets, bint scale, bint sack, bint timestamps,
                                    uint8_t shift, uint32_t tsval, uint32_t tsecr) noexcept nogil:
    cdef uint8_t length = put_mss(octets, tcb.transport.local_mss)
    if sack:
        length += put_sack_permitted(octets + length, option_filling(tcb))
    if scale:
        length += put_window_scale(octets + length, shift)
    if timestamps:
        length += put_timestamps(octets + length, tsval, tsecr)
    return length
