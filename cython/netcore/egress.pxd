"""The way out on one page: next_frame pulls connection -> segment -> packet -> frame, replies too."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.posix cimport iovec
from netcore.storage.chunks cimport chunk_t
from netcore.wire.vnet cimport vnet_header_t

cdef enum:
    HEADER_ROOM = 128
    PIECES_MOST = 40

# a frame ready to be written: pieces[0] is the headers, the others point at the bytes where they lie
cdef struct outgoing_t:
    vnet_header_t vnet
    iovec pieces[40]
    int count
    # octets behind the virtio header
    uint32_t length
    # owner of the bytes when no connection is; to be given back after writing
    chunk_t* chunk
    uint8_t header[128]

cdef inline bint is_anything_leaving(const host_t* host) noexcept nogil:
    """Whether next_frame is worth asking: connections that want to send may find that they may not."""
    return (host.transport.output.first != NULL or host.replies.count != 0 or host.transport.control_count != 0
            or host.cutting.packet.chunk != NULL)


# Fills `out` with the next frame that may leave; False when there is none.
cdef bint next_frame(host_t* host, outgoing_t* out, int64_t now) noexcept nogil
