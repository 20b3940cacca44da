"""What is known of the paths to other hosts: the largest packet that passes (RFC 1191 6.2, RFC 8201 5.2).

Bounded, the entry learnt longest ago makes room; an entry ages without a timer, the look-up that finds it old drops it.
"""

from libc.stdint cimport int64_t, uint32_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.siphash cimport hash_key_t
from netcore.storage.slab cimport slab_t
from netcore.storage.table cimport table_node_t, table_t
from netcore.wire.address cimport address_t

cdef enum:
    PATHS_MOST = 1024

cdef struct path_t:
    table_node_t node
    address_t remote
    uint32_t mtu
    int64_t expires
    # learnt longest ago first
    link_t age_link

cdef struct paths_t:
    table_t table
    slab_t slab
    list_t by_age
    const hash_key_t* key

# `key` is borrowed and must stay. False when there is no memory.
cdef bint paths_open(paths_t* paths, const hash_key_t* key) noexcept nogil
cdef void paths_close(paths_t* paths) noexcept nogil
# The MTU (bytes) of the path to `remote`, and in `expires` (ns) until when that holds; 0: nothing is known.
cdef uint32_t path_mtu_to(paths_t* paths, const address_t* remote, int64_t now, int64_t* expires) noexcept nogil
cdef void learn_path_mtu(paths_t* paths, const address_t* remote, uint32_t mtu, int64_t expires) noexcept nogil
cdef void forget_path(paths_t* paths, const address_t* remote) noexcept nogil
