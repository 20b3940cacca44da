"""Explicit congestion notification (RFC 3168; REC-7): what the handshake settles, echoing CE, answering the echo.

The tunable `ecn`: 0 never, 1 asked for and accepted, 2 accepted only.
"""

from libc.stdint cimport uint8_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.ipv4 cimport ECT_0, NOT_ECT, PACKET_CE
from netcore.wire.tcp cimport ACK, CWR, ECE, SYN, segment_t

# bits of tcb.ecn
cdef enum EcnMark:
    # a SYN that asks for ECN went out; one that does not went as well
    ECN_ASKED = 1
    ECN_PLAIN = 2
    # each side has asked or agreed: CE is echoed
    ECN_ECHOES = 4
    # and never done otherwise: new text goes as ECN-capable, ECN-Echo is obeyed (RFC 3168 6.1.1)
    ECN_SENDS = 8


cdef inline uint8_t flags_of_syn(tcb_t* tcb) noexcept nogil:
    """What our SYN says. Some networks drop or refuse a SYN that asks, so only the first one does (6.1.1.1)."""
    if tcb.transport.tunables.ecn == 1 and tcb.snd_nxt == tcb.iss:
        tcb.ecn |= ECN_ASKED
        return ECE | CWR
    if tcb.ecn & ECN_ASKED and not tcb.ecn & ECN_PLAIN:
        tcb.transport.counters.TCPECNFallbacks += 1
    tcb.ecn |= ECN_PLAIN
    return 0


cdef inline uint8_t flags_of_syn_ack(const tcb_t* tcb) noexcept nogil:
    return ECE if tcb.ecn & ECN_ECHOES else 0


cdef inline bint is_ecn_setup(const segment_t* seg) noexcept nogil:
    """6.1.1: a SYN with both flags; a SYN,ACK with ECE alone, since a peer that reflects flags has not agreed."""
    return seg.flags & (ECE | CWR) == (ECE if seg.flags & ACK else ECE | CWR)


cdef inline void take_ecn_setup(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """The peer's SYN, or its SYN,ACK, has come."""
    cdef bint willing = tcb.ecn & ECN_ASKED if not tcb.passive else tcb.transport.tunables.ecn != 0
    tcb.ecn &= ECN_ASKED | ECN_PLAIN
    if willing and is_ecn_setup(seg):
        tcb.ecn |= ECN_ECHOES if tcb.ecn & ECN_PLAIN else ECN_ECHOES | ECN_SENDS


cdef inline void take_setup_again(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """A further SYN or SYN,ACK of the same handshake: one that does not ask ends it (6.1.1)."""
    if not is_ecn_setup(seg):
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


cdef inline bint is_echo_obeyed(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    # on a SYN,ACK, which ends a simultaneous open, the flag says something else
    return tcb.ecn & ECN_SENDS and seg.flags & (ECE | SYN) == ECE


cdef inline void want_cwr(tcb_t* tcb) noexcept nogil:
    """cwnd came down, for whatever reason: the next new text says so (6.1.2)."""
    tcb.cwr_wanted = tcb.ecn & ECN_SENDS != 0


cdef inline uint8_t codepoint_of_new_text(const tcb_t* tcb) noexcept nogil:
    return ECT_0 if tcb.ecn & ECN_SENDS else NOT_ECT
