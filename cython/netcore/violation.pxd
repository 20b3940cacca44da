"""violation_t: an invariant that did not hold, as it was found. The first one stays."""

from libc.stdint cimport int64_t, uint16_t, uint64_t
from netcore.wire.address cimport address_t

cdef extern from "<string.h>" nogil:
    int strcmp(const char* left, const char* right)

cdef enum:
    VALUES_MOST = 32

cdef struct violation_t:
    # NULL while everything holds
    const char* invariant
    int64_t time
    uint64_t event
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    const char* names[32]
    int64_t values[32]
    int count
    # an invariant whose next check is to fail, for tests of the checks
    const char* wanted


cdef inline bint violate(violation_t* violation, const char* invariant, const address_t* local, uint16_t local_port,
                         const address_t* remote, uint16_t remote_port) noexcept nogil:
    """Records a violation; False when there is one already. Either address may be NULL."""
    if violation.invariant != NULL:
        return False
    violation.invariant = invariant
    violation.count = 0
    violation.local.high = violation.local.low = violation.remote.high = violation.remote.low = 0
    if local != NULL:
        violation.local = local[0]
    if remote != NULL:
        violation.remote = remote[0]
    violation.local_port = local_port
    violation.remote_port = remote_port
    return True


cdef inline bint is_wanted(const violation_t* violation, const char* invariant) noexcept nogil:
    """A test wants this one to fail."""
    return violation.wanted != NULL and strcmp(violation.wanted, invariant) == 0


cdef inline void with_value(violation_t* violation, const char* name, int64_t value) noexcept nogil:
    """Adds what was compared, or helps to understand it."""
    if violation.count < VALUES_MOST:
        violation.names[violation.count] = name
        violation.values[violation.count] = value
        violation.count += 1
