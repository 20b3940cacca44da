"""RFC 4493 2.3 and 2.4: the last block is masked by a subkey, the first if it is whole, the second if it is padded."""

from libc.stdint cimport uint8_t, uint64_t
from netcore.crypto.aes cimport AES_BLOCK, aes_encrypt, aes_expand
from netcore.posix cimport memcpy, memset


cdef void cmac_begin(cmac_t* state, const uint8_t* key) noexcept nogil:
    aes_expand(&state.aes, key)
    memset(state.code, 0, AES_BLOCK)
    state.held = 0


cdef inline void chain(cmac_t* state, const uint8_t* block) noexcept nogil:
    cdef int i
    for i in range(AES_BLOCK):
        state.code[i] ^= block[i]
    aes_encrypt(&state.aes, state.code)


cdef void cmac_update(cmac_t* state, const uint8_t* octets, uint64_t length) noexcept nogil:
    cdef uint64_t part
    while length:
        if state.held == AES_BLOCK:
            chain(state, state.block)
            state.held = 0
        while state.held == 0 and length > AES_BLOCK:
            chain(state, octets)
            octets += AES_BLOCK
            length -= AES_BLOCK
        part = AES_BLOCK - state.held if length > AES_BLOCK - state.held else length
        memcpy(state.block + state.held, octets, part)
        state.held += <unsigned int> part
        octets += part
        length -= part


cdef void double_subkey(uint8_t* subkey) noexcept nogil:
    """RFC 4493 2.3: one bit to the left in the field of 128 bits; no branch tells the secret bit."""
    cdef uint8_t carry = subkey[0] >> 7
    cdef int i
    for i in range(AES_BLOCK - 1):
        subkey[i] = <uint8_t> (subkey[i] << 1 | subkey[i + 1] >> 7)
    subkey[AES_BLOCK - 1] = <uint8_t> (subkey[AES_BLOCK - 1] << 1 ^ 0x87 * carry)


cdef void cmac_finish(cmac_t* state, uint8_t* code) noexcept nogil:
    cdef uint8_t subkey[16]
    cdef int i
    memset(subkey, 0, AES_BLOCK)
    aes_encrypt(&state.aes, subkey)
    double_subkey(subkey)
    if state.held < AES_BLOCK:
        double_subkey(subkey)
        memset(state.block + state.held, 0, AES_BLOCK - state.held)
        state.block[state.held] = 0x80
    for i in range(AES_BLOCK):
        state.block[i] ^= subkey[i]
    chain(state, state.block)
    memcpy(code, state.code, AES_BLOCK)
