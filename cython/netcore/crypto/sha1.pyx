"""FIPS 180-4 6.1.2 with the message schedule of 6.1.3, sixteen words that are overwritten in turn."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t, hash_pad, hash_update
from netcore.wire.octets cimport load32, store32


cdef inline uint32_t rotate(uint32_t value, int bits) noexcept nogil:
    return value << bits | value >> (32 - bits)


cdef void compress(uint32_t* words, const uint8_t* block) noexcept nogil:
    cdef uint32_t schedule[16]
    cdef uint32_t a = words[0]
    cdef uint32_t b = words[1]
    cdef uint32_t c = words[2]
    cdef uint32_t d = words[3]
    cdef uint32_t e = words[4]
    cdef uint32_t mixed
    cdef uint32_t i
    for i in range(16):
        schedule[i] = load32(block + 4 * i)
    for i in range(80):
        if i >= 16:
            schedule[i & 15] = rotate(schedule[(i + 13) & 15] ^ schedule[(i + 8) & 15] ^ schedule[(i + 2) & 15]
                                      ^ schedule[i & 15], 1)
        if i < 20:
            mixed = ((b & c) ^ (~b & d)) + 0x5a827999U
        elif i < 40:
            mixed = (b ^ c ^ d) + 0x6ed9eba1U
        elif i < 60:
            mixed = ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdcU
        else:
            mixed = (b ^ c ^ d) + 0xca62c1d6U
        mixed += rotate(a, 5) + e + schedule[i & 15]
        e = d
        d = c
        c = rotate(b, 30)
        b = a
        a = mixed
    words[0] += a
    words[1] += b
    words[2] += c
    words[3] += d
    words[4] += e


cdef void sha1_begin(block_hash_t* state) noexcept nogil:
    state.words[0] = 0x67452301U
    state.words[1] = 0xefcdab89U
    state.words[2] = 0x98badcfeU
    state.words[3] = 0x10325476U
    state.words[4] = 0xc3d2e1f0U
    state.length = 0
    state.compress = compress


cdef void sha1_update(block_hash_t* state, const uint8_t* octets, uint64_t length) noexcept nogil:
    hash_update(state, octets, length)


cdef void sha1_finish(block_hash_t* state, uint8_t* digest) noexcept nogil:
    cdef uint64_t bits = state.length * 8
    cdef uint8_t* end = hash_pad(state)
    cdef int i
    store32(end, <uint32_t> (bits >> 32))
    store32(end + 4, <uint32_t> bits)
    compress(state.words, state.block)
    for i in range(5):
        store32(digest + 4 * i, state.words[i])
