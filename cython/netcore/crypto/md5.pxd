"""MD5 (RFC 1321), for the signatures of RFC 2385 only: it resists no search for collisions any more."""

from libc.stdint cimport uint8_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t

cdef enum:
    MD5_LENGTH = 16

cdef void md5_begin(block_hash_t* state) noexcept nogil
cdef void md5_update(block_hash_t* state, const uint8_t* octets, uint64_t length) noexcept nogil
# Puts the 16 octets of the digest; the state is used up.
cdef void md5_finish(block_hash_t* state, uint8_t* digest) noexcept nogil
