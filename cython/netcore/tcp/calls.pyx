"""User calls on a connection; what Winsock makes of their statuses is decided above the core."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from netcore.storage.byte_queue cimport (
    queue_append, queue_append_chunk, queue_copy, queue_drop, queue_keep, queue_keep_last, queue_lend,
)
from netcore.storage.chunks cimport chunk_t
from netcore.tcp.lifecycle cimport abort_connection, finish, give_birth, let_go
from netcore.tcp.table cimport find_entry
from netcore.tcp.tcb cimport (
    CLOSED, CLOSE_WAIT, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, READY_CONNECTED, READY_FAILED,
    READY_PEER_CLOSED, READY_READABLE, READY_SENT, READY_URGENT, READY_WRITABLE, STATUS_ABORTED, STATUS_IN_USE,
    STATUS_NOT_CONNECTED, STATUS_NO_BUFFERS, STATUS_OK, STATUS_SHUT_DOWN, STATUS_WOULD_BLOCK, SYN_RECEIVED, SYN_SENT,
    State, Status, TIMER_ORPHAN, change_state, schedule, tcb_t, transport_t, want_ack, want_output,
)
from netcore.tcp.urgent cimport is_late_byte_due, pass_marks, take_urgent
from netcore.tcp.window cimport is_window_update_due
from netcore.wire.address cimport address_t


cdef tcb_t* open_active(transport_t* transport, const address_t* local, uint16_t local_port, const address_t* remote,
                        uint16_t remote_port, int64_t now, Status* status) noexcept nogil:
    cdef tcb_t* tcb
    if find_entry(transport, local, local_port, remote, remote_port) != NULL:
        status[0] = STATUS_IN_USE
        return NULL
    if transport.pool.in_use > transport.tunables.memory_limit:
        status[0] = STATUS_NO_BUFFERS
        return NULL
    tcb = give_birth(transport, local, local_port, remote, remote_port, NULL, now)
    if tcb == NULL:
        status[0] = STATUS_NO_BUFFERS
        return NULL
    status[0] = STATUS_OK
    tcb.endpoint.held = True
    tcb.span.syn_rto = transport.tunables.syn_rto
    tcb.syn_retries = <uint8_t> transport.tunables.syn_retries
    change_state(tcb, SYN_SENT)
    transport.counters.ActiveOpens += 1
    tcb.syn_wanted = True
    want_output(tcb)
    return tcb


cdef bint is_connecting(const tcb_t* tcb) noexcept nogil:
    return tcb.state == SYN_SENT or (tcb.state == SYN_RECEIVED and not tcb.early)


cdef Status may_send(const tcb_t* tcb, uint64_t length) noexcept nogil:
    if tcb.status != STATUS_OK:
        return <Status> tcb.status
    if is_connecting(tcb):
        return STATUS_NOT_CONNECTED
    if tcb.fin_queued:
        return STATUS_SHUT_DOWN
    if tcb.state != ESTABLISHED and tcb.state != CLOSE_WAIT and not tcb.early:
        return STATUS_NOT_CONNECTED
    if tcb.send_queue.length >= tcb.send_limit and tcb.send_queue.length:
        return STATUS_WOULD_BLOCK
    if tcb.transport.pool.in_use + <int64_t> length > tcb.transport.tunables.memory_limit:
        return STATUS_NO_BUFFERS
    return STATUS_OK


cdef bint send_text(tcb_t* tcb, const uint8_t* text, uint64_t length) noexcept nogil:
    cdef bint whole = queue_append(&tcb.send_queue, &tcb.transport.pool, text, length)
    want_output(tcb)
    return whole


cdef void send_chunk(tcb_t* tcb, chunk_t* chunk) noexcept nogil:
    queue_append_chunk(&tcb.send_queue, chunk)
    want_output(tcb)


cdef bint lend_text(tcb_t* tcb, const uint8_t* text, uint32_t length) noexcept nogil:
    cdef bint whole = queue_lend(&tcb.send_queue, &tcb.transport.pool, text, length)
    want_output(tcb)
    return whole


cdef void keep_text(tcb_t* tcb) noexcept nogil:
    queue_keep(&tcb.send_queue)


cdef bint keep_last_text(tcb_t* tcb) noexcept nogil:
    return queue_keep_last(&tcb.send_queue)


cdef bint may_transfer(const tcb_t* tcb) noexcept nogil:
    return tcb.state >= ESTABLISHED or tcb.early


cdef Status may_receive(const tcb_t* tcb, bint* ended) noexcept nogil:
    ended[0] = False
    if tcb.receive_shut:
        return STATUS_SHUT_DOWN
    if tcb.receive_queue.length or is_late_byte_due(tcb):
        return STATUS_OK
    return why_nothing(tcb, ended)


cdef Status why_nothing(const tcb_t* tcb, bint* ended) noexcept nogil:
    if tcb.status != STATUS_OK:
        return <Status> tcb.status
    if tcb.fin_received:
        ended[0] = True
        return STATUS_OK
    if is_connecting(tcb) or tcb.state == CLOSED:
        return STATUS_NOT_CONNECTED
    return STATUS_WOULD_BLOCK


cdef Status receive_urgent(tcb_t* tcb, uint8_t* octet, bint peek, bint* ended) noexcept nogil:
    cdef Status status
    ended[0] = False
    if tcb.receive_shut:
        return STATUS_SHUT_DOWN
    status = take_urgent(tcb, octet, peek)
    return why_nothing(tcb, ended) if status == STATUS_WOULD_BLOCK else status


cdef uint64_t receive_text(tcb_t* tcb, uint8_t* destination, uint64_t length) noexcept nogil:
    cdef uint64_t size = queue_copy(&tcb.receive_queue, destination, length)
    queue_drop(&tcb.receive_queue, &tcb.transport.pool, size)
    if tcb.extras != NULL:
        pass_marks(tcb, size)
    received(tcb)
    return size


cdef chunk_t* receive_chunks(tcb_t* tcb, uint64_t length) noexcept nogil:
    cdef chunk_t* first = tcb.receive_queue.head
    cdef chunk_t* last = NULL
    cdef chunk_t* chunk = first
    cdef uint64_t size = 0
    while chunk != NULL and size + (chunk.end - chunk.start) <= length:
        size += chunk.end - chunk.start
        last = chunk
        chunk = chunk.next
    if last == NULL:
        return NULL
    tcb.receive_queue.head = chunk
    if chunk == NULL:
        tcb.receive_queue.tail = NULL
    tcb.receive_queue.length -= size
    tcb.receive_queue.cursor = NULL
    last.next = NULL
    if tcb.extras != NULL:
        pass_marks(tcb, size)
    received(tcb)
    return first


cdef void received(tcb_t* tcb) noexcept nogil:
    if may_transfer(tcb) and not tcb.fin_received and is_window_update_due(tcb):
        want_ack(tcb)


cdef void queue_fin(tcb_t* tcb) noexcept nogil:
    """RFC 9293 3.10.4: FIN goes when all text before it has been made into segments; the state changes at once."""
    cdef State after = LAST_ACK if tcb.state == CLOSE_WAIT else FIN_WAIT_1
    if tcb.fin_queued:
        return
    tcb.fin_queued = True
    # a call of another thread that has not given all its text yet finds that it cannot: what it gave is the last
    tcb.corked = False
    if tcb.state != SYN_RECEIVED:
        # in SYN-RECEIVED the CLOSE is queued until ESTABLISHED
        change_state(tcb, after)
    want_output(tcb)


cdef Status shut_send(tcb_t* tcb) noexcept nogil:
    if tcb.fin_queued:
        return STATUS_OK
    if tcb.state != ESTABLISHED and tcb.state != CLOSE_WAIT and not tcb.early:
        return STATUS_NOT_CONNECTED
    queue_fin(tcb)
    return STATUS_OK


cdef Status shut_receive(tcb_t* tcb) noexcept nogil:
    if tcb.status != STATUS_OK or tcb.state == CLOSED or is_connecting(tcb):
        return STATUS_NOT_CONNECTED
    tcb.receive_shut = True
    if tcb.receive_queue.length:
        # SHUT-4: what is unread is lost, and the peer is told
        tcb.transport.counters.TCPAbortOnClose += 1
        abort_connection(tcb, STATUS_ABORTED)
    return STATUS_OK


cdef void close_connection(tcb_t* tcb, int64_t now) noexcept nogil:
    # a call of another thread that has lent its text loses sight of the connection, and returns
    keep_text(tcb)
    if tcb.state == SYN_SENT:
        # CLOSE-8: no further SYN; a SYN,ACK that comes finds no connection and gets RST
        finish(tcb, STATUS_ABORTED)
    elif tcb.receive_queue.length and tcb.state >= SYN_RECEIVED:
        # CLOSE-6, RFC 1122 4.2.2.13: data was lost, the peer must not take this for a quiet end
        tcb.transport.counters.TCPAbortOnClose += 1
        abort_connection(tcb, STATUS_ABORTED)
    else:
        if tcb.state == SYN_RECEIVED or tcb.state == ESTABLISHED or tcb.state == CLOSE_WAIT:
            queue_fin(tcb)
        if tcb.in_table:
            tcb.orphan = True
            tcb.transport.orphans += 1
            if tcb.state == FIN_WAIT_2:
                schedule(tcb, TIMER_ORPHAN, now + tcb.transport.tunables.fin_wait_2)
            elif tcb.snd_wnd == 0 and tcb.state != SYN_RECEIVED:
                schedule(tcb, TIMER_ORPHAN, now + tcb.transport.tunables.user_timeout)
    let_go(tcb)


cdef void abort_call(tcb_t* tcb) noexcept nogil:
    abort_connection(tcb, STATUS_ABORTED)
    let_go(tcb)


cdef int connection_readiness(const tcb_t* tcb) noexcept nogil:
    cdef int ready = 0
    if tcb.receive_queue.length or tcb.fin_received or tcb.status != STATUS_OK or is_late_byte_due(tcb):
        ready |= READY_READABLE
    if tcb.extras != NULL and tcb.extras.held_count and not tcb.extras.urgent_inline:
        ready |= READY_URGENT
    if tcb.status != STATUS_OK:
        # a terminal status is reported at once by either call (SEL-10)
        ready |= READY_FAILED | READY_WRITABLE | READY_SENT
        if tcb.synchronized:
            # it stays up: a connect that succeeded has, even if the connection was reset before anybody looked
            ready |= READY_CONNECTED
    elif may_transfer(tcb):
        ready |= READY_CONNECTED
        if tcb.fin_queued or tcb.send_queue.length < tcb.send_limit or tcb.send_queue.length == 0:
            ready |= READY_WRITABLE
        if tcb.send_queue.length == 0 and tcb.snd_una == tcb.snd_nxt and tcb.fin_queued == tcb.fin_sent:
            ready |= READY_SENT
    elif tcb.state == CLOSED:
        ready |= READY_SENT
        if tcb.fin_received:
            ready |= READY_CONNECTED | READY_WRITABLE
    if tcb.fin_received:
        ready |= READY_PEER_CLOSED
    return ready
