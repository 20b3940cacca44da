// A client on the kernel's sockets that measures; prints one line of JSON.
//
//     client up ADDRESS      sends to port 9; what the peer acknowledged counts
//     client down ADDRESS    receives from port 19
//     client echo ADDRESS    one byte to port 7 and back, again and again
//     client connect ADDRESS connects to port 7, one byte there and back, reset; --connections at a time
//     client hold ADDRESS    opens --connections to --ports ports from --port on, and holds them until stdin ends
//
// --connections N, --seconds S, --warm-up S (left out), --congestion NAME of every socket, --processor N to stay on,
// --watch PID (processor time of that process is told; may be repeated), --spin (asks again in place of sleeping).
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

// Processor seconds of a process with all its threads, those that have ended included.
static double processor_seconds(pid_t process)
{
    clockid_t clock;
    if (clock_getcpuclockid(process, &clock))
        return 0;
    return seconds_of(clock);
}

void window_begin(struct window *window, const struct options *options)
{
    for (int each = 0; each < options->watched_count; each++)
        window->watched[each] = processor_seconds(options->watched[each]);
    window->client = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    window->begin = now();
}

double window_end(const struct window *window, const struct options *options)
{
    double seconds = now() - window->begin;
    printf("{\"seconds\": %.6f, \"client_cpu\": %.6f, \"watched_cpu\": [", seconds,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - window->client);
    for (int each = 0; each < options->watched_count; each++)
        printf("%s%.6f", each ? ", " : "", processor_seconds(options->watched[each]) - window->watched[each]);
    printf("]");
    return seconds;
}

struct sockaddr_in server_of(const struct options *options, int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = options->address};
}

int connected(const struct options *options, int port)
{
    int stream = stream_socket(options->congestion, 0);
    struct timeval patience = {PATIENCE, 0};
    setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    set_option(stream, IPPROTO_TCP, TCP_NODELAY, 1);
    struct sockaddr_in server = server_of(options, port);
    if (connect(stream, (struct sockaddr *)&server, sizeof server))
        fail("no connection to port %d", port);
    return stream;
}

void reset(int stream)
{
    struct linger at_once = {1, 0};
    setsockopt(stream, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(stream);
}

static int ascending(const void *one, const void *other)
{
    uint32_t left = *(const uint32_t *)one, right = *(const uint32_t *)other;
    return (left > right) - (left < right);
}

void print_percentiles(uint32_t *times, long count)
{
    static const struct {
        const char *name;
        double part;
    } wanted[] = {{"least", 0}, {"median", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"most", 1}};
    qsort(times, (size_t)count, sizeof *times, ascending);
    for (size_t each = 0; each < sizeof wanted / sizeof *wanted; each++)
        printf(", \"%s\": %.3f", wanted[each].name, times[(long)((double)(count - 1) * wanted[each].part)] * 1e-3);
}

static void stay_on(int processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("processor %d", processor);
}

static void read_options(struct options *options, int count, char **arguments)
{
    static const struct option known[] = {
        {"connections", 1, NULL, 'n'}, {"seconds", 1, NULL, 's'}, {"warm-up", 1, NULL, 'w'},
        {"congestion", 1, NULL, 'c'},  {"watch", 1, NULL, 'p'},   {"processor", 1, NULL, 'o'},
        {"spin", 0, NULL, 'i'},        {"port", 1, NULL, 'f'},    {"ports", 1, NULL, 'k'},
        {0}};
    int letter;
    while ((letter = getopt_long(count, arguments, "", known, NULL)) >= 0) {
        switch (letter) {
        case 'n': options->connections = atoi(optarg); break;
        case 's': options->seconds = atof(optarg); break;
        case 'w': options->warm_up = atof(optarg); break;
        case 'c': options->congestion = optarg; break;
        case 'o': stay_on(atoi(optarg)); break;
        case 'i': options->spin = 1; break;
        case 'f': options->port = atoi(optarg); break;
        case 'k': options->ports = atoi(optarg); break;
        case 'p':
            if (options->watched_count == WATCHED)
                fail("--watch: more than %d processes", WATCHED);
            options->watched[options->watched_count++] = atoi(optarg);
            break;
        default: exit(2);
        }
    }
}

int main(int count, char **arguments)
{
    struct options options = {.connections = 1, .seconds = 1, .warm_up = 0.3, .congestion = "cubic", .ports = 1};
    if (count < 3 || inet_pton(AF_INET, arguments[2], &options.address) != 1)
        fail("usage: client up|down|echo|connect|hold ADDRESS [OPTION]...");
    read_options(&options, count - 2, arguments + 2);
    signal(SIGPIPE, SIG_IGN);
    const char *action = arguments[1];
    if (!strcmp(action, "up") || !strcmp(action, "down"))
        measure_streams(&options, action[0] == 'u');
    else if (!strcmp(action, "echo"))
        measure_echo(&options);
    else if (!strcmp(action, "connect"))
        measure_connects(&options);
    else if (!strcmp(action, "hold"))
        hold(&options);
    else
        fail("%s: no such action", action);
    return 0;
}
