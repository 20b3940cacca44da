"""A connection that is nothing but its congestion control, for Python: the tests alone use it.

Times are ns, windows bytes. What recovery does to a connection (phase, flight, counts) the test does.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.posix cimport calloc, free, memset
from netcore.tcp.congestion.algorithms cimport algorithm_at, algorithm_count, algorithm_named, use_algorithm
from netcore.tcp.congestion.curve cimport cube_root, curve_at, curve_inflection
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport ESTABLISHED, flight_size, tcb_t, transport_t
from netcore.tcp.tunables cimport set_default_tunables

OPEN, REDUCING, RECOVERY, LOSS = range(4)


def names():
    """The algorithms, in the order of the registry."""
    return [algorithm_at(place).name.decode() for place in range(algorithm_count())]


def root(uint64_t value):
    return cube_root(value)


def curve(int64_t time, uint32_t inflection, uint32_t window_max, uint32_t mss):
    return curve_at(time, inflection, window_max, mss)


def inflection(uint32_t window_max, uint32_t window, uint32_t mss):
    return curve_inflection(window_max, window, mss)


def state_size():
    return sizeof((<tcb_t*> NULL).congestion_state)


cdef class Controller:
    """One connection and its algorithm; made, it is established.

    Keywords: mss in bytes; initial_window in segments; srtt in ns; syn_lost; superframe: largest text of a frame; seed.
    """

    cdef tcb_t* tcb
    cdef transport_t* transport
    cdef public int64_t now

    def __cinit__(self, str name, *, uint32_t mss=1000, int64_t initial_window=10, int64_t srtt=100_000_000,
                  bint syn_lost=False, uint32_t superframe=0, bint sack=True, int64_t now=10_000_000_000,
                  uint64_t seed=1):
        self.transport = <transport_t*> calloc(1, sizeof(transport_t))
        self.tcb = <tcb_t*> calloc(1, sizeof(tcb_t))
        set_default_tunables(&self.transport.tunables)
        self.transport.tunables.initial_window = initial_window
        self.transport.superframe = superframe
        self.transport.random.state = seed
        self.tcb.transport = self.transport
        self.tcb.state = ESTABLISHED
        self.tcb.eff_mss = mss
        self.tcb.rtt.srtt = srtt
        self.tcb.retries = syn_lost
        self.tcb.sack = sack
        self.tcb.cwnd_limited = True
        self.tcb.congestion = algorithm_named(name.encode())
        if self.tcb.congestion == NULL:
            raise LookupError(name)
        self.now = now
        self.tcb.congestion.begin(self.tcb, now)
        self.tcb.retries = 0

    def __dealloc__(self):
        free(self.tcb)
        free(self.transport)

    # ---- what happens

    def ack(self, uint32_t acked, *, delivered=None, uint32_t lost=0, int64_t rtt=0, bint round_start=False,
            rate=None, bint app_limited=False, uint32_t prior_in_flight=0, int64_t interval=0):
        """An ACK of `acked` bytes. rate: bytes per second over an interval of ns, as the rate sample has it."""
        cdef ack_sample_t sample
        memset(&sample, 0, sizeof(sample))
        sample.acked = acked
        sample.delivered = acked if delivered is None else delivered
        sample.lost = lost
        sample.rtt = rtt
        sample.round_start = round_start
        sample.app_limited = app_limited
        sample.prior_in_flight = prior_in_flight
        sample.prior_una = self.tcb.snd_una
        if rate is not None:
            sample.interval = interval or 1_000_000
            sample.rate_delivered = rate * sample.interval // 1_000_000_000
        self.tcb.snd_una += acked
        self.tcb.delivered += sample.delivered
        self.tcb.lost += lost
        self.tcb.congestion.on_ack(self.tcb, &sample, self.now)

    def loss(self):
        self.tcb.congestion.on_loss(self.tcb, self.now)

    def ecn(self):
        self.tcb.prr_flight = flight_size(self.tcb)
        self.tcb.congestion.on_ecn(self.tcb, self.now)

    def timeout(self):
        self.tcb.congestion.on_timeout(self.tcb, self.now)

    def recovered(self):
        if self.tcb.congestion.on_recovered != NULL:
            self.tcb.congestion.on_recovered(self.tcb, self.now)

    def undo(self):
        if self.tcb.congestion.on_undo != NULL:
            self.tcb.congestion.on_undo(self.tcb, self.now)

    def idle(self):
        self.tcb.congestion.on_idle(self.tcb, self.now)

    def restart(self):
        if self.tcb.congestion.on_restart != NULL:
            self.tcb.congestion.on_restart(self.tcb, self.now)

    def use(self, str name):
        use_algorithm(self.tcb, algorithm_named(name.encode()), self.now)

    # ---- what the connection is like

    @property
    def name(self):
        return self.tcb.congestion.name.decode()

    @property
    def owns_window(self):
        return bool(self.tcb.congestion.owns_window)

    @property
    def cwnd(self):
        return self.tcb.cwnd

    @cwnd.setter
    def cwnd(self, uint32_t value):
        self.tcb.cwnd = value

    @property
    def ssthresh(self):
        return self.tcb.ssthresh

    @ssthresh.setter
    def ssthresh(self, uint32_t value):
        self.tcb.ssthresh = value

    @property
    def pacing_rate(self):
        return self.tcb.pacing_rate

    @pacing_rate.setter
    def pacing_rate(self, uint64_t value):
        self.tcb.pacing_rate = value

    @property
    def flight(self):
        """FlightSize; set, it is in flight too."""
        return self.tcb.snd_nxt - self.tcb.snd_una

    @flight.setter
    def flight(self, uint32_t value):
        self.tcb.snd_nxt = self.tcb.snd_una + value
        self.tcb.in_flight = value

    @property
    def in_flight(self):
        return self.tcb.in_flight

    @in_flight.setter
    def in_flight(self, uint32_t value):
        self.tcb.in_flight = value

    @property
    def delivered(self):
        return self.tcb.delivered

    @property
    def app_limited(self):
        return self.tcb.app_limited

    @app_limited.setter
    def app_limited(self, uint64_t value):
        self.tcb.app_limited = value

    @property
    def cwnd_limited(self):
        return bool(self.tcb.cwnd_limited)

    @cwnd_limited.setter
    def cwnd_limited(self, bint value):
        self.tcb.cwnd_limited = value

    @property
    def phase(self):
        return self.tcb.phase

    @phase.setter
    def phase(self, int value):
        self.tcb.phase = value

    @property
    def retries(self):
        return self.tcb.retries

    @retries.setter
    def retries(self, int value):
        self.tcb.retries = value

    @property
    def srtt(self):
        return self.tcb.rtt.srtt

    @srtt.setter
    def srtt(self, int64_t value):
        self.tcb.rtt.srtt = value

    @property
    def recover(self):
        """How far ahead of snd_una what an episode of loss ends with lies."""
        return <int> (self.tcb.recover - self.tcb.snd_una)

    @recover.setter
    def recover(self, int value):
        self.tcb.recover = self.tcb.snd_una + value
