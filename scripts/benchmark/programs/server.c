// The kernel's end: one thread over epoll serves echo (port 7), discard (9) and a source (19) until it is ended.
//
//     server [--congestion NAME] [--spin]
//
// --spin asks epoll again and again in place of sleeping in it. Prints `ready`.
#define _GNU_SOURCE
#include "shared.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CALLS = 4 };  // reads or writes of one connection before the next has its turn
enum { DESCRIPTORS = 1 << 16 };

static unsigned char buffer[RECEIVE_SIZE];
static uint16_t port_of[DESCRIPTORS];
static unsigned char listens[DESCRIPTORS];
static int poller;

static void watch(int descriptor, uint32_t events, uint16_t port)
{
    if (descriptor >= DESCRIPTORS)
        fail("more than %d descriptors", DESCRIPTORS);
    port_of[descriptor] = port;
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

static void open_listener(uint16_t port, const char *congestion)
{
    int listener = stream_socket(congestion, SOCK_NONBLOCK);
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, SOMAXCONN))
        fail("port %d", port);
    watch(listener, EPOLLIN, port);
    listens[listener] = 1;
}

static void accept_all(int listener)
{
    int stream;
    while ((stream = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        set_option(stream, IPPROTO_TCP, TCP_NODELAY, 1);
        listens[stream] = 0;
        watch(stream, port_of[listener] == SOURCE_PORT ? EPOLLIN | EPOLLOUT : EPOLLIN, port_of[listener]);
    }
}

// Each of the three returns whether the connection goes on.
static int echo(int stream)
{
    ssize_t count = recv(stream, buffer, sizeof buffer, 0);
    if (count < 0)
        return errno == EAGAIN;
    for (ssize_t sent = 0; sent < count;) {
        ssize_t taken = send(stream, buffer + sent, (size_t)(count - sent), 0);
        if (taken < 0 && errno != EAGAIN)
            return 0;
        sent += taken > 0 ? taken : 0;
    }
    return count > 0;
}

static int discard(int stream)
{
    for (int call = 0; call < CALLS; call++) {
        ssize_t count = recv(stream, buffer, sizeof buffer, 0);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
    }
    return 1;
}

static int give(int stream)
{
    for (int call = 0; call < CALLS; call++)
        if (send(stream, buffer, SEND_SIZE, 0) < 0)
            return errno == EAGAIN;
    return 1;
}

static void serve(int descriptor)
{
    uint16_t port = port_of[descriptor];
    if (listens[descriptor])
        accept_all(descriptor);
    else if (!(port == ECHO_PORT ? echo : port == DISCARD_PORT ? discard : give)(descriptor))
        close(descriptor);
}

int main(int count, char **arguments)
{
    static const struct option known[] = {{"congestion", 1, NULL, 'c'}, {"spin", 0, NULL, 's'}, {0}};
    const char *congestion = "cubic";
    int patience = -1, letter;
    while ((letter = getopt_long(count, arguments, "", known, NULL)) >= 0) {
        if (letter == 'c')
            congestion = optarg;
        else if (letter == 's')
            patience = 0;
        else
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(DESCRIPTORS);
    poller = epoll_create1(EPOLL_CLOEXEC);
    open_listener(ECHO_PORT, congestion);
    open_listener(DISCARD_PORT, congestion);
    open_listener(SOURCE_PORT, congestion);
    puts("ready");
    fflush(stdout);
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(poller, events, 256, patience);
        for (int each = 0; each < ready; each++)
            serve(events[each].data.fd);
    }
}
