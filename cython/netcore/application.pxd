"""application_t: one end of a connection played by the core: a source of a pattern, and a sink that verifies one."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.host cimport host_t
from netcore.storage.deadlines cimport deadline_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.pattern cimport pattern_t
from netcore.tcp.tcb cimport Status, listener_t, tcb_t, waiter_t, watch_t
from netcore.violation cimport violation_t
from netcore.wire.address cimport address_t

cdef enum:
    # in place of a descriptor in waiter_t: whom the waiter belongs to
    WAITER_APPLICATION = -2
    WAITER_DOOR = -3
    WRITE_MOST = 65536

cdef enum ApplicationEnd:
    # shut the direction behind the last byte, close after the other's end
    END_SHUT = 0
    # close at once
    END_CLOSE = 1
    END_ABORT = 2
    # wait for the other's end, then close
    END_WAIT = 3

# All of one type; names as the habits of Simulator.flow.
cdef struct habits_t:
    int64_t write_size
    int64_t burst
    int64_t think
    int64_t wait
    int64_t read_size
    int64_t read_pause
    int64_t stall_after
    int64_t stall
    int64_t end
    int64_t nodelay
    int64_t send_buffer
    int64_t receive_buffer

# what all applications of a simulator share
cdef struct traffic_t:
    pattern_t pattern
    # where wrong bytes are reported, if that is asked for
    violation_t* violation
    bint checked
    uint8_t scratch[65536]

cdef struct application_t:
    # first: a waiter that the host wakes is its application
    waiter_t waiter
    watch_t watch
    # the simulator's, for wake_at
    deadline_t deadline
    int64_t wake_at
    host_t* host
    uint32_t node
    uint32_t number
    traffic_t* traffic
    habits_t habits
    application_t* peer
    # who waits at a door
    link_t door_link
    tcb_t* tcb
    bint active
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    uint64_t send_key
    uint64_t receive_key
    # bytes to be sent and to be received
    int64_t to_send
    int64_t to_receive
    int64_t sent
    int64_t received
    int64_t burst_left
    # when it may write and read again
    int64_t send_at
    int64_t read_at
    # when an active end tries again to open its connection; how long it waits for memory this time, ns
    int64_t retry_at
    int64_t retry_after
    bint stalled
    bint finished_sending
    bint ended
    bint done
    Status status
    int64_t started_at
    int64_t connected_at
    int64_t first_byte_at
    int64_t ended_at
    int64_t done_at
    # the connection as it was when it was let go
    tcb_t last

# a listening port whose connections are handed to the applications that wait there
cdef struct door_t:
    waiter_t waiter
    watch_t watch
    door_t* next
    host_t* host
    listener_t* listener
    uint16_t port
    list_t expected

cdef void set_default_habits(habits_t* habits) noexcept nogil
# With the host locked, at its time: does whatever can be done now, and sets wake_at.
cdef void application_work(application_t* application, int64_t now) noexcept nogil
# The application plays on this connection, which it holds from now on.
cdef void application_take(application_t* application, tcb_t* tcb) noexcept nogil
# Whether the host was given less memory than is usual: what it lacks others wait for (LIM-2).
cdef bint has_little_memory(const host_t* host) noexcept nogil
# Opens the door, whose listener has this backlog; False when there is no memory.
cdef bint door_open(door_t* door, host_t* host, uint16_t port, uint32_t backlog) noexcept nogil
# Takes one finished connection in: the application that has got it, to be let work; NULL when there is none.
cdef application_t* door_admit(door_t* door, int64_t now) noexcept nogil
# Lets go of everything, without a word to the peer.
cdef void application_leave(application_t* application) noexcept nogil
cdef void door_leave(door_t* door) noexcept nogil
