"""The AES-128 block cipher, forwards only (FIPS 197), for AES-CMAC."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    AES_BLOCK = 16

# the round keys, words in network order
cdef struct aes_t:
    uint32_t keys[44]

cdef void aes_expand(aes_t* aes, const uint8_t* key) noexcept nogil
# Enciphers 16 octets in place.
cdef void aes_encrypt(const aes_t* aes, uint8_t* block) noexcept nogil
