"""Writes a run to a pcapng file that replays: the scenario stands in the comment of the section.

Each link is an interface, named after its ends; a frame is outbound when it goes from the first to the second, and its
time is the virtual one of its arrival.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netcore.observed import Frame
from stack.capture import LINKTYPE_ETHERNET, LINKTYPE_RAW, NANOSECONDS, direction_flags
from stack.simulation.running import Outcome, build, finish
from stack.simulation.scenario import Scenario, ScenarioError, read_scenario

# an option's length has 16 bits
COMMENT_MOST = 65_000
TITLE = "wspstack simulation"


@dataclass(slots=True)
class Recording:
    """A capture of a run that was read back. links: the numbers of those recorded."""

    scenario: Scenario
    trace_hash: int
    links: list[int]
    frames: list[Frame]


def record(scenario: Scenario, path: Path, *, links: list[int] | None = None, check: bool = True) -> Outcome:
    """Runs a scenario and writes what arrived over `links` (None: all) to `path`.

    Raises OSError when the file cannot be written, and ScenarioError.
    """
    with path.open("wb", buffering=1 << 20) as file:
        outcome, frames = run_recorded(scenario, links=links, check=check)
        chosen = list(range(len(scenario.links))) if links is None else sorted(set(links))
        _write(file, scenario, outcome, chosen, frames)
    return outcome


def run_recorded(
    scenario: Scenario, *, links: list[int] | None = None, check: bool = True
) -> tuple[Outcome, list[Frame]]:
    """Runs a scenario and returns what came of it and the frames that arrived over `links` (None: all)."""
    network = build(scenario, check=check)
    for number in links or ():
        if not 0 <= number < len(network.links):
            raise ScenarioError(f"there is no link {number}: the last is {len(network.links) - 1}")
    network.simulator.record(None if links is None else [network.links[number] for number in set(links)])
    outcome = finish(scenario, network)
    return outcome, network.simulator.recorded()


def _write(file: Any, scenario: Scenario, outcome: Outcome, links: list[int], frames: list[Frame]) -> None:
    from pcapng import blocks, writer

    text = json.dumps({"title": TITLE, "trace_hash": f"{outcome.trace_hash:016x}", "links": links}) + "\n"
    text += scenario.to_json(indent=None)
    comments = [text[at : at + COMMENT_MOST] for at in range(0, len(text), COMMENT_MOST)]
    options = {"opt_comment": comments, "shb_userappl": "wspstack"}
    section = blocks.SectionHeader(options=options)
    for number in links:
        section.new_member(
            blocks.InterfaceDescription,
            link_type=LINKTYPE_ETHERNET if _has_ethernet(scenario, number) else LINKTYPE_RAW,
            snaplen=0,
            options={"if_name": " - ".join(scenario.links[number].ends), "if_tsresol": NANOSECONDS},
        )
    output = writer.FileWriter(file, section)
    flags = {False: direction_flags("inbound"), True: direction_flags("outbound")}
    interfaces = {number: interface for interface, number in enumerate(links)}
    for frame in frames:
        packet = section.new_member(
            blocks.EnhancedPacket,
            interface_id=interfaces[frame.link],
            timestamp_high=frame.time >> 32,
            timestamp_low=frame.time & 0xFFFFFFFF,
            packet_data=frame.octets,
        )
        packet.options["epb_flags"] = flags[frame.forward]
        output.write_block(packet)


def _has_ethernet(scenario: Scenario, number: int) -> bool:
    """Whether frames of a link have Ethernet headers: as those of any host that it leads to."""
    reached = set(scenario.links[number].ends)
    while not reached & scenario.hosts.keys():
        wider = reached.union(*(link.ends for link in scenario.links if reached & set(link.ends)))
        if wider == reached:
            return True
        reached = wider
    return bool(scenario.hosts[min(reached & scenario.hosts.keys())].get("ethernet", True))


def read_recording(path: Path) -> Recording:
    """Reads a file that `record` has written. Raises OSError, or ScenarioError when it is another's."""
    from pcapng import FileScanner, blocks

    scenario: Scenario | None = None
    head: dict[str, Any] = {}
    frames: list[Frame] = []
    with path.open("rb") as file:
        try:
            for block in FileScanner(file):
                if isinstance(block, blocks.SectionHeader):
                    scenario, head = _read_comment("".join(block.options.get_all("opt_comment")), path)
                elif isinstance(block, blocks.EnhancedPacket):
                    frames.append(_frame(block, head["links"]))
        except ScenarioError:
            raise
        except Exception as error:
            raise ScenarioError(f"{path}: not a whole pcapng file: {error}") from None
    if scenario is None:
        raise ScenarioError(f"{path}: the file is empty")
    return Recording(scenario, int(head["trace_hash"], 16), head["links"], frames)


def recorded_scenario(path: Path) -> Scenario:
    """Returns the scenario of a file that `record` has written, its frames unread. Raises as `read_recording`."""
    from pcapng import FileScanner

    with path.open("rb") as file:
        try:
            section = next(iter(FileScanner(file)))
        except Exception as error:
            raise ScenarioError(f"{path}: no pcapng file: {error}") from None
    return _read_comment("".join(section.options.get_all("opt_comment")), path)[0]


def _read_comment(comment: str, path: Path) -> tuple[Scenario, dict[str, Any]]:
    first, _, rest = comment.partition("\n")
    try:
        head: dict[str, Any] = json.loads(first)
        if head["title"] != TITLE:
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise ScenarioError(f"{path}: no capture of a simulated run: its section has no scenario in it") from None
    return read_scenario(rest, str(path)), head


def _frame(block: Any, links: list[int]) -> Frame:
    time = (block.timestamp_high << 32) | block.timestamp_low
    forward = block.options["epb_flags"].inout == "outbound"
    return Frame(time, links[block.interface_id], forward, bytes(block.packet_data))


def difference(recording: Recording, outcome: Outcome, frames: list[Frame]) -> str | None:
    """Returns in what a new run of a recorded scenario is not the recorded one; None: they are the same."""
    for number, (then, now) in enumerate(zip(recording.frames, frames, strict=False)):
        if then != now:
            return f"frame {number + 1} is another: {describe(then)} then, {describe(now)} now"
    if len(recording.frames) != len(frames):
        return f"{len(recording.frames)} frames then, {len(frames)} now"
    if recording.trace_hash != outcome.trace_hash:
        return f"all recorded frames are equal, but the trace is {outcome.trace_hash:016x} and not the same"
    return None


def describe(frame: Frame) -> str:
    """Returns a few words on a frame."""
    way = "forward" if frame.forward else "backward"
    return f"{len(frame.octets)} octets at {frame.time} ns over link {frame.link} {way}"
