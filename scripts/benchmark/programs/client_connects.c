// `connect`: connects, sends one byte, waits for it to come back, resets; so many at a time, all on one thread.
#define _GNU_SOURCE
#include "client.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { MOST = 4 << 20 };  // times that are kept
enum { FAILURES = 100 };  // that are borne before the measurement is given up

struct attempt {
    int stream, asked;
    int64_t start;
};

struct run {
    const struct options *options;
    struct attempt *attempts;
    int poller, counts;  // counts: the warm-up is over
    uint32_t *times;
    long done, failures;
    int first_failure;
};

static void begin(struct run *run, struct attempt *attempt)
{
    attempt->asked = 0;
    attempt->start = now_ns();
    attempt->stream = stream_socket(run->options->congestion, SOCK_NONBLOCK);
    struct sockaddr_in server = server_of(run->options, ECHO_PORT);
    if (connect(attempt->stream, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("no connection to port %d", ECHO_PORT);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = attempt};
    epoll_ctl(run->poller, EPOLL_CTL_ADD, attempt->stream, &event);
}

static void finish(struct run *run, struct attempt *attempt, int failure)
{
    if (failure) {
        run->first_failure = run->failures++ ? run->first_failure : failure;
        if (run->failures > FAILURES) {
            errno = run->first_failure;
            fail("more than %d connections failed, the first", FAILURES);
        }
    } else if (run->counts && run->done < MOST) {
        run->times[run->done++] = (uint32_t)(now_ns() - attempt->start);
    }
    reset(attempt->stream);
    begin(run, attempt);
}

static void advance(struct run *run, struct attempt *attempt)
{
    char byte = 'x';
    if (!attempt->asked) {
        ssize_t sent = send(attempt->stream, &byte, 1, 0);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent != 1) {
            finish(run, attempt, errno);
            return;
        }
        attempt->asked = 1;
        return;
    }
    ssize_t count = recv(attempt->stream, &byte, 1, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    finish(run, attempt, count == 1 ? 0 : count ? errno : ECONNRESET);
}

static void run_until(struct run *run, double end)
{
    struct epoll_event events[256];
    double left;
    while ((left = end - now()) > 0) {
        int ready = epoll_wait(run->poller, events, 256, (int)(left * 1000) + 1);
        for (int each = 0; each < ready; each++)
            advance(run, events[each].data.ptr);
    }
}

void measure_connects(const struct options *options)
{
    struct run run = {.options = options, .poller = epoll_create1(EPOLL_CLOEXEC)};
    run.times = malloc(MOST * sizeof *run.times);
    run.attempts = calloc((size_t)options->connections, sizeof *run.attempts);
    for (int each = 0; each < options->connections; each++)
        begin(&run, &run.attempts[each]);
    run_until(&run, now() + options->warm_up);
    struct window window;
    run.counts = 1;
    window_begin(&window, options);
    run_until(&run, window.begin + options->seconds);
    if (!run.done) {
        errno = run.first_failure;
        fail("no connection was answered in %g seconds", options->seconds);
    }
    window_end(&window, options);
    printf(", \"connections\": %ld, \"failures\": %ld", run.done, run.failures);
    print_percentiles(run.times, run.done);
    puts("}");
    for (int each = 0; each < options->connections; each++)
        reset(run.attempts[each].stream);
}
