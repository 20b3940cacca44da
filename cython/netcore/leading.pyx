"""Who drives a live host. A caller takes the lead from one that sleeps by saying so: both look under the lock."""

from libc.stdint cimport int64_t, uint64_t
from netcore.device cimport device_due, device_read, device_settle
from netcore.drive cimport enter, next_deadline, run_deadlines, settle, unlock
from netcore.host cimport host_t, landing_t
from netcore.landing cimport is_in_turn
from netcore.posix cimport POLLIN, load_acquire, memset, monotonic_clock, poll_until, pollfd, read, timespec, write
from netcore.receive_thread cimport choose_receiver
from netcore.storage.deadlines cimport NEVER
from netcore.storage.links cimport list_append, list_first, list_remove
from netcore.tcp.tcb cimport waiter_t

cdef enum:
    # While connections live the leader looks at its deadlines this often (ns) at least, so that calls which arm a later
    # one, as every send does, need not wake it.
    LONGEST_SLEEP = 10000000
    # the helper looks this often whether callers still lead, less often the longer they do: each look costs one of
    # them the processor
    TICK = 1000000
    LONGEST_TICK = 8000000
    # after so many looks at one and the same leader it sleeps until it is told
    QUIET_TICKS = 16
    # a caller that has led so long (ns) is one whose wait is long, and gives way to the next that waits
    LONG_LEAD = 1000000
    # callers that stay away longer than this (ns) between two waits hand the lead on when they go, best to a follower
    LONG_ABSENCE = 200000
    LONGEST_ABSENCE = 10000000
    # A caller to whom so much text has come goes on looking for more of it so long (ns) before it is content.
    MUCH_LANDED = 32768
    MORE_TO_LAND = 20000


cdef void tell(waiter_t* waiter) noexcept nogil:
    cdef uint64_t one = 1
    write(waiter.descriptor, &one, 8)


cdef int step(host_t* host) noexcept nogil:
    # taken once a batch, at the descriptor: the time of arrival is what RTT samples need
    cdef int64_t now = monotonic_clock()
    cdef int count = 0
    host.sleeping_until = 0
    host.lead.batches += 1
    if host.device.descriptor >= 0 and not host.lead.lost:
        count = device_read(host, BATCH, now)
        if count < 0:
            host.lead.lost = True
            tell(&host.lead.helper)
            count = 0
    device_settle(host, now)
    run_deadlines(host, now)
    settle(host, now)
    choose_receiver(host, now)
    return count


cdef int64_t rest_until(host_t* host, int64_t now, int64_t most) noexcept nogil:
    cdef int64_t due = next_deadline(host)
    if device_due(host) < due:
        due = device_due(host)
    if host.transport.tcbs.in_use and due > now + LONGEST_SLEEP:
        due = now + LONGEST_SLEEP
    return due if due < most else most


cdef bint sleep(host_t* host, waiter_t* waiter, int64_t most) noexcept nogil:
    cdef pollfd entries[2]
    cdef timespec timeout
    cdef uint64_t value
    cdef int64_t now = monotonic_clock()
    cdef int64_t due = rest_until(host, now, most)
    cdef int64_t left = due - now if due > now else 0
    cdef int count = 1
    cdef int found
    entries[0].fd = waiter.descriptor
    entries[0].events = POLLIN
    entries[0].revents = 0
    if host.device.descriptor >= 0 and not host.lead.lost:
        entries[1].fd = host.device.descriptor
        entries[1].events = POLLIN
        entries[1].revents = 0
        count = 2
    host.sleeping_until = due
    unlock(host)
    timeout.tv_sec = left // 1_000_000_000
    timeout.tv_nsec = left % 1_000_000_000
    found = poll_until(entries, count, NULL if due == NEVER else &timeout)
    if found > 0 and entries[0].revents & POLLIN:
        read(waiter.descriptor, &value, 8)
    enter(host)
    host.lead.wakeups += 1
    if host.lead.leader == waiter:
        host.sleeping_until = 0
    return found >= 0


cdef bint take_lead(host_t* host, waiter_t* waiter) noexcept nogil:
    cdef int64_t now = monotonic_clock()
    cdef int64_t away
    if host.lead.lost or host.lead.helper.descriptor < 0:
        return False
    if host.lead.leader == NULL:
        away = now - host.lead.left
        if away > LONGEST_ABSENCE:
            away = LONGEST_ABSENCE
        host.lead.absence += (away - host.lead.absence) // 8
    elif host.lead.leader != &host.lead.helper and (now - host.lead.since < LONG_LEAD or not host.sleeping_until):
        return False
    host.lead.leader = waiter
    host.lead.turns += 1
    host.lead.since = now
    # who led sleeps at the device: when it wakes it finds that it leads no more, and its buffer may be gone then
    host.sleeping_until = 0
    host.device.landing = NULL
    return True


cdef void pass_by(host_t* host) noexcept nogil:
    host.lead.leader = NULL
    host.sleeping_until = 0
    host.lead.left = monotonic_clock()
    if host.lead.helper_rests:
        host.lead.helper_rests = False
        tell(&host.lead.helper)


cdef void give_lead(host_t* host) noexcept nogil:
    cdef bint told = host.lead.helper_rests
    # the follower may have what it waits for already and not stay: a helper that ticks finds out
    pass_by(host)
    if host.lead.absence <= LONG_ABSENCE:
        return
    if host.lead.followers.first != NULL:
        tell(<waiter_t*> list_first(&host.lead.followers))
    elif not told:
        tell(&host.lead.helper)


cdef bint is_served(waiter_t* waiter, const landing_t* landing) noexcept nogil:
    if waiter.signalled or load_acquire(&waiter.woken):
        return True
    # a buffer without room is never full: its receiver asks whether there is text (RECV-8)
    return landing != NULL and landing.filled and landing.filled == landing.length


cdef Outcome lead(host_t* host, waiter_t* waiter, landing_t* landing, int64_t deadline) noexcept nogil:
    # what a program does between two waits is no reason to think that no frame will follow
    cdef int64_t busy_until = monotonic_clock() + host.lead.busy_poll if host.lead.busy_poll else 0
    cdef int64_t now
    cdef int count
    while True:
        count = step(host)
        if is_served(waiter, landing):
            return OUTCOME_READY
        if host.lead.lost or host.lead.helper.descriptor < 0:
            return OUTCOME_NOTHING
        now = monotonic_clock()
        if count:
            busy_until = now + host.lead.busy_poll
            if landing != NULL and landing.filled:
                busy_until = now + MORE_TO_LAND if landing.filled >= MUCH_LANDED else now
        if now < busy_until and now < deadline:
            # others want the lock too
            unlock(host)
            enter(host)
            if host.lead.leader == waiter:
                continue
            return OUTCOME_READY if is_served(waiter, landing) else OUTCOME_NOTHING
        if landing != NULL and landing.filled:
            return OUTCOME_READY
        if now >= deadline or not sleep(host, waiter, deadline) or host.lead.leader != waiter:
            return OUTCOME_READY if is_served(waiter, landing) else OUTCOME_NOTHING


cdef int glance(host_t* host) noexcept nogil:
    cdef waiter_t passer
    cdef int count
    memset(&passer, 0, sizeof(passer))
    passer.descriptor = -1
    if not take_lead(host, &passer):
        return 0
    count = step(host)
    pass_by(host)
    return count


cdef void land(host_t* host, landing_t* landing) noexcept nogil:
    cdef waiter_t receiver
    cdef int64_t content_at = 0
    cdef int64_t now
    cdef int count
    memset(&receiver, 0, sizeof(receiver))
    receiver.descriptor = -1
    if not take_lead(host, &receiver):
        return
    host.device.landing = landing
    while landing.filled < landing.length and not host.lead.lost:
        count = step(host)
        if host.lead.leader != &receiver or landing.slot[0] == NULL or landing.slot[0].receive_queue.length:
            break
        if not is_in_turn(landing.slot[0]):
            # another connection's text comes now: in the device it is nearer to its receiver than in a queue
            break
        now = monotonic_clock()
        if count:
            content_at = now + MORE_TO_LAND
        if landing.filled < MUCH_LANDED or now >= content_at:
            break
        unlock(host)
        enter(host)
        if host.lead.leader != &receiver:
            break
    if host.lead.leader == &receiver:
        host.device.landing = NULL
        give_lead(host)


cdef Outcome follow(host_t* host, waiter_t* waiter, int64_t deadline) noexcept nogil:
    cdef pollfd entry
    cdef timespec timeout
    cdef uint64_t value
    cdef int64_t left = deadline - monotonic_clock()
    if left < 0:
        left = 0
    entry.fd = waiter.descriptor
    entry.events = POLLIN
    entry.revents = 0
    list_append(&host.lead.followers, &waiter.following_link, waiter)
    unlock(host)
    timeout.tv_sec = left // 1_000_000_000
    timeout.tv_nsec = left % 1_000_000_000
    if poll_until(&entry, 1, &timeout) > 0:
        read(waiter.descriptor, &value, 8)
    enter(host)
    list_remove(&waiter.following_link)
    return OUTCOME_READY if is_served(waiter, NULL) else OUTCOME_NOTHING


cdef Outcome wait_together(host_t* host, waiter_t* waiter, landing_t* landing, int64_t deadline) noexcept nogil:
    cdef Outcome outcome
    if is_served(waiter, NULL):
        return OUTCOME_READY
    if not take_lead(host, waiter):
        return follow(host, waiter, deadline)
    host.device.landing = landing
    outcome = lead(host, waiter, landing, deadline)
    if host.lead.leader == waiter:
        host.device.landing = NULL
        give_lead(host)
    return outcome


cdef bint watch_callers(host_t* host, int64_t tick, int* quiet) noexcept nogil:
    """Callers lead: a tick passes, or all the time until one that has led for long gives up the lead.

    True: one that will stay away has said so.
    """
    cdef bint told = False
    cdef pollfd entry
    cdef timespec timeout
    cdef uint64_t value
    entry.fd = host.lead.helper.descriptor
    entry.events = POLLIN
    entry.revents = 0
    timeout.tv_sec = 0
    timeout.tv_nsec = tick
    host.lead.helper_rests = quiet[0] >= QUIET_TICKS
    unlock(host)
    if poll_until(&entry, 1, NULL if quiet[0] >= QUIET_TICKS else &timeout) > 0:
        read(entry.fd, &value, 8)
        quiet[0] = 0
        told = True
    enter(host)
    host.lead.helper_rests = False
    return told and host.lead.absence > LONG_ABSENCE


cdef void help(host_t* host, int* stopping) noexcept nogil:
    cdef waiter_t* helper = &host.lead.helper
    cdef uint64_t turns
    cdef int64_t tick = TICK
    cdef int quiet = 0
    enter(host)
    turns = host.lead.turns
    while not load_acquire(stopping) and not host.lead.lost:
        if host.lead.leader == NULL and host.lead.turns == turns:
            host.lead.leader = helper
        if host.lead.leader == helper:
            tick = TICK
        while host.lead.leader == helper and not load_acquire(stopping) and not host.lead.lost:
            if step(host) < BATCH:
                sleep(host, helper, NEVER)
            else:
                unlock(host)
                enter(host)
        if host.lead.leader == helper:
            host.lead.leader = NULL
            host.sleeping_until = 0
        elif not host.lead.lost:
            quiet = quiet + 1 if host.lead.leader != NULL and host.lead.turns == turns else 0
            turns = host.lead.turns
            if watch_callers(host, tick, &quiet):
                turns = host.lead.turns
            if tick < LONGEST_TICK:
                tick *= 2
    unlock(host)
