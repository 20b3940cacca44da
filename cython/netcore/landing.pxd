"""Text that is read from the device straight to where its receiver wants it, on the guess that the next frame has it.

The guess is the segment that a connection expects next, with the options that its segments carry (header prediction).
What turns out to be something else is put where any frame lies, and wiped where it had landed: nothing of another
connection is left in a receiver's buffer.
"""

from libc.stdint cimport uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.tcp.tcb cimport tcb_t

# Whether the next frame of text is likely to be this connection's, since the last ones were.
cdef bint is_in_turn(const tcb_t* tcb) noexcept nogil
# Octets before the text in the frame that the connection of the host's landing expects next, virtio header included;
# 0: no text of it may land now.
cdef uint32_t headers_before_landing(const host_t* host) noexcept nogil
# Whether this frame (from the link header on; only its first octets need be there) is the one that was expected:
# `length` octets, of which the headers are `headers`.
cdef bint is_frame_expected(const host_t* host, const uint8_t* frame, uint32_t length, uint32_t headers) noexcept nogil
