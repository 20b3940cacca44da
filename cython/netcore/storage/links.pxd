"""An intrusive doubly linked list: membership costs no allocation, removal is O(1)."""

from libc.stdint cimport uint32_t

cdef struct list_t

cdef struct link_t:
    link_t* next
    link_t* previous
    void* owner
    list_t* where

cdef struct list_t:
    link_t* first
    link_t* last
    uint32_t count


cdef inline void list_append(list_t* where, link_t* link, void* owner) noexcept nogil:
    link.owner = owner
    link.where = where
    link.next = NULL
    link.previous = where.last
    if where.last != NULL:
        where.last.next = link
    else:
        where.first = link
    where.last = link
    where.count += 1


cdef inline void list_insert_behind(link_t* before, link_t* link, void* owner) noexcept nogil:
    """Into the list of `before`, right behind it; into none if that is in none."""
    cdef list_t* where = before.where
    link.owner = owner
    link.where = where
    if where == NULL:
        return
    link.previous = before
    link.next = before.next
    if link.next != NULL:
        link.next.previous = link
    else:
        where.last = link
    before.next = link
    where.count += 1


cdef inline void list_prepend(list_t* where, link_t* link, void* owner) noexcept nogil:
    link.owner = owner
    link.where = where
    link.previous = NULL
    link.next = where.first
    if where.first != NULL:
        where.first.previous = link
    else:
        where.last = link
    where.first = link
    where.count += 1


cdef inline void list_remove(link_t* link) noexcept nogil:
    """Takes the link out of whatever list it is in; nothing if in none."""
    cdef list_t* where = link.where
    if where == NULL:
        return
    if link.previous != NULL:
        link.previous.next = link.next
    else:
        where.first = link.next
    if link.next != NULL:
        link.next.previous = link.previous
    else:
        where.last = link.previous
    link.next = link.previous = NULL
    link.where = NULL
    where.count -= 1


cdef inline void* list_first(list_t* where) noexcept nogil:
    return where.first.owner if where.first != NULL else NULL


cdef inline void* list_last(list_t* where) noexcept nogil:
    return where.last.owner if where.last != NULL else NULL
