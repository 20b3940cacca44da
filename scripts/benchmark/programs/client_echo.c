// `echo`: one byte there and back, again and again, each timed.
#include "client.h"

enum { MOST = 8 << 20 };  // times that are kept

static void exchange(int stream, int spin)
{
    char byte = 'x';
    if (send(stream, &byte, 1, 0) != 1)
        fail("the byte could not be sent");
    ssize_t count;
    while ((count = recv(stream, &byte, 1, spin ? MSG_DONTWAIT : 0)) < 0 && spin && errno == EAGAIN)
        ;
    if (count != 1) {
        errno = count ? errno : 0;
        fail("the echo ended");
    }
}

void measure_echo(const struct options *options)
{
    uint32_t *times = malloc(MOST * sizeof *times);
    int stream = connected(options, ECHO_PORT);
    struct window window;
    double warm = now() + options->warm_up;
    do
        exchange(stream, options->spin);
    while (now() < warm);
    window_begin(&window, options);
    int64_t start = now_ns(), end = start + (int64_t)(options->seconds * 1e9);
    long count = 0;
    while (start < end && count < MOST) {
        exchange(stream, options->spin);
        int64_t finish = now_ns();
        times[count++] = (uint32_t)(finish - start);
        start = finish;
    }
    window_end(&window, options);
    printf(", \"exchanges\": %ld", count);
    print_percentiles(times, count);
    puts("}");
    reset(stream);
}
