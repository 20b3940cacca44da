"""RFC 1321 3.3 and 3.4; its four functions in one loop."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t, hash_pad, hash_update

# the integer part of 2^32 * abs(sin(i + 1)) (RFC 1321 3.4)
cdef uint32_t[64] SINES = [
    0xd76aa478U, 0xe8c7b756U, 0x242070dbU, 0xc1bdceeeU, 0xf57c0fafU, 0x4787c62aU, 0xa8304613U, 0xfd469501U,
    0x698098d8U, 0x8b44f7afU, 0xffff5bb1U, 0x895cd7beU, 0x6b901122U, 0xfd987193U, 0xa679438eU, 0x49b40821U,
    0xf61e2562U, 0xc040b340U, 0x265e5a51U, 0xe9b6c7aaU, 0xd62f105dU, 0x02441453U, 0xd8a1e681U, 0xe7d3fbc8U,
    0x21e1cde6U, 0xc33707d6U, 0xf4d50d87U, 0x455a14edU, 0xa9e3e905U, 0xfcefa3f8U, 0x676f02d9U, 0x8d2a4c8aU,
    0xfffa3942U, 0x8771f681U, 0x6d9d6122U, 0xfde5380cU, 0xa4beea44U, 0x4bdecfa9U, 0xf6bb4b60U, 0xbebfbc70U,
    0x289b7ec6U, 0xeaa127faU, 0xd4ef3085U, 0x04881d05U, 0xd9d4d039U, 0xe6db99e5U, 0x1fa27cf8U, 0xc4ac5665U,
    0xf4292244U, 0x432aff97U, 0xab9423a7U, 0xfc93a039U, 0x655b59c3U, 0x8f0ccc92U, 0xffeff47dU, 0x85845dd1U,
    0x6fa87e4fU, 0xfe2ce6e0U, 0xa3014314U, 0x4e0811a1U, 0xf7537e82U, 0xbd3af235U, 0x2ad7d2bbU, 0xeb86d391U,
]
cdef uint8_t[16] SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]


cdef inline uint32_t load_little(const uint8_t* octets) noexcept nogil:
    return (octets[0] | <uint32_t> octets[1] << 8 | <uint32_t> octets[2] << 16 | <uint32_t> octets[3] << 24)


cdef void compress(uint32_t* words, const uint8_t* block) noexcept nogil:
    cdef uint32_t a = words[0]
    cdef uint32_t b = words[1]
    cdef uint32_t c = words[2]
    cdef uint32_t d = words[3]
    cdef uint32_t mixed, at, shift
    cdef uint32_t i
    for i in range(64):
        if i < 16:
            mixed = (b & c) | (~b & d)
            at = i
        elif i < 32:
            mixed = (d & b) | (~d & c)
            at = (5 * i + 1) & 15
        elif i < 48:
            mixed = b ^ c ^ d
            at = (3 * i + 5) & 15
        else:
            mixed = c ^ (b | ~d)
            at = (7 * i) & 15
        mixed += a + SINES[i] + load_little(block + 4 * at)
        shift = SHIFTS[(i >> 4) * 4 + (i & 3)]
        a = d
        d = c
        c = b
        b += mixed << shift | mixed >> (32 - shift)
    words[0] += a
    words[1] += b
    words[2] += c
    words[3] += d


cdef void md5_begin(block_hash_t* state) noexcept nogil:
    state.words[0] = 0x67452301U
    state.words[1] = 0xefcdab89U
    state.words[2] = 0x98badcfeU
    state.words[3] = 0x10325476U
    state.length = 0
    state.compress = compress


cdef void md5_update(block_hash_t* state, const uint8_t* octets, uint64_t length) noexcept nogil:
    hash_update(state, octets, length)


cdef void md5_finish(block_hash_t* state, uint8_t* digest) noexcept nogil:
    cdef uint64_t bits = state.length * 8
    cdef uint8_t* end = hash_pad(state)
    cdef int i
    for i in range(8):
        end[i] = <uint8_t> (bits >> (8 * i))
    compress(state.words, state.block)
    for i in range(16):
        digest[i] = <uint8_t> (state.words[i >> 2] >> (8 * (i & 3)))
