"""Loops over many words at once, as wide as the registers of the processor that runs them.

Each loop is written once for 32 octets at any address and compiled twice: for every processor of the architecture, and
for those with AVX2, which is asked for at run time. Sanitized builds take the narrow one, so that both are tested.
"""

from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    # octets, and words, of a block
    LANES_OCTETS = 32
    LANES_WORDS = 4

cdef extern from * nogil:
    """
    #include <stddef.h>
    #include <stdint.h>

    typedef uint64_t lanes_t __attribute__((vector_size(32), aligned(1), may_alias));

    #define LANES_BODY static inline __attribute__((always_inline))
    #define LANES_NARROW static __attribute__((noinline))
    #if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    #define LANES_WIDE static __attribute__((noinline, target("avx2")))
    #define are_lanes_wide() __builtin_cpu_supports("avx2")
    #else
    #define LANES_WIDE LANES_NARROW
    #define are_lanes_wide() 0
    #endif

    /* With x the words, sum(x) - (sum(x >> 32) << 32) is the sum of their low halves: nothing is carried. */
    LANES_BODY uint64_t sum_halves_body(const uint8_t *octets, size_t blocks)
    {
        const lanes_t *at = (const lanes_t *)octets;
        lanes_t all = {0, 0, 0, 0}, high = {0, 0, 0, 0};
        for (; blocks >= 4; blocks -= 4, at += 4) {
            lanes_t first = at[0], second = at[1], third = at[2], fourth = at[3];
            all += first + second + third + fourth;
            high += (first >> 32) + (second >> 32) + (third >> 32) + (fourth >> 32);
        }
        for (; blocks; blocks--, at++) {
            all += *at;
            high += *at >> 32;
        }
        all -= high << 32;
        all += high;
        return all[0] + all[1] + all[2] + all[3];
    }

    LANES_BODY void add_to_all_body(uint8_t *octets, const uint64_t *words, uint64_t addend, size_t blocks)
    {
        lanes_t *at = (lanes_t *)octets;
        const lanes_t *from = (const lanes_t *)words;
        const lanes_t more = {addend, addend, addend, addend};
        for (; blocks >= 4; blocks -= 4, at += 4, from += 4) {
            at[0] = from[0] + more;
            at[1] = from[1] + more;
            at[2] = from[2] + more;
            at[3] = from[3] + more;
        }
        for (; blocks; blocks--, at++, from++)
            *at = *from + more;
    }

    LANES_BODY uint64_t differ_from_all_body(const uint8_t *octets, const uint64_t *words, uint64_t addend,
                                             size_t blocks)
    {
        const lanes_t *at = (const lanes_t *)octets, *from = (const lanes_t *)words;
        const lanes_t more = {addend, addend, addend, addend};
        lanes_t found = {0, 0, 0, 0};
        for (; blocks >= 4; blocks -= 4, at += 4, from += 4)
            found |= (at[0] ^ (from[0] + more)) | (at[1] ^ (from[1] + more))
                | (at[2] ^ (from[2] + more)) | (at[3] ^ (from[3] + more));
        for (; blocks; blocks--, at++, from++)
            found |= *at ^ (*from + more);
        return found[0] | found[1] | found[2] | found[3];
    }

    LANES_NARROW uint64_t sum_halves_narrow(const uint8_t *octets, size_t blocks)
    { return sum_halves_body(octets, blocks); }
    LANES_WIDE uint64_t sum_halves_wide(const uint8_t *octets, size_t blocks)
    { return sum_halves_body(octets, blocks); }
    #define sum_halves(octets, blocks) (are_lanes_wide() ? sum_halves_wide : sum_halves_narrow)(octets, blocks)

    LANES_NARROW void add_to_all_narrow(uint8_t *octets, const uint64_t *words, uint64_t addend, size_t blocks)
    { add_to_all_body(octets, words, addend, blocks); }
    LANES_WIDE void add_to_all_wide(uint8_t *octets, const uint64_t *words, uint64_t addend, size_t blocks)
    { add_to_all_body(octets, words, addend, blocks); }
    #define add_to_all(octets, words, addend, blocks) \\
        (are_lanes_wide() ? add_to_all_wide : add_to_all_narrow)(octets, words, addend, blocks)

    LANES_NARROW uint64_t differ_from_all_narrow(const uint8_t *octets, const uint64_t *words, uint64_t addend,
                                                 size_t blocks)
    { return differ_from_all_body(octets, words, addend, blocks); }
    LANES_WIDE uint64_t differ_from_all_wide(const uint8_t *octets, const uint64_t *words, uint64_t addend,
                                             size_t blocks)
    { return differ_from_all_body(octets, words, addend, blocks); }
    #define differ_from_all(octets, words, addend, blocks) \\
        (are_lanes_wide() ? differ_from_all_wide : differ_from_all_narrow)(octets, words, addend, blocks)
    """
    # The sum of the 32-bit halves of the words in so many blocks, in native order; at most 2 ** 26 blocks.
    uint64_t sum_halves(const uint8_t* octets, size_t blocks)
    # Writes each of `words` plus `addend`, in native order.
    void add_to_all(uint8_t* octets, const uint64_t* words, uint64_t addend, size_t blocks)
    # 0: the octets are what add_to_all writes.
    uint64_t differ_from_all(const uint8_t* octets, const uint64_t* words, uint64_t addend, size_t blocks)
    # What a processor without wide registers takes: for tests.
    uint64_t sum_halves_narrow(const uint8_t* octets, size_t blocks)
    void add_to_all_narrow(uint8_t* octets, const uint64_t* words, uint64_t addend, size_t blocks)
    uint64_t differ_from_all_narrow(const uint8_t* octets, const uint64_t* words, uint64_t addend, size_t blocks)
