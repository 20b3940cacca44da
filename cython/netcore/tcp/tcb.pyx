"""The table of legal transitions (RFC 9293 figure 5 and 3.10) and the only place where a state is assigned."""

from libc.stdint cimport uint64_t
from netcore.tcp.tcb cimport (
    CLOSED, CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, LISTEN, SYN_RECEIVED,
    SYN_SENT, TIME_WAIT, State, tcb_t,
)


cdef int successors(int state) noexcept nogil:
    """The set of states that may follow, as a bit mask. CLOSED follows any: RST, ABORT and time-outs end all."""
    if state == CLOSED:
        # a connection is born here, by an active open or out of a listener's LISTEN
        return 1 << SYN_SENT | 1 << LISTEN | 1 << SYN_RECEIVED
    if state == LISTEN:
        return 1 << SYN_RECEIVED | 1 << SYN_SENT | 1 << CLOSED
    if state == SYN_SENT:
        return 1 << SYN_RECEIVED | 1 << ESTABLISHED | 1 << CLOSED
    if state == SYN_RECEIVED:
        return 1 << ESTABLISHED | 1 << FIN_WAIT_1 | 1 << CLOSED
    if state == ESTABLISHED:
        return 1 << FIN_WAIT_1 | 1 << CLOSE_WAIT | 1 << CLOSED
    if state == FIN_WAIT_1:
        return 1 << FIN_WAIT_2 | 1 << CLOSING | 1 << TIME_WAIT | 1 << CLOSED
    if state == FIN_WAIT_2:
        return 1 << TIME_WAIT | 1 << CLOSED
    if state == CLOSE_WAIT:
        return 1 << LAST_ACK | 1 << CLOSED
    if state == CLOSING:
        return 1 << TIME_WAIT | 1 << CLOSED
    if state == LAST_ACK or state == TIME_WAIT:
        return 1 << CLOSED
    return 0


cdef bint is_legal(int before, int after) noexcept nogil:
    """True when RFC 9293 knows this transition."""
    return (successors(before) >> after) & 1


cdef uint64_t is_current(State state) noexcept nogil:
    """1 where RFC 4022 counts the connection in tcpCurrEstab, else 0."""
    return state == ESTABLISHED or state == CLOSE_WAIT


cdef bint change_state(tcb_t* tcb, State state) noexcept nogil:
    """Assigns a state; an illegal transition is refused and counted (every test finds IllegalTransitions 0)."""
    if not is_legal(tcb.state, state):
        tcb.transport.counters.IllegalTransitions += 1
        return False
    tcb.transport.counters.CurrEstab += is_current(state) - is_current(<State> tcb.state)
    tcb.state = state
    if state == ESTABLISHED:
        tcb.synchronized = True
    return True


cdef const char* name_of_state(int state) noexcept nogil:
    """The name RFC 9293 gives the state."""
    if state == CLOSED:
        return b"CLOSED"
    if state == LISTEN:
        return b"LISTEN"
    if state == SYN_SENT:
        return b"SYN-SENT"
    if state == SYN_RECEIVED:
        return b"SYN-RECEIVED"
    if state == ESTABLISHED:
        return b"ESTABLISHED"
    if state == FIN_WAIT_1:
        return b"FIN-WAIT-1"
    if state == FIN_WAIT_2:
        return b"FIN-WAIT-2"
    if state == CLOSE_WAIT:
        return b"CLOSE-WAIT"
    if state == CLOSING:
        return b"CLOSING"
    if state == LAST_ACK:
        return b"LAST-ACK"
    if state == TIME_WAIT:
        return b"TIME-WAIT"
    return b"?"
