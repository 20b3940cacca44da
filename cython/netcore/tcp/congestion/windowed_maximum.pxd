"""The largest value of late, in constant space: three candidates, each the best since the one before it came up.

After K. Nichols' filter: exact while the maximum rises or is young, and never older than the window.
"""

from libc.stdint cimport uint32_t, uint64_t

cdef struct maximum_t:
    uint64_t value[3]
    uint32_t time[3]


cdef inline void set_candidates(maximum_t* maximum, int first, uint64_t value, uint32_t time) noexcept nogil:
    """The candidates from `first` on are this value."""
    cdef int place
    for place in range(first, 3):
        maximum.value[place] = value
        maximum.time[place] = time


cdef inline void move_up(maximum_t* maximum, uint64_t value, uint32_t time) noexcept nogil:
    """The best is too old: the others take its place, this value is the last."""
    cdef int place
    for place in range(2):
        maximum.value[place] = maximum.value[place + 1]
        maximum.time[place] = maximum.time[place + 1]
    set_candidates(maximum, 2, value, time)


cdef inline void put_value(maximum_t* maximum, uint32_t window, uint64_t value, uint32_t time) noexcept nogil:
    """A value at a time, which does not go back. window: how long a value counts, in the unit of the times."""
    cdef uint32_t age
    if value >= maximum.value[0] or time - maximum.time[2] > window:
        set_candidates(maximum, 0, value, time)
        return
    if value >= maximum.value[1]:
        set_candidates(maximum, 1, value, time)
    elif value >= maximum.value[2]:
        set_candidates(maximum, 2, value, time)
    age = time - maximum.time[0]
    if age > window:
        move_up(maximum, value, time)
        if time - maximum.time[0] > window:
            move_up(maximum, value, time)
    elif maximum.time[1] == maximum.time[0] and age > window // 4:
        # a quarter of the window without a second best: this is it, however small
        set_candidates(maximum, 1, value, time)
    elif maximum.time[2] == maximum.time[1] and age > window // 2:
        set_candidates(maximum, 2, value, time)
