"""Datagrams whose fragments arrive one by one (RFC 791 3.2, RFC 815), each until it is whole, or for 30 s.

What overlaps does not fit: the datagram is discarded with all that is still to come of it (RFC 5722, which hosts keep
for IPv4 as well), but for a fragment that the network has doubled. Whoever may send can fill these tables, so they are
small, the oldest makes room, and one source has a share only.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.storage.chunks cimport chunk_t
from netcore.storage.deadlines cimport deadline_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.siphash cimport hash_key_t
from netcore.storage.slab cimport slab_t
from netcore.tcp.tcb cimport transport_t
from netcore.wire.ipv4 cimport ipv4_t

cdef enum:
    SOURCE_LISTS = 256
    # the payload of a datagram begins here in its chunk, its header lies before
    PAYLOAD_AT = 64
    # units of 8 octets, a bit for each
    UNIT_WORDS = 128

cdef struct datagram_t:
    uint32_t source
    uint32_t destination
    uint16_t identification
    uint8_t protocol
    # codepoints of the ECN field that have come, a bit for each (RFC 3168 5.3)
    uint8_t codepoints
    # a remembrance only: what comes is thrown away
    bint discarded
    bint has_first
    bint has_last
    # octets of payload: all (when has_last), those that came, and the end of the furthest
    uint32_t total
    uint32_t received
    uint32_t furthest
    uint8_t header_length
    uint8_t header[60]
    chunk_t* chunk
    int64_t expires
    link_t age_link
    link_t source_link
    uint64_t units[128]

cdef struct fragments_t:
    # for the one that began first
    deadline_t deadline
    transport_t* transport
    hash_key_t key
    slab_t slab
    # oldest first
    list_t by_age
    list_t sources[256]
    # bytes on the account of the pool
    int64_t memory

cdef bint fragments_open(fragments_t* fragments, transport_t* transport) noexcept nogil
cdef void fragments_close(fragments_t* fragments) noexcept nogil
# A fragment, its packet from the header on. The datagram in a chunk, header first and put right, when that was the last
# one missing: the caller's then; else NULL.
cdef chunk_t* fragment_arrives(fragments_t* fragments, const ipv4_t* header, const uint8_t* packet,
                               int64_t now) noexcept nogil
# The next datagram whose time is over, to be given to release_datagram; NULL: there is none, the deadline is set.
cdef datagram_t* take_expired(fragments_t* fragments, int64_t now) noexcept nogil
cdef void release_datagram(fragments_t* fragments, datagram_t* datagram) noexcept nogil
