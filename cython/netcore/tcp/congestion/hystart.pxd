"""HyStart++ (RFC 9406): leaves the first slow start when round trips get longer, before packets are lost.

A round whose least round trip is longer than the last one's by an eighth (4 to 16 ms) begins conservative slow start,
which grows a quarter as fast for five rounds and then is congestion avoidance; round trips that shrink again call it
off. For any algorithm: it keeps its own state and leaves cwnd and ssthresh to its user.
"""

from libc.stdint cimport uint8_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t

cdef struct hystart_t:
    # least round trips of the last round, of this one, and of the round that began conservative slow start, us
    uint32_t last_round
    uint32_t this_round
    uint32_t baseline
    # round trips measured in this round; rounds of conservative slow start, 0: not in it
    uint8_t samples
    uint8_t conservative_rounds

cdef void hystart_begin(hystart_t* hystart) noexcept nogil
# An ACK in the first slow start. True: it is over, cwnd is the threshold now.
cdef bint hystart_ack(hystart_t* hystart, const ack_sample_t* sample) noexcept nogil
# By how many bytes cwnd may grow of the `acked` ones that the ACK covers.
cdef uint32_t hystart_growth(const hystart_t* hystart, const tcb_t* tcb, uint32_t acked) noexcept nogil
