// The client's parts: options, the window of time that is measured, and one function a measure.
#ifndef CLIENT_H
#define CLIENT_H

#include "shared.h"

#include <sys/types.h>

enum { WATCHED = 8 };
enum { PATIENCE = 10 };  // seconds without progress before a connection counts as stalled

struct options {
    struct in_addr address;
    int connections;
    double seconds, warm_up;
    const char *congestion;
    int spin;
    pid_t watched[WATCHED];  // processes whose processor time is told, too
    int watched_count;
    int port, ports;  // of `hold`
};

// What stood at the begin of the time that is measured.
struct window {
    double begin, client;
    double watched[WATCHED];
};

void window_begin(struct window *window, const struct options *options);

// Returns seconds since the begin; prints them with the processor seconds of this and the watched processes, as the
// first members of a JSON object that the caller goes on with.
double window_end(const struct window *window, const struct options *options);

struct sockaddr_in server_of(const struct options *options, int port);

// A connection with blocking calls that give up after PATIENCE.
int connected(const struct options *options, int port);

// Closes with RST: nothing lingers into the next measurement.
void reset(int stream);

// Prints `, "median": .., "p99": .., ...` in microseconds of `count` times in ns, which it sorts.
void print_percentiles(uint32_t *times, long count);

void measure_streams(const struct options *options, int sends);
void measure_echo(const struct options *options);
void measure_connects(const struct options *options);
void hold(const struct options *options);

#endif
