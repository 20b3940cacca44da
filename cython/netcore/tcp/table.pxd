"""Finds the connection, TIME-WAIT record or listener of a segment; knows which local ports are used (RFC 6056)."""

from libc.stdint cimport uint16_t, uint32_t
from netcore.tcp.tcb cimport entry_t, listener_t, transport_t
from netcore.wire.address cimport address_t

# The connection or TIME-WAIT record of a four-tuple; NULL when there is none.
cdef entry_t* find_entry(transport_t* transport, const address_t* local, uint16_t local_port, const address_t* remote,
                         uint16_t remote_port) noexcept nogil
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
