// `hold`: opens many connections that say nothing, over several ports, and holds them.
#define _GNU_SOURCE
#include "client.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { AT_A_TIME = 256, SPARE = 64 };

static int start(const struct options *options, int port)
{
    int stream = stream_socket(options->congestion, SOCK_NONBLOCK);
    struct sockaddr_in far = server_of(options, port);
    if (connect(stream, (struct sockaddr *)&far, sizeof far) && errno != EINPROGRESS)
        fail("connection to port %d", port);
    return stream;
}

// Waits until `stream` is connected.
static void await(int stream, int poller, int number)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = stream};
    epoll_ctl(poller, EPOLL_CTL_ADD, stream, &event);
    errno = 0;
    if (epoll_wait(poller, &event, 1, PATIENCE * 1000) != 1)
        fail("connection %d was not answered in %d seconds", number + 1, PATIENCE);
    epoll_ctl(poller, EPOLL_CTL_DEL, stream, NULL);
    socklen_t length = sizeof errno;
    int error = 0;
    getsockopt(stream, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    if (error)
        fail("connection %d", number + 1);
}

void hold(const struct options *options)
{
    long limit = raise_descriptor_limit(options->connections + SPARE);
    errno = 0;
    if (limit < options->connections + SPARE)
        fail("%d connections need as many descriptors, and this user may have %ld: ulimit -n, or fewer connections",
             options->connections, limit);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int *streams = calloc((size_t)options->connections, sizeof *streams);
    double begin = now();
    for (int opened = 0, known = 0; known < options->connections; known++) {
        for (; opened < options->connections && opened < known + AT_A_TIME; opened++)
            streams[opened] = start(options, options->port + opened % options->ports);
        await(streams[known], poller, known);
    }
    printf("{\"seconds\": %.3f, \"connections\": %d}\n", now() - begin, options->connections);
    fflush(stdout);
    char nothing;
    while (read(0, &nothing, 1) > 0)
        ;
    for (int each = 0; each < options->connections; each++)
        reset(streams[each]);
}
