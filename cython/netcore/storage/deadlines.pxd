"""Deadlines in a 4-ary heap: exact to the nanosecond, O(log n), ties in the order of arming.

A heap and not a wheel: a driver by hand and the simulator ask for the exact next deadline, a wheel knows it only to
its tick; and since a connection keeps one node and moves it lazily, the heap is touched a few times a second for each
connection, not for each packet.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport free, memset, realloc


cdef extern from *:
    """
    #define NEVER INT64_MAX
    """
    # no deadline
    const int64_t NEVER

# A member of the struct that it wakes. What the heap holds of it counts to what a connection costs (LIM-1): little.
cdef struct deadline_t:
    int64_t due
    # place in the heap plus 1; 0: not armed
    uint32_t place
    uint16_t kind
    # bytes from the start of the owner
    uint16_t offset

cdef struct heap_item_t:
    int64_t due
    uint64_t order
    deadline_t* node

cdef struct deadlines_t:
    heap_item_t* items
    uint32_t count
    uint32_t capacity
    uint32_t reserved
    uint64_t order


cdef inline void deadlines_open(deadlines_t* heap) noexcept nogil:
    memset(heap, 0, sizeof(deadlines_t))


cdef inline void deadlines_close(deadlines_t* heap) noexcept nogil:
    free(heap.items)
    memset(heap, 0, sizeof(deadlines_t))


cdef inline bint deadlines_reserve(deadlines_t* heap) noexcept nogil:
    """Makes sure of a place for one more node, so that arming it can never fail; to be paired with a release."""
    cdef heap_item_t* items
    cdef uint32_t capacity
    if heap.reserved == heap.capacity:
        capacity = heap.capacity + heap.capacity // 4 if heap.capacity else 64
        items = <heap_item_t*> realloc(heap.items, capacity * sizeof(heap_item_t))
        if items == NULL:
            return False
        heap.items = items
        heap.capacity = capacity
    heap.reserved += 1
    return True


cdef inline void deadlines_release(deadlines_t* heap) noexcept nogil:
    heap.reserved -= 1


cdef inline void* owner_of(const deadline_t* node) noexcept nogil:
    """The struct that a node which was armed is a member of."""
    return <char*> node - node.offset


cdef inline bint is_before(const heap_item_t* left, const heap_item_t* right) noexcept nogil:
    return left.due < right.due or (left.due == right.due and left.order < right.order)


cdef inline void heap_place(deadlines_t* heap, uint32_t index, const heap_item_t* item) noexcept nogil:
    heap.items[index] = item[0]
    heap.items[index].node.place = index + 1


cdef inline void sift_up(deadlines_t* heap, uint32_t index, heap_item_t item) noexcept nogil:
    cdef uint32_t parent
    while index:
        parent = (index - 1) // 4
        if not is_before(&item, &heap.items[parent]):
            break
        heap_place(heap, index, &heap.items[parent])
        index = parent
    heap_place(heap, index, &item)


cdef inline void sift_down(deadlines_t* heap, uint32_t index, heap_item_t item) noexcept nogil:
    cdef uint32_t child, best, last
    while True:
        child = index * 4 + 1
        if child >= heap.count:
            break
        best = child
        last = child + 4 if child + 4 < heap.count else heap.count
        child += 1
        while child < last:
            if is_before(&heap.items[child], &heap.items[best]):
                best = child
            child += 1
        if not is_before(&heap.items[best], &item):
            break
        heap_place(heap, index, &heap.items[best])
        index = best
    heap_place(heap, index, &item)


cdef inline void disarm(deadlines_t* heap, deadline_t* node) noexcept nogil:
    cdef uint32_t index
    cdef heap_item_t moved
    if node.place == 0:
        return
    index = node.place - 1
    node.place = 0
    heap.count -= 1
    if index == heap.count:
        return
    moved = heap.items[heap.count]
    if index and is_before(&moved, &heap.items[(index - 1) // 4]):
        sift_up(heap, index, moved)
    else:
        sift_down(heap, index, moved)


cdef inline void arm_ranked(deadlines_t* heap, deadline_t* node, void* owner, int kind, int64_t due,
                            uint64_t rank) noexcept nogil:
    """(Re)arms a reserved node to come due at `due` ns; among those due at one time the lowest rank is first.

    owner: the struct that the node is a member of. kind: for the caller, below 65,536.
    """
    cdef heap_item_t item
    cdef uint32_t index = node.place - 1
    node.due = due
    node.kind = <uint16_t> kind
    node.offset = <uint16_t> (<char*> node - <char*> owner)
    item.due = due
    item.order = rank
    item.node = node
    if node.place == 0:
        heap.count += 1
        sift_up(heap, heap.count - 1, item)
    elif index and is_before(&item, &heap.items[(index - 1) // 4]):
        sift_up(heap, index, item)
    else:
        sift_down(heap, index, item)


cdef inline void arm(deadlines_t* heap, deadline_t* node, void* owner, int kind, int64_t due) noexcept nogil:
    """(Re)arms a reserved node to come due at `due` ns, after those armed for the same time before."""
    arm_ranked(heap, node, owner, kind, due, heap.order)
    heap.order += 1


cdef inline void deadlines_reorder(deadlines_t* heap) noexcept nogil:
    """Makes it a heap again after the owner has changed the times of items and nodes in place."""
    cdef uint32_t index = heap.count
    while index:
        index -= 1
        sift_down(heap, index, heap.items[index])


cdef inline int64_t earliest(const deadlines_t* heap) noexcept nogil:
    return heap.items[0].due if heap.count else NEVER


cdef inline deadline_t* take_earliest(deadlines_t* heap) noexcept nogil:
    """Disarms the earliest node and returns it; the heap must not be empty."""
    cdef deadline_t* node = heap.items[0].node
    disarm(heap, node)
    return node
