"""The registry of the congestion control algorithms."""

from libc.stdint cimport int64_t, uint32_t
from netcore.posix cimport memset, strcmp
from netcore.tcp.congestion.bbr cimport bbr
from netcore.tcp.congestion.cubic cimport cubic
from netcore.tcp.congestion.newreno cimport newreno
from netcore.tcp.tcb cimport congestion_t, is_synchronized, tcb_t

cdef enum:
    CAPACITY = 16

cdef const congestion_t* ALGORITHMS[CAPACITY]
cdef int count = 0

for each in (<size_t> cubic(), <size_t> newreno(), <size_t> bbr()):
    ALGORITHMS[count] = <const congestion_t*> <size_t> each
    count += 1


cdef const congestion_t* algorithm_named(const char* name) noexcept nogil:
    cdef int place
    for place in range(count):
        if strcmp(ALGORITHMS[place].name, name) == 0:
            return ALGORITHMS[place]
    return NULL


cdef int algorithm_count() noexcept nogil:
    return count


cdef const congestion_t* algorithm_at(int place) noexcept nogil:
    return ALGORITHMS[place]


cdef void use_algorithm(tcb_t* tcb, const congestion_t* algorithm, int64_t now) noexcept nogil:
    cdef uint32_t cwnd = tcb.cwnd
    cdef uint32_t ssthresh = tcb.ssthresh
    if tcb.congestion == algorithm:
        return
    if tcb.congestion.owns_pace:
        tcb.pacing_rate = 0
    tcb.congestion = algorithm
    if is_synchronized(tcb):
        memset(tcb.congestion_state, 0, sizeof(tcb.congestion_state))
        algorithm.begin(tcb, now)
        tcb.cwnd = cwnd
        tcb.ssthresh = ssthresh
