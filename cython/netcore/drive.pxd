"""One step of a host: the lock around it, time-outs, what leaves, who is woken; every driver and call takes it."""

from libc.stdint cimport int64_t
from netcore.host cimport host_t

# Locks the host. Never with the GIL held on a live host. What dead handles left behind is dealt with first.
cdef void enter(host_t* host) noexcept nogil
# Sends what the step made ready, frees what ended, wakes who waits, wakes the loop if it would oversleep, unlocks.
cdef void leave(host_t* host) noexcept nogil
# The same without unlocking, at a time of the driver's.
cdef void settle(host_t* host, int64_t now) noexcept nogil
# Wakes the threads that wait for what happened.
cdef void wake_waiters(host_t* host) noexcept nogil
cdef void unlock(host_t* host) noexcept nogil
# ns: the monotonic clock of a live host, else the time last handed in.
cdef int64_t host_time(const host_t* host) noexcept nogil
# Carries out all time-outs due by `now`.
cdef void run_deadlines(host_t* host, int64_t now) noexcept nogil
# The exact time of the earliest time-out; NEVER.
cdef int64_t next_deadline(host_t* host) noexcept nogil

cdef class HostHandle:
    """Owns a host's memory; everything Python holds of the host holds this."""
    cdef host_t* host
