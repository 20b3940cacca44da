"""Whether the kernel takes what is written to a device in a thread of its own, by how much passes.

A stream of small frames is carried more than twice as fast by a thread that joins its segments, on another processor,
and one that comes in is sent there, when its ACKs arrive. A single frame arrives later, by the wake-up of that thread.
So it is there for as long as much passes, in either direction.
"""

from libc.stdint cimport int64_t
from netcore.host cimport host_t

# Looks at most once in some ms; a device without a switch is left alone.
cdef void choose_receiver(host_t* host, int64_t now) noexcept nogil
# No thread; the switch is the caller's again.
cdef void let_go_of_switch(host_t* host) noexcept nogil
