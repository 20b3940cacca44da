"""Cookies made and judged; servers remembered in a table of sets of four, the entry used longest ago gives way."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.paths cimport path_mtu_to
from netcore.posix cimport calloc, memcpy, memset
from netcore.storage.byte_queue cimport queue_append, queue_drop
from netcore.storage.siphash cimport siphash
from netcore.tcp.extras cimport (
    FAST_OPEN_ASKED, FAST_OPEN_GIVEN, FAST_OPEN_OFF, FAST_OPEN_WANTED, NO_COOKIE, SYN_SENT_AGAIN, TEXT_NOT_ACKED,
)
from netcore.tcp.signature cimport options_room, signature_option
from netcore.tcp.tcb cimport (
    EARLY_RESETS_MOST, SYN_SENT, extras_t, need_extras, remembered_t, segment_out_t, tcb_t, transport_t,
)
from netcore.wire.address cimport address_t
from netcore.wire.tcp cimport MINIMUM_MSS, fast_open_length, put_fast_open, segment_t

cdef enum:
    # of the cookies that we make
    COOKIE_LENGTH = 8
    WAYS = 4
    # IPv4 and TCP without options
    HEADERS = 40


cdef void make_cookie(const tcb_t* tcb, int64_t period, uint8_t* cookie) noexcept nogil:
    cdef uint64_t words[5]
    cdef uint64_t value
    cdef int i
    words[0] = tcb.entry.remote.high
    words[1] = tcb.entry.remote.low
    words[2] = tcb.entry.local.high
    words[3] = tcb.entry.local.low
    words[4] = <uint64_t> period
    value = siphash(&tcb.transport.fast_open_key, words, 5)
    for i in range(COOKIE_LENGTH):
        cookie[i] = <uint8_t> (value >> (56 - 8 * i))


cdef bint is_cookie_right(const tcb_t* tcb, const segment_t* seg, int64_t period) noexcept nogil:
    """Every octet is looked at, wherever the first wrong one stands."""
    cdef uint8_t right[8]
    cdef uint8_t difference = 0
    cdef int i
    if seg.cookie_length != COOKIE_LENGTH:
        return False
    make_cookie(tcb, period, right)
    for i in range(COOKIE_LENGTH):
        difference |= right[i] ^ seg.cookie[i]
    return difference == 0


cdef bint is_room_for_early(transport_t* transport, int64_t now) noexcept nogil:
    while (transport.early_resets_count
           and transport.early_resets[transport.early_resets_first] + transport.tunables.fast_open_reset_life <= now):
        transport.early_resets_first = (transport.early_resets_first + 1) % EARLY_RESETS_MOST
        transport.early_resets_count -= 1
    return (<int64_t> (transport.early + transport.early_resets_count) < transport.tunables.fast_open_pending
            and transport.early_resets_count < EARLY_RESETS_MOST)


cdef void offer_cookie(tcb_t* tcb, int64_t period) noexcept nogil:
    tcb.extras.fast_open = FAST_OPEN_GIVEN
    tcb.extras.cookie_length = COOKIE_LENGTH
    make_cookie(tcb, period, tcb.extras.cookie)


cdef bint take_early_text(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef transport_t* transport = tcb.transport
    cdef int64_t period = now // transport.tunables.fast_open_key_life
    cdef uint32_t most = tcb.receive_limit if tcb.receive_limit < 65535 else 65535
    cdef uint64_t before = tcb.receive_queue.length
    cdef bint fresh
    if not seg.has_fast_open or need_extras(tcb) == NULL:
        return False
    if seg.cookie_length == 0:
        transport.counters.TCPFastOpenCookieReqd += 1
        offer_cookie(tcb, period)
        return False
    fresh = is_cookie_right(tcb, seg, period)
    if not fresh:
        offer_cookie(tcb, period)
        if not is_cookie_right(tcb, seg, period - 1):
            transport.counters.TCPFastOpenPassiveFail += 1
            return False
    if not is_room_for_early(transport, now):
        transport.counters.TCPFastOpenListenOverflow += 1
        return False
    if seg.text_length < most:
        most = seg.text_length
    queue_append(&tcb.receive_queue, &transport.pool, seg.text, most)
    tcb.rcv_nxt += <uint32_t> (tcb.receive_queue.length - before)
    tcb.rcv_adv = tcb.last_ack_sent = tcb.rcv_nxt
    tcb.early = True
    tcb.extras.syn_text_taken = tcb.receive_queue.length != before
    transport.early += 1
    transport.counters.TCPFastOpenPassive += 1
    return True


cdef void end_early(tcb_t* tcb) noexcept nogil:
    if tcb.early:
        tcb.early = False
        tcb.transport.early -= 1


cdef void keep_early_reset(transport_t* transport, int64_t now) noexcept nogil:
    if transport.early_resets_count < EARLY_RESETS_MOST:
        transport.early_resets[(transport.early_resets_first + transport.early_resets_count) % EARLY_RESETS_MOST] = now
        transport.early_resets_count += 1


cdef remembered_t* set_of(transport_t* transport, const address_t* remote) noexcept nogil:
    """The four places where the server may stand; NULL without a table."""
    cdef uint64_t words[2]
    cdef uint64_t sets = <uint64_t> (transport.tunables.fast_open_servers // WAYS)
    if sets == 0:
        return NULL
    if transport.remembered == NULL:
        transport.remembered = <remembered_t*> calloc(sets * WAYS, sizeof(remembered_t))
        if transport.remembered == NULL:
            return NULL
    words[0] = remote.high
    words[1] = remote.low
    return transport.remembered + (siphash(&transport.table_key, words, 2) % sets) * WAYS


cdef remembered_t* find_server(transport_t* transport, const address_t* remote) noexcept nogil:
    cdef remembered_t* places = set_of(transport, remote)
    cdef int i
    if places == NULL:
        return NULL
    for i in range(WAYS):
        if places[i].used_at and places[i].remote.high == remote.high and places[i].remote.low == remote.low:
            return &places[i]
    return NULL


cdef remembered_t* place_for(transport_t* transport, const address_t* remote, int64_t now) noexcept nogil:
    cdef remembered_t* place = find_server(transport, remote)
    cdef remembered_t* places
    cdef int i
    if place == NULL:
        places = set_of(transport, remote)
        if places == NULL:
            return NULL
        place = places
        for i in range(1, WAYS):
            if places[i].used_at < place.used_at:
                place = &places[i]
        memset(place, 0, sizeof(remembered_t))
        place.remote = remote[0]
    # 0 says that the place is free
    place.used_at = now if now else 1
    return place


cdef void leave_alone(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 7413 4.1.3.1: this service, or something on the way, does not do it: not again for a while."""
    cdef remembered_t* place = place_for(tcb.transport, &tcb.entry.remote, now)
    if place != NULL:
        place.port = tcb.entry.remote_port
        place.not_before = now + tcb.transport.tunables.fast_open_retry


cdef void give_up_fast(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    if extras == NULL or tcb.state != SYN_SENT or extras.fast_open == FAST_OPEN_OFF:
        return
    if extras.fast_open != FAST_OPEN_WANTED:
        tcb.transport.counters.TCPFastOpenActiveFail += 1
        extras.fast_open_fail = SYN_SENT_AGAIN
        leave_alone(tcb, now)
    extras.fast_open = FAST_OPEN_OFF


cdef uint32_t room_for_text(const tcb_t* tcb, const segment_out_t* out, const remembered_t* server,
                            int64_t now) noexcept nogil:
    """What one packet takes, as far as both ends and the path are known (RFC 7413 4.2.1), beside the SYN's options."""
    cdef int64_t expires = 0
    cdef uint32_t mtu = path_mtu_to(&tcb.transport.paths, &tcb.entry.remote, now, &expires)
    cdef uint32_t most = server.mss if server.mss < tcb.transport.local_mss else tcb.transport.local_mss
    cdef uint32_t taken = (out.options_length + signature_option(tcb) + 3) // 4 * 4
    if mtu and mtu < most + HEADERS:
        most = mtu - HEADERS
    return most - taken if most > taken else 0


cdef void open_fast(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    cdef remembered_t* server = find_server(tcb.transport, &tcb.entry.remote)
    cdef const uint8_t* cookie = extras.cookie
    cdef uint8_t length = 0
    cdef uint32_t most
    extras.fast_open = FAST_OPEN_OFF
    extras.fast_open_fail = NO_COOKIE
    if server != NULL:
        if server.not_before > now and server.port == tcb.entry.remote_port:
            return
        cookie = server.cookie
        length = server.cookie_length
    if options_room(tcb, out) < fast_open_length(length):
        return
    extras.fast_open = FAST_OPEN_ASKED
    out.options_length += put_fast_open(out.options + out.options_length, cookie, length)
    if length == 0:
        return
    extras.fast_open = FAST_OPEN_GIVEN
    extras.fast_open_fail = 0
    most = room_for_text(tcb, out, server, now)
    if most > tcb.send_queue.length:
        most = <uint32_t> tcb.send_queue.length
    if most == 0:
        return
    extras.syn_text = most
    out.queue = &tcb.send_queue
    out.offset = 0
    out.text_length = most
    # one packet, whatever the device would cut
    out.mss = <uint16_t> most


cdef void take_cookie_option(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    cdef remembered_t* place
    if extras == NULL or extras.fast_open == FAST_OPEN_OFF or extras.fast_open == FAST_OPEN_WANTED:
        return
    if seg.has_fast_open and seg.cookie_length:
        place = place_for(tcb.transport, &tcb.entry.remote, now)
        if place != NULL:
            if place.port == tcb.entry.remote_port:
                place.not_before = 0
            place.mss = seg.mss if seg.has_mss and seg.mss >= MINIMUM_MSS else 536
            place.cookie_length = seg.cookie_length
            memcpy(place.cookie, seg.cookie, seg.cookie_length)
    elif extras.fast_open == FAST_OPEN_ASKED or (extras.syn_text and seg.ack == tcb.iss + 1):
        # no cookie, or one that has done nothing and is not replaced
        leave_alone(tcb, now)
    extras.fast_open = FAST_OPEN_OFF


cdef void settle_syn_text(tcb_t* tcb, uint32_t ack) noexcept nogil:
    cdef uint32_t acknowledged = ack - (tcb.iss + 1)
    if acknowledged:
        tcb.transport.counters.TCPFastOpenActive += 1
        tcb.extras.syn_text_taken = True
        tcb.delivered += acknowledged
        queue_drop(&tcb.send_queue, &tcb.transport.pool, acknowledged)
    elif tcb.retries == 0:
        # else give_up_fast has counted it
        tcb.transport.counters.TCPFastOpenActiveFail += 1
        tcb.extras.fast_open_fail = TEXT_NOT_ACKED
    tcb.snd_nxt = ack
    tcb.extras.syn_text = 0
