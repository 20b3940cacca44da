"""Leader and followers: one thread at a time drives a live host, a caller that waits if there is one.

A wake-up of another thread costs more than everything else on a round trip. So a caller that blocks reads the device
itself, carries out what is due, and gives the lead back when its own wait is over. The loop's thread helps out: it
takes the lead when no caller has had it since its last look, a tick ago. All functions need the lock, which `sleep`
gives away meanwhile.
"""

from libc.stdint cimport int64_t
from netcore.host cimport host_t, landing_t
from netcore.tcp.tcb cimport waiter_t

cdef enum:
    # Frames handled in one stay in the lock, and answered by one ACK: a device without superframes has hundreds of
    # small ones at a time. Of large ones their octets are the bound (device.BATCH_BYTES).
    BATCH = 256

cdef enum Outcome:
    # the deadline has come, or a signal
    OUTCOME_NOTHING = 0
    OUTCOME_READY = 1

# One batch of frames and what is due; how many frames. The time of their arrival is the clock's, taken once.
cdef int step(host_t* host) noexcept nogil
# The calling thread drives from now on; it looks at the mark of `waiter` before it sleeps, if it ever does. False:
# another caller leads, or there is nothing to lead.
cdef bint take_lead(host_t* host, waiter_t* waiter) noexcept nogil
cdef void give_lead(host_t* host) noexcept nogil
# The same from a caller that never waited: it is likely to come by again before the helper's next look.
cdef void pass_by(host_t* host) noexcept nogil
# Until a frame comes, something is due, or the waiter that leads is woken; `most`: not longer than until then.
# False: a signal may have come.
cdef bint sleep(host_t* host, waiter_t* waiter, int64_t most) noexcept nogil
# Waits in the thread of `waiter`, whose watches are in place, until one has brought something, it is woken, text has
# landed, or `deadline` (ns, at most NEVER) has come: it leads, or follows whoever does. `landing`: NULL, or where text
# may go past the queue. OUTCOME_NOTHING also when the program should look for signals.
cdef Outcome wait_together(host_t* host, waiter_t* waiter, landing_t* landing, int64_t deadline) noexcept nogil
# One batch in passing, if the caller may lead: who always has something to do never waits, and the helper would drive
# beside it, at the cost of a processor and of a quarrel over the lock. How many frames.
cdef int glance(host_t* host) noexcept nogil
# Lets text land that the device has already, if the caller may lead; no wait but the moment until more of it follows.
cdef void land(host_t* host, landing_t* landing) noexcept nogil
# Drives the host in the loop's thread whenever no caller does, until `stopping` or the device is lost.
cdef void help(host_t* host, int* stopping) noexcept nogil
