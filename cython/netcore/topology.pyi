"""What a simulated network is made of."""

from collections.abc import Mapping
from typing import Any, Self, final

from typing_extensions import Buffer, disjoint_base

from netcore.engine import Engine
from netcore.impair import Impairment

@final
class Switch:
    """A learning-free Ethernet switch: it knows where each host is, and floods what is for all. From Simulator.switch.

    It forwards at once: the rate and the queue of a port are those of the link behind it.
    """

    @property
    def name(self) -> str: ...
    @property
    def counters(self) -> dict[str, int]:
        """Frames forwarded, flooded (to all), and unknown: dropped because no host has the destination address."""

@final
class Link:
    """A link of two directions between two nodes. From Simulator.link."""

    @property
    def number(self) -> int:
        """Its place in the order of making, from 0."""
    @property
    def ends(self) -> tuple[Engine | Switch, Engine | Switch]: ...
    @property
    def forward(self) -> Impairment:
        """From ends[0] to ends[1]."""
    @property
    def backward(self) -> Impairment: ...
    def inject(self, frame: Buffer, forward: bool = True) -> None:
        """A frame that nobody has sent enters the link now, at ends[0] or (forward False) at ends[1]."""

@disjoint_base
class Topology:
    """Hosts, switches and links, made before the first event. Simulator is one."""

    def __new__(cls, *, seed: int, start: int = 0, **others: Any) -> Self: ...
    def host(self, address: str | None = None, *, prefix: int = 8, **arguments: Any) -> Engine:
        """Makes a host. address None: 10.0.0.1, 10.0.0.2 ... `arguments` are those of Engine, tunables included; its
        seed comes from the simulator's unless given."""
    def add(self, engine: Engine) -> Engine:
        """Takes in an engine that the caller has made. Its time must not be later than the simulator's.

        Raises ValueError when a loop or another simulator drives it, or when its address or MAC is here already.
        """
    def switch(self, name: str = "") -> Switch:
        """Makes a switch."""
    def link(
        self,
        one: Engine | Switch,
        other: Engine | Switch,
        *,
        forward: Impairment | Mapping[str, Any] | None = None,
        backward: Impairment | Mapping[str, Any] | None = None,
        **both: Any,
    ) -> Link:
        """Joins two nodes. `both` are arguments of Impairment for each direction; `forward` (one to other) and
        `backward` override them for theirs, or are an Impairment made by the caller. Seeds come from the simulator's
        and the link's number unless given.

        Raises ValueError: a host has one link; a link that closes a circle; hosts with and without Ethernet.
        """
