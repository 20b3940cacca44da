"""HMAC-SHA-1 (RFC 2104)."""

from libc.stdint cimport uint8_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t

cdef struct hmac_t:
    block_hash_t inner
    block_hash_t outer

# A key of any length.
cdef void hmac_begin(hmac_t* state, const uint8_t* key, uint64_t length) noexcept nogil
cdef void hmac_update(hmac_t* state, const uint8_t* octets, uint64_t length) noexcept nogil
# Puts 20 octets; the state is used up.
cdef void hmac_finish(hmac_t* state, uint8_t* code) noexcept nogil
