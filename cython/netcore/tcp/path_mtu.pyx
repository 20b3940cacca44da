"""Path MTU discovery (RFC 1191, RFC 4821, RFC 5927 7)."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from netcore.paths cimport forget_path, learn_path_mtu, path_mtu_to
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.flight cimport SENT_LOST, SENT_SACKED, sent_t
from netcore.tcp.options cimport constant_options
from netcore.tcp.pacing cimport is_too_early
from netcore.tcp.scoreboard cimport first_lost, first_sent, join_lost, last_sent, mark_lost, may_record
from netcore.tcp.seqnum cimport seq_geq, seq_lt
from netcore.tcp.tcb cimport (
    FRTO_OFF, PHASE_LOSS, PHASE_OPEN, PHASE_REDUCING, TIMER_PROBE, UNDO_NEVER, cancel, is_anything_lost, path_search_t,
    tcb_t, unsent, want_output,
)

cdef enum:
    # IPv4 and TCP without options
    HEADERS = 40
    # RFC 4821 7.7: what passes where larger packets vanish
    BASE_MSS = 1024
    # a search ends when this few bytes are left to be gained
    WORTH_A_PROBE = 16
    ANY_LENGTH = 0x7fffffff
    # full segments that wait behind a probe, so that its loss shows soon (RFC 4821 7.4)
    PROBE_BEHIND = 3


cdef inline sent_t* following(const sent_t* stretch) noexcept nogil:
    return <sent_t*> stretch.node.next.owner if stretch.node.next != NULL else NULL


cdef inline uint32_t text_of(const tcb_t* tcb, const sent_t* stretch) noexcept nogil:
    """Octets of a stretch: its numbers without FIN's."""
    return stretch.end - stretch.node.start - (1 if tcb.fin_sent and stretch.end == tcb.snd_nxt else 0)


cdef void set_size(tcb_t* tcb, uint32_t mss) noexcept nogil:
    """From now on segments have `mss` bytes of text and options."""
    tcb.eff_mss = <uint16_t> (mss - constant_options(tcb))
    if tcb.cwnd and tcb.cwnd < tcb.eff_mss:
        # a window of less than a segment would never let one go
        tcb.cwnd = tcb.eff_mss


cdef path_search_t* begin_search(tcb_t* tcb) noexcept nogil:
    """NULL when there is no memory: then the path stays what it was taken for."""
    if tcb.path == NULL:
        tcb.path = <path_search_t*> slab_take(&tcb.transport.searches)
        if tcb.path != NULL:
            tcb.path.passes = tcb.eff_mss + constant_options(tcb)
            tcb.path.most = tcb.snd_mss
    return tcb.path


cdef void end_search(tcb_t* tcb) noexcept nogil:
    slab_give(&tcb.transport.searches, tcb.path)
    tcb.path = NULL


cdef void adopt_path(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef int64_t expires = 0
    cdef uint32_t mtu = path_mtu_to(&tcb.transport.paths, &tcb.entry.remote, now, &expires)
    if mtu == 0 or mtu >= <uint32_t> tcb.snd_mss + HEADERS or begin_search(tcb) == NULL:
        return
    tcb.path.passes = <uint16_t> (mtu - HEADERS)
    tcb.path.next_probe = expires
    set_size(tcb, tcb.path.passes)


cdef void send_lost_again(tcb_t* tcb) noexcept nogil:
    """What is marked lost goes at once, and cwnd stays: as many bytes are in flight as before, in smaller segments."""
    if tcb.phase == PHASE_OPEN or tcb.phase == PHASE_REDUCING:
        tcb.phase = PHASE_LOSS
        tcb.recover = tcb.snd_nxt
    # what went again was lost for sure, so there is nothing to take back
    tcb.undo = UNDO_NEVER
    tcb.frto = FRTO_OFF
    tcb.dupacks = 0
    tcb.probe_out = False
    tcb.tail_wanted = False
    tcb.resend_now = True
    cancel(tcb, TIMER_PROBE)
    want_output(tcb)


cdef bint lose_too_large(tcb_t* tcb) noexcept nogil:
    """Marks what is in flight in segments that do not pass. False: there is nothing of that kind."""
    cdef sent_t* stretch = first_sent(tcb)
    cdef bint found = False
    while stretch != NULL:
        if not stretch.marks & (SENT_SACKED | SENT_LOST) and text_of(tcb, stretch) > stretch.segments * tcb.eff_mss:
            mark_lost(tcb, stretch)
            found = True
        stretch = following(stretch)
    stretch = first_sent(tcb)
    while found and stretch != NULL:
        # cut anew from one end to the other, not each of the old segments for itself
        if stretch.marks & SENT_LOST:
            join_lost(tcb, stretch, ANY_LENGTH)
        stretch = following(stretch)
    return found


cdef void fail_probe(tcb_t* tcb) noexcept nogil:
    tcb.transport.counters.TCPMTUPFail += 1
    tcb.path.most = tcb.path.probe - 1
    tcb.path.probe = 0
    if tcb.path.failures < 255:
        tcb.path.failures += 1


cdef void lose_probe(tcb_t* tcb) noexcept nogil:
    cdef sent_t* stretch = first_sent(tcb)
    while stretch != NULL and seq_lt(stretch.node.start, tcb.path.probe_end):
        if seq_geq(stretch.node.start, tcb.path.probe_start) and not stretch.marks & (SENT_SACKED | SENT_LOST):
            mark_lost(tcb, stretch)
        stretch = following(stretch)
    fail_probe(tcb)


cdef bint path_narrows(tcb_t* tcb, uint32_t mtu, int64_t now) noexcept nogil:
    cdef uint32_t least = <uint32_t> tcb.transport.tunables.path_mtu_minimum
    cdef uint32_t before = tcb.eff_mss + constant_options(tcb)
    cdef bint tiny = mtu < least
    if tiny:
        # RFC 5927 7.1: segments of a few octets are what an attacker wants; if it is true, let the routers cut
        mtu = least
    if mtu >= before + HEADERS:
        if tcb.path != NULL and tcb.path.probe and mtu < <uint32_t> tcb.path.probe + HEADERS:
            # the probe is answered, and what to try next is told with it
            lose_probe(tcb)
            tcb.path.most = <uint16_t> (mtu - HEADERS)
            tcb.path.failures = 0
            send_lost_again(tcb)
        if tiny and begin_search(tcb) != NULL:
            tcb.path.may_fragment = True
        return False
    if begin_search(tcb) == NULL:
        return False
    tcb.path.may_fragment |= tiny
    tcb.path.passes = <uint16_t> (mtu - HEADERS)
    tcb.path.most = tcb.snd_mss
    tcb.path.probe = tcb.path.failures = 0
    tcb.path.next_probe = now + tcb.transport.tunables.path_probe_interval
    set_size(tcb, tcb.path.passes)
    if lose_too_large(tcb):
        send_lost_again(tcb)
    return True


cdef void suspect_black_hole(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef sent_t* first = first_sent(tcb)
    cdef uint32_t least = <uint32_t> tcb.transport.tunables.path_mtu_minimum - HEADERS
    cdef uint32_t size
    if first == NULL or not tcb.transport.tunables.path_mtu_discovery:
        return
    size = (text_of(tcb, first) + first.segments - 1) // first.segments + constant_options(tcb)
    if size <= least:
        if size == least and tcb.path != NULL:
            tcb.path.may_fragment = True
        return
    if begin_search(tcb) == NULL:
        return
    tcb.transport.counters.PathBlackHoles += 1
    tcb.path.passes = <uint16_t> (BASE_MSS if size > BASE_MSS and least < BASE_MSS else least)
    tcb.path.most = tcb.snd_mss
    tcb.path.probe = tcb.path.failures = 0
    # as soon as something passes: perhaps it was only the path that was down for a while
    tcb.path.next_probe = now
    set_size(tcb, tcb.path.passes)


cdef void search_later(tcb_t* tcb, int64_t now) noexcept nogil:
    tcb.path.most = tcb.snd_mss
    tcb.path.failures = 0
    tcb.path.next_probe = now + tcb.transport.tunables.path_probe_interval


cdef uint32_t size_to_try(tcb_t* tcb, int64_t now) noexcept nogil:
    """Text of the probe that is due, options taken off; 0: none."""
    cdef path_search_t* search = tcb.path
    cdef uint32_t size
    if (search.probe or now < search.next_probe or tcb.phase != PHASE_OPEN or is_anything_lost(tcb)
            or not tcb.transport.tunables.path_mtu_discovery):
        return 0
    # most often the path is what it was before, or what it is said to be: all or nothing first
    size = search.most if search.failures == 0 else (<uint32_t> search.passes + search.most + 1) // 2
    if size < <uint32_t> search.passes + WORTH_A_PROBE and not (size == tcb.snd_mss and size > search.passes):
        search_later(tcb, now)
        return 0
    return size - constant_options(tcb)


cdef int32_t path_probe_due(tcb_t* tcb, uint32_t allowed, int64_t now) noexcept nogil:
    cdef uint32_t size = size_to_try(tcb, now)
    cdef uint32_t behind = PROBE_BEHIND * <uint32_t> tcb.eff_mss
    cdef uint32_t available = <uint32_t> unsent(tcb)
    cdef int32_t window = <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt)
    if (size == 0 or tcb.fin_sent or available < size + behind or window < <int32_t> (size + behind)
            or allowed < size + behind or not may_record(tcb)):
        return 0
    return -1 if allowed < tcb.in_flight + size or is_too_early(tcb, now) else <int32_t> size


cdef void note_path_probe(tcb_t* tcb) noexcept nogil:
    cdef sent_t* stretch = last_sent(tcb)
    stretch.segments = 1
    tcb.path.probe = <uint16_t> (stretch.end - stretch.node.start + constant_options(tcb))
    tcb.path.probe_start = stretch.node.start
    tcb.path.probe_end = stretch.end


cdef void note_sent_again(tcb_t* tcb, uint32_t start, int64_t now) noexcept nogil:
    if tcb.path.probe and seq_geq(start, tcb.path.probe_start) and seq_lt(start, tcb.path.probe_end):
        fail_probe(tcb)


cdef bint take_probe_for_lost(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef sent_t* stretch = first_lost(tcb)
    if (tcb.path.probe == 0 or stretch == NULL or stretch.node.start != tcb.path.probe_start
            or tcb.flight.lost_order.count + tcb.flight.lost_again_order.count != 1):
        return False
    # without SACK only its first part is marked yet
    lose_probe(tcb)
    send_lost_again(tcb)
    return True


cdef void take_path_news(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef path_search_t* search = tcb.path
    if search.probe == 0 or seq_lt(tcb.snd_una, search.probe_end):
        return
    tcb.transport.counters.TCPMTUPSuccess += 1
    search.passes = search.probe
    search.probe = 0
    search.may_fragment = False
    search.next_probe = now
    set_size(tcb, search.passes)
    if search.passes >= tcb.snd_mss:
        forget_path(&tcb.transport.paths, &tcb.entry.remote)
        end_search(tcb)
    else:
        learn_path_mtu(&tcb.transport.paths, &tcb.entry.remote, <uint32_t> search.passes + HEADERS,
                       now + tcb.transport.tunables.path_mtu_lifetime)
