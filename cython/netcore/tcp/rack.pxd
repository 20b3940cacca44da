"""RACK-TLP (RFC 8985): what is lost, by the time it was sent; and the probe that makes a lost tail known.

A segment is lost when one that was sent after it has been delivered and a reordering window has passed. Times are
those of the frames' arrival at the device.
"""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# Steps 1 to 4 of RFC 8985 6.2: what an ACK delivered, and the reordering window.
cdef void take_delivered(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil
# Step 5: marks what is lost and waits for what may only be late (TIMER_REORDERING). The bytes newly lost.
cdef uint32_t detect_losses(tcb_t* tcb, int64_t now) noexcept nogil
# Recovery is over: the reordering window shrinks again after 16 of them without DSACK.
cdef void recovery_ended(tcb_t* tcb) noexcept nogil
# The time for which a segment may be late, ns.
cdef int64_t reordering_window(const tcb_t* tcb) noexcept nogil
# 7.2: arms TIMER_PROBE where a probe would help.
cdef void schedule_probe(tcb_t* tcb, int64_t now) noexcept nogil
# 7.4: an ACK while a probe is out. True when it shows that the probe repaired a loss.
cdef bint is_repaired_by_probe(tcb_t* tcb, const segment_t* seg, const ack_sample_t* sample) noexcept nogil
