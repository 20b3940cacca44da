"""Buffers that grow with the path (TCPX-2), until the program sets them.

Receiving (dynamic right-sizing): once a round trip of the receiver, the buffer grows to twice what the program took
meanwhile, since the peer may send twice as much in the next one; further when that was more than in any round trip
before, since it may then double again before the news reaches the peer. Sending: twice cwnd, so that a window is at
hand for each that is in flight.

Both grow, but for one case: a peer on this machine whose frames are far from full although its window has room is held
back by a smaller one from then on, and gathers its program's writes. What was announced is never taken back.

Bounds: `receive_buffer_maximum` and `send_buffer_maximum` for a connection; and of `memory_limit` an eighth for each
buffer, and no growth while the stack holds more than half of it.
"""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# Text has come in order: measures the round trip, and at its end the buffer.
cdef void tune_receive(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# An ACK has been taken: cwnd may have grown.
cdef void tune_send(tcb_t* tcb) noexcept nogil
# The program sets a buffer, in bytes: it stands from now on. One segment, and one
# unit of the window's scale, always fit into that for receiving (OPT-22).
cdef void fix_send_buffer(tcb_t* tcb, uint32_t size) noexcept nogil
cdef void fix_receive_buffer(tcb_t* tcb, uint32_t size) noexcept nogil
# The largest window that this connection may come to announce, bytes: what its scale is chosen for.
cdef int64_t largest_window(const tcb_t* tcb) noexcept nogil
