"""A table of path MTUs by destination."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.links cimport list_append, list_first, list_remove
from netcore.storage.siphash cimport hash_key_t, siphash
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.storage.table cimport table_chain, table_close, table_insert, table_node_t, table_open, table_remove
from netcore.wire.address cimport address_t, same_address


cdef bint paths_open(paths_t* paths, const hash_key_t* key) noexcept nogil:
    memset(paths, 0, sizeof(paths_t))
    paths.key = key
    slab_open(&paths.slab, sizeof(path_t))
    return table_open(&paths.table, 64)


cdef void paths_close(paths_t* paths) noexcept nogil:
    while paths.by_age.first != NULL:
        forget(paths, <path_t*> list_first(&paths.by_age))
    table_close(&paths.table)
    slab_close(&paths.slab)


cdef uint32_t hash_remote(const paths_t* paths, const address_t* remote) noexcept nogil:
    cdef uint64_t words[2]
    words[0] = remote.high
    words[1] = remote.low
    return <uint32_t> siphash(paths.key, words, 2)


cdef path_t* find(paths_t* paths, const address_t* remote) noexcept nogil:
    cdef table_node_t* node
    if paths.table.count == 0:
        return NULL
    node = table_chain(&paths.table, hash_remote(paths, remote))
    while node != NULL:
        if same_address(&(<path_t*> node).remote, remote):
            return <path_t*> node
        node = node.next
    return NULL


cdef void forget(paths_t* paths, path_t* path) noexcept nogil:
    table_remove(&paths.table, &path.node)
    list_remove(&path.age_link)
    slab_give(&paths.slab, path)


cdef uint32_t path_mtu_to(paths_t* paths, const address_t* remote, int64_t now, int64_t* expires) noexcept nogil:
    cdef path_t* path = find(paths, remote)
    if path == NULL:
        return 0
    if now >= path.expires:
        forget(paths, path)
        return 0
    expires[0] = path.expires
    return path.mtu


cdef void learn_path_mtu(paths_t* paths, const address_t* remote, uint32_t mtu, int64_t expires) noexcept nogil:
    cdef path_t* path = find(paths, remote)
    if path == NULL:
        if paths.table.count >= PATHS_MOST:
            forget(paths, <path_t*> list_first(&paths.by_age))
        path = <path_t*> slab_take(&paths.slab)
        if path == NULL:
            return
        path.remote = remote[0]
        table_insert(&paths.table, &path.node, hash_remote(paths, remote))
    else:
        list_remove(&path.age_link)
    list_append(&paths.by_age, &path.age_link, path)
    path.mtu = mtu
    path.expires = expires


cdef void forget_path(paths_t* paths, const address_t* remote) noexcept nogil:
    cdef path_t* path = find(paths, remote)
    if path != NULL:
        forget(paths, path)
