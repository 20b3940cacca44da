"""What a host holds, read in slices: connections with their tcp_info, TIME-WAIT records, listeners; counts of one.

The lock is held for one slice at a time, so that a host with a million connections goes on while it is read.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.drive cimport HostHandle, enter, host_time, unlock
from netcore.endpoint cimport Endpoint, pack_address
from netcore.host cimport host_t
from netcore.posix cimport free, malloc
from netcore.storage.deadlines cimport NEVER
from netcore.storage.table cimport table_node_t
from netcore.tcp.info cimport fill_tcp_info, known_fields, tcp_info_t
from netcore.tcp.statistics cimport LIMIT_BUFFER, LIMIT_NOTHING, LIMIT_PATH, LIMIT_WINDOW, statistics_of, statistics_t
from netcore.tcp.tcb cimport (
    ENTRY_TIME_WAIT, TIMER_DELAYED_ACK, TIMER_ORPHAN, TIMER_RETRANSMIT, TIME_WAIT, entry_t, listener_t, name_of_state,
    tcb_t, timewait_t,
)
from netcore.wire.address cimport address_t

cdef enum:
    # of one slice: places in the table, and what they may hold; a caller makes objects of so many at a stretch
    BUCKETS = 1024
    ROWS = 32

cdef struct row_t:
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    int state
    bint orphan
    uint64_t received
    uint64_t unacknowledged
    const char* congestion
    # name NULL: none runs; ns until it is due
    const char* timer
    int64_t left
    tcp_info_t info

cdef struct listener_row_t:
    address_t local
    uint16_t port
    uint32_t backlog
    uint32_t half_open
    uint32_t finished
    uint32_t requests
    bint conditional
    bint paused
    bint under_attack


cdef void name_timer(const tcb_t* tcb, int64_t now, row_t* row) noexcept nogil:
    """The one that `ss -o` would show: what brings an answer before what only ends something."""
    cdef int64_t due = tcb.due[<int> TIMER_RETRANSMIT]
    if due != NEVER:
        row.timer = b"persist" if tcb.persisting else b"on"
    elif tcb.due[<int> TIMER_DELAYED_ACK] != NEVER:
        due = tcb.due[<int> TIMER_DELAYED_ACK]
        row.timer = b"delack"
    elif tcb.due[<int> TIMER_ORPHAN] != NEVER:
        due = tcb.due[<int> TIMER_ORPHAN]
        row.timer = b"orphan"
    elif tcb.extras != NULL and tcb.extras.keepalive_due != NEVER:
        due = tcb.extras.keepalive_due
        row.timer = b"keepalive"
    row.left = due - now if due > now else 0


cdef void read_row(const entry_t* entry, int64_t now, row_t* row) noexcept nogil:
    cdef const tcb_t* tcb
    cdef const timewait_t* record
    row.local = entry.local
    row.remote = entry.remote
    row.local_port = entry.local_port
    row.remote_port = entry.remote_port
    row.timer = NULL
    row.congestion = NULL
    row.received = row.unacknowledged = 0
    row.orphan = False
    if entry.kind == ENTRY_TIME_WAIT:
        record = <const timewait_t*> entry
        row.state = TIME_WAIT
        row.timer = b"timewait"
        row.left = record.deadline.due - now if record.deadline.due > now else 0
        return
    tcb = <const tcb_t*> entry
    row.state = tcb.state
    row.orphan = tcb.orphan
    row.received = tcb.receive_queue.length
    row.unacknowledged = tcb.send_queue.length
    row.congestion = tcb.congestion.name
    name_timer(tcb, now, row)
    fill_tcp_info(tcb, now, &row.info)


cdef uint32_t read_slice(host_t* host, uint32_t* place, bint* ended, row_t* rows) noexcept nogil:
    """From bucket `place` on, which is moved; whole buckets, but for one that no slice would hold."""
    cdef int64_t now = host_time(host)
    cdef uint32_t count = 0
    cdef uint32_t seen, _i
    cdef const table_node_t* node
    for _i in range(<uint32_t> BUCKETS):
        if place[0] > host.transport.connections.mask:
            ended[0] = True
            return count
        seen = count
        node = host.transport.connections.buckets[place[0]]
        while node != NULL:
            if count == ROWS:
                if seen:
                    return seen
                break
            read_row(<const entry_t*> node, now, &rows[count])
            count += 1
            node = node.next
        place[0] += 1
        if count == ROWS:
            break
    return count


cdef dict row_of(const row_t* row, bint with_info):
    cdef dict fields = {
        "state": name_of_state(row.state).decode(),
        "local": pack_address(&row.local), "local_port": row.local_port,
        "remote": pack_address(&row.remote), "remote_port": row.remote_port,
        "recv_q": row.received, "send_q": row.unacknowledged, "orphan": bool(row.orphan),
        "congestion": None if row.congestion == NULL else row.congestion.decode(),
        "timer": None if row.timer == NULL else (row.timer.decode(), row.left),
    }
    if with_info and row.state != TIME_WAIT:
        fields["info"] = known_fields(row.info)
    return fields


def connection_slice(HostHandle host not None, int place=0, bint info=True) -> tuple[list[dict[str, object]], int]:
    """The connections and TIME-WAIT records from `place` on, and the place of the next slice."""
    cdef row_t* rows
    cdef uint32_t at = place
    cdef uint32_t count, i
    cdef bint ended = False
    if place < 0:
        raise ValueError(f"place is {place}, but must be 0 or what the last slice gave")
    rows = <row_t*> malloc(ROWS * sizeof(row_t))
    if rows == NULL:
        raise MemoryError
    try:
        with nogil:
            enter(host.host)
            count = read_slice(host.host, &at, &ended, rows)
            unlock(host.host)
        return [row_of(&rows[i], info) for i in range(count)], -1 if ended else at
    finally:
        free(rows)


def listener_rows(HostHandle host not None, int most=1024) -> list[dict[str, object]]:
    """The listeners, at most so many."""
    cdef listener_row_t* rows
    cdef uint32_t count = 0
    cdef uint32_t limit, place, i
    cdef const table_node_t* node
    cdef const listener_t* listener
    if not 0 < most <= 65536:
        raise ValueError(f"most is {most}, but must be 1 to 65536")
    limit = most
    rows = <listener_row_t*> malloc(limit * sizeof(listener_row_t))
    if rows == NULL:
        raise MemoryError
    try:
        with nogil:
            enter(host.host)
            for place in range(host.host.transport.listeners.mask + 1):
                node = host.host.transport.listeners.buckets[place]
                while node != NULL and count < limit:
                    listener = <const listener_t*> node
                    rows[count].local = listener.local
                    rows[count].port = listener.local_port
                    rows[count].backlog = listener.backlog
                    rows[count].half_open = listener.half_open.count
                    rows[count].finished = listener.finished.count
                    rows[count].requests = listener.requests.count
                    rows[count].conditional = listener.conditional
                    rows[count].paused = listener.paused
                    rows[count].under_attack = listener.flood.on
                    count += 1
                    node = node.next
            unlock(host.host)
        return [{
            "local": pack_address(&rows[i].local), "local_port": rows[i].port, "backlog": rows[i].backlog,
            "half_open": rows[i].half_open, "finished": rows[i].finished, "requests": rows[i].requests,
            "conditional": bool(rows[i].conditional), "paused": bool(rows[i].paused),
            "under_attack": bool(rows[i].under_attack),
        } for i in range(count)]
    finally:
        free(rows)


cdef dict limit_fields(const statistics_t* statistics, int limit, int64_t now):
    cdef bint present = statistics.limit == limit
    return {
        "time": statistics.limited[limit].time + (now - statistics.limit_since if present else 0),
        "entries": statistics.limited[limit].entries,
        "bytes": (statistics.limited[limit].sent
                  + (statistics.bytes_sent - statistics.limit_mark if present else 0)),
    }


def connection_counts(endpoint: Endpoint) -> dict[str, object]:
    """What is counted of a connection and has no field in tcp_info."""
    cdef Endpoint handle = endpoint
    cdef statistics_t copy
    cdef const statistics_t* statistics = NULL
    cdef int64_t now = 0
    with nogil:
        enter(handle.owner.host)
        if handle.tcb != NULL:
            statistics = statistics_of(handle.tcb)
            now = host_time(handle.owner.host)
            if statistics != NULL:
                copy = statistics[0]
        unlock(handle.owner.host)
    if statistics == NULL:
        return {}
    return {
        "age": now - copy.opened_at if copy.opened_at else 0, "dup_acks": copy.dup_acks,
        "fast_retrans": copy.fast_retrans, "syn_retrans": copy.syn_retrans, "bytes_reordered": copy.bytes_reordered,
        "limited": {
            "nothing": limit_fields(&copy, LIMIT_NOTHING, now), "path": limit_fields(&copy, LIMIT_PATH, now),
            "window": limit_fields(&copy, LIMIT_WINDOW, now), "buffer": limit_fields(&copy, LIMIT_BUFFER, now),
        },
    }
