"""Large copies go in slices, and those of a receive without the lock, so that no connection waits for another's.

Most of a long send is not copied at all: it leaves from the program's buffer, and is acknowledged before the call ends.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.drive cimport enter, host_time, leave, settle
from netcore.host cimport host_t, landing_t
from netcore.landing cimport is_in_turn
from netcore.leading cimport glance, land, pass_by, step, take_lead
from netcore.posix cimport iovec, memcpy, memset
from netcore.storage.chunks cimport LARGE_CHUNK, chunk_give_list, chunk_t
from netcore.storage.copy cimport copy_text
from netcore.tcp.calls cimport (
    keep_last_text, keep_text, lend_text, may_receive, may_send, receive_chunks, receive_text, received, send_text,
)
from netcore.tcp.output cimport largest_text
from netcore.tcp.tcb cimport (
    STATUS_HANDLE_CLOSED, STATUS_NO_BUFFERS, STATUS_OK, STATUS_SHUT_DOWN, STATUS_WOULD_BLOCK, tcb_t, unsent,
    waiter_t,
)
from netcore.tcp.urgent cimport is_late_byte_due, mark_sent_urgent, readable_stretch, take_late_byte

cdef enum:
    # bytes copied in one stay in the lock where no superframes are sent
    SLICE = 65536
    # a slice of this size leaves from the program's buffer where it may be acknowledged before the call returns: less
    # than MOST_LENT are on their way
    WORTH_LENDING = 49152
    MOST_LENT = 2097152
    # after so many bytes a send looks for what the peer has acknowledged
    WORTH_A_LOOK = 131072
    # one that takes less leaves it to the next wait
    WORTH_LOOKING_FOR = 4096
    # from this size on bytes are received without holding the lock for the copy
    UNLOCKED_COPY = 16384
    # a buffer with this much room may have more than is queued already
    WORTH_LANDING = 32768


cdef bint is_look_due(const tcb_t* tcb, uint64_t since) noexcept nogil:
    """Whether to look for ACKs: they would let go what waits, or free the memory of what is on its way."""
    return (since >= WORTH_A_LOOK and tcb.send_queue.length >= WORTH_A_LOOK) or unsent(tcb) > largest_text(tcb)


cdef void make_way(host_t* host, tcb_t** slot, waiter_t* sender, uint64_t* since) noexcept nogil:
    """Between two slices: what was taken leaves, ACKs that make room for more come in, and others get the lock.

    since: bytes taken since the last look for ACKs.
    """
    settle(host, host_time(host))
    if (host.live and slot[0] != NULL and is_look_due(slot[0], since[0])
            and (host.lead.leader == sender or take_lead(host, sender))):
        since[0] = 0
        step(host)
    leave(host)
    enter(host)


cdef uint64_t slice_of(const tcb_t* tcb, bint first) noexcept nogil:
    """Bytes to copy before they are sent: what fills a frame, so that they are still in the cache then.

    The first also completes what earlier calls have left unsent.
    """
    cdef uint64_t most = largest_text(tcb)
    cdef uint64_t waiting = unsent(tcb)
    if most == tcb.eff_mss:
        return SLICE
    return most - waiting % most if first else most


cdef bint is_worth_lending(const tcb_t* tcb, uint64_t size) noexcept nogil:
    return WORTH_LENDING <= size <= LARGE_CHUNK and tcb.send_queue.length < MOST_LENT


cdef void take_back(host_t* host, tcb_t** slot, waiter_t* sender) noexcept nogil:
    """Copies what the peer has not acknowledged by now, and looks for ACKs between two pieces; others get the lock."""
    if not host.live:
        if slot[0] != NULL:
            keep_text(slot[0])
        return
    # the last of it too leaves before it is copied
    settle(host, host_time(host))
    while slot[0] != NULL and keep_last_text(slot[0]):
        if host.lead.leader == sender or take_lead(host, sender):
            step(host)
        leave(host)
        enter(host)


cdef int64_t send_pieces(host_t* host, tcb_t** slot, const iovec* pieces, int count, uint64_t total,
                         bint urgent) noexcept nogil:
    cdef int64_t status = STATUS_OK
    cdef uint64_t room = 0
    cdef uint64_t at = 0
    cdef uint64_t size
    cdef uint64_t left = total
    cdef uint64_t since = 0
    cdef waiter_t sender
    cdef const uint8_t* text
    cdef bint whole
    cdef bint lent = False
    cdef int i = 0
    memset(&sender, 0, sizeof(sender))
    sender.descriptor = -1
    enter(host)
    status = may_send(slot[0], total) if slot[0] != NULL else STATUS_HANDLE_CLOSED
    # what is urgent is marked when all of it is there, and none may leave before
    if status == STATUS_OK:
        room = slice_of(slot[0], True) if not urgent else total
    if host.live and status == STATUS_OK and total > room:
        # From the first slice on: the time that they take would pass for an absence, and the helper lead, whom each
        # ACK wakes into a lock that is taken.
        take_lead(host, &sender)
    while status == STATUS_OK and i < count:
        size = pieces[i].iov_len - at
        if size > room:
            size = room
        text = <const uint8_t*> pieces[i].iov_base + at
        if not urgent and is_worth_lending(slot[0], size):
            whole = lend_text(slot[0], text, <uint32_t> size)
            lent = True
        else:
            whole = size == 0 or send_text(slot[0], text, size)
        if not whole:
            status = STATUS_NO_BUFFERS
            break
        at += size
        room -= size
        left -= size
        since += size
        if at == pieces[i].iov_len:
            i += 1
            at = 0
        if room == 0 and left:
            slot[0].corked = True
            make_way(host, slot, &sender, &since)
            if slot[0] == NULL:
                status = STATUS_HANDLE_CLOSED
            elif slot[0].status != STATUS_OK:
                status = slot[0].status
            elif slot[0].fin_queued:
                status = STATUS_SHUT_DOWN
            else:
                room = slice_of(slot[0], False)
    if slot[0] != NULL:
        slot[0].corked = False
    if urgent and status == STATUS_OK and total and not mark_sent_urgent(slot[0]):
        status = STATUS_NO_BUFFERS
    if (host.live and since >= WORTH_LOOKING_FOR and slot[0] != NULL and slot[0].send_queue.length >= WORTH_A_LOOK
            and (host.lead.leader == &sender or take_lead(host, &sender))):
        step(host)
    if lent:
        take_back(host, slot, &sender)
    if host.lead.leader == &sender:
        # what is still to leave takes its time too
        settle(host, host_time(host))
        pass_by(host)
    leave(host)
    return <int64_t> total if status == STATUS_OK else status


cdef int64_t receive_late_byte(tcb_t* tcb, const iovec* pieces, int count, bint peek) noexcept nogil:
    """RECV-27: an urgent byte that came before inline was switched on, alone; 0 when there is no room for it."""
    cdef int i
    for i in range(count):
        if pieces[i].iov_len:
            return take_late_byte(tcb, <uint8_t*> pieces[i].iov_base, peek)
    return 0


cdef void scatter(const chunk_t* chunk, const iovec* pieces, int count) noexcept nogil:
    """Copies a list of chunks into the buffers in order; they are large enough."""
    cdef uint64_t at = 0
    cdef uint64_t taken = 0
    cdef uint64_t size
    cdef int i = 0
    while chunk != NULL and i < count:
        size = chunk.end - chunk.start - taken
        if size > pieces[i].iov_len - at:
            size = pieces[i].iov_len - at
        copy_text(<uint8_t*> pieces[i].iov_base + at, chunk.data + chunk.start + taken, size)
        at += size
        taken += size
        if taken == chunk.end - chunk.start:
            chunk = chunk.next
            taken = 0
        if at == pieces[i].iov_len:
            i += 1
            at = 0


cdef uint64_t copy_under_lock(tcb_t* tcb, const iovec* pieces, int count, uint64_t total) noexcept nogil:
    cdef uint64_t done = 0
    cdef uint64_t size
    cdef int i
    for i in range(count):
        size = pieces[i].iov_len if pieces[i].iov_len < total - done else total - done
        size = receive_text(tcb, <uint8_t*> pieces[i].iov_base, size)
        done += size
        if size < pieces[i].iov_len:
            break
    return done


cdef bint is_landing_likely(const tcb_t* tcb) noexcept nogil:
    return not tcb.receive_queue.length and is_in_turn(tcb)


cdef uint64_t land_behind(host_t* host, tcb_t** slot, const iovec* piece, uint64_t at) noexcept nogil:
    """Of a connection whose text is coming in: what the device has of it, straight into the buffer from `at` on."""
    cdef landing_t landing
    landing.slot = slot
    landing.octets = <uint8_t*> piece.iov_base + at
    landing.length = piece.iov_len - at
    landing.filled = 0
    land(host, &landing)
    return landing.filled


cdef int64_t receive_pieces(host_t* host, tcb_t** slot, const iovec* pieces, int count, uint64_t total,
                            bint peek) noexcept nogil:
    cdef chunk_t* chunks = NULL
    cdef chunk_t* chunk
    cdef int64_t result
    cdef uint64_t stretch
    cdef uint32_t following = 0
    cdef bint ended = False
    cdef bint may_land = host.live and count == 1 and not peek
    enter(host)
    result = may_receive(slot[0], &ended) if slot[0] != NULL else STATUS_HANDLE_CLOSED
    if result == STATUS_WOULD_BLOCK and may_land and total >= WORTH_LANDING and is_landing_likely(slot[0]):
        stretch = land_behind(host, slot, pieces, 0)
        if stretch:
            result = <int64_t> stretch
        else:
            # what has come in meanwhile may be queued instead
            result = may_receive(slot[0], &ended) if slot[0] != NULL else STATUS_HANDLE_CLOSED
    if result == STATUS_OK and not ended and total:
        stretch = readable_stretch(slot[0])
        if stretch < total:
            total = stretch
        if is_late_byte_due(slot[0]):
            result = receive_late_byte(slot[0], pieces, count, peek)
        elif peek:
            result = <int64_t> peek_pieces(slot[0], pieces, count, total)
        else:
            if total >= UNLOCKED_COPY:
                chunks = receive_chunks(slot[0], total)
                following = slot[0].rcv_nxt - <uint32_t> slot[0].receive_queue.length
            if chunks == NULL:
                result = <int64_t> copy_under_lock(slot[0], pieces, count, total)
    leave(host)
    if chunks != NULL:
        chunk = chunks
        while chunk != NULL:
            result += chunk.end - chunk.start
            chunk = chunk.next
        scatter(chunks, pieces, count)
        enter(host)
        chunk_give_list(&host.transport.pool, chunks)
        if slot[0] != NULL:
            # the window may have been closed by just this memory (LIM-2)
            received(slot[0])
            # what follows may have gone to another receiver during the copy
            if (may_land and slot[0].rcv_nxt == following and pieces[0].iov_len - result >= WORTH_LANDING
                    and is_landing_likely(slot[0])):
                result += <int64_t> land_behind(host, slot, pieces, <uint64_t> result)
            elif host.live:
                glance(host)
        leave(host)
    return result


cdef uint64_t peek_pieces(tcb_t* tcb, const iovec* pieces, int count, uint64_t total) noexcept nogil:
    """Copies from the head without taking; the walk restarts for each buffer, peeking is not a bulk path."""
    cdef uint64_t done = 0
    cdef uint64_t skip, at, size, part, room
    cdef chunk_t* chunk
    cdef int i
    for i in range(count):
        skip = done
        at = 0
        room = pieces[i].iov_len if pieces[i].iov_len < total - done else total - done
        chunk = tcb.receive_queue.head
        while chunk != NULL and at < room:
            size = chunk.end - chunk.start
            if skip >= size:
                skip -= size
                chunk = chunk.next
                continue
            part = size - skip
            if part > room - at:
                part = room - at
            memcpy(<uint8_t*> pieces[i].iov_base + at, chunk.data + chunk.start + skip, part)
            at += part
            skip = 0
            chunk = chunk.next
        done += at
        if at < pieces[i].iov_len:
            break
    return done
