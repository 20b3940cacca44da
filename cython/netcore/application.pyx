"""Sources and sinks over the calls that every program uses (RFC 9293 3.10.1 to 3.10.6), woken as every waiter is."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.host cimport host_t
from netcore.posix cimport memset
from netcore.storage.chunks cimport chunk_give, chunk_t, chunk_take
from netcore.storage.deadlines cimport NEVER
from netcore.storage.links cimport link_t, list_append, list_remove
from netcore.storage.pattern cimport pattern_fill, pattern_first_wrong, pattern_fits
from netcore.tcp.autotune cimport fix_receive_buffer, fix_send_buffer
from netcore.tcp.backlog cimport accept_oldest, close_listener, open_listener
from netcore.tcp.calls cimport (
    abort_call, close_connection, may_receive, may_send, open_active, receive_chunks, receive_text, send_chunk,
    send_text, shut_send,
)
from netcore.tcp.lifecycle cimport finish, let_go
from netcore.tcp.tcb cimport (
    CLOSED, ESTABLISHED, READY_ACCEPTABLE, READY_CONNECTED, READY_FAILED, READY_PEER_CLOSED, READY_READABLE,
    READY_WRITABLE, STATUS_ABORTED, STATUS_NOT_CONNECTED, STATUS_NO_BUFFERS, STATUS_OK, STATUS_REFUSED,
    STATUS_WOULD_BLOCK, Status, tcb_t,
)
from netcore.violation cimport is_wanted, violate, violation_t, with_value
from netcore.wire.address cimport address_of_ipv4, address_t, same_address

cdef enum:
    # what fails for want of memory is tried again after so long (ns), twice as long each time
    RETRY_AFTER = 10_000_000
    RETRY_MOST = 1_000_000_000
    # from this size on a chunk of its own is not mostly empty
    WORTH_A_CHUNK = 32768
    # the usual memory limit: who has less was given it
    PLENTY = 1 << 30


cdef void set_default_habits(habits_t* habits) noexcept nogil:
    memset(habits, 0, sizeof(habits_t))
    habits.write_size = WRITE_MOST


cdef void application_take(application_t* application, tcb_t* tcb) noexcept nogil:
    application.tcb = tcb
    application.watch.waiter = &application.waiter
    application.watch.mask = (READY_READABLE | READY_WRITABLE | READY_CONNECTED | READY_FAILED | READY_PEER_CLOSED)
    list_append(&tcb.endpoint.watches, &application.watch.link, &application.watch)
    tcb.endpoint.handle = NULL
    tcb.nodelay = application.habits.nodelay != 0
    if application.habits.send_buffer:
        fix_send_buffer(tcb, <unsigned int> application.habits.send_buffer)
    if application.habits.receive_buffer:
        fix_receive_buffer(tcb, <unsigned int> application.habits.receive_buffer)


cdef void let_connection_go(application_t* application, int64_t now) noexcept nogil:
    """What happened to it stays to be seen."""
    application.last = application.tcb[0]
    application.tcb = NULL
    application.done = True
    application.done_at = now


cdef void fail(application_t* application, Status status, int64_t now) noexcept nogil:
    cdef tcb_t* tcb = application.tcb
    application.status = status
    if tcb == NULL:
        application.done = True
        application.done_at = now
    else:
        let_connection_go(application, now)
        close_connection(tcb, now)
    if application.peer != NULL and not application.peer.done and application.peer.tcb == NULL:
        # nobody will come to the door for it
        application.peer.status = STATUS_ABORTED
        application.peer.done = True
        application.peer.done_at = now


cdef int64_t next_try(application_t* application, int64_t now) noexcept nogil:
    """When to try again what memory was missing for."""
    application.retry_after = 2 * application.retry_after if application.retry_after else RETRY_AFTER
    if application.retry_after > RETRY_MOST:
        application.retry_after = RETRY_MOST
    return now + application.retry_after


cdef void start(application_t* application, int64_t now) noexcept nogil:
    cdef Status status
    cdef tcb_t* tcb = open_active(&application.host.transport, &application.local, application.local_port,
                                  &application.remote, application.remote_port, now, &status)
    if tcb == NULL and status == STATUS_NO_BUFFERS:
        application.retry_at = application.wake_at = next_try(application, now)
    elif tcb == NULL:
        fail(application, status, now)
    else:
        application_take(application, tcb)


cdef bint is_refused_for_memory(const application_t* application, Status status) noexcept nogil:
    """LIM-2: a stack above its limit refuses connections with RST; no other scenario has anybody refuse one.

    Whoever means to be connected tries again, and where it is not for memory the deadline finds that out.
    """
    return (status == STATUS_REFUSED and application.active and application.peer != NULL and not application.peer.done
            and application.peer.tcb == NULL and has_little_memory(application.peer.host))


cdef bint has_little_memory(const host_t* host) noexcept nogil:
    return host.transport.tunables.memory_limit < PLENTY


cdef void start_again(application_t* application, int64_t now) noexcept nogil:
    cdef tcb_t* tcb = application.tcb
    application.tcb = NULL
    close_connection(tcb, now)
    application.retry_at = application.wake_at = next_try(application, now)


cdef void report(application_t* application, const char* invariant, int64_t place) noexcept nogil:
    cdef violation_t* violation = application.traffic.violation
    if violate(violation, invariant, &application.local, application.local_port, &application.remote,
               application.remote_port):
        with_value(violation, "offset", place)
        with_value(violation, "received", application.received)
        with_value(violation, "to_receive", application.to_receive)


cdef void verify(application_t* application, const uint8_t* octets, uint64_t length) noexcept nogil:
    cdef traffic_t* traffic = application.traffic
    if application.received + <int64_t> length > application.to_receive:
        report(application, "stream_length", application.to_receive)
    elif traffic.checked and is_wanted(traffic.violation, "stream_bytes"):
        report(application, "stream_bytes", application.received)
    elif not pattern_fits(&traffic.pattern, application.receive_key, application.received, octets, length):
        report(application, "stream_bytes", pattern_first_wrong(&traffic.pattern, application.receive_key,
                                                                application.received, octets, length))
    application.received += length


cdef bint read_some(application_t* application, uint64_t most) noexcept nogil:
    """False when there was nothing after all."""
    cdef tcb_t* tcb = application.tcb
    cdef int64_t before = application.received
    cdef chunk_t* chunk = receive_chunks(tcb, most)
    cdef chunk_t* following
    cdef uint64_t size
    if chunk == NULL:
        size = receive_text(tcb, application.traffic.scratch, most if most < WRITE_MOST else WRITE_MOST)
        verify(application, application.traffic.scratch, size)
    while chunk != NULL:
        following = chunk.next
        verify(application, chunk.data + chunk.start, chunk.end - chunk.start)
        chunk_give(&tcb.transport.pool, chunk)
        chunk = following
    return application.received != before


cdef void read_on(application_t* application, int64_t now) noexcept nogil:
    cdef habits_t* habits = &application.habits
    cdef Status status
    cdef uint64_t most
    cdef bint ended
    while now >= application.read_at and not application.ended:
        status = may_receive(application.tcb, &ended)
        if status == STATUS_WOULD_BLOCK or (status == STATUS_NOT_CONNECTED and application.tcb.status == STATUS_OK):
            return
        if is_refused_for_memory(application, status):
            start_again(application, now)
            return
        if status != STATUS_OK:
            fail(application, status, now)
            return
        if ended:
            application.ended = True
            application.ended_at = now
            if (application.received != application.to_receive
                    or application.traffic.checked and is_wanted(application.traffic.violation, "stream_length")):
                report(application, "stream_length", application.received)
            return
        most = 1 << 62
        if habits.read_size:
            most = habits.read_size
        if habits.stall and not application.stalled and most > <uint64_t> (habits.stall_after - application.received):
            most = habits.stall_after - application.received
        if application.received == 0:
            application.first_byte_at = now
        if most and not read_some(application, most):
            return
        if habits.stall and not application.stalled and application.received >= habits.stall_after:
            application.stalled = True
            application.read_at = now + habits.stall
        elif habits.read_pause:
            application.read_at = now + habits.read_pause


cdef Status write_some(application_t* application, uint64_t length) noexcept nogil:
    """One call of at most WRITE_MOST bytes."""
    cdef tcb_t* tcb = application.tcb
    cdef traffic_t* traffic = application.traffic
    cdef chunk_t* chunk
    cdef Status status = may_send(tcb, length)
    if status != STATUS_OK:
        return status
    if length < WORTH_A_CHUNK:
        pattern_fill(&traffic.pattern, application.send_key, application.sent, traffic.scratch, length)
        if not send_text(tcb, traffic.scratch, length):
            report(application, "memory", application.sent)
    else:
        chunk = chunk_take(&tcb.transport.pool, <unsigned int> length)
        if chunk == NULL:
            return STATUS_NO_BUFFERS
        pattern_fill(&traffic.pattern, application.send_key, application.sent, chunk.data, length)
        chunk.end = <unsigned int> length
        send_chunk(tcb, chunk)
    application.sent += length
    application.retry_after = 0
    return STATUS_OK


cdef void write_on(application_t* application, int64_t now) noexcept nogil:
    cdef habits_t* habits = &application.habits
    cdef Status status
    cdef int64_t length
    while (application.sent < application.to_send and now >= application.send_at
            and application.received >= habits.wait):
        length = application.to_send - application.sent
        if length > habits.write_size:
            length = habits.write_size
        if habits.burst:
            if application.burst_left == 0:
                application.burst_left = habits.burst
            if length > application.burst_left:
                length = application.burst_left
        status = write_some(application, length)
        if status == STATUS_NO_BUFFERS:
            application.send_at = next_try(application, now)
        elif status != STATUS_OK:
            if status != STATUS_WOULD_BLOCK and not (status == STATUS_NOT_CONNECTED
                                                     and application.tcb.status == STATUS_OK):
                fail(application, status, now)
            return
        elif habits.burst:
            application.burst_left -= length
            if application.burst_left == 0:
                application.send_at = now + habits.think


cdef void end_on(application_t* application, int64_t now) noexcept nogil:
    """What the end of the own stream brings, and the end of both."""
    cdef tcb_t* tcb = application.tcb
    if application.sent < application.to_send or application.received < application.habits.wait:
        return
    if not application.finished_sending:
        application.finished_sending = True
        if application.habits.end == END_SHUT:
            shut_send(tcb)
        elif application.habits.end == END_ABORT:
            let_connection_go(application, now)
            abort_call(tcb)
            return
        elif application.habits.end == END_CLOSE:
            let_connection_go(application, now)
            close_connection(tcb, now)
            return
    if application.ended:
        let_connection_go(application, now)
        close_connection(tcb, now)


cdef void application_work(application_t* application, int64_t now) noexcept nogil:
    application.waiter.signalled = False
    application.wake_at = NEVER
    if application.done:
        return
    if application.tcb == NULL:
        if not application.active:
            return
        if now < application.started_at or now < application.retry_at:
            application.wake_at = application.retry_at if application.retry_at else application.started_at
            return
        start(application, now)
        return
    # nobody asks for the events of this endpoint
    list_remove(&application.tcb.endpoint.event_link)
    application.tcb.endpoint.pending = 0
    if application.connected_at == 0 and application.tcb.synchronized:
        application.connected_at = now
    read_on(application, now)
    if application.done or application.tcb == NULL or (application.tcb.state < ESTABLISHED
                                                       and application.tcb.state != CLOSED):
        return
    write_on(application, now)
    if not application.done:
        end_on(application, now)
    if application.done:
        return
    if application.read_at > now:
        application.wake_at = application.read_at
    if application.send_at > now and application.send_at < application.wake_at:
        application.wake_at = application.send_at


cdef bint door_open(door_t* door, host_t* host, uint16_t port, uint32_t backlog) noexcept nogil:
    cdef address_t anywhere = address_of_ipv4(0)
    door.host = host
    door.port = port
    door.listener = open_listener(&host.transport, &anywhere, port, backlog, 0)
    if door.listener == NULL:
        return False
    door.waiter.descriptor = WAITER_DOOR
    door.watch.waiter = &door.waiter
    door.watch.mask = READY_ACCEPTABLE
    list_append(&door.listener.endpoint.watches, &door.watch.link, &door.watch)
    return True


cdef application_t* expected_at(door_t* door, const tcb_t* tcb) noexcept nogil:
    cdef link_t* link = door.expected.first
    cdef application_t* application
    while link != NULL:
        application = <application_t*> link.owner
        if (application.remote_port == tcb.entry.remote_port
                and same_address(&application.remote, &tcb.entry.remote)):
            return application
        link = link.next
    return NULL


cdef application_t* door_admit(door_t* door, int64_t now) noexcept nogil:
    cdef tcb_t* tcb
    cdef application_t* application
    door.waiter.signalled = False
    list_remove(&door.listener.endpoint.event_link)
    door.listener.endpoint.pending = 0
    while True:
        tcb = accept_oldest(door.listener)
        if tcb == NULL:
            return NULL
        application = expected_at(door, tcb)
        if application != NULL:
            list_remove(&application.door_link)
        if application == NULL or application.done:
            abort_call(tcb)
            continue
        application_take(application, tcb)
        return application


cdef void application_leave(application_t* application) noexcept nogil:
    cdef tcb_t* tcb = application.tcb
    list_remove(&application.waiter.waking_link)
    list_remove(&application.watch.link)
    list_remove(&application.door_link)
    if tcb != NULL:
        application.tcb = NULL
        finish(tcb, STATUS_ABORTED)
        let_go(tcb)
        list_remove(&application.waiter.waking_link)


cdef void door_leave(door_t* door) noexcept nogil:
    list_remove(&door.waiter.waking_link)
    list_remove(&door.watch.link)
    if door.listener != NULL:
        close_listener(door.listener)
        door.listener = NULL
        list_remove(&door.waiter.waking_link)
