"""Sequence numbers compare modulo 2**32 (RFC 9293 3.4); nowhere else is `<` used on them."""

from libc.stdint cimport int32_t, uint32_t


cdef inline bint seq_lt(uint32_t left, uint32_t right) noexcept nogil:
    return <int32_t> (left - right) < 0


cdef inline bint seq_leq(uint32_t left, uint32_t right) noexcept nogil:
    return <int32_t> (left - right) <= 0


cdef inline bint seq_gt(uint32_t left, uint32_t right) noexcept nogil:
    return <int32_t> (left - right) > 0


cdef inline bint seq_geq(uint32_t left, uint32_t right) noexcept nogil:
    return <int32_t> (left - right) >= 0


cdef inline uint32_t seq_min(uint32_t left, uint32_t right) noexcept nogil:
    return left if seq_lt(left, right) else right


cdef inline bint in_window(uint32_t seq, uint32_t left_edge, uint32_t size) noexcept nogil:
    """left_edge =< seq < left_edge + size"""
    return seq - left_edge < size
