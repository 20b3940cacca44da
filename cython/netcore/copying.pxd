"""Bytes between the program's buffers and a connection, in short stays under the host's lock."""

from libc.stdint cimport int64_t, uint64_t
from netcore.host cimport host_t
from netcore.posix cimport iovec
from netcore.tcp.tcb cimport tcb_t

# `slot` is where the handle keeps its connection: NULL once another thread has closed it, even between two stays.
# All bytes or none: the count, or a negative status (SEND-2). One sender at a time for one connection.
# The pieces are read until it returns, also by other threads, and never later.
cdef int64_t send_pieces(host_t* host, tcb_t** slot, const iovec* pieces, int count, uint64_t total,
                         bint urgent) noexcept nogil
# Fills the pieces in order with what is there: the count, 0 at the end of the stream, or a negative status.
cdef int64_t receive_pieces(host_t* host, tcb_t** slot, const iovec* pieces, int count, uint64_t total,
                            bint peek) noexcept nogil
