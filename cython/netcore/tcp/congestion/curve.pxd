"""The curve of CUBIC (RFC 9438 4.2) in integers: W_cubic(t) = C * (t - K)**3 + W_max with C = 0.4 segments / s**3.

Times are ms, windows bytes.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    # beyond it (17 minutes) the curve is above any window
    CURVE_REACH = 1 << 20


cdef inline uint32_t cube_root(uint64_t value) noexcept nogil:
    """The largest number whose cube is at most `value`: one bit of it after the other."""
    cdef uint64_t root = 0
    cdef uint64_t step
    cdef int shift
    for shift in range(63, -1, -3):
        root <<= 1
        # (root + 1)**3 - root**3
        step = 3 * root * (root + 1) + 1
        if value >> shift >= step:
            value -= step << shift
            root += 1
    return <uint32_t> root


cdef inline uint32_t curve_inflection(uint32_t window_max, uint32_t window, uint32_t mss) noexcept nogil:
    """K: the time that the curve takes from `window` to `window_max`, 0 if that is not above it (equation 2)."""
    if window_max <= window:
        return 0
    # 1e9 ms**3 / s**3 over C
    return cube_root(<uint64_t> (window_max - window) * 2_500_000_000ULL // mss)


cdef inline int64_t curve_at(int64_t time, uint32_t inflection, uint32_t window_max, uint32_t mss) noexcept nogil:
    """W_cubic(time), bytes; below 0 nowhere that a connection gets to, but the type lets it (equation 1)."""
    cdef int64_t distance = time - inflection
    cdef int64_t cube
    if distance > CURVE_REACH:
        distance = CURVE_REACH
    elif distance < -CURVE_REACH:
        distance = -CURVE_REACH
    # 2**60 at most; C * mss / 1e9 in two steps, that nothing of it is lost and nothing overflows
    cube = distance * distance * distance
    return window_max + cube // 10_000_000_000LL * (4 * <int64_t> mss) + (
        cube % 10_000_000_000LL * (4 * <int64_t> mss) // 10_000_000_000LL)
