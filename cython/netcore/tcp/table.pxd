"""Finds the connection, TIME-WAIT record or listener of a segment; knows which local ports are used (RFC 6056)."""

from libc.stdint cimport uint16_t, uint32_t
from netcore.tcp.tcb cimport entry_t, listener_t, transport_t
from netcore.wire.address cimport address_t, same_address

cdef enum:
    # transport_t.found
    FOUND_PLACES = 64

# Looks for a four-tuple among all, and keeps in mind what it found.
cdef entry_t* look_up_entry(transport_t* transport, const address_t* local, uint16_t local_port,
                            const address_t* remote, uint16_t remote_port) noexcept nogil
# Addresses and ports of the entry must be set.
cdef void insert_entry(transport_t* transport, entry_t* entry) noexcept nogil
cdef void remove_entry(transport_t* transport, entry_t* entry) noexcept nogil

# The listener that a SYN to this address and port belongs to: a specific one before the wildcard (BIND-24), among
# equals the lowest rank (BIND-25); NULL when there is none.
cdef listener_t* find_listener(transport_t* transport, const address_t* local, uint16_t local_port) noexcept nogil
cdef void insert_listener(transport_t* transport, listener_t* listener) noexcept nogil
cdef void remove_listener(transport_t* transport, listener_t* listener) noexcept nogil

# A port of low..high that no connection or listener uses and `taken` (a bit map of 65536 bits, or NULL) does not hold;
# 0 when none is free. Starts at a random offset (RFC 6056 algorithm 1).
cdef uint16_t choose_free_port(transport_t* transport, uint32_t low, uint32_t high,
                               const unsigned char* taken) noexcept nogil


cdef inline bint is_between(const entry_t* entry, const address_t* local, uint16_t local_port, const address_t* remote,
                            uint16_t remote_port) noexcept nogil:
    return (entry.local_port == local_port and entry.remote_port == remote_port
            and same_address(&entry.remote, remote) and same_address(&entry.local, local))


cdef inline entry_t** place_found(transport_t* transport, uint16_t local_port, uint16_t remote_port) noexcept nogil:
    return &transport.found[(local_port ^ remote_port) & (FOUND_PLACES - 1)]


cdef inline entry_t* find_entry(transport_t* transport, const address_t* local, uint16_t local_port,
                                const address_t* remote, uint16_t remote_port) noexcept nogil:
    """The connection or TIME-WAIT record of a four-tuple; NULL when there is none."""
    cdef entry_t* found = place_found(transport, local_port, remote_port)[0]
    # a segment is mostly for a connection that the last ones were for: no hash is worked out for it
    if found != NULL and is_between(found, local, local_port, remote, remote_port):
        return found
    return look_up_entry(transport, local, local_port, remote, remote_port)
