// What the machine can do: a TCP end point without a stack on a TAP device. Fixed options, in order, acknowledges; no
// congestion control, no reassembly; what is lost is sent again from there on. Echo (port 7), discard (9), source (19).
//
//     ceiling TAP ADDRESS [--mtu BYTES] [--offloads] [--copy] [--batch FRAMES] [--window KIB] [--spin]
//
// --offloads: virtio headers, superframes, checksums left to the kernel. --copy: one copy of the payload more, as an
// application makes it. --batch: one ACK for so many frames, or for those that waited. --window: the largest told to the
// peer. --spin: reads again in place of sleeping. Prints `ready`.
#define _GNU_SOURCE
#include "checksum.h"
#include "tap.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LARGEST_PACKET = 65535, FRAME_ROOM = LARGEST_PACKET + 256 };
enum { WINDOW_SHIFT = 9 };
enum { SILENCE_MS = 200 };  // after which a source sends again what was not acknowledged
enum { DUPLICATES = 3 };
enum { SOURCES = 64 };

struct connection {
    int established, listed;       // listed: stands in `owed`
    int unanswered;                // frames with bytes that no ACK has answered
    uint32_t address;              // network order, as the ports
    uint16_t near_port, far_port;
    uint32_t receive_next, send_next, highest, acknowledged, send_window;  // highest: send_next before a repetition
    int window_shift, segment, duplicates;
    double progress;  // when the peer acknowledged something last
};

// The headers in front of a payload, as they are written; the kernel takes virtio headers in host order.
struct __attribute__((packed, aligned(8))) headers {
    struct virtio_net_hdr virtio;
    struct ether_header ethernet;
    struct iphdr ip;
    struct tcphdr tcp;
    uint8_t options[8];
};

static int device, offloads, copies, spins, batch = 1, mtu = 1500;
static uint32_t window = 0xffffu << WINDOW_SHIFT, our_address;
static const uint8_t our_ethernet[ETH_ALEN] = {2, 0, 0, 0, 0, 2};
static uint8_t peer_ethernet[ETH_ALEN];
static uint8_t frame[FRAME_ROOM], application[FRAME_ROOM], outgoing[FRAME_ROOM];
static struct connection connections[1 << 16];  // by the peer's port
static struct connection *owed[1024], *sources[SOURCES];
static int owed_count, source_count;

// Of a segment of `length` bytes, `ip` the IP header in front of it.
static uint64_t pseudo_header(const void *ip, size_t length)
{
    const uint8_t *addresses = (const uint8_t *)ip + offsetof(struct iphdr, saddr);
    return add_up(addresses, 8, 0) + htons(IPPROTO_TCP) + htons((uint16_t)length);
}

static void put(struct connection *to, uint8_t flags, const void *payload, size_t size)
{
    size_t option_size = flags & TH_SYN ? sizeof((struct headers *)0)->options : 0;
    size_t tcp_size = sizeof(struct tcphdr) + option_size;
    uint32_t told = (flags & TH_SYN) && window > 0xffff ? 0xffff : flags & TH_SYN ? window : window >> WINDOW_SHIFT;
    struct headers head = {
        .ethernet.ether_type = htons(ETHERTYPE_IP),
        .ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .frag_off = htons(IP_DF)},
        .tcp = {.th_sport = to->near_port, .th_dport = to->far_port, .th_seq = htonl(to->send_next),
                .th_ack = htonl(to->receive_next), .th_off = tcp_size / 4 & 15, .th_flags = flags,
                .th_win = htons((uint16_t)told)},
        .options = {2, 4, (uint8_t)(to->segment >> 8), (uint8_t)to->segment, 1, 3, 3, WINDOW_SHIFT},
    };
    memcpy(head.ethernet.ether_dhost, peer_ethernet, ETH_ALEN);
    memcpy(head.ethernet.ether_shost, our_ethernet, ETH_ALEN);
    head.ip.tot_len = htons((uint16_t)(sizeof head.ip + tcp_size + size));
    head.ip.saddr = our_address;
    head.ip.daddr = to->address;
    head.ip.check = (uint16_t)~folded(add_up(&head.ip, sizeof head.ip, 0));
    uint64_t sum = pseudo_header(&head.ip, tcp_size + size);
    if (offloads) {
        head.tcp.th_sum = folded(sum);
        head.virtio.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        head.virtio.csum_start = offsetof(struct headers, tcp) - sizeof head.virtio;
        head.virtio.csum_offset = offsetof(struct tcphdr, th_sum);
        if (size > (size_t)to->segment) {
            head.virtio.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
            head.virtio.gso_size = (uint16_t)to->segment;
            head.virtio.hdr_len = (uint16_t)(head.virtio.csum_start + tcp_size);
        }
    } else {
        sum = add_up(&head.tcp, tcp_size, sum);
        head.tcp.th_sum = (uint16_t)~folded(size ? add_up(payload, size, sum) : sum);
    }
    size_t skipped = offloads ? 0 : sizeof head.virtio;
    struct iovec parts[2] = {{(uint8_t *)&head + skipped, offsetof(struct headers, options) + option_size - skipped},
                             {(void *)payload, size}};
    // A frame that the kernel refuses is a lost one.
    if (writev(device, parts, size ? 2 : 1) < 0 && errno != EAGAIN && errno != EIO && errno != ENOBUFS)
        fail("writing to the device");
    to->send_next += (uint32_t)size + (flags & (TH_SYN | TH_FIN) ? 1 : 0);
    if ((int32_t)(to->send_next - to->highest) > 0)
        to->highest = to->send_next;
    to->unanswered = 0;
}

// Fills the peer's window. While ACKs are on their way only large frames are worth their cost.
static void pump(struct connection *to)
{
    uint32_t segment = (uint32_t)to->segment;
    uint32_t largest = offloads ? (LARGEST_PACKET - 40) / segment * segment : segment;
    for (;;) {
        uint32_t flying = to->send_next - to->acknowledged;
        uint32_t size = flying < to->send_window ? to->send_window - flying : 0;
        size = size > largest ? largest : size > segment ? size / segment * segment : size;
        if (!size || (flying && size < (offloads ? largest / 2 : segment)))
            return;
        if (copies)
            memcpy(outgoing, application, size);
        put(to, TH_PUSH | TH_ACK, copies ? outgoing : application, size);
    }
}

static void send_again(struct connection *to)
{
    to->send_next = to->acknowledged;
    to->duplicates = 0;
    to->progress = now();
    pump(to);
}

static void forget(struct connection *gone)
{
    gone->established = 0;
    for (int each = 0; each < source_count; each++)
        if (sources[each] == gone)
            sources[each] = sources[--source_count];
}

static void answer_arp(uint8_t *arrived)
{
    struct ether_header *ethernet = (void *)arrived;
    struct arphdr *arp = (void *)(ethernet + 1);
    uint8_t *sender = (uint8_t *)(arp + 1), *target = sender + ETH_ALEN + 4;
    if (arp->ar_op != htons(ARPOP_REQUEST) || memcmp(target + ETH_ALEN, &our_address, 4))
        return;
    arp->ar_op = htons(ARPOP_REPLY);
    memcpy(target, sender, ETH_ALEN + 4);
    memcpy(sender, our_ethernet, ETH_ALEN);
    memcpy(sender + ETH_ALEN, &our_address, 4);
    memcpy(ethernet->ether_dhost, target, ETH_ALEN);
    memcpy(ethernet->ether_shost, our_ethernet, ETH_ALEN);
    size_t size = sizeof *ethernet + sizeof *arp + 2 * (ETH_ALEN + 4);
    static uint8_t reply[sizeof(struct virtio_net_hdr) + 64];
    size_t header = offloads ? sizeof(struct virtio_net_hdr) : 0;
    memcpy(reply + header, arrived, size);
    if (write(device, reply, header + size) < 0 && errno != EAGAIN && errno != EIO)
        fail("writing to the device");
}

static void open_connection(struct connection *new, const struct iphdr *ip, const struct tcphdr *tcp)
{
    uint16_t port = ntohs(tcp->th_dport);
    if (port != ECHO_PORT && port != DISCARD_PORT && port != SOURCE_PORT)
        return;
    forget(new);
    *new = (struct connection){.listed = new->listed, .address = ip->saddr, .near_port = tcp->th_dport, .far_port = tcp->th_sport,
                               .receive_next = ntohl(tcp->th_seq) + 1, .send_window = ntohs(tcp->th_win),
                               .segment = mtu - 40, .send_next = 1, .highest = 1, .acknowledged = 1};
    const uint8_t *option = (const uint8_t *)(tcp + 1), *end = (const uint8_t *)tcp + tcp->th_off * 4;
    while (option + 1 < end && option[0] != TCPOPT_EOL && (option[0] == TCPOPT_NOP || option[1] > 1)) {
        if (option[0] == TCPOPT_MAXSEG && (option[2] << 8 | option[3]) < new->segment)
            new->segment = option[2] << 8 | option[3];
        if (option[0] == TCPOPT_WINDOW)
            new->window_shift = option[2];
        option += option[0] == TCPOPT_NOP ? 1 : option[1];
    }
    put(new, TH_SYN | TH_ACK, NULL, 0);
}

static void take_acknowledgment(struct connection *from, const struct tcphdr *tcp, size_t size)
{
    uint32_t told = (uint32_t)ntohs(tcp->th_win) << from->window_shift, ack = ntohl(tcp->th_ack);
    uint32_t more = ack - from->acknowledged;
    if (more && more <= from->highest - from->acknowledged) {
        from->acknowledged = ack;
        if ((int32_t)(ack - from->send_next) > 0)
            from->send_next = ack;
        from->duplicates = 0;
        if (from->near_port == htons(SOURCE_PORT))
            from->progress = now();
    } else if (!more && !size && ack != from->send_next && told == from->send_window) {
        if (++from->duplicates == DUPLICATES)
            send_again(from);
    }
    from->send_window = told;
    if (!from->established) {
        from->established = 1;
        if (from->near_port == htons(SOURCE_PORT) && source_count < SOURCES)
            sources[source_count++] = from;
    }
}

static void owe_acknowledgment(struct connection *to)
{
    if (++to->unanswered >= batch || (!to->listed && owed_count == sizeof owed / sizeof *owed)) {
        put(to, TH_ACK, NULL, 0);
    } else if (!to->listed) {
        to->listed = 1;
        owed[owed_count++] = to;
    }
}

static void take_segment(const struct iphdr *ip, const struct tcphdr *tcp, size_t length)
{
    struct connection *from = &connections[ntohs(tcp->th_sport)];
    const uint8_t *payload = (const uint8_t *)tcp + tcp->th_off * 4;
    size_t size = length - tcp->th_off * 4;
    if (tcp->th_flags & TH_RST) {
        forget(from);
        return;
    }
    if (tcp->th_flags & TH_SYN) {
        open_connection(from, ip, tcp);
        return;
    }
    if (from->far_port != tcp->th_sport || from->near_port != tcp->th_dport)
        return;
    take_acknowledgment(from, tcp, size);
    int in_order = ntohl(tcp->th_seq) == from->receive_next;
    if (size && in_order) {
        from->receive_next += (uint32_t)size;
        if (copies)
            memcpy(application, payload, size);
        if (from->near_port == htons(ECHO_PORT))
            put(from, TH_PUSH | TH_ACK, payload, size);
        else
            owe_acknowledgment(from);
    } else if (size) {
        put(from, TH_ACK, NULL, 0);
    }
    if ((tcp->th_flags & TH_FIN) && ntohl(tcp->th_seq) + size == from->receive_next) {
        from->receive_next++;
        put(from, TH_FIN | TH_ACK, NULL, 0);
        forget(from);
    } else if (from->near_port == htons(SOURCE_PORT)) {
        pump(from);
    }
}

static void take_frame(uint8_t *arrived, size_t size)
{
    struct ether_header *ethernet = (void *)arrived;
    if (size < sizeof *ethernet + sizeof(struct arphdr))
        return;
    if (ethernet->ether_type == htons(ETHERTYPE_ARP)) {
        answer_arp(arrived);
        return;
    }
    const struct iphdr *ip = (void *)(ethernet + 1);
    if (ethernet->ether_type != htons(ETHERTYPE_IP) || ip->protocol != IPPROTO_TCP || ip->daddr != our_address)
        return;
    size_t length = (size_t)ntohs(ip->tot_len) - ip->ihl * 4u;
    const struct tcphdr *tcp = (const void *)((const uint8_t *)ip + ip->ihl * 4);
    if ((const uint8_t *)tcp + length > arrived + size || length < sizeof *tcp)
        return;
    if (!offloads && folded(add_up(tcp, length, pseudo_header(ip, length))) != 0xffff)
        return;
    memcpy(peer_ethernet, ethernet->ether_shost, ETH_ALEN);
    take_segment(ip, tcp, length);
}

static void pay_acknowledgments(void)
{
    for (int each = 0; each < owed_count; each++) {
        owed[each]->listed = 0;
        if (owed[each]->unanswered)
            put(owed[each], TH_ACK, NULL, 0);
    }
    owed_count = 0;
}

static void repeat_after_silence(void)
{
    double silent = now() - SILENCE_MS * 1e-3;
    for (int each = 0; each < source_count; each++)
        if (sources[each]->progress < silent && sources[each]->send_next != sources[each]->acknowledged)
            send_again(sources[each]);
}

static void run(void)
{
    size_t header = offloads ? sizeof(struct virtio_net_hdr) : 0;
    struct pollfd readable = {.fd = device, .events = POLLIN};
    for (unsigned turns = 0;;) {
        ssize_t size = read(device, frame, sizeof frame);
        if (size > (ssize_t)header) {
            take_frame(frame + header, (size_t)size - header);
            continue;
        }
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            fail("reading from the device");
        pay_acknowledgments();
        int silent = !spins && poll(&readable, 1, SILENCE_MS) == 0;
        if (silent || ++turns % 1024 == 0)
            repeat_after_silence();
    }
}

int main(int count, char **arguments)
{
    static const struct option known[] = {{"mtu", 1, NULL, 'm'},   {"offloads", 0, &offloads, 1},
                                          {"copy", 0, &copies, 1}, {"batch", 1, NULL, 'b'},
                                          {"spin", 0, &spins, 1},  {"window", 1, NULL, 'w'},
                                          {0}};
    if (count < 3 || inet_pton(AF_INET, arguments[2], &our_address) != 1) {
        errno = 0;
        fail("usage: ceiling TAP ADDRESS [OPTION]...");
    }
    int letter;
    while ((letter = getopt_long(count - 2, arguments + 2, "", known, NULL)) >= 0) {
        if (letter == 'm')
            mtu = atoi(optarg);
        else if (letter == 'w')
            window = (uint32_t)atoi(optarg) << 10;
        else if (letter == 'b')
            batch = atoi(optarg);
        else if (letter)
            return 2;
    }
    memset(application, 'x', sizeof application);
    device = open_tap(arguments[1], offloads);
    puts("ready");
    fflush(stdout);
    run();
}
