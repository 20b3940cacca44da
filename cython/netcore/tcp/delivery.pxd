"""Delivery rate (draft-ietf-ccwg-bbr 4.1) and the least round trip: what is measured of the path beside RTT.

A stretch remembers, when it goes, how much had been delivered; when it is delivered itself, the difference over the
time between is the rate, taken over the longer of the sending and the acknowledging so that bunched ACKs do not
exaggerate it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.tcp.flight cimport SENT_APP_LIMITED, ack_sample_t, sent_t
from netcore.tcp.tcb cimport tcb_t

cdef enum:
    # the least round trip is that of the last one to two minutes
    MIN_RTT_SPAN = 60000000000LL


cdef inline void stamp_sent(tcb_t* tcb, sent_t* stretch, int64_t now) noexcept nogil:
    """4.1.2.2: called before the stretch is counted as in flight."""
    if tcb.in_flight == 0:
        tcb.first_sent = tcb.delivered_at = now
    stretch.sent_at = now
    stretch.first_sent = tcb.first_sent
    stretch.delivered = tcb.delivered
    stretch.delivered_at = tcb.delivered_at
    stretch.in_flight = tcb.in_flight + (stretch.end - stretch.node.start)
    if tcb.app_limited:
        stretch.marks |= SENT_APP_LIMITED
    else:
        stretch.marks &= ~SENT_APP_LIMITED


cdef inline void count_delivered(tcb_t* tcb, const sent_t* stretch, ack_sample_t* sample, int64_t now) noexcept nogil:
    """4.1.2.3: `stretch` has arrived; the newest one delivered by this ACK is the sample."""
    cdef int64_t sending, acknowledging
    tcb.delivered += stretch.end - stretch.node.start
    tcb.delivered_at = now
    sample.delivered += stretch.end - stretch.node.start
    sample.delivered_segments += stretch.segments
    if sample.interval and stretch.delivered < sample.prior_delivered:
        return
    if sample.interval and stretch.delivered == sample.prior_delivered and stretch.sent_at <= sample.prior_time:
        return
    sample.prior_delivered = stretch.delivered
    sample.prior_time = stretch.sent_at
    sample.prior_flight = stretch.in_flight
    sample.app_limited = (stretch.marks & SENT_APP_LIMITED) != 0
    sending = stretch.sent_at - stretch.first_sent
    acknowledging = now - stretch.delivered_at
    sample.interval = sending if sending > acknowledging else acknowledging
    if sample.interval < 1:
        sample.interval = 1
    tcb.first_sent = stretch.sent_at


cdef inline void finish_rate(tcb_t* tcb, ack_sample_t* sample) noexcept nogil:
    """4.1.2.4 once all that the ACK delivers is counted."""
    if tcb.app_limited and tcb.delivered > tcb.app_limited:
        tcb.app_limited = 0
    if sample.interval == 0:
        return
    if sample.prior_delivered >= tcb.round_delivered:
        tcb.round_delivered = tcb.delivered
        sample.round_start = True
    sample.rate_delivered = tcb.delivered - sample.prior_delivered
    if sample.interval < tcb.min_rtt:
        # shorter than any round trip: several ACKs came at once, it would say too much
        sample.interval = 0


cdef inline void mark_app_limited(tcb_t* tcb) noexcept nogil:
    """4.1.2.4: the program has nothing to send while the window would take more."""
    tcb.app_limited = tcb.delivered + tcb.in_flight
    if tcb.app_limited == 0:
        tcb.app_limited = 1


cdef inline void note_min_rtt(tcb_t* tcb, int64_t rtt, int64_t now) noexcept nogil:
    """The least of the span before and of the one that runs."""
    if now - tcb.span.min_rtt_since >= <int64_t> MIN_RTT_SPAN:
        tcb.span.min_rtt_since = now
        tcb.min_rtt = tcb.min_rtt_now
        tcb.min_rtt_now = rtt
    if tcb.min_rtt_now == 0 or rtt < tcb.min_rtt_now:
        tcb.min_rtt_now = rtt
    if tcb.min_rtt == 0 or rtt < tcb.min_rtt:
        tcb.min_rtt = rtt
