"""SipHash-2-4 (Aumasson and Bernstein): a keyed hash of a few 64-bit words."""

from libc.stdint cimport uint64_t

cdef struct hash_key_t:
    uint64_t k0
    uint64_t k1


cdef inline uint64_t rotate_left(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef inline void sip_rounds(uint64_t* v, int rounds) noexcept nogil:
    cdef int _round
    for _round in range(rounds):
        v[0] += v[1]
        v[1] = rotate_left(v[1], 13)
        v[1] ^= v[0]
        v[0] = rotate_left(v[0], 32)
        v[2] += v[3]
        v[3] = rotate_left(v[3], 16)
        v[3] ^= v[2]
        v[0] += v[3]
        v[3] = rotate_left(v[3], 21)
        v[3] ^= v[0]
        v[2] += v[1]
        v[1] = rotate_left(v[1], 17)
        v[1] ^= v[2]
        v[2] = rotate_left(v[2], 32)


cdef inline uint64_t siphash(const hash_key_t* key, const uint64_t* words, int count) noexcept nogil:
    """SipHash-2-4 of `count` whole words (the input's length in bytes is count * 8)."""
    cdef uint64_t v[4]
    cdef uint64_t last = <uint64_t> (count * 8) << 56
    cdef int i
    v[0] = key.k0 ^ 0x736f6d6570736575ULL
    v[1] = key.k1 ^ 0x646f72616e646f6dULL
    v[2] = key.k0 ^ 0x6c7967656e657261ULL
    v[3] = key.k1 ^ 0x7465646279746573ULL
    for i in range(count):
        v[3] ^= words[i]
        sip_rounds(v, 2)
        v[0] ^= words[i]
    v[3] ^= last
    sip_rounds(v, 2)
    v[0] ^= last
    v[2] ^= 0xff
    sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
