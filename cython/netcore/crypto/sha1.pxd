"""SHA-1 (FIPS 180-4 6.1), for the HMAC of TCP-AO (RFC 5926)."""

from libc.stdint cimport uint8_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t

cdef enum:
    SHA1_LENGTH = 20

cdef void sha1_begin(block_hash_t* state) noexcept nogil
cdef void sha1_update(block_hash_t* state, const uint8_t* octets, uint64_t length) noexcept nogil
# Puts the 20 octets of the digest; the state is used up.
cdef void sha1_finish(block_hash_t* state, uint8_t* digest) noexcept nogil
