"""User calls: OPEN, SEND, RECEIVE, CLOSE, ABORT, STATUS (RFC 9293 3.10.1 to 3.10.6)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.storage.chunks cimport chunk_t
from netcore.tcp.tcb cimport Status, tcb_t, transport_t
from netcore.wire.address cimport address_t

# Active open: a connection in SYN-SENT held by the caller; NULL with `status` set.
cdef tcb_t* open_active(transport_t* transport, const address_t* local, uint16_t local_port, const address_t* remote,
                        uint16_t remote_port, int64_t now, Status* status) noexcept nogil
# STATUS_OK when `length` more bytes may be queued (SEND-2), else why not.
cdef Status may_send(const tcb_t* tcb, uint64_t length) noexcept nogil
# Queues bytes after may_send said OK; False when memory ran out before the last.
cdef bint send_text(tcb_t* tcb, const uint8_t* text, uint64_t length) noexcept nogil
# The same for bytes that are in a chunk already: the chunk is taken over.
cdef void send_chunk(tcb_t* tcb, chunk_t* chunk) noexcept nogil
# The same for bytes that stay where they are, at most LARGE_CHUNK of them: until keep_text has copied them, or the
# connection has dropped them, they may neither change nor go. False when there is no memory for that copy.
cdef bint lend_text(tcb_t* tcb, const uint8_t* text, uint32_t length) noexcept nogil
# Copies what is lent and has not been acknowledged; close_connection does so too.
cdef void keep_text(tcb_t* tcb) noexcept nogil
# Copies the last piece of it alone, which will be acknowledged last; whether more is lent.
cdef bint keep_last_text(tcb_t* tcb) noexcept nogil
# STATUS_OK when bytes are there to be received or the stream has ended (then `ended`), else why not.
cdef Status may_receive(const tcb_t* tcb, bint* ended) noexcept nogil
# The same for an urgent byte out of line: STATUS_OK with it in `octet`, or with the end in `ended`; STATUS_INVALID when
# they stay inline.
cdef Status receive_urgent(tcb_t* tcb, uint8_t* octet, bint peek, bint* ended) noexcept nogil
# Copies up to `length` bytes; how many.
cdef uint64_t receive_text(tcb_t* tcb, uint8_t* destination, uint64_t length) noexcept nogil
# Unlinks whole chunks of at most `length` bytes altogether, to be copied without the lock; NULL when the first is
# larger.
cdef chunk_t* receive_chunks(tcb_t* tcb, uint64_t length) noexcept nogil
# Bytes have left the receive queue: announce the window if that is worth a segment (SND-4).
cdef void received(tcb_t* tcb) noexcept nogil
# FIN behind the queued data (SHUT-3).
cdef Status shut_send(tcb_t* tcb) noexcept nogil
# SHUT-4.
cdef Status shut_receive(tcb_t* tcb) noexcept nogil
# The program lets go: the rest is delivered in the background (SND-10), or RST where data is lost (CLOSE-6).
cdef void close_connection(tcb_t* tcb, int64_t now) noexcept nogil
cdef void abort_call(tcb_t* tcb) noexcept nogil
# The readiness bits that hold now.
cdef int connection_readiness(const tcb_t* tcb) noexcept nogil
