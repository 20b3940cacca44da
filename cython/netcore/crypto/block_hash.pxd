"""What MD5 and SHA-1 share: text cut into blocks of 64 octets, the last padded with its length (RFC 1321 3.1, 3.2)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.posix cimport memcpy, memset

cdef enum:
    BLOCK = 64
    LENGTH_AT = 56

cdef struct block_hash_t:
    uint32_t words[5]
    # octets taken so far; those of the block that is not full wait in `block`
    uint64_t length
    uint8_t block[64]
    # works one block into the words
    void (*compress)(uint32_t* words, const uint8_t* block) noexcept nogil


cdef inline void hash_update(block_hash_t* state, const uint8_t* octets, uint64_t length) noexcept nogil:
    cdef uint64_t held = state.length % BLOCK
    cdef uint64_t part
    state.length += length
    if held:
        part = BLOCK - held if length > BLOCK - held else length
        memcpy(state.block + held, octets, part)
        octets += part
        length -= part
        if held + part < BLOCK:
            return
        state.compress(state.words, state.block)
    while length >= BLOCK:
        state.compress(state.words, octets)
        octets += BLOCK
        length -= BLOCK
    if length:
        memcpy(state.block, octets, length)


cdef inline uint8_t* hash_pad(block_hash_t* state) noexcept nogil:
    """Pads; where the text's length in bits is to be put before the last block is worked in."""
    cdef uint64_t held = state.length % BLOCK
    state.block[held] = 0x80
    held += 1
    if held > LENGTH_AT:
        memset(state.block + held, 0, BLOCK - held)
        state.compress(state.words, state.block)
        held = 0
    memset(state.block + held, 0, LENGTH_AT - held)
    return state.block + LENGTH_AT
