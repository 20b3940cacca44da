"""Congestion window validation (RFC 7661): what is kept of a window that the application does not fill.

pipeACK is the most that a round trip delivered of late. While it is less than half of cwnd, cwnd tells of a path as it
was once: it is kept for five minutes (the non-validated period) and halved after, a loss counts from what was really
in flight, and after an idle time the first round trip is paced instead of sent as one burst.

Departures, both from counting whole rounds as recovery counts them and not spans of the smoothed round trip: a round's
pipeACK is compared with cwnd as it stood when the round began, since slow start doubles cwnd meanwhile (note in 4.3);
and a sample is remembered for one to two sampling periods.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t

cdef struct validation_t:
    # tcb.delivered (its low half) and cwnd when the present round began
    uint32_t round_start
    uint32_t window
    # pipeACK: the most that a round delivered in the present sampling period and in the one before, bytes
    uint32_t most
    uint32_t most_before
    # of the present sampling period, and of the non-validated phase: when they began, in ticks of 2**24 ns
    uint32_t period_began
    uint32_t phase_began
    # tcb.lost (its low half) when a loss was met in the non-validated phase; `window` is then what was in use
    uint32_t lost_before
    # a round is being measured; one has been: pipeACK is defined
    uint8_t measuring
    uint8_t defined
    uint8_t nonvalidated
    # the loss that is being repaired was met in the non-validated phase
    uint8_t lost_nonvalidated

# The connection is established, or what was measured no longer counts: pipeACK is undefined (4.2).
cdef void validation_begin(validation_t* validation) noexcept nogil
# An ACK outside recovery. May end the non-validated period: cwnd and ssthresh are set (4.4.3).
cdef void validation_ack(validation_t* validation, tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil
# Loss or ECN-Echo with `flight` bytes in flight: what the algorithm takes its part of for ssthresh (4.4.1).
cdef uint32_t validation_loss(validation_t* validation, const tcb_t* tcb, uint32_t flight) noexcept nogil
# Recovery is over: the window pays for what was lost, if it had not been validated (4.4.1). percent: the algorithm's
# part of the window at a loss.
cdef void validation_recovered(validation_t* validation, tcb_t* tcb, uint32_t percent) noexcept nogil
# Sending again with nothing in flight after more than the RTO: in place of the restart of RFC 5681 4.1.
cdef void validation_idle(validation_t* validation, tcb_t* tcb, int64_t now) noexcept nogil
