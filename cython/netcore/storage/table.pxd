"""A hash table of intrusive chains that doubles as it fills; the owner compares keys."""

from libc.stdint cimport uint32_t
from netcore.posix cimport calloc, free, memset

cdef struct table_node_t:
    table_node_t* next
    uint32_t hash

cdef struct table_t:
    table_node_t** buckets
    uint32_t mask
    uint32_t count


cdef inline bint table_open(table_t* table, uint32_t buckets) noexcept nogil:
    """buckets: a power of two. False when there is no memory."""
    memset(table, 0, sizeof(table_t))
    table.buckets = <table_node_t**> calloc(buckets, sizeof(table_node_t*))
    table.mask = buckets - 1
    return table.buckets != NULL


cdef inline void table_close(table_t* table) noexcept nogil:
    free(table.buckets)
    table.buckets = NULL


cdef inline table_node_t* table_chain(const table_t* table, uint32_t hash) noexcept nogil:
    return table.buckets[hash & table.mask]


cdef inline void table_grow(table_t* table) noexcept nogil:
    cdef uint32_t mask = table.mask * 2 + 1
    cdef table_node_t** buckets = <table_node_t**> calloc(<size_t> mask + 1, sizeof(table_node_t*))
    cdef table_node_t* node
    cdef table_node_t* following
    cdef uint32_t i
    if buckets == NULL:
        # longer chains are slower, not wrong
        return
    for i in range(table.mask + 1):
        node = table.buckets[i]
        while node != NULL:
            following = node.next
            node.next = buckets[node.hash & mask]
            buckets[node.hash & mask] = node
            node = following
    free(table.buckets)
    table.buckets = buckets
    table.mask = mask


cdef inline void table_insert(table_t* table, table_node_t* node, uint32_t hash) noexcept nogil:
    if table.count > table.mask:
        table_grow(table)
    node.hash = hash
    node.next = table.buckets[hash & table.mask]
    table.buckets[hash & table.mask] = node
    table.count += 1


cdef inline bint table_remove(table_t* table, table_node_t* node) noexcept nogil:
    """False when the node was not in the table."""
    cdef table_node_t** at = &table.buckets[node.hash & table.mask]
    while at[0] != NULL:
        if at[0] == node:
            at[0] = node.next
            node.next = NULL
            table.count -= 1
            return True
        at = &at[0].next
    return False
