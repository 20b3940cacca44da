"""network_t: nodes and ways under one virtual clock, and the one loop that carries out what is due."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.application cimport application_t, door_t, traffic_t
from netcore.host cimport host_t
from netcore.impairment cimport impair_t
from netcore.invariants cimport checker_t
from netcore.sampling cimport samples_t
from netcore.storage.chunks cimport chunk_pool_t
from netcore.storage.deadlines cimport deadline_t, deadlines_t
from netcore.storage.links cimport list_t
from netcore.trace cimport trace_t
from netcore.violation cimport violation_t
from netcore.wire.address cimport address_t

cdef enum:
    TOUCHED_MOST = 8

# what an item of network.agenda is; at one time the lower goes first, among equals the one that was made first
cdef enum AgendaKind:
    AGENDA_HOST = 0
    AGENDA_WAY = 1
    AGENDA_APPLICATION = 2

cdef struct node_t

# one direction of a link
cdef struct way_t:
    impair_t* impair
    # the object that owns `impair`, with a reference that no collector of garbage takes away first
    void* holder
    deadline_t deadline
    # twice the link's number, and 1 for the way back
    uint32_t number
    node_t* target
    bint recorded

# the names of a connection
cdef struct names_t:
    address_t local
    address_t remote
    uint32_t ports

cdef struct node_t:
    uint32_t number
    # NULL: a switch
    host_t* host
    # the object that owns `host`, as in way_t
    void* holder
    deadline_t deadline
    # of a host: where its frames go
    way_t* out
    door_t* doors
    samples_t* samples
    # connections that the event at hand may have changed; more than fit: all
    names_t touched[8]
    uint32_t touched_count
    # of a switch: its ways out, and which of them leads to each host, by the host's place in network.hosts
    way_t** ways
    uint32_t way_count
    way_t** routes
    # a host's place in network.hosts
    uint32_t place
    uint64_t forwarded
    uint64_t flooded
    uint64_t unknown

cdef struct network_t:
    int64_t now
    # ns; what is due by then is carried out
    uint64_t events
    uint64_t frames
    deadlines_t agenda
    # made and owned by the simulator's Python side
    node_t** nodes
    uint32_t node_count
    node_t** hosts
    uint32_t host_count
    way_t** ways
    uint32_t way_count
    application_t** applications
    uint32_t application_count
    # applications that are not done
    uint32_t unfinished
    # of MACs (or IPv4 addresses, where there is no Ethernet) to places in hosts; open addressing
    uint64_t* keys
    uint32_t* places
    uint32_t key_mask
    # waiters of applications and doors that have been woken
    list_t ready
    chunk_pool_t pool
    traffic_t traffic
    trace_t trace
    checker_t checker
    violation_t violation

# All hosts are locked and asked what they have; to be paired with network_leave.
cdef void network_enter(network_t* network) noexcept nogil
# Every host's time is the clock's.
cdef void network_leave(network_t* network) noexcept nogil
# The exact time of the next event; NEVER.
cdef int64_t network_next(network_t* network) noexcept nogil
# Carries out events due by `time`, at most `most`, while no invariant is violated and (if asked for) an application is
# not done. How many it did.
cdef uint64_t network_run(network_t* network, int64_t time, uint64_t most, bint until_done) noexcept nogil
# Something has been put onto a way from outside.
cdef void network_notice(network_t* network, way_t* way) noexcept nogil
# Takes note of a node, way or application; False when there is no memory.
cdef bint network_reserve(network_t* network) noexcept nogil
