"""Comparison of codes in a time that does not tell where they differ."""

from libc.stdint cimport uint8_t


cdef inline bint same_code(const uint8_t* one, const uint8_t* other, int length) noexcept nogil:
    cdef uint8_t different = 0
    cdef int i
    for i in range(length):
        different |= one[i] ^ other[i]
    return different == 0
