"""One signature a segment, checked before anything else of it is believed.

Initial sequence numbers take part in the traffic keys of TCP-AO (RFC 5925 5.2): both, but of a SYN only its own. Who
answers a SYN without a connection of its own has none: its RST is signed as if its number were 0.
"""

from libc.stdint cimport uint8_t, uint32_t
from netcore.crypto.compare cimport same_code
from netcore.posix cimport memcpy, memset
from netcore.storage.byte_queue cimport queue_gather
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.codes cimport AO_CODE, COVERED_PIECES, MD5_CODE, ao_code, covered_t, derive_traffic_key, md5_code
from netcore.tcp.keys cimport (
    AO_ROOM, KEY_ANY, KEY_RECEIVED, KEY_SENT, SIGN_MD5, Choice, extension_t, find_key, hold_key, key_t, release_key,
    signature_t, traffic_t,
)
from netcore.tcp.seqnum cimport seq_lt
from netcore.tcp.tcb cimport ENTRY_TIME_WAIT, LISTEN, SYN_SENT, is_synchronized
from netcore.wire.icmp cimport CODE_FRAGMENTATION_NEEDED, CODE_PROTOCOL_UNREACHABLE, ICMP_UNREACHABLE
from netcore.wire.octets cimport load16
from netcore.wire.tcp cimport (
    ACK, AO_OPTION_LENGTH, MD5_OPTION_LENGTH, OPTION_AO, OPTION_MD5, OPTION_NOP, SYN, TCP_HEADER_LENGTH,
    build_tcp,
)


cdef bint begin_signature(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    cdef transport_t* transport = tcb.transport
    cdef key_t* key = find_key(&transport.keys, &tcb.entry.remote, tcb.entry.local_port, tcb.entry.remote_port,
                               KEY_ANY, 0)
    cdef key_t* asked
    if key == NULL:
        return True
    tcb.signature = <signature_t*> slab_take(&transport.signatures)
    if tcb.signature == NULL:
        return False
    tcb.signature.keys = &transport.keys
    tcb.signature.current = tcb.signature.next = key
    tcb.signature.room = MD5_ROOM if key.algorithm == SIGN_MD5 else AO_ROOM
    if key.algorithm != SIGN_MD5 and seg != NULL and seg.signature != NULL:
        # RFC 5925 7.5: the peer goes on with the key that it has begun with, and says which it wants from us
        asked = find_peer_key(tcb, KEY_RECEIVED, seg.signature[2])
        if asked != NULL:
            tcb.signature.current = tcb.signature.next = asked
        asked = find_peer_key(tcb, KEY_SENT, seg.signature[3])
        if asked != NULL:
            tcb.signature.current = asked
    hold_key(tcb.signature.current)
    hold_key(tcb.signature.next)
    restart_extensions(tcb)
    return True


cdef key_t* find_peer_key(tcb_t* tcb, Choice choice, uint8_t id) noexcept nogil:
    return find_key(&tcb.transport.keys, &tcb.entry.remote, tcb.entry.local_port, tcb.entry.remote_port, choice, id)


cdef void restart_extensions(tcb_t* tcb) noexcept nogil:
    if tcb.signature != NULL:
        tcb.signature.sent.reference = tcb.iss
        tcb.signature.received.reference = tcb.irs
        tcb.signature.sent.upper = tcb.signature.received.upper = 0


cdef void free_signature(transport_t* transport, signature_t* signature) noexcept nogil:
    if signature != NULL:
        release_key(&transport.keys, signature.current)
        release_key(&transport.keys, signature.next)
        # nor are traffic keys to lie about
        memset(signature, 0, sizeof(signature_t))
        slab_give(&transport.signatures, signature)


cdef void end_signature(tcb_t* tcb) noexcept nogil:
    free_signature(tcb.transport, tcb.signature)
    tcb.signature = NULL


cdef void hand_signature_over(tcb_t* tcb, timewait_t* record) noexcept nogil:
    record.signature = tcb.signature
    if tcb.signature != NULL:
        tcb.signature.local_isn = tcb.iss
        tcb.signature.remote_isn = tcb.irs
    tcb.signature = NULL


cdef void end_record_signature(timewait_t* record) noexcept nogil:
    free_signature(record.transport, record.signature)
    record.signature = NULL


# ---- sequence number extension (RFC 5925 6.2)

cdef void follow(extension_t* extension, uint32_t number) noexcept nogil:
    """`number` has moved on from the reference, by less than half of the space."""
    if number < extension.reference:
        extension.upper += 1
    extension.reference = number


cdef uint32_t upper_of(const extension_t* extension, uint32_t seq) noexcept nogil:
    if seq_lt(seq, extension.reference):
        return extension.upper - 1 if seq > extension.reference else extension.upper
    return extension.upper + 1 if seq < extension.reference else extension.upper


# ---- the code of one segment

cdef const uint8_t* traffic_key(traffic_t* traffic, const key_t* key, const covered_t* covered, uint32_t source_isn,
                                uint32_t destination_isn) noexcept nogil:
    """Derived once, as long as key and numbers stay the same."""
    if (traffic.number != key.number or traffic.source_isn != source_isn
            or traffic.destination_isn != destination_isn):
        traffic.number = key.number
        traffic.source_isn = source_isn
        traffic.destination_isn = destination_isn
        derive_traffic_key(key, &covered.source, load16(covered.header), &covered.destination,
                           load16(covered.header + 2), source_isn, destination_isn, traffic.octets)
    return traffic.octets


cdef void cover_arrival(covered_t* covered, const segment_t* seg) noexcept nogil:
    covered.source = seg.source
    covered.destination = seg.destination
    covered.header = seg.header
    covered.header_length = (seg.header[12] >> 4) * 4
    covered.option_at = <uint32_t> (seg.signature - seg.header)
    covered.text_length = seg.text_length
    covered.count = 1 if seg.text_length else 0
    covered.pieces[0].iov_base = <void*> seg.text
    covered.pieces[0].iov_len = seg.text_length


cdef uint8_t* put_option(segment_out_t* out, uint8_t kind, uint8_t length) noexcept nogil:
    """Makes room behind the other options, which leave it; NOPs before it fill the last word."""
    cdef uint8_t* option
    while (out.options_length + length) & 3:
        out.options[out.options_length] = OPTION_NOP
        out.options_length += 1
    option = out.options + out.options_length
    option[0] = kind
    option[1] = length
    out.options_length += length
    return option


cdef void cover_departure(covered_t* covered, const segment_out_t* out, uint8_t* header,
                          uint8_t length) noexcept nogil:
    """`header`: 60 octets to build it in; `length`: of the option, which is the last."""
    covered.source = out.local
    covered.destination = out.remote
    covered.header = header
    covered.header_length = TCP_HEADER_LENGTH + out.options_length
    covered.option_at = covered.header_length - length
    covered.text_length = out.text_length
    covered.count = 0
    if out.text_length:
        covered.count = queue_gather(out.queue, out.offset, out.text_length, covered.pieces, COVERED_PIECES)
    build_tcp(header, out.local_port, out.remote_port, out.seq, out.ack, <uint8_t> covered.header_length, out.flags,
              out.wnd, out.up)
    memcpy(header + TCP_HEADER_LENGTH, out.options, out.options_length)


cdef void put_md5(const key_t* key, segment_out_t* out) noexcept nogil:
    cdef uint8_t header[60]
    cdef covered_t covered
    cdef uint8_t* option = put_option(out, OPTION_MD5, MD5_OPTION_LENGTH)
    cover_departure(&covered, out, header, MD5_OPTION_LENGTH)
    md5_code(key, &covered, option + 2)


cdef void put_ao(const key_t* key, const key_t* next, traffic_t* traffic, segment_out_t* out, uint32_t upper,
                 uint32_t local_isn, uint32_t remote_isn) noexcept nogil:
    cdef uint8_t header[60]
    cdef covered_t covered
    cdef uint8_t* option = put_option(out, OPTION_AO, AO_OPTION_LENGTH)
    option[2] = key.send_id
    option[3] = next.receive_id
    cover_departure(&covered, out, header, AO_OPTION_LENGTH)
    ao_code(key, traffic_key(traffic, key, &covered, local_isn, remote_isn), upper, &covered, option + 4)


# ---- what is sent

cdef void sign_segment(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    cdef signature_t* signature = tcb.signature
    cdef uint32_t local_isn = tcb.iss
    cdef uint32_t remote_isn = tcb.irs
    if signature.current.algorithm == SIGN_MD5:
        put_md5(signature.current, out)
        return
    if tcb.state == LISTEN:
        # the RST to a request: no number of ours has been told
        local_isn = 0
    elif not is_synchronized(tcb):
        signature.sent.reference = tcb.iss
        signature.sent.upper = 0
        if not out.flags & ACK:
            remote_isn = 0
    else:
        follow(&signature.sent, tcb.snd_una)
    put_ao(signature.current, signature.next, &signature.sending, out,
           upper_of(&signature.sent, out.seq) if tcb.state != LISTEN else 0, local_isn, remote_isn)


cdef void sign_for_time_wait(timewait_t* record, segment_out_t* out) noexcept nogil:
    cdef signature_t* signature = record.signature
    if signature.current.algorithm == SIGN_MD5:
        put_md5(signature.current, out)
        return
    follow(&signature.sent, record.snd_nxt)
    put_ao(signature.current, signature.next, &signature.sending, out, upper_of(&signature.sent, out.seq),
           signature.local_isn, signature.remote_isn)


cdef bint sign_answer(transport_t* transport, entry_t* entry, const segment_t* seg, segment_out_t* out) noexcept nogil:
    cdef traffic_t traffic
    cdef tcb_t* tcb
    cdef key_t* key
    cdef key_t* asked
    if entry != NULL and entry.kind != ENTRY_TIME_WAIT:
        tcb = <tcb_t*> entry
        if tcb.signature == NULL:
            return True
        if tcb.signature.current.algorithm != SIGN_MD5 and tcb.state == SYN_SENT:
            # it acknowledges what we never sent: the peer is in some connection whose numbers we do not know
            return False
        sign_segment(tcb, out)
        return True
    key = find_key(&transport.keys, &seg.source, seg.destination_port, seg.source_port, KEY_ANY, 0)
    if key == NULL:
        return True
    if key.algorithm == SIGN_MD5:
        put_md5(key, out)
        return True
    if seg.signature == NULL or not seg.flags & SYN or seg.flags & ACK:
        # RFC 5925 7.7: without the numbers of its connection
        return False
    key = find_key(&transport.keys, &seg.source, seg.destination_port, seg.source_port, KEY_RECEIVED, seg.signature[2])
    asked = find_key(&transport.keys, &seg.source, seg.destination_port, seg.source_port, KEY_SENT, seg.signature[3])
    if key == NULL:
        return False
    traffic.number = 0
    put_ao(asked if asked != NULL else key, key, &traffic, out, 0, out.seq if out.flags & SYN else 0, seg.seq)
    return True


# ---- what arrives

cdef bint refuse_unsigned(transport_t* transport, const key_t* key) noexcept nogil:
    if key.algorithm == SIGN_MD5:
        transport.counters.TCPMD5NotFound += 1
    else:
        transport.counters.TCPAORequired += 1
    return False


cdef bint take_unexpected(transport_t* transport, const segment_t* seg) noexcept nogil:
    """Without a key for this peer. RFC 5925 7.3 lets TCP-AO pass unless the configuration says otherwise."""
    if not seg.signatures:
        return True
    if seg.signature[0] == OPTION_MD5:
        transport.counters.TCPMD5Unexpected += 1
        return False
    if transport.tunables.unknown_ao:
        return True
    transport.counters.TCPAOKeyNotFound += 1
    return False


cdef bint is_md5_good(transport_t* transport, const key_t* key, const segment_t* seg) noexcept nogil:
    cdef covered_t covered
    cdef uint8_t code[16]
    if seg.signatures == 1 and seg.signature[1] == MD5_OPTION_LENGTH:
        cover_arrival(&covered, seg)
        md5_code(key, &covered, code)
        if same_code(code, seg.signature + 2, MD5_CODE):
            return True
    transport.counters.TCPMD5Failure += 1
    return False


cdef bint is_ao_good(transport_t* transport, const key_t* key, traffic_t* traffic, const segment_t* seg,
                     uint32_t upper, uint32_t remote_isn, uint32_t local_isn) noexcept nogil:
    cdef covered_t covered
    cdef uint8_t code[12]
    if seg.signatures == 1 and seg.signature[1] == AO_OPTION_LENGTH:
        cover_arrival(&covered, seg)
        ao_code(key, traffic_key(traffic, key, &covered, remote_isn, local_isn), upper, &covered, code)
        if same_code(code, seg.signature + AO_OPTION_LENGTH - AO_CODE, AO_CODE):
            transport.counters.TCPAOGood += 1
            return True
    transport.counters.TCPAOBad += 1
    return False


cdef bint is_kind_right(transport_t* transport, const key_t* key, const segment_t* seg) noexcept nogil:
    """Whether the last signature is of the key's kind and long enough to be looked into."""
    if not seg.signatures:
        return refuse_unsigned(transport, key)
    if key.algorithm == SIGN_MD5 and seg.signature[0] == OPTION_AO:
        transport.counters.TCPAOKeyNotFound += 1
        return False
    if key.algorithm != SIGN_MD5 and seg.signature[0] == OPTION_MD5:
        transport.counters.TCPMD5Unexpected += 1
        return False
    if key.algorithm != SIGN_MD5 and seg.signature[1] < 4:
        transport.counters.TCPAOBad += 1
        return False
    return True


cdef bint is_stranger_good(transport_t* transport, const segment_t* seg) noexcept nogil:
    """A segment of no connection: a SYN, the answer to a cookie, or what is stray."""
    cdef key_t* key = find_key(&transport.keys, &seg.source, seg.destination_port, seg.source_port, KEY_ANY, 0)
    cdef traffic_t traffic
    cdef extension_t extension
    if key == NULL:
        return take_unexpected(transport, seg)
    if not is_kind_right(transport, key, seg):
        return False
    if key.algorithm == SIGN_MD5:
        return is_md5_good(transport, key, seg)
    key = find_key(&transport.keys, &seg.source, seg.destination_port, seg.source_port, KEY_RECEIVED, seg.signature[2])
    if key == NULL:
        transport.counters.TCPAOKeyNotFound += 1
        return False
    traffic.number = 0
    if seg.flags & SYN and not seg.flags & ACK:
        return is_ao_good(transport, key, &traffic, seg, 0, seg.seq, 0)
    # of all others only that which ends a handshake has its numbers in itself
    extension.reference = seg.seq - 1
    extension.upper = 0
    return is_ao_good(transport, key, &traffic, seg, upper_of(&extension, seg.seq), seg.seq - 1, seg.ack - 1)


cdef key_t* key_of_arrival(signature_t* signature, entry_t* entry, uint8_t id) noexcept nogil:
    """Those in use first: they serve on though they have been removed."""
    if signature.current.receive_id == id:
        return signature.current
    if signature.next.receive_id == id:
        return signature.next
    return find_key(signature.keys, &entry.remote, entry.local_port, entry.remote_port, KEY_RECEIVED, id)


cdef void turn_to_wanted_key(signature_t* signature, entry_t* entry, uint8_t id) noexcept nogil:
    """RFC 5925 7.5: the peer is ready for another key, which we sign with as soon as we have it."""
    cdef key_t* wanted
    if signature.current.send_id == id:
        return
    if signature.next.send_id == id:
        wanted = signature.next
    else:
        wanted = find_key(signature.keys, &entry.remote, entry.local_port, entry.remote_port, KEY_SENT, id)
    if wanted != NULL:
        hold_key(wanted)
        release_key(signature.keys, signature.current)
        signature.current = wanted


cdef bint is_record_good(transport_t* transport, timewait_t* record, key_t* key, const segment_t* seg) noexcept nogil:
    cdef signature_t* signature = record.signature
    follow(&signature.received, record.rcv_nxt)
    return is_ao_good(transport, key, &signature.receiving, seg, upper_of(&signature.received, seg.seq),
                      signature.remote_isn, signature.local_isn)


cdef bint is_segment_good(transport_t* transport, tcb_t* tcb, key_t* key, const segment_t* seg) noexcept nogil:
    cdef signature_t* signature = tcb.signature
    cdef traffic_t* traffic = &signature.receiving
    if seg.flags & SYN and not seg.flags & ACK:
        return is_ao_good(transport, key, traffic, seg, 0, seg.seq, 0)
    if tcb.state == SYN_SENT:
        signature.received.reference = seg.seq
        signature.received.upper = 0
        return is_ao_good(transport, key, traffic, seg, 0, seg.seq if seg.flags & SYN else 0, tcb.iss)
    if seg.flags & SYN:
        return is_ao_good(transport, key, traffic, seg, 0, seg.seq, tcb.iss)
    if not is_synchronized(tcb):
        signature.received.reference = tcb.irs
        signature.received.upper = 0
    else:
        follow(&signature.received, tcb.rcv_nxt)
    return is_ao_good(transport, key, traffic, seg, upper_of(&signature.received, seg.seq), tcb.irs, tcb.iss)


cdef bint is_signature_good(transport_t* transport, entry_t* entry, const segment_t* seg) noexcept nogil:
    cdef signature_t* signature
    cdef key_t* key
    cdef bint waiting
    if entry == NULL:
        return is_stranger_good(transport, seg)
    waiting = entry.kind == ENTRY_TIME_WAIT
    if waiting and seg.flags & SYN and not seg.flags & ACK:
        # it may begin a connection of its own
        return is_stranger_good(transport, seg)
    signature = (<timewait_t*> entry).signature if waiting else (<tcb_t*> entry).signature
    if signature == NULL:
        return take_unexpected(transport, seg)
    if not is_kind_right(transport, signature.current, seg):
        return False
    if signature.current.algorithm == SIGN_MD5:
        return is_md5_good(transport, signature.current, seg)
    key = key_of_arrival(signature, entry, seg.signature[2])
    if key == NULL:
        transport.counters.TCPAOKeyNotFound += 1
        return False
    if not (is_record_good(transport, <timewait_t*> entry, key, seg) if waiting
            else is_segment_good(transport, <tcb_t*> entry, key, seg)):
        return False
    turn_to_wanted_key(signature, entry, seg.signature[3])
    return True


cdef bint request_key(tcb_t* tcb, uint8_t receive_id) noexcept nogil:
    cdef key_t* key
    if tcb.signature == NULL or tcb.signature.current.algorithm == SIGN_MD5:
        return False
    key = find_peer_key(tcb, KEY_RECEIVED, receive_id)
    if key == NULL:
        return False
    hold_key(key)
    release_key(tcb.signature.keys, tcb.signature.next)
    tcb.signature.next = key
    return True


cdef bint is_icmp_ignored(const entry_t* entry, uint8_t kind, uint8_t code) noexcept nogil:
    cdef const signature_t* signature
    if entry.kind == ENTRY_TIME_WAIT:
        signature = (<const timewait_t*> entry).signature
    elif is_synchronized(<const tcb_t*> entry):
        signature = (<const tcb_t*> entry).signature
    else:
        return False
    return (signature != NULL and signature.current.algorithm != SIGN_MD5 and not signature.current.believes_icmp
            and kind == ICMP_UNREACHABLE and CODE_PROTOCOL_UNREACHABLE <= code <= CODE_FRAGMENTATION_NEEDED)
