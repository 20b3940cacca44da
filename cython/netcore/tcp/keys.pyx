"""A table of few keys, looked through when a connection is made and for what belongs to none."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.links cimport link_t, list_append, list_remove
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.wire.address cimport address_t, same_address


cdef void keys_open(keys_t* keys) noexcept nogil:
    memset(keys, 0, sizeof(keys_t))
    slab_open(&keys.slab, sizeof(key_t))


cdef void forget(keys_t* keys, key_t* key) noexcept nogil:
    # the secret is not to lie about in memory
    memset(key, 0, sizeof(key_t))
    slab_give(&keys.slab, key)


cdef void keys_close(keys_t* keys) noexcept nogil:
    cdef link_t* link = keys.known.first
    cdef key_t* key
    while link != NULL:
        key = <key_t*> link.owner
        link = link.next
        forget(keys, key)
    slab_close(&keys.slab)


cdef uint64_t mask_of(int bits) noexcept nogil:
    """The upper `bits` of 64."""
    if bits <= 0:
        return 0
    return ~<uint64_t> 0 << (64 - bits) if bits < 64 else ~<uint64_t> 0


cdef bint is_within(const address_t* address, const address_t* prefix, int bits) noexcept nogil:
    return ((address.high ^ prefix.high) & mask_of(bits) == 0
            and (address.low ^ prefix.low) & mask_of(bits - 64) == 0)


cdef bint is_in_conflict(const key_t* one, const key_t* other) noexcept nogil:
    """RFC 5925 3.1: a segment must not fit two keys. A peer is signed for in one way, by MD5 with one key."""
    if (one.prefix != other.prefix or not same_address(&one.peer, &other.peer) or one.local_port != other.local_port
            or one.remote_port != other.remote_port):
        return False
    return (one.algorithm == SIGN_MD5 or other.algorithm == SIGN_MD5 or one.send_id == other.send_id
            or one.receive_id == other.receive_id)


cdef uint32_t add_key(keys_t* keys, const key_t* wanted, KeyRefusal* refusal) noexcept nogil:
    cdef link_t* link = keys.known.first
    cdef key_t* key
    refusal[0] = KEY_ADDED
    if keys.slab.in_use >= KEYS_MOST:
        refusal[0] = KEY_TOO_MANY
        return 0
    while link != NULL:
        if is_in_conflict(<key_t*> link.owner, wanted):
            refusal[0] = KEY_CONFLICT
            return 0
        link = link.next
    key = <key_t*> slab_take(&keys.slab)
    if key == NULL:
        refusal[0] = KEY_NO_MEMORY
        return 0
    key[0] = wanted[0]
    keys.last_number += 1
    key.number = keys.last_number
    key.users = 0
    key.removed = False
    key.peer.high &= mask_of(key.prefix)
    key.peer.low &= mask_of(<int> key.prefix - 64)
    list_append(&keys.known, &key.link, key)
    return key.number


cdef bint remove_key(keys_t* keys, uint32_t number) noexcept nogil:
    cdef link_t* link = keys.known.first
    cdef key_t* key
    while link != NULL:
        key = <key_t*> link.owner
        if key.number == number:
            list_remove(link)
            key.removed = True
            if key.users == 0:
                forget(keys, key)
            return True
        link = link.next
    return False


cdef key_t* find_key(keys_t* keys, const address_t* peer, uint16_t local_port, uint16_t remote_port, Choice choice,
                     uint8_t id) noexcept nogil:
    cdef link_t* link = keys.known.first
    cdef key_t* key
    cdef key_t* found = NULL
    cdef int exactness = -1
    cdef int exact
    while link != NULL:
        key = <key_t*> link.owner
        link = link.next
        if choice != KEY_ANY and (key.algorithm == SIGN_MD5
                                  or id != (key.receive_id if choice == KEY_RECEIVED else key.send_id)):
            continue
        if (key.local_port and key.local_port != local_port) or (key.remote_port and key.remote_port != remote_port):
            continue
        exact = 4 * key.prefix + (key.local_port != 0) + (key.remote_port != 0)
        if exact > exactness and is_within(peer, &key.peer, key.prefix):
            found = key
            exactness = exact
    return found


cdef void hold_key(key_t* key) noexcept nogil:
    key.users += 1


cdef void release_key(keys_t* keys, key_t* key) noexcept nogil:
    key.users -= 1
    if key.removed and key.users == 0:
        forget(keys, key)
