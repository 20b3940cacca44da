"""A scenario: everything that determines a run of the simulator, as data that a person can read and edit."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Settings = dict[str, Any]
"""Arguments of the core by name: numbers in ns, bytes, bits per second and parts per million."""


class ScenarioError(ValueError):
    """A scenario that cannot be read or built: its text says where and why."""


@dataclass(slots=True)
class LinkPlan:
    """A link between two hosts or switches.

    ends: their names. both: arguments of `netcore.impair.Impairment` for each direction; `forward` (from ends[0] to
    ends[1]) and `backward` override them for theirs.
    """

    ends: tuple[str, str]
    both: Settings = field(default_factory=dict)
    forward: Settings = field(default_factory=dict)
    backward: Settings = field(default_factory=dict)

    __pydantic_config__ = {"extra": "forbid"}


@dataclass(slots=True)
class FlowPlan:
    """A connection that the core plays: arguments of `netcore.simulator.Simulator.flow`, hosts by their names."""

    client: str
    server: str
    send: int = 0
    reply: int = 0
    port: int = 80
    start: int = 0
    backlog: int = 65536
    together: bool = False
    client_habits: Settings = field(default_factory=dict)
    server_habits: Settings = field(default_factory=dict)

    __pydantic_config__ = {"extra": "forbid"}


@dataclass(slots=True)
class Scenario:
    """Hosts, switches, links and flows.

    seed: of the simulator, from which those of hosts and links are derived.
    hosts: arguments of `netcore.engine.Engine`, tunables included, by the host's name; addresses are given in the order
        of the names.
    start: the clock's first time in ns; the times of flows and links count from there.
    patient: hosts try for so long that no connection may fail, whatever the links do before they are healed.
    events: most events of the run; one that needs more goes on for ever.
    """

    seed: int
    hosts: dict[str, Settings]
    links: list[LinkPlan]
    flows: list[FlowPlan]
    switches: list[str] = field(default_factory=list)
    start: int = 0
    patient: bool = False
    events: int = 20_000_000

    __pydantic_config__ = {"extra": "forbid"}

    def to_json(self, indent: int | None = 1) -> str:
        """Returns its text; `read_scenario` reads it."""
        given = dataclasses.asdict(self)
        for name in ("links", "flows"):
            given[name] = [{key: value for key, value in item.items() if value != {}} for item in given[name]]
        return json.dumps(given, indent=indent)


def read_scenario(text: str | bytes, place: str = "scenario") -> Scenario:
    """Reads a scenario from JSON. Raises ScenarioError that begins with `place` and names what is wrong."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Scenario).validate_json(text)
    except ValidationError as failure:
        first = failure.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{place}: {where + ': ' if where else ''}{first['msg']}") from None


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file. Raises OSError, or ScenarioError naming the file and what is wrong in it."""
    return read_scenario(path.read_bytes(), str(path))
