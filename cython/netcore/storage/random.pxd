"""Random bits from a seed: SplitMix64 (Steele, Lea, Flood). For jitter and choices, not for secrets."""

from libc.stdint cimport uint32_t, uint64_t

cdef struct random_t:
    uint64_t state


cdef inline uint64_t random_next(random_t* source) noexcept nogil:
    cdef uint64_t z
    source.state += 0x9e3779b97f4a7c15ULL
    z = source.state
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL
    return z ^ (z >> 31)


cdef inline uint32_t random_below(random_t* source, uint32_t limit) noexcept nogil:
    """A number of 0..limit-1; limit at least 1."""
    return <uint32_t> (((random_next(source) >> 32) * limit) >> 32)
