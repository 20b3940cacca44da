"""Streams that go one way from one host to another over an emulated link, under one virtual clock."""

from typing import Any

from netcore.endpoint import OK, Endpoint, status_name
from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.simulator import Pair

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MEGABIT = 1_000_000
BLOCK = bytes(1 << 18)
PORT = 80
SENDER = "10.0.0.1"
RECEIVER = "10.0.0.2"


class Bulk:
    """Flows over a link of `rate` bits per second, `delay` ns each way, `queue` bytes before the rate.

    congestion: the algorithm of the sender; link: further arguments of the forward Impairment; others are tunables of
    both hosts.
    """

    def __init__(
        self,
        congestion: str,
        *,
        rate: int = 20 * MEGABIT,
        delay: int = 10 * MILLISECOND,
        queue: int = 50_000,
        seed: int = 1,
        link: dict[str, Any] | None = None,
        **tunables: Any,
    ) -> None:
        arguments = {"ethernet": False, "send_buffer": 4 << 20, "receive_buffer": 4 << 20, **tunables}
        self.sender = Engine(address=SENDER, prefix=24, seed=b"%016d" % seed, congestion=congestion, **arguments)
        self.receiver = Engine(address=RECEIVER, prefix=24, seed=b"%016d" % (seed + 1), **arguments)
        self.forward = Impairment(seed=seed, rate=rate, delay=delay, queue=queue, **(link or {}))
        self.backward = Impairment(seed=seed + 1, delay=delay)
        self.pair = Pair(self.sender, self.receiver, forward=self.forward, backward=self.backward)
        listener = self.receiver.listen(None, PORT, 64)
        assert isinstance(listener, Listener), status_name(listener)
        self.listener = listener
        self.flows: list[Endpoint] = []
        self.ends: list[Endpoint] = []
        self.received: list[int] = []
        self.buffer = bytearray(1 << 20)
        # what each flow still writes, bytes; None: without end
        self.budgets: list[int | None] = []

    def open(self, budget: int | None = None) -> Endpoint:
        """One more flow, which writes `budget` bytes, or as much as goes."""
        flow = self.sender.connect(40_000 + len(self.flows), (bytes((10, 0, 0, 2)), PORT))
        assert isinstance(flow, Endpoint), status_name(flow)
        self.flows.append(flow)
        self.budgets.append(budget)
        return flow

    def work(self) -> None:
        """Accepts, writes and reads all that can be."""
        accepted = self.listener.accept()
        if isinstance(accepted, Endpoint):
            self.ends.append(accepted)
            self.received.append(0)
        for place, end in enumerate(self.ends):
            while (count := end.receive_into(self.buffer)) > 0:
                self.received[place] += count
        for place, flow in enumerate(self.flows):
            assert flow.status == OK, status_name(flow.status)
            while (budget := self.budgets[place]) is None or budget > 0:
                count = flow.send(BLOCK if budget is None else BLOCK[:budget])
                if count <= 0:
                    break
                if budget is not None:
                    self.budgets[place] = budget - count

    def run(self, duration: int) -> list[int]:
        """Lets `duration` ns pass; the bytes that each flow delivered meanwhile."""
        end = self.pair.now + duration
        before = list(self.received)
        self.work()
        while (due := self.pair.next_event()) is not None and due <= end:
            self.pair.step()
            self.work()
        self.pair.run_until(end)
        before += [0] * (len(self.received) - len(before))
        return [now - then for now, then in zip(self.received, before, strict=True)]

    def finish(self) -> None:
        """Ends everything; what the tests of all transfers hold holds here too."""
        for endpoint in (*self.flows, *self.ends):
            endpoint.abort()
        self.listener.close()
        self.pair.run_until(self.pair.now + 1000 * SECOND)
        for engine in (self.sender, self.receiver):
            left = {name: count for name, count in engine.usage().items() if count and name != "neighbors"}
            assert not left, f"left over: {left}"
            assert engine.counters()["IllegalTransitions"] == 0
