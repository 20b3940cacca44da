"""What was sent and is not acknowledged (RFC 6675, RFC 2018, RFC 2883): in flight, SACKed or lost.

Each transmission is one stretch of sequence numbers, a superframe too; SACK and loss split stretches where they must,
neighbors that are both SACKed become one. Stretches stand in a tree by number (LIM-3: O(log n) to find one, O(1) to
append and to drop the first), those in flight also in the order of their last transmission, which is RACK's, and those
that are lost in the order to send them again: what was lost twice first, it lies lowest.
"""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t, sent_t
from netcore.tcp.tcb cimport tcb_t, transport_t
from netcore.wire.tcp cimport segment_t

# A stretch start..end of new sequence numbers goes now, as `segments` segments. NULL: no memory, it must not go.
cdef sent_t* sent_first(tcb_t* tcb, uint32_t start, uint32_t end, uint32_t segments, int64_t now) noexcept nogil
# What may_record does when there is no place for a stretch yet.
cdef bint make_place(tcb_t* tcb) noexcept nogil
# `stretch` goes again now.
cdef void sent_again(tcb_t* tcb, sent_t* stretch, int64_t now) noexcept nogil
# The stretch to send again first; NULL: nothing is lost.
cdef sent_t* first_lost(tcb_t* tcb) noexcept nogil
# Cuts a stretch at `at`, which lies within; the second part. NULL: no memory.
cdef sent_t* split(tcb_t* tcb, sent_t* stretch, uint32_t at) noexcept nogil
# Joins to a lost stretch those lost behind it without a gap, up to `most` numbers, so that they go as one.
cdef void join_lost(tcb_t* tcb, sent_t* stretch, uint32_t most) noexcept nogil
# In flight -> lost.
cdef void mark_lost(tcb_t* tcb, sent_t* stretch) noexcept nogil
# What went by `sent_by` and the first stretch are lost, and all that is lost goes again in sequence order
# (RFC 8985 6.3); with `reneged` what was SACKed is as if it had not been (RFC 2018 8).
cdef void mark_expired(tcb_t* tcb, int64_t sent_by, bint reneged) noexcept nogil
# Lost -> in flight: they were only late.
cdef void unmark_lost(tcb_t* tcb) noexcept nogil
# The blocks of an ACK. What they newly cover is delivered, and counted in the sample; DSACK is recognized.
cdef void take_sack(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil
# Everything below `ack` is acknowledged and forgotten.
cdef void take_cumulative(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil
# The stretch that holds the first unacknowledged number; NULL: nothing is outstanding.
cdef sent_t* first_sent(tcb_t* tcb) noexcept nogil
# The stretch in flight that went first; NULL: nothing is in flight.
cdef sent_t* oldest_in_flight(tcb_t* tcb) noexcept nogil
# The stretch sent with the highest numbers.
cdef sent_t* last_sent(tcb_t* tcb) noexcept nogil
cdef void forget_sent(tcb_t* tcb) noexcept nogil


cdef inline bint may_record(tcb_t* tcb) noexcept nogil:
    """Makes sure that a stretch can be recorded. False: no memory."""
    return tcb.flight != NULL and tcb.transport.sents.free != NULL or make_place(tcb)
