"""RFC 2104 2: H(K XOR opad, H(K XOR ipad, text))."""

from libc.stdint cimport uint8_t, uint64_t
from netcore.crypto.block_hash cimport BLOCK
from netcore.crypto.sha1 cimport SHA1_LENGTH, sha1_begin, sha1_finish, sha1_update
from netcore.posix cimport memcpy, memset


cdef void hmac_begin(hmac_t* state, const uint8_t* key, uint64_t length) noexcept nogil:
    cdef uint8_t block[64]
    cdef int i
    memset(block, 0, BLOCK)
    if length > BLOCK:
        sha1_begin(&state.inner)
        sha1_update(&state.inner, key, length)
        sha1_finish(&state.inner, block)
    else:
        memcpy(block, key, length)
    for i in range(BLOCK):
        block[i] ^= 0x36
    sha1_begin(&state.inner)
    sha1_update(&state.inner, block, BLOCK)
    for i in range(BLOCK):
        block[i] ^= 0x36 ^ 0x5c
    sha1_begin(&state.outer)
    sha1_update(&state.outer, block, BLOCK)


cdef void hmac_update(hmac_t* state, const uint8_t* octets, uint64_t length) noexcept nogil:
    sha1_update(&state.inner, octets, length)


cdef void hmac_finish(hmac_t* state, uint8_t* code) noexcept nogil:
    sha1_finish(&state.inner, code)
    sha1_update(&state.outer, code, SHA1_LENGTH)
    sha1_finish(&state.outer, code)
