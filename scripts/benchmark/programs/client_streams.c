// `up` and `down`: connections that send or receive as fast as they can, all on one thread.
#define _GNU_SOURCE
#include "client.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>

enum { CALLS = 4 };  // of one connection before the next has its turn

// struct tcp_info of linux/tcp.h as far as it is read here; the C library's own is older and shorter.
struct acknowledgment_info {
    uint8_t before[120];
    uint64_t bytes_acked;
};

static unsigned char buffer[RECEIVE_SIZE];

struct flows {
    int *streams;
    int count, sends;
    uint64_t received;
};

// Bytes that have come to the other end so far.
static uint64_t delivered(const struct flows *flows)
{
    if (!flows->sends)
        return flows->received;
    uint64_t sum = 0;
    for (int each = 0; each < flows->count; each++) {
        struct acknowledgment_info info = {0};
        socklen_t length = sizeof info;
        if (getsockopt(flows->streams[each], IPPROTO_TCP, TCP_INFO, &info, &length) || length < sizeof info)
            fail("the kernel does not tell what was acknowledged");
        sum += info.bytes_acked;
    }
    return sum;
}

static void serve(struct flows *flows, int stream)
{
    for (int call = 0; call < CALLS; call++) {
        ssize_t count = flows->sends ? send(stream, buffer, SEND_SIZE, 0) : recv(stream, buffer, sizeof buffer, 0);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0) {
            errno = count ? errno : 0;
            fail("the server ended a connection");
        }
        if (!flows->sends)
            flows->received += (uint64_t)count;
    }
}

static void run_until(struct flows *flows, int poller, double end)
{
    struct epoll_event events[64];
    double left;
    while ((left = end - now()) > 0) {
        int ready = epoll_wait(poller, events, 64, (int)(left * 1000) + 1);
        for (int each = 0; each < ready; each++)
            serve(flows, events[each].data.fd);
    }
}

void measure_streams(const struct options *options, int sends)
{
    struct flows flows = {.count = options->connections, .sends = sends};
    flows.streams = calloc((size_t)flows.count, sizeof *flows.streams);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    memset(buffer, 'x', sizeof buffer);
    for (int each = 0; each < flows.count; each++) {
        int stream = connected(options, sends ? DISCARD_PORT : SOURCE_PORT);
        fcntl(stream, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = sends ? EPOLLOUT : EPOLLIN, .data.fd = stream};
        epoll_ctl(poller, EPOLL_CTL_ADD, stream, &event);
        flows.streams[each] = stream;
    }
    struct window window;
    run_until(&flows, poller, now() + options->warm_up);
    uint64_t first = delivered(&flows);
    window_begin(&window, options);
    run_until(&flows, poller, window.begin + options->seconds);
    uint64_t bytes = delivered(&flows) - first;
    if (!bytes) {
        errno = 0;
        fail("no byte was carried in %g seconds", options->seconds);
    }
    window_end(&window, options);
    printf(", \"bytes\": %llu}\n", (unsigned long long)bytes);
    for (int each = 0; each < flows.count; each++)
        reset(flows.streams[each]);
}
