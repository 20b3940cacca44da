"""Making and freeing a host with all its tables (LIM-5: every random choice comes from the seed)."""

from libc.stdint cimport uint8_t, uint16_t, uint64_t
from netcore.ip.fragments cimport fragments_close, fragments_open
from netcore.ip.routes cimport interface_t
from netcore.neighbors cimport neighbors_close, neighbors_open
from netcore.paths cimport paths_close, paths_open
from netcore.posix cimport calloc, free, malloc, memcpy, pthread_mutex_destroy, pthread_mutex_init
from netcore.services cimport retire_listener
from netcore.storage.captures cimport captures_clear
from netcore.storage.chunks cimport chunk_give, chunk_pool_close
from netcore.storage.deadlines cimport deadlines_close, deadlines_open
from netcore.storage.frames cimport frame_queue_clear
from netcore.storage.replies cimport replies_close, replies_open
from netcore.storage.siphash cimport hash_key_t, siphash
from netcore.storage.slab cimport slab_close, slab_open
from netcore.storage.table cimport table_close, table_node_t, table_open
from netcore.tcp.congestion.algorithms cimport algorithm_at
from netcore.tcp.extras cimport extras_t
from netcore.tcp.flight cimport flight_t, sent_t
from netcore.tcp.keys cimport keys_close, keys_open, signature_t
from netcore.tcp.lifecycle cimport bury, end_time_wait, finish, let_go
from netcore.tcp.statistics cimport statistics_t
from netcore.tcp.tcb cimport (
    CONTROL_CAPACITY, ENDPOINT_CONNECTION, ENTRY_TIME_WAIT, STATUS_ABORTED, endpoint_t, entry_t, listener_t,
    path_search_t, reassembly_t, segment_out_t, tcb_t, timewait_t, transport_t,
)
from netcore.tcp.tunables cimport tunables_t


cdef void derive_key(hash_key_t* key, const hash_key_t* seed, uint64_t purpose) noexcept nogil:
    cdef uint64_t words[2]
    words[0] = purpose
    words[1] = 0
    key.k0 = siphash(seed, words, 2)
    words[1] = 1
    key.k1 = siphash(seed, words, 2)


cdef void derive_secrets(host_t* host, const uint8_t* seed, size_t length) noexcept nogil:
    """Every eight bytes of the seed are hashed into one master key, from which each secret is derived."""
    cdef transport_t* transport = &host.transport
    cdef hash_key_t master
    cdef uint64_t word
    cdef size_t at
    master.k0 = length
    master.k1 = 0x77737073
    for at in range(0, length, 8):
        word = 0
        memcpy(&word, seed + at, 8 if length - at >= 8 else length - at)
        master.k0 = siphash(&master, &word, 1)
        master.k1 ^= siphash(&master, &word, 1)
    derive_key(&transport.table_key, &master, 1)
    derive_key(&transport.isn_key, &master, 2)
    derive_key(&transport.timestamp_key, &master, 3)
    derive_key(&transport.cookie_key, &master, 6)
    derive_key(&host.fragments.key, &master, 8)
    derive_key(&host.identifications.key, &master, 9)
    derive_key(&host.error_rate.key, &master, 10)
    derive_key(&transport.fast_open_key, &master, 11)
    word = 5
    transport.random.state = siphash(&master, &word, 1)
    word = 7
    transport.priorities.state = siphash(&master, &word, 1)


cdef bint transport_open(transport_t* transport, const tunables_t* tunables) noexcept nogil:
    transport.tunables = tunables[0]
    transport.congestion = algorithm_at(0)
    slab_open(&transport.tcbs, sizeof(tcb_t) + (sizeof(statistics_t) if tunables.connection_statistics else 0))
    slab_open(&transport.timewaits, sizeof(timewait_t))
    slab_open(&transport.listener_slab, sizeof(listener_t))
    slab_open(&transport.reassemblies, sizeof(reassembly_t))
    slab_open(&transport.sents, sizeof(sent_t))
    slab_open(&transport.flights, sizeof(flight_t))
    slab_open(&transport.searches, sizeof(path_search_t))
    slab_open(&transport.signatures, sizeof(signature_t))
    keys_open(&transport.keys)
    slab_open(&transport.extras, sizeof(extras_t))
    deadlines_open(&transport.deadlines)
    transport.port_users = <unsigned int*> calloc(65536, sizeof(unsigned int))
    transport.control = <segment_out_t*> malloc(CONTROL_CAPACITY * sizeof(segment_out_t))
    return (table_open(&transport.connections, 256) and table_open(&transport.listeners, 64)
            and paths_open(&transport.paths, &transport.table_key)
            and transport.port_users != NULL and transport.control != NULL)


cdef host_t* host_open(const tunables_t* tunables, const interface_t* interface, const uint8_t* seed, size_t length,
                       bint vnet_header, bint offloads) noexcept nogil:
    cdef host_t* host = <host_t*> calloc(1, sizeof(host_t))
    cdef uint64_t mss
    if host == NULL:
        return NULL
    pthread_mutex_init(&host.turnstile, NULL)
    pthread_mutex_init(&host.lock, NULL)
    host.interface = interface[0]
    host.device.descriptor = -1
    host.device.thread.switch_descriptor = -1
    host.device.vnet_header = vnet_header
    host.device.offloads = offloads
    host.lead.helper.descriptor = -1
    derive_secrets(host, seed, length)
    # RFC 9293 3.7.1: the MTU less the fixed headers; options come off when a segment carries them
    mss = interface.mtu - 40
    host.transport.local_mss = <uint16_t> mss
    host.transport.superframe = <unsigned int> tunables.maximum_superframe if offloads else 0
    if not (transport_open(&host.transport, tunables) and replies_open(&host.replies)
            and fragments_open(&host.fragments, &host.transport)
            and neighbors_open(&host.neighbors, &host.transport, &host.interface, &host.replies)):
        host_close(host)
        return NULL
    return host


cdef void end_connections(transport_t* transport) noexcept nogil:
    """Ends whatever is left, handles of the program included, without a word to the peers."""
    cdef table_node_t* node
    cdef entry_t* entry
    cdef tcb_t* tcb
    cdef unsigned int i
    if transport.listeners.buckets != NULL:
        for i in range(transport.listeners.mask + 1):
            while transport.listeners.buckets[i] != NULL:
                retire_listener(<listener_t*> transport.listeners.buckets[i], 0)
    if transport.connections.buckets != NULL:
        for i in range(transport.connections.mask + 1):
            while transport.connections.buckets[i] != NULL:
                node = transport.connections.buckets[i]
                entry = <entry_t*> node
                if entry.kind == ENTRY_TIME_WAIT:
                    end_time_wait(<timewait_t*> entry)
                else:
                    tcb = <tcb_t*> entry
                    finish(tcb, STATUS_ABORTED)
                    let_go(tcb)
    bury(transport)


cdef void host_close(host_t* host) noexcept nogil:
    cdef transport_t* transport = &host.transport
    cdef endpoint_t* endpoint
    # ended connections whose handles died unnoticed
    while host.released != NULL:
        endpoint = host.released
        host.released = endpoint.release_next
        if endpoint.kind == ENDPOINT_CONNECTION:
            finish(<tcb_t*> endpoint.owner, STATUS_ABORTED)
            let_go(<tcb_t*> endpoint.owner)
        else:
            retire_listener(<listener_t*> endpoint.owner, host.now)
    end_connections(transport)
    neighbors_close(&host.neighbors)
    replies_close(&host.replies, &transport.pool)
    fragments_close(&host.fragments)
    if host.cutting.packet.chunk != NULL:
        chunk_give(&transport.pool, host.cutting.packet.chunk)
    frame_queue_clear(&host.device.outgoing, &transport.pool)
    captures_clear(&host.device.captures)
    table_close(&transport.connections)
    table_close(&transport.listeners)
    deadlines_close(&transport.deadlines)
    slab_close(&transport.tcbs)
    slab_close(&transport.timewaits)
    slab_close(&transport.listener_slab)
    slab_close(&transport.reassemblies)
    slab_close(&transport.sents)
    slab_close(&transport.flights)
    slab_close(&transport.searches)
    paths_close(&transport.paths)
    slab_close(&transport.signatures)
    keys_close(&transport.keys)
    slab_close(&transport.extras)
    chunk_pool_close(&transport.pool)
    free(transport.port_users)
    free(transport.control)
    free(transport.remembered)
    pthread_mutex_destroy(&host.turnstile)
    pthread_mutex_destroy(&host.lock)
    free(host)
