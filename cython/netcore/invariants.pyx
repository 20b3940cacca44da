"""The invariants, one short function each; what each means is said beside its name in the simulator."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.bookkeeping cimport is_flight_right, is_reassembly_right
from netcore.host cimport host_t
from netcore.storage.deadlines cimport NEVER
from netcore.storage.slab cimport slab_close, slab_open, slab_take
from netcore.storage.table cimport table_chain, table_close, table_insert, table_node_t, table_open
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_leq
from netcore.tcp.table cimport find_entry
from netcore.tcp.tcb cimport (
    CLOSED, ENTRY_CONNECTION, FIN_WAIT_2, FRTO_SECOND, LISTEN, SYN_SENT, TIMER_COUNT, TIMER_DELAYED_ACK, TIMER_ORPHAN,
    TIME_WAIT, entry_t, flight_size, is_synchronized, queue_seq, tcb_t,
)
from netcore.violation cimport is_wanted, violate, violation_t, with_value
from netcore.wire.address cimport address_of_ipv4, address_t
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH, ETHERTYPE_IPV4
from netcore.wire.ipv4 cimport PROTOCOL_TCP
from netcore.wire.octets cimport load16, load32
from netcore.wire.tcp cimport ACK, FIN, RST, SYN

cdef extern from "<string.h>" nogil:
    int strcmp(const char* left, const char* right)

cdef enum:
    WALKED_ALWAYS = 32


cdef bint checker_open(checker_t* checker, violation_t* violation) noexcept nogil:
    checker.violation = violation
    slab_open(&checker.slab, sizeof(shadow_t))
    return table_open(&checker.shadows, 256)


cdef void checker_close(checker_t* checker) noexcept nogil:
    table_close(&checker.shadows)
    slab_close(&checker.slab)


cdef shadow_t* shadow_of(checker_t* checker, const host_t* host, const tcb_t* tcb) noexcept nogil:
    """NULL when there is no memory."""
    cdef uint32_t hash = <uint32_t> ((<size_t> tcb >> 6) * 0x9e3779b1U)
    cdef table_node_t* node = table_chain(&checker.shadows, hash)
    cdef shadow_t* shadow = NULL
    while node != NULL:
        if (<shadow_t*> node).tcb == tcb:
            shadow = <shadow_t*> node
            if (shadow.iss == tcb.iss and shadow.local_port == tcb.entry.local_port
                    and shadow.remote_port == tcb.entry.remote_port and shadow.host == host):
                return shadow
            # another connection was there before
            shadow.synchronized = shadow.announced = False
            break
        node = node.next
    if shadow == NULL:
        shadow = <shadow_t*> slab_take(&checker.slab)
        if shadow == NULL:
            return NULL
        shadow.tcb = tcb
        table_insert(&checker.shadows, &shadow.node, hash)
    shadow.host = host
    shadow.iss = tcb.iss
    shadow.local_port = tcb.entry.local_port
    shadow.remote_port = tcb.entry.remote_port
    shadow.snd_nxt = tcb.iss
    return shadow


cdef bint blame(checker_t* checker, const tcb_t* tcb, const char* invariant) noexcept nogil:
    """False when another violation came first."""
    cdef violation_t* violation = checker.violation
    if not violate(violation, invariant, &tcb.entry.local, tcb.entry.local_port, &tcb.entry.remote,
                   tcb.entry.remote_port):
        return False
    with_value(violation, "state", tcb.state)
    with_value(violation, "snd_una", <uint32_t> (tcb.snd_una - tcb.iss))
    with_value(violation, "snd_nxt", <uint32_t> (tcb.snd_nxt - tcb.iss))
    with_value(violation, "snd_wnd", tcb.snd_wnd)
    with_value(violation, "rcv_nxt", <uint32_t> (tcb.rcv_nxt - tcb.irs))
    with_value(violation, "rcv_adv", <uint32_t> (tcb.rcv_adv - tcb.irs))
    with_value(violation, "cwnd", tcb.cwnd)
    with_value(violation, "flight", flight_size(tcb))
    with_value(violation, "in_flight", tcb.in_flight)
    with_value(violation, "phase", tcb.phase)
    with_value(violation, "queued", <int64_t> tcb.send_queue.length)
    with_value(violation, "retries", tcb.retries)
    with_value(violation, "rto", tcb.rtt.rto)
    return True


cdef bint wanted(checker_t* checker, const char* invariant) noexcept nogil:
    return is_wanted(checker.violation, invariant)


# ---- after an event


cdef void check_send_order(checker_t* checker, const tcb_t* tcb, const shadow_t* shadow) noexcept nogil:
    """RFC 9293 3.4: SND.UNA =< SND.NXT, and neither goes back."""
    cdef bint holds = (seq_leq(tcb.snd_una, tcb.snd_nxt) and seq_leq(tcb.iss, tcb.snd_una)
                       and <uint32_t> (tcb.snd_nxt - queue_seq(tcb)) <= tcb.send_queue.length + tcb.fin_sent)
    if holds and shadow.synchronized:
        holds = seq_geq(tcb.snd_una, shadow.snd_una) and seq_geq(tcb.snd_nxt, shadow.snd_nxt)
    if (not holds or wanted(checker, "send_order")) and blame(checker, tcb, "send_order"):
        with_value(checker.violation, "before_snd_una", <uint32_t> (shadow.snd_una - tcb.iss))
        with_value(checker.violation, "before_snd_nxt", <uint32_t> (shadow.snd_nxt - tcb.iss))
        with_value(checker.violation, "fin_sent", tcb.fin_sent)


cdef void check_receive_order(checker_t* checker, const tcb_t* tcb, const shadow_t* shadow) noexcept nogil:
    """RCV.NXT never goes back, and what was announced is never taken back (RFC 9293 3.8.6)."""
    cdef bint forward = True
    cdef bint still = True
    if shadow.synchronized:
        forward = seq_geq(tcb.rcv_nxt, shadow.rcv_nxt)
        still = seq_geq(tcb.rcv_adv, shadow.rcv_adv)
    if not forward or wanted(checker, "receive_order"):
        if blame(checker, tcb, "receive_order"):
            with_value(checker.violation, "before_rcv_nxt", <uint32_t> (shadow.rcv_nxt - tcb.irs))
    if not still or wanted(checker, "right_edge"):
        if blame(checker, tcb, "right_edge"):
            with_value(checker.violation, "before_rcv_adv", <uint32_t> (shadow.rcv_adv - tcb.irs))


cdef int64_t sending_due(const tcb_t* tcb) noexcept nogil:
    """The earliest time-out that makes something leave for the sake of data."""
    cdef int64_t due = NEVER
    cdef int i
    for i in range(<int> TIMER_COUNT):
        if i != <int> TIMER_DELAYED_ACK and i != <int> TIMER_ORPHAN and tcb.due[i] < due:
            due = tcb.due[i]
    return due


cdef bint is_armed(const tcb_t* tcb, int64_t due) noexcept nogil:
    """The heap's node comes up no later than that."""
    return due != NEVER and tcb.timer.place != 0 and tcb.timer.due <= due


cdef void check_timers(checker_t* checker, const tcb_t* tcb) noexcept nogil:
    """RFC 6298 5.1, RFC 9293 3.8.6.1: whatever waits for an answer, or for a window, is waited for with a time-out."""
    cdef bint outstanding = tcb.snd_una != tcb.snd_nxt
    cdef bint waiting = (is_synchronized(tcb) and not outstanding
                         and (tcb.send_queue.length != 0 or (tcb.fin_queued and not tcb.fin_sent)))
    if tcb.state == FIN_WAIT_2:
        waiting = False
    if outstanding and not is_armed(tcb, sending_due(tcb)) or wanted(checker, "retransmission_armed"):
        if blame(checker, tcb, "retransmission_armed"):
            with_value(checker.violation, "due", sending_due(tcb))
            with_value(checker.violation, "armed_for", tcb.timer.due if tcb.timer.place else -1)
    if waiting and not is_armed(tcb, sending_due(tcb)) or wanted(checker, "persist_armed"):
        if blame(checker, tcb, "persist_armed"):
            with_value(checker.violation, "due", sending_due(tcb))
    if is_synchronized(tcb) and tcb.last_ack_sent != tcb.rcv_nxt and not is_armed(
            tcb, tcb.due[<int> TIMER_DELAYED_ACK]) or wanted(checker, "ack_armed"):
        if blame(checker, tcb, "ack_armed"):
            with_value(checker.violation, "last_ack_sent", <uint32_t> (tcb.last_ack_sent - tcb.irs))


cdef bint is_due_a_walk(checker_t* checker, const tcb_t* tcb) noexcept nogil:
    """Everything kept is walked after each event where it is little, and after one in so many where it is much."""
    return tcb.flight == NULL or tcb.flight.sent.count <= WALKED_ALWAYS or checker.checks % WALKED_ALWAYS == 0


cdef void check_bookkeeping(checker_t* checker, const tcb_t* tcb) noexcept nogil:
    """What is in flight is what was sent and neither acknowledged, SACKed nor lost (RFC 6675 4)."""
    if not is_due_a_walk(checker, tcb):
        return
    if not is_flight_right(tcb) or wanted(checker, "flight_accounts"):
        if blame(checker, tcb, "flight_accounts"):
            with_value(checker.violation, "sacked", tcb.sacked)
            with_value(checker.violation, "stretches", tcb.flight.sent.count if tcb.flight != NULL else 0)
    if not is_reassembly_right(tcb) or wanted(checker, "held_ranges"):
        if blame(checker, tcb, "held_ranges"):
            with_value(checker.violation, "ranges", tcb.reassembly.count if tcb.reassembly != NULL else 0)


cdef void remember(shadow_t* shadow, const tcb_t* tcb) noexcept nogil:
    cdef uint32_t edge = tcb.snd_una + tcb.snd_wnd
    if not shadow.synchronized:
        shadow.synchronized = True
        shadow.allowed_edge = edge
    elif seq_gt(edge, shadow.allowed_edge):
        shadow.allowed_edge = edge
    shadow.snd_una = tcb.snd_una
    shadow.snd_nxt = tcb.snd_nxt
    shadow.rcv_nxt = tcb.rcv_nxt
    shadow.rcv_adv = tcb.rcv_adv
    shadow.probe_out = tcb.probe_out
    shadow.probe_end = tcb.probe_end


cdef void check_tcb(checker_t* checker, host_t* host, const tcb_t* tcb) noexcept nogil:
    cdef shadow_t* shadow
    if tcb.state == CLOSED or tcb.state == LISTEN or tcb.state == TIME_WAIT:
        return
    shadow = shadow_of(checker, host, tcb)
    if shadow == NULL:
        return
    checker.checks += 1
    check_timers(checker, tcb)
    if tcb.state == SYN_SENT:
        return
    check_send_order(checker, tcb, shadow)
    check_receive_order(checker, tcb, shadow)
    if is_synchronized(tcb):
        check_bookkeeping(checker, tcb)
    remember(shadow, tcb)


cdef void check_connection(checker_t* checker, host_t* host, const address_t* local, uint16_t local_port,
                           const address_t* remote, uint16_t remote_port) noexcept nogil:
    cdef entry_t* entry = find_entry(&host.transport, local, local_port, remote, remote_port)
    if entry != NULL and entry.kind == ENTRY_CONNECTION:
        check_tcb(checker, host, <const tcb_t*> entry)


cdef void check_connections(checker_t* checker, host_t* host) noexcept nogil:
    cdef table_node_t* node
    cdef uint32_t i
    for i in range(host.transport.connections.mask + 1):
        node = host.transport.connections.buckets[i]
        while node != NULL:
            if (<entry_t*> node).kind == ENTRY_CONNECTION:
                check_tcb(checker, host, <const tcb_t*> node)
            node = node.next


cdef void check_host(checker_t* checker, host_t* host) noexcept nogil:
    if host.transport.counters.IllegalTransitions or wanted(checker, "legal_transitions"):
        if violate(checker.violation, "legal_transitions", &host.interface.address, 0, NULL, 0):
            with_value(checker.violation, "illegal", <int64_t> host.transport.counters.IllegalTransitions)


# ---- what leaves


cdef uint32_t allowance(const tcb_t* tcb) noexcept nogil:
    """Bytes that new text may bring into flight beyond cwnd, by the RFCs.

    RFC 3042: a segment for each of the first two duplicate ACKs, where there is no SACK. RFC 5682 2.1: two segments
    while F-RTO judges a time-out. A FIN goes with the last of the text, and its one number is no octet.
    """
    cdef uint32_t segments = 0
    if (not tcb.sack and tcb.dupacks) or tcb.frto == FRTO_SECOND:
        segments = 2
    return segments * tcb.eff_mss + tcb.fin_sent


cdef bint is_tail_probe(const tcb_t* tcb, const shadow_t* shadow, uint32_t end) noexcept nogil:
    """RFC 8985 7.3: at most one of them is in flight, beyond whatever cwnd is by then."""
    if not tcb.probe_out or tcb.probe_again or <uint32_t> (tcb.probe_end - end) > tcb.fin_sent:
        return False
    return not shadow.probe_out or seq_leq(shadow.probe_end, tcb.snd_una)


cdef void check_new_text(checker_t* checker, const tcb_t* tcb, const shadow_t* shadow, uint32_t seq,
                         uint32_t length) noexcept nogil:
    """RFC 5681 3.1: what is new does not leave beyond the congestion window; in_flight counts it already."""
    cdef bint holds = (tcb.in_flight <= tcb.cwnd + allowance(tcb) or tcb.in_flight <= <uint32_t> tcb.eff_mss + 1
                       or tcb.persisting or is_tail_probe(tcb, shadow, seq + length))
    if tcb.frto == FRTO_SECOND:
        # what else is in flight then is what the time-out could not tell from lost
        holds = True
    if (not holds or wanted(checker, "flight_in_cwnd")) and blame(checker, tcb, "flight_in_cwnd"):
        with_value(checker.violation, "seq", <uint32_t> (seq - tcb.iss))
        with_value(checker.violation, "length", length)
        with_value(checker.violation, "allowance", allowance(tcb))
        with_value(checker.violation, "probe_out", tcb.probe_out)
        with_value(checker.violation, "probe_before", shadow.probe_out)


cdef void check_text(checker_t* checker, const tcb_t* tcb, const shadow_t* shadow, uint32_t seq, uint32_t length,
                     bint fin) noexcept nogil:
    """RFC 9293 3.8.6: nothing beyond the right edge that the peer has announced, but a probe of one octet."""
    cdef uint32_t edge = tcb.snd_una + tcb.snd_wnd
    cdef uint32_t end = seq + length
    cdef bint holds
    if shadow.synchronized and seq_gt(shadow.allowed_edge, edge):
        # a window that has shrunk (which it should not) finds what was sent before
        edge = shadow.allowed_edge
    holds = seq_leq(end, edge) or (length == 1 and seq == tcb.snd_una)
    if fin and length == 0:
        # FIN may go as a probe as well
        holds = seq_leq(seq, edge)
    if (not holds or wanted(checker, "text_in_window")) and blame(checker, tcb, "text_in_window"):
        with_value(checker.violation, "seq", <uint32_t> (seq - tcb.iss))
        with_value(checker.violation, "length", length)
        with_value(checker.violation, "edge", <uint32_t> (edge - tcb.iss))


cdef void check_acknowledgement(checker_t* checker, const tcb_t* tcb, shadow_t* shadow, uint32_t ack,
                                uint32_t window) noexcept nogil:
    """What was acknowledged stays so; the edge goes left by less than the unit of a scaled window (RFC 7323 2.4)."""
    cdef uint32_t edge = ack + (window << tcb.rcv_wind_shift)
    cdef uint32_t unit = <uint32_t> 1 << tcb.rcv_wind_shift
    cdef bint holds = ack == tcb.rcv_nxt
    if holds and shadow.announced:
        holds = seq_geq(ack, shadow.sent_ack)
    if (not holds or wanted(checker, "ack_forward")) and blame(checker, tcb, "ack_forward"):
        with_value(checker.violation, "ack", <uint32_t> (ack - tcb.irs))
        with_value(checker.violation, "before_ack", <uint32_t> (shadow.sent_ack - tcb.irs))
    holds = not shadow.announced or seq_gt(edge + unit, shadow.sent_edge)
    if (not holds or wanted(checker, "window_not_taken_back")) and blame(checker, tcb, "window_not_taken_back"):
        with_value(checker.violation, "edge", <uint32_t> (edge - tcb.irs))
        with_value(checker.violation, "before_edge", <uint32_t> (shadow.sent_edge - tcb.irs))
    shadow.sent_ack = ack
    if not shadow.announced or seq_gt(edge, shadow.sent_edge):
        shadow.sent_edge = edge
    shadow.announced = True


cdef void check_segment(checker_t* checker, const tcb_t* tcb, shadow_t* shadow, const uint8_t* segment,
                        uint32_t length) noexcept nogil:
    """`length` counts header and text; only the header need be there."""
    cdef uint32_t seq = load32(segment + 4)
    cdef uint8_t flags = segment[13]
    cdef uint32_t text = length - (segment[12] >> 4) * 4
    if flags & ACK:
        check_acknowledgement(checker, tcb, shadow, load32(segment + 8), load16(segment + 14))
    if text or flags & FIN:
        check_text(checker, tcb, shadow, seq, text, (flags & FIN) != 0)
        if text and seq_geq(seq, shadow.snd_nxt):
            check_new_text(checker, tcb, shadow, seq, text)
            shadow.snd_nxt = seq + text


cdef void check_sent(checker_t* checker, host_t* host, const outgoing_t* out) noexcept nogil:
    cdef uint32_t link = ETHERNET_HEADER_LENGTH if host.interface.ethernet else 0
    cdef const uint8_t* frame = <const uint8_t*> out.pieces[0].iov_base
    cdef const uint8_t* packet = frame + link
    cdef const uint8_t* segment
    cdef uint32_t header
    cdef address_t local, remote
    cdef entry_t* entry
    cdef tcb_t* tcb
    cdef shadow_t* shadow
    # what had to wait for its neighbor says what was true then
    if out.chunk != NULL or out.pieces[0].iov_len < link + 40 or (link and load16(frame + 12) != ETHERTYPE_IPV4):
        return
    if packet[9] != PROTOCOL_TCP:
        return
    header = (packet[0] & 15) * 4
    segment = packet + header
    # those have no connection any more, or numbers of their own
    if segment[13] & (SYN | RST):
        return
    local = address_of_ipv4(load32(packet + 12))
    remote = address_of_ipv4(load32(packet + 16))
    entry = find_entry(&host.transport, &local, load16(segment), &remote, load16(segment + 2))
    if entry == NULL or entry.kind != ENTRY_CONNECTION:
        return
    tcb = <tcb_t*> entry
    if not is_synchronized(tcb):
        return
    shadow = shadow_of(checker, host, tcb)
    if shadow != NULL:
        check_segment(checker, tcb, shadow, segment, out.length - link - header)
