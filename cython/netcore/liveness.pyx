"""A bound from the time-outs, the bytes, the rates and the losses; generous, since it is there to find what hangs.

The faults that count are those after the last change of any link. From then on (times in ns):

  everything, whoever it belongs to, passes the slowest way twice;
  a time-out may have been backed off to its most, for data, for a closed window and for the handshake;
  each segment may take a round trip of its own, and, where the receive buffer is small, a persist time-out;
  a lost segment, or its ACK, costs up to four time-outs, and once as many in a row as a connection survives;
  applications take their time;
  and where memory is scarce one connection may have to wait until others are over.
"""

from libc.stdint cimport int64_t, uint32_t
from netcore.application cimport END_ABORT, END_CLOSE, application_t, has_little_memory
from netcore.host cimport host_t
from netcore.impairment cimport change_t, faults_t, impair_t
from netcore.network cimport node_t, way_t
from netcore.posix cimport scale
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.tcb cimport STATUS_OK, STATUS_TIMED_OUT, STATUS_UNREACHABLE
from netcore.tcp.tunables cimport tunables_t
from netcore.violation cimport violate, with_value

cdef enum:
    MILLION = 1_000_000
    # a full queue in front of a rate loses frames too
    OVERFLOW_LOSS = 100_000
    # losses from which on there is no bound; both ways together
    HOPELESS = 450_000

cdef extern from *:
    """
    /* ns: as good as never, and its sums with itself still fit */
    #define CENTURY INT64_C(3000000000000000000)
    /* probabilities are counted in parts of CERTAIN; what is less likely than the other does not happen */
    #define CERTAIN INT64_C(1000000000000000000)
    #define UNHEARD_OF INT64_C(100000000)
    """
    const int64_t CENTURY
    const int64_t CERTAIN
    const int64_t UNHEARD_OF

# the ways from one host to another, together
cdef struct path_t:
    bint exists
    # ns, queues included
    int64_t time
    # least rate, bits per second; 0: no limit
    int64_t rate
    # bytes of an IP packet
    int64_t mtu
    # parts per million lost or damaged; and of those that follow a lost one and are alone on the link
    int64_t loss
    int64_t again


cdef int64_t least(int64_t one, int64_t other) noexcept nogil:
    return one if one < other else other


cdef int64_t losses(const faults_t* faults) noexcept nogil:
    """Parts per million, at most; the bursts' part is that of the chain's stationary state."""
    cdef int64_t total = faults.loss + faults.corrupt + faults.truncate
    if faults.burst_begin:
        total += scale(faults.burst_loss, faults.burst_begin, faults.burst_begin + faults.burst_end)
    return MILLION if faults.down or total > MILLION else total


cdef int64_t losses_again(const faults_t* faults) noexcept nogil:
    """Parts per million lost right behind a lost frame: a burst of the chain ends only as frames go by."""
    if faults.burst_begin:
        return losses(faults) + scale(faults.burst_loss, MILLION - faults.burst_end, MILLION)
    return losses(faults)


cdef faults_t final_faults(const impair_t* impair) noexcept nogil:
    """After the last change."""
    cdef faults_t faults = impair.faults
    cdef uint32_t i
    for i in range(impair.change_next, impair.change_count):
        (<int64_t*> &faults)[impair.changes[i].which] = impair.changes[i].value
    return faults


cdef int64_t worst_losses(const impair_t* impair, int64_t* down) noexcept nogil:
    """losses_again with the most of each fault at any time, outages aside; how long (ns) they lasted goes to `down`."""
    cdef faults_t faults = impair.faults
    cdef faults_t most = impair.faults
    cdef int64_t* values = <int64_t*> &most
    cdef const change_t* change
    cdef int64_t since = 0
    cdef uint32_t i
    cdef uint32_t which_down = <uint32_t> (&faults.down - <int64_t*> &faults)
    cdef uint32_t which_end = <uint32_t> (&faults.burst_end - <int64_t*> &faults)
    for i in range(impair.change_count):
        change = &impair.changes[i]
        if change.which == which_end:
            values[change.which] = least(change.value, values[change.which])
        elif change.which != which_down:
            values[change.which] = change.value if change.value > values[change.which] else values[change.which]
        elif change.value and not since:
            since = change.time
        elif not change.value and since:
            down[0] += change.time - since
            since = 0
    if since:
        down[0] = CENTURY
    most.down = 0
    return losses_again(&most)


cdef void walk(const network_t* network, const node_t* source, const node_t* target, path_t* path) noexcept nogil:
    cdef way_t* way = source.out
    cdef faults_t faults
    path.exists = False
    path.time = path.loss = path.again = path.rate = 0
    path.mtu = 65535
    while way != NULL:
        faults = final_faults(way.impair)
        path.time += faults.delay + faults.jitter + faults.reorder_by * (faults.reorder != 0)
        path.loss += losses(&faults)
        path.again += losses_again(&faults)
        path.mtu = faults.mtu if faults.mtu < path.mtu else path.mtu
        if faults.rate:
            path.rate = faults.rate if path.rate == 0 or faults.rate < path.rate else path.rate
            path.time += scale(faults.queue + path.mtu, 8_000_000_000, faults.rate)
            path.loss += OVERFLOW_LOSS
            path.again += OVERFLOW_LOSS
        if way.target == target:
            path.exists = True
            return
        way = way.target.routes[target.place] if way.target.host == NULL else NULL


cdef int64_t times(int64_t count, int64_t time) noexcept nogil:
    """A product that stops at a century."""
    return CENTURY if time and count > CENTURY // time else count * time


cdef int64_t plus(int64_t one, int64_t other) noexcept nogil:
    return CENTURY if one > CENTURY - other else one + other


cdef int64_t application_time(const application_t* application) noexcept nogil:
    """What its habits cost."""
    cdef int64_t total = application.habits.stall
    if application.habits.burst:
        total = plus(total, times(application.to_send // application.habits.burst + 1, application.habits.think))
    if application.habits.read_pause:
        total = plus(total, times(
            application.to_receive // (application.habits.read_size if application.habits.read_size else 1) + 1,
            application.habits.read_pause))
    return total


cdef int64_t patience(const tunables_t* tunables, int64_t rto) noexcept nogil:
    """How long a connection goes on sending the same data again."""
    cdef int64_t total = 0
    cdef int64_t tries = 0
    while tries < tunables.data_retries:
        total = plus(total, rto)
        rto = least(2 * rto, tunables.rto_maximum)
        tries += 1
    return total


cdef int64_t stream_time(const application_t* sender, const path_t* there, const path_t* back) noexcept nogil:
    """What one direction's bytes cost beyond their time at the slowest way."""
    cdef const tunables_t* tunables = &sender.host.transport.tunables
    cdef const host_t* receiver = sender.peer.host if sender.peer != NULL else sender.host
    cdef int64_t buffer = receiver.transport.tunables.receive_buffer
    cdef int64_t segment = least(least(there.mtu, back.mtu), sender.host.interface.mtu) - 60
    cdef int64_t round_trip = there.time + back.time + tunables.delayed_ack
    cdef int64_t loss = there.loss + back.loss
    cdef int64_t again = there.again + back.again
    cdef int64_t rto = 3 * round_trip if 3 * round_trip > tunables.rto_minimum else tunables.rto_minimum
    cdef int64_t count, step, total
    rto = least(rto, tunables.rto_maximum)
    if sender.peer != NULL and sender.peer.habits.receive_buffer:
        buffer = least(buffer, sender.peer.habits.receive_buffer)
    if again >= HOPELESS:
        return CENTURY
    if sender.habits.nodelay:
        segment = least(segment, sender.habits.write_size)
    if sender.habits.burst:
        segment = least(segment, sender.habits.burst)
    step = round_trip
    if buffer < 4 * segment:
        # silly-window avoidance may wait for the persist timer to take what there is of the window
        segment = least(segment, buffer // 2)
        step += rto
    count = sender.to_send // (segment if segment > 1 else 1) + 10
    total = times(count, step)
    total = plus(total, times(scale(count, 4 * loss, MILLION - 2 * again), rto))
    return plus(total, patience(tunables, rto)) if loss else total


cdef int64_t backed_off(const tunables_t* tunables) noexcept nogil:
    """The most that time-outs under way may still take: data, window, handshake, neighbor."""
    return (2 * tunables.rto_maximum + tunables.persist_maximum + (tunables.syn_rto << least(tunables.syn_retries, 10))
            + tunables.neighbor_retry * (tunables.neighbor_tries + 1))


cdef int64_t arrival_bound(network_t* network) noexcept nogil:
    cdef int64_t healed = network.now
    cdef int64_t passing = 0, slowest = 0, together = 0, total, margin = 0
    cdef bint scarce = False
    cdef impair_t* impair
    cdef application_t* application
    cdef path_t there, back
    cdef node_t* here
    cdef node_t* other
    cdef uint32_t i
    for i in range(network.way_count):
        impair = network.ways[i].impair
        if impair.change_count and impair.changes[impair.change_count - 1].time > healed:
            healed = impair.changes[impair.change_count - 1].time
    for i in range(network.application_count):
        application = network.applications[i]
        if application.started_at > healed:
            healed = application.started_at
        if application.peer == NULL:
            # whoever plays the other end may take as long as it likes
            return NEVER - 1
        here = network.nodes[application.node]
        other = network.nodes[application.peer.node]
        walk(network, here, other, &there)
        walk(network, other, here, &back)
        if not there.exists or not back.exists:
            return NEVER - 1
        if there.rate:
            # headers and retransmissions as much again
            passing = plus(passing, times(2 * (application.to_send + 10000), 8_000_000_000LL // there.rate + 1))
        total = plus(stream_time(application, &there, &back), stream_time(application.peer, &back, &there))
        total = plus(total, application_time(application))
        total = plus(total, application_time(application.peer))
        total = plus(total, 2 * backed_off(&application.host.transport.tunables))
        scarce = scarce or has_little_memory(application.host) or has_little_memory(application.peer.host)
        together = plus(together, total)
        slowest = total if total > slowest else slowest
    if scarce:
        slowest = together
    margin = plus(passing, slowest)
    return plus(healed, margin) if margin < CENTURY else NEVER - 1


cdef bint is_possible(int64_t loss, int64_t tries) noexcept nogil:
    """Whether it may happen that so many frames in a row, each alone on the link, are lost."""
    cdef int64_t chance = CERTAIN
    while tries and chance > UNHEARD_OF:
        chance = scale(chance, least(loss, MILLION), MILLION)
        tries -= 1
    return chance > UNHEARD_OF


cdef bint may_fail(const network_t* network, const application_t* client) noexcept nogil:
    """Whether the links are bad enough for the connection to time out, or to be forgotten by its server half-open."""
    cdef int64_t down = 0, loss = 0
    cdef uint32_t i
    cdef const tunables_t* tunables = &client.host.transport.tunables
    cdef const tunables_t* other = &client.peer.host.transport.tunables
    for i in range(network.way_count):
        loss += worst_losses(network.ways[i].impair, &down)
        if network.ways[i].impair.faults.rate or network.ways[i].impair.change_count:
            loss += OVERFLOW_LOSS // 10
    if client.connected_at == 0:
        return down != 0 or is_possible(loss, tunables.syn_retries + 1)
    if client.peer.connected_at == 0:
        return down != 0 or is_possible(loss, other.synack_retries + 1)
    return is_possible(loss, tunables.data_retries + 1) or down > patience(tunables, tunables.rto_minimum) // 4


cdef bint is_rude(const application_t* application) noexcept nogil:
    """It ends its connection by a reset."""
    return application.habits.end == END_ABORT or (application.habits.end == END_CLOSE and application.to_receive != 0)


cdef void check_arrival(network_t* network, application_t* application, bint late) noexcept nogil:
    cdef const char* invariant = NULL
    cdef application_t* peer = application.peer
    cdef const application_t* client
    cdef bint timed_out, excused
    if peer == NULL or is_rude(application) or is_rude(peer):
        return
    client = application if application.active else peer
    timed_out = (application.status == STATUS_TIMED_OUT or application.status == STATUS_UNREACHABLE
                 or peer.status == STATUS_TIMED_OUT or peer.status == STATUS_UNREACHABLE
                 # nothing but a time-out can end what an application has let go, or a server that was never connected
                 or not application.done and peer.done or client.peer.connected_at == 0)
    excused = timed_out and may_fail(network, client)
    if application.done and application.status != STATUS_OK and not excused:
        invariant = "delivery"
    elif late and not application.done and not excused:
        # whoever only waits never finds out that the other end has given up
        invariant = "liveness"
    if invariant == NULL or not violate(&network.violation, invariant, &application.local, application.local_port,
                                        &application.remote, application.remote_port):
        return
    with_value(&network.violation, "status", application.status)
    with_value(&network.violation, "peer_status", peer.status)
    with_value(&network.violation, "sent", application.sent)
    with_value(&network.violation, "to_send", application.to_send)
    with_value(&network.violation, "received", application.received)
    with_value(&network.violation, "to_receive", application.to_receive)
    if application.tcb != NULL:
        with_value(&network.violation, "state", application.tcb.state)
        with_value(&network.violation, "queued", <int64_t> application.tcb.send_queue.length)
        with_value(&network.violation, "unread", <int64_t> application.tcb.receive_queue.length)


cdef void check_arrivals(network_t* network, bint late) noexcept nogil:
    cdef uint32_t i
    for i in range(network.application_count):
        check_arrival(network, network.applications[i], late)
