"""Connections hashed by four-tuple under a secret key, listeners by port (RFC 9293 3.10.7, RFC 6056)."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from netcore.storage.random cimport random_below
from netcore.storage.siphash cimport siphash
from netcore.storage.table cimport table_chain, table_insert, table_node_t, table_remove
from netcore.tcp.isn cimport hash_four_tuple
from netcore.tcp.tcb cimport ENTRY_CONNECTION, entry_t, listener_t, transport_t
from netcore.wire.address cimport address_t, ipv4_of_address, is_ipv4, is_unspecified, same_address


cdef inline uint32_t hash_of_ends(const transport_t* transport, const address_t* local, uint16_t local_port,
                                  const address_t* remote, uint16_t remote_port) noexcept nogil:
    cdef uint64_t words[2]
    if not is_ipv4(local) or not is_ipv4(remote):
        return <uint32_t> hash_four_tuple(&transport.table_key, local, local_port, remote, remote_port)
    words[0] = local.low << 32 | ipv4_of_address(remote)
    words[1] = <uint64_t> local_port << 16 | remote_port
    return <uint32_t> siphash(&transport.table_key, words, 2)


cdef entry_t* look_up_entry(transport_t* transport, const address_t* local, uint16_t local_port,
                            const address_t* remote, uint16_t remote_port) noexcept nogil:
    cdef entry_t** found = place_found(transport, local_port, remote_port)
    cdef table_node_t* node
    cdef uint32_t hash
    hash = hash_of_ends(transport, local, local_port, remote, remote_port)
    node = table_chain(&transport.connections, hash)
    while node != NULL:
        if node.hash == hash and is_between(<entry_t*> node, local, local_port, remote, remote_port):
            found[0] = <entry_t*> node
            return found[0]
        node = node.next
    return NULL


cdef void insert_entry(transport_t* transport, entry_t* entry) noexcept nogil:
    cdef uint32_t hash = hash_of_ends(transport, &entry.local, entry.local_port, &entry.remote, entry.remote_port)
    table_insert(&transport.connections, &entry.node, hash)
    if entry.kind == ENTRY_CONNECTION:
        transport.port_users[entry.local_port] += 1


cdef void remove_entry(transport_t* transport, entry_t* entry) noexcept nogil:
    cdef entry_t** found = place_found(transport, entry.local_port, entry.remote_port)
    if found[0] == entry:
        found[0] = NULL
    if table_remove(&transport.connections, &entry.node) and entry.kind == ENTRY_CONNECTION:
        transport.port_users[entry.local_port] -= 1


cdef listener_t* find_listener(transport_t* transport, const address_t* local, uint16_t local_port) noexcept nogil:
    cdef table_node_t* node = table_chain(&transport.listeners, local_port)
    cdef listener_t* listener
    cdef listener_t* specific = NULL
    cdef listener_t* wildcard = NULL
    while node != NULL:
        listener = <listener_t*> node
        if listener.local_port == local_port:
            if is_unspecified(&listener.local):
                if wildcard == NULL or listener.rank < wildcard.rank:
                    wildcard = listener
            elif same_address(&listener.local, local):
                if specific == NULL or listener.rank < specific.rank:
                    specific = listener
        node = node.next
    return specific if specific != NULL else wildcard


cdef void insert_listener(transport_t* transport, listener_t* listener) noexcept nogil:
    table_insert(&transport.listeners, &listener.node, listener.local_port)
    transport.port_users[listener.local_port] += 1


cdef void remove_listener(transport_t* transport, listener_t* listener) noexcept nogil:
    if table_remove(&transport.listeners, &listener.node):
        transport.port_users[listener.local_port] -= 1


cdef uint16_t choose_free_port(transport_t* transport, uint32_t low, uint32_t high,
                               const unsigned char* taken) noexcept nogil:
    cdef uint32_t span = high - low + 1
    cdef uint32_t start = random_below(&transport.random, span)
    cdef uint32_t i, port
    for i in range(span):
        port = low + (start + i) % span
        if transport.port_users[port] == 0 and (taken == NULL or not (taken[port >> 3] >> (port & 7)) & 1):
            return <uint16_t> port
    return 0
