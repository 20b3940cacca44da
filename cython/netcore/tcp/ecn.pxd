"""Explicit congestion notification (RFC 3168; REC-7): what the handshake settles, echoing CE, answering the echo.

The tunable `ecn`: 0 never, 1 asked for and accepted, 2 accepted only, 3 asked for and accepted in its accurate form
(RFC 9768, accurate_ecn) where the peer knows that.
"""

from libc.stdint cimport uint8_t, uint16_t
from netcore.tcp.accurate_ecn cimport (
    CODE_NOT_ECT, ace_of, begin_accurate, code_of, feedback_flags, flags_of_ace, is_accurate_answer, is_accurate_setup,
    is_feedback_cut, is_mark_reported,
)
from netcore.tcp.seqnum cimport seq_lt
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.ipv4 cimport ECT_0, NOT_ECT, PACKET_CE
from netcore.wire.tcp cimport ACK, AE, CWR, ECE, SYN, segment_t

# bits of tcb.ecn
cdef enum EcnMark:
    # a SYN that asks for ECN went out; one that does not went as well
    ECN_ASKED = 1
    ECN_PLAIN = 2
    # each side has asked or agreed: CE is echoed
    ECN_ECHOES = 4
    # and never done otherwise: new text goes as ECN-capable, ECN-Echo is obeyed (RFC 3168 6.1.1)
    ECN_SENDS = 8
    # in the accurate form
    ECN_ACCURATE = 16


cdef inline uint16_t flags_of_syn(tcb_t* tcb) noexcept nogil:
    """What our SYN says. Some networks drop or refuse a SYN that asks, so only the first one does (6.1.1.1)."""
    if tcb.transport.tunables.ecn & 1 and tcb.snd_nxt == tcb.iss:
        tcb.ecn |= ECN_ASKED
        return ECE | CWR | (AE if tcb.transport.tunables.ecn == 3 else 0)
    if tcb.ecn & ECN_ASKED and not tcb.ecn & ECN_PLAIN:
        tcb.transport.counters.TCPECNFallbacks += 1
    tcb.ecn |= ECN_PLAIN
    return 0


cdef inline uint16_t flags_of_syn_ack(const tcb_t* tcb) noexcept nogil:
    if tcb.ecn & ECN_ACCURATE:
        return flags_of_ace(tcb.ace_code)
    return ECE if tcb.ecn & ECN_ECHOES else 0


cdef inline bint is_ecn_setup(const segment_t* seg) noexcept nogil:
    """6.1.1: a SYN with both flags; a SYN,ACK with ECE alone, since a peer that reflects flags has not agreed."""
    return seg.flags & (ECE | CWR) == (ECE if seg.flags & ACK else ECE | CWR)


cdef inline void take_ecn_setup(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """The peer's SYN, or its SYN,ACK, has come."""
    cdef bint willing = tcb.ecn & ECN_ASKED if not tcb.passive else tcb.transport.tunables.ecn != 0
    tcb.ecn &= ECN_ASKED | ECN_PLAIN
    if willing and tcb.transport.tunables.ecn == 3 and (
            is_accurate_answer(seg) if seg.flags & ACK else is_accurate_setup(seg)):
        tcb.ecn |= ECN_ACCURATE if tcb.ecn & ECN_PLAIN else ECN_ACCURATE | ECN_SENDS
        if seg.flags & ACK and ace_of(seg) != CODE_NOT_ECT:
            # RFC 9768 3.2.2.4: our SYN was sent without a mark; on a path that makes some, none can be trusted
            tcb.ecn &= ~ECN_SENDS
        begin_accurate(tcb, seg)
        return
    if willing and is_ecn_setup(seg):
        tcb.ecn |= ECN_ECHOES if tcb.ecn & ECN_PLAIN else ECN_ECHOES | ECN_SENDS


cdef inline void take_setup_again(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """A further SYN or SYN,ACK of the same handshake: one that does not ask ends it (6.1.1)."""
    if tcb.ecn & ECN_ACCURATE:
        if ace_of(seg) == 0:
            tcb.ecn &= ECN_ASKED | ECN_PLAIN
        else:
            # told once more, by a further SYN,ACK or by the ACK of this one
            tcb.ace_code = code_of(seg.ecn)
    elif not is_ecn_setup(seg):
        tcb.ecn &= ECN_ASKED | ECN_PLAIN


cdef inline bint take_congestion_mark(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """Text inside the window has come: CE is echoed by every ACK until the peer says CWR (6.1.3). True: it had CE."""
    if not tcb.ecn & ECN_ECHOES:
        return False
    if seg.flags & CWR:
        tcb.ecn_echo = False
    if seg.ecn != PACKET_CE:
        return False
    tcb.ecn_echo = True
    return True


cdef inline bint is_echo_obeyed(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    if tcb.ecn & ECN_ACCURATE:
        # an older ACK that comes late has an older count
        return not seq_lt(seg.ack, tcb.snd_una) and is_mark_reported(tcb, seg) and tcb.ecn & ECN_SENDS
    # on a SYN,ACK, which ends a simultaneous open, the flag says something else
    return tcb.ecn & ECN_SENDS and seg.flags & (ECE | SYN) == ECE


cdef inline void want_cwr(tcb_t* tcb) noexcept nogil:
    """cwnd came down, for whatever reason: the next new text says so (6.1.2)."""
    tcb.cwr_wanted = tcb.ecn & (ECN_SENDS | ECN_ACCURATE) == ECN_SENDS


cdef inline uint16_t flags_of_echo(tcb_t* tcb) noexcept nogil:
    """What every segment after the handshake tells of the marks that came."""
    if tcb.ecn & ECN_ACCURATE:
        return feedback_flags(tcb)
    return ECE if tcb.ecn_echo else 0


cdef inline bint is_cut_unsafe(const tcb_t* tcb) noexcept nogil:
    """A flag that a device puts on the first segment of a superframe only is up: it goes on a single one."""
    return tcb.cwr_wanted or (tcb.ecn & ECN_ACCURATE and is_feedback_cut(tcb))


cdef inline uint8_t codepoint_of_new_text(const tcb_t* tcb) noexcept nogil:
    return ECT_0 if tcb.ecn & ECN_SENDS else NOT_ECT
