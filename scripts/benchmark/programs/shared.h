// What the programs of the benchmark have in common: clocks, errors, ports, sockets.
#ifndef SHARED_H
#define SHARED_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { ECHO_PORT = 7, DISCARD_PORT = 9, SOURCE_PORT = 19 };

// Bytes a call; larger pieces fall out of the caches. They are no whole pages: a copy crawls where its ends lie badly in
// their pages, and from call to call whole pages would leave them where they are, in one run well and in the next badly.
enum { SEND_SIZE = 250000, RECEIVE_SIZE = 1000000 };

static inline double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static inline double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static inline int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Ends the program with one line on stderr; `format` as for printf, errno's meaning is added when it is not 0.
__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
    exit(1);
}

static inline void set_option(int socket, int level, int option, int value)
{
    if (setsockopt(socket, level, option, &value, sizeof value))
        fail("socket option %d of level %d", option, level);
}

// A TCP socket whose congestion control is `congestion`; `flags` as SOCK_NONBLOCK.
static inline int stream_socket(const char *congestion, int flags)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (made < 0)
        fail("no socket");
    if (setsockopt(made, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion)))
        fail("congestion control %s", congestion);
    return made;
}

// As many descriptors as the machine gives this user; returns how many.
static inline long raise_descriptor_limit(long wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit more = {(rlim_t)wanted, (rlim_t)wanted > limit.rlim_max ? (rlim_t)wanted : limit.rlim_max};
    if (limit.rlim_cur < (rlim_t)wanted && setrlimit(RLIMIT_NOFILE, &more)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}

#endif
