"""Accepting, moving chunks, and the three kinds of end: the peer's FIN, its RST, and ours when the service closes."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport calloc, free, malloc
from netcore.storage.byte_queue cimport queue_append
from netcore.storage.chunks cimport chunk_give, chunk_give_list, chunk_t
from netcore.storage.links cimport list_append, list_first, list_remove
from netcore.tcp.backlog cimport accept_oldest, close_listener, open_listener
from netcore.tcp.calls cimport close_connection, may_receive, may_send, receive_chunks, send_chunk
from netcore.tcp.lifecycle cimport abort_connection, let_go
from netcore.tcp.tcb cimport (
    ENDPOINT_LISTENER, READY_ACCEPTABLE, STATUS_ABORTED, STATUS_NO_BUFFERS, STATUS_OK, endpoint_t, listener_t, notify,
    service_t, tcb_t, transport_t, want_output,
)
from netcore.wire.address cimport address_t

cdef enum:
    # RFC 864: lines of 72 characters out of the ring of the 95 printable ones, each beginning one further on; after 95
    # lines it begins anew
    RING = 95
    FIRST_PRINTABLE = 0x20
    LINE = 72
    TURN = RING * (LINE + 2)
    # turns that one chunk shows: about a superframe, and little enough to stay in the processor's cache
    TURNS = 9
    # A smaller piece is copied behind another: chunks that hold little would cost memory, and a frame is gathered from
    # a bounded number of pieces
    WORTH_MOVING = 8192

cdef uint8_t pattern[TURNS * TURN]


cdef void fill_pattern() noexcept nogil:
    cdef uint32_t line, place
    cdef uint8_t* at = pattern
    for line in range(<uint32_t> (TURNS * RING)):
        for place in range(<uint32_t> LINE):
            at[place] = <uint8_t> (FIRST_PRINTABLE + (line + place) % RING)
        at[LINE] = 13
        at[LINE + 1] = 10
        at += LINE + 2


fill_pattern()


cdef service_t* open_service(transport_t* transport, int kind, const address_t* local, uint16_t port, uint32_t backlog,
                             uint32_t rank, uint32_t most) noexcept nogil:
    cdef service_t* service = <service_t*> calloc(1, sizeof(service_t))
    if service == NULL:
        return NULL
    service.listener = open_listener(transport, local, port, backlog, rank)
    if service.listener == NULL:
        free(service)
        return NULL
    service.kind = kind
    service.connections_most = most
    service.listener.service = service
    service.listener.endpoint.served = True
    return service


cdef void close_service(service_t* service, int64_t now) noexcept nogil:
    cdef tcb_t* tcb
    while service.open.first != NULL:
        tcb = <tcb_t*> list_first(&service.open)
        list_remove(&tcb.queue_link)
        close_connection(tcb, now)
    close_listener(service.listener)
    free(service)


cdef void retire_listener(listener_t* listener, int64_t now) noexcept nogil:
    if listener.service != NULL:
        close_service(listener.service, now)
    else:
        close_listener(listener)


cdef void serve(transport_t* transport, int64_t now) noexcept nogil:
    cdef endpoint_t* endpoint
    while transport.served.first != NULL:
        endpoint = <endpoint_t*> list_first(&transport.served)
        list_remove(&endpoint.event_link)
        endpoint.pending = 0
        if endpoint.kind == ENDPOINT_LISTENER:
            admit((<listener_t*> endpoint.owner).service, now)
        else:
            attend(<tcb_t*> endpoint.owner, now)


cdef void admit(service_t* service, int64_t now) noexcept nogil:
    cdef tcb_t* tcb
    while service.open.count < service.connections_most:
        tcb = accept_oldest(service.listener)
        if tcb == NULL:
            return
        service.accepted += 1
        tcb.endpoint.served = True
        tcb.nodelay = service.kind == SERVICE_ECHO
        list_append(&service.open, &tcb.queue_link, tcb)
        attend(tcb, now)


cdef void attend(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef service_t* service = <service_t*> tcb.queue_link.where
    cdef bint ended = False
    if tcb.status == STATUS_OK:
        if service.kind == SERVICE_ECHO:
            send_back(service, tcb)
        else:
            throw_away(service, tcb)
        if service.kind == SERVICE_SOURCE:
            # RFC 864: until the peer is gone; one that has only ended its own stream still reads
            if not fill_up(service, tcb):
                abort_connection(tcb, STATUS_ABORTED)
        elif may_receive(tcb, &ended) == STATUS_OK and ended:
            dismiss(service, tcb)
            close_connection(tcb, now)
            return
    if tcb.status != STATUS_OK:
        service.failed += 1
        dismiss(service, tcb)
        let_go(tcb)


cdef void dismiss(service_t* service, tcb_t* tcb) noexcept nogil:
    cdef listener_t* listener = service.listener
    list_remove(&tcb.queue_link)
    if listener.finished.count:
        # there was no room for the one that waits
        notify(listener.transport, &listener.endpoint, READY_ACCEPTABLE)


cdef chunk_t* take_all(service_t* service, tcb_t* tcb) noexcept nogil:
    cdef uint64_t length = tcb.receive_queue.length
    if length == 0:
        return NULL
    service.received += length
    return receive_chunks(tcb, length)


cdef void throw_away(service_t* service, tcb_t* tcb) noexcept nogil:
    chunk_give_list(&tcb.transport.pool, take_all(service, tcb))


cdef void send_back(service_t* service, tcb_t* tcb) noexcept nogil:
    """As a program does whose buffer holds all that has come: its send is taken while the queue is below its limit."""
    cdef chunk_t* chunk
    cdef chunk_t* following
    cdef bint ended
    # what is there already needs no further memory
    if may_receive(tcb, &ended) != STATUS_OK or not is_taken(tcb):
        return
    chunk = take_all(service, tcb)
    while chunk != NULL:
        following = chunk.next
        service.sent += chunk.end - chunk.start
        put_back(tcb, chunk)
        chunk = following
    want_output(tcb)


cdef bint is_taken(const tcb_t* tcb) noexcept nogil:
    """The memory limit (LIM-2) counts where memory would be taken; here bytes only change their queue."""
    cdef int status = may_send(tcb, 0)
    return status == STATUS_OK or status == STATUS_NO_BUFFERS


cdef void put_back(tcb_t* tcb, chunk_t* chunk) noexcept nogil:
    cdef chunk_t* tail = tcb.send_queue.tail
    cdef uint32_t length = chunk.end - chunk.start
    cdef uint64_t before = tcb.send_queue.length
    if tail != NULL and (length <= tail.capacity - tail.end or length < WORTH_MOVING):
        # without memory it takes what fits
        queue_append(&tcb.send_queue, &tcb.transport.pool, chunk.data + chunk.start, length)
        chunk.start += <uint32_t> (tcb.send_queue.length - before)
    if chunk.start < chunk.end:
        send_chunk(tcb, chunk)
    else:
        chunk_give(&tcb.transport.pool, chunk)


cdef chunk_t* show_pattern(transport_t* transport) noexcept nogil:
    """A chunk that ends where another begins. It holds no bytes of its own, and counts as if it did (LIM-2)."""
    cdef chunk_t* chunk = <chunk_t*> malloc(sizeof(chunk_t))
    if chunk == NULL:
        return NULL
    chunk.data = pattern
    chunk.start = 0
    # no room behind the bytes: nothing is ever appended there
    chunk.capacity = chunk.end = sizeof(pattern)
    transport.pool.in_use += chunk.capacity
    return chunk


cdef bint fill_up(service_t* service, tcb_t* tcb) noexcept nogil:
    """False when there is no memory, and nothing in flight whose acknowledgement would let it try again."""
    cdef chunk_t* chunk
    cdef int status = may_send(tcb, 0)
    while status == STATUS_OK or (status == STATUS_NO_BUFFERS and tcb.send_queue.length == 0):
        chunk = show_pattern(tcb.transport)
        if chunk == NULL:
            return tcb.send_queue.length != 0
        service.sent += chunk.end
        send_chunk(tcb, chunk)
        status = may_send(tcb, 0)
    return True
