"""Accurate ECN (RFC 9768; REC-9): both sides count the packets that came with CE and say so in three flags of each ACK.

The tunable `ecn` asks for it with 3. The flags AE, CWR and ECE are one number then, ACE: on the segments of the
handshake a code of the IP header's ECN field that came, later the count modulo 8. The byte counters of the option
(3.2.3) are optional and neither sent nor read: the reaction here is one reduction a round trip, for which they tell no
more.
"""

from libc.stdint cimport uint8_t, uint16_t
from netcore.tcp.tcb cimport tcb_t, want_ack
from netcore.wire.ipv4 cimport ECT_0, ECT_1, NOT_ECT, PACKET_CE
from netcore.wire.tcp cimport ACK, CWR, SYN, segment_t

cdef enum:
    ACE_FLAGS = 0x1c0
    ACE_SHIFT = 6
    # 3.2.1: counters begin here, so that a field that somebody cleared shows
    COUNT_AT_FIRST = 5
    # table 3: what ACE says of the packet that is answered in the handshake
    CODE_NOT_ECT = 2
    CODE_ECT_1 = 3
    CODE_ECT_0 = 4
    CODE_CE = 6


cdef inline uint8_t ace_of(const segment_t* seg) noexcept nogil:
    return <uint8_t> ((seg.flags & ACE_FLAGS) >> ACE_SHIFT)


cdef inline uint16_t flags_of_ace(uint8_t ace) noexcept nogil:
    return <uint16_t> ((ace & 7) << ACE_SHIFT)


cdef inline uint8_t code_of(uint8_t codepoint) noexcept nogil:
    """3.1.2: how a codepoint that arrived in the handshake is told."""
    if codepoint == NOT_ECT:
        return CODE_NOT_ECT
    if codepoint == ECT_1:
        return CODE_ECT_1
    return CODE_ECT_0 if codepoint == ECT_0 else CODE_CE


cdef inline bint is_accurate_setup(const segment_t* seg) noexcept nogil:
    """A SYN that asks for it."""
    return seg.flags & ACE_FLAGS == ACE_FLAGS


cdef inline bint is_accurate_answer(const segment_t* seg) noexcept nogil:
    """A SYN,ACK that agrees: the code of what our SYN came with."""
    cdef uint8_t ace = ace_of(seg)
    return ace == CODE_NOT_ECT or ace == CODE_ECT_1 or ace == CODE_ECT_0 or ace == CODE_CE


cdef inline void begin_accurate(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """It is agreed: counting begins, and the next segment tells what the peer's SYN or SYN,ACK came with."""
    tcb.ce_received = tcb.ce_echoed = COUNT_AT_FIRST
    if seg.flags & ACK and seg.ecn == PACKET_CE:
        # the code tells of it, and the peer's count begins one further
        tcb.ce_received += 1
    tcb.ace_code = code_of(seg.ecn)


cdef inline void take_first_ack(tcb_t* tcb, segment_t* seg) noexcept nogil:
    """3.2.2.1: the ACK that ends the handshake tells what our SYN,ACK came with; 0 is no feedback at all.

    Whoever looks at it later finds the count that its code stands for, or the code would pass for marks.
    """
    tcb.ce_echoed = CODE_CE if ace_of(seg) == CODE_CE else COUNT_AT_FIRST
    seg.flags = (seg.flags & ~ACE_FLAGS) | flags_of_ace(tcb.ce_echoed)
    tcb.ace_code = 0


cdef inline void count_mark(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """3.2.2.5.1: an acceptable packet with CE is counted and acknowledged at once."""
    if seg.ecn == PACKET_CE:
        tcb.ce_received += <uint8_t> seg.wire_segments
        want_ack(tcb)


cdef inline uint16_t feedback_flags(tcb_t* tcb) noexcept nogil:
    """The first segment after the SYN,ACK carries the code of the handshake, all others the count."""
    cdef uint8_t code = tcb.ace_code
    tcb.ace_code = 0
    return flags_of_ace(code if code else tcb.ce_received)


cdef inline bint is_feedback_cut(const tcb_t* tcb) noexcept nogil:
    """The flag CWR is up: devices that cut superframes put it on the first segment only (RFC 3168 6.1.2)."""
    return (flags_of_ace(tcb.ce_received) & CWR) != 0


cdef inline bint is_mark_reported(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """3.2.2.5.2: the count has moved since the newest ACK."""
    cdef uint8_t news = (ace_of(seg) - tcb.ce_echoed) & 7
    if seg.flags & SYN:
        return False
    tcb.ce_echoed = (tcb.ce_echoed + news) & 7
    return news != 0
