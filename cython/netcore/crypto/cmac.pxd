"""AES-128-CMAC (RFC 4493)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.crypto.aes cimport aes_t

cdef struct cmac_t:
    aes_t aes
    uint8_t code[16]
    # the last octets, which may be the last block's; 16 only when more has not come
    uint8_t block[16]
    uint32_t held

# A key of 16 octets.
cdef void cmac_begin(cmac_t* state, const uint8_t* key) noexcept nogil
cdef void cmac_update(cmac_t* state, const uint8_t* octets, uint64_t length) noexcept nogil
# Puts 16 octets; the state is used up.
cdef void cmac_finish(cmac_t* state, uint8_t* code) noexcept nogil
