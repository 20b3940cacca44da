"""What scanners make of a host of ours: answers as RFC 9293 has them, and numbers that nobody can foresee."""

import itertools
import re
from collections.abc import Callable, Iterator

import pytest

from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tests.live.host import LiveHost, live_host

pytestmark = pytest.mark.live

OPEN, CLOSED, SHELL = 2525, 2526, 2222
ELSEWHERE = "192.0.2.7"  # a second address of the prober's
WORD = 1 << 32
ZERO, STEPS, RANDOM_STEPS = "Z", "I", "RI"  # nmap's classes of IP identifications


def greeter(greeting: bytes) -> Callable[[StreamSocket], None]:
    """A service that says who it is."""

    def greet(connection: StreamSocket) -> None:
        connection.send(greeting)
        connection.finish(drain_milliseconds=200)

    return greet


@pytest.fixture
def scanned(programs: Callable[..., None]) -> Iterator[LiveHost]:
    """A host with a port that greets."""
    programs(nmap="nmap", hping3="hping3", ip="iproute2")
    # the seed decides which of the counters of identifications two addresses share, if any
    with live_host(seed=bytes(range(16))) as host:
        assert host.run("ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo").returncode == 0
        with Server(host.stack.provider, OPEN, greeter(b"220 wspstack ESMTP ready\r\n"), name="greeter"):
            yield host


def hping(host: LiveHost, *options: str, count: int) -> str:
    """What hping3 prints of so many probes, each of which must be answered."""
    told = host.run("hping3", "-n", "-c", str(count), "-i", "u20000", *options, host.address)
    assert f"{count} packets transmitted, {count} packets received" in told.stdout + told.stderr, told.stdout
    return str(told.stdout)


def fingerprint(output: str) -> dict[str, dict[str, str]]:
    """The tests of nmap's OS detection, by name: their results by theirs."""
    text = "".join(re.findall(r"^OS:(.*)$", output, re.MULTILINE))
    tests = re.findall(r"(\w+)\(([^)]*)\)", text)
    assert tests, output
    return {name: dict(each.split("=", 1) for each in results.split("%")) for name, results in tests}


# What RFC 9293 3.10.7 asks for: SYN to an open port is answered; no flag, or SYN and FIN, is not (SEG-10); an ACK gets
# RST numbered by it. A closed port answers RST to each, with an ACK of what had none (3.10.7.1).
ANSWERS = {
    "T1": {"R": "Y", "S": "O", "A": "S+", "F": "AS"},
    "T2": {"R": "N"},
    "T3": {"R": "N"},
    "T4": {"R": "Y", "S": "A", "A": "Z", "F": "R", "W": "0"},
    "T5": {"R": "Y", "S": "Z", "A": "S+", "F": "AR", "W": "0"},
    "T6": {"R": "Y", "S": "A", "A": "Z", "F": "R", "W": "0"},
    "T7": {"R": "Y", "S": "Z", "A": "S+", "F": "AR", "W": "0"},
    # the datagram comes back as it was sent (RFC 1122 3.2.2); echo with a code, with a type of service, without DF
    "U1": {"R": "Y", "RIPL": "G", "RID": "G", "RIPCK": "G", "RUCK": "G", "RUD": "G"},
    "IE": {"R": "Y", "CD": "Z"},
    # agrees to ECN (RFC 3168 6.1.1)
    "ECN": {"R": "Y", "CC": "Y"},
}


@pytest.mark.requirement("SND-1", "SEG-9", "SEG-10", "TCPX-1")
def test_nmap_finds_a_consistent_host_with_numbers_that_it_cannot_foresee(scanned: LiveHost) -> None:
    told = scanned.run(
        "nmap", "-n", "-Pn", "-O", "--max-os-tries", "1", "-d", "-p", f"{OPEN},{CLOSED}", scanned.address
    )
    found = fingerprint(told.stdout)
    print(found["SEQ"])
    for name, results in ANSWERS.items():
        assert {each: found[name].get(each) for each in results} == results, (name, found[name])
    sequence = found["SEQ"]
    # SP and ISR are eight times the logarithm of deviation and rate; all 32 bits at random give about 0x100. Random
    # numbers have a common divisor at times.
    assert int(sequence["SP"], 16) >= 0xE0
    assert int(sequence["ISR"], 16) >= 0xE0
    assert int(sequence["GCD"], 16) < 16
    # RFC 6864 4.1: what may not be cut needs none; the others are counted apart
    assert (sequence["TI"], sequence["CI"]) == (ZERO, ZERO)
    assert sequence["II"] in (STEPS, RANDOM_STEPS)
    assert sequence.get("SS", "O") == "O"
    # one clock of milliseconds, for all connections of a pair of addresses: about 1,000 a second
    assert sequence["TS"] in ("9", "A", "B")


def test_nmap_finds_services_by_what_they_say(scanned: LiveHost) -> None:
    with Server(scanned.stack.provider, SHELL, greeter(b"SSH-2.0-wspstack\r\n"), name="shell"):
        ports = f"{OPEN},{CLOSED},{SHELL}"
        told = scanned.run("nmap", "-n", "-Pn", "-sV", "-p", ports, "-oG", "-", scanned.address)
    found = {int(port): (state, service) for port, state, service in re.findall(r"(\d+)/(\w+)/tcp//(\w*)", told.stdout)}
    assert found[OPEN] == ("open", "smtp"), told.stdout
    assert found[SHELL] == ("open", "ssh"), told.stdout
    assert found[CLOSED][0] == "closed", told.stdout


def test_nmap_finds_udp_ports_closed(scanned: LiveHost) -> None:
    told = scanned.run("nmap", "-n", "-Pn", "-sU", "-p", "7,53,4000", "-oG", "-", scanned.address)
    assert re.findall(r"(\d+)/(\w+)/udp", told.stdout) == [(port, "closed") for port in ("7", "53", "4000")]


@pytest.mark.requirement("SEG-9", "SEG-10")
def test_hping3_scan_finds_the_open_port_and_no_silent_one(scanned: LiveHost) -> None:
    told = scanned.run("hping3", "--scan", f"{OPEN - 5}-{OPEN + 5}", "-S", "-V", scanned.address)
    found = dict(re.findall(r"^\s*(\d+)\s[^:]*:\s*([.FSRPAUXY]+)", told.stdout, re.MULTILINE))
    assert {int(port) for port, flags in found.items() if "S" in flags} == {OPEN}, told.stdout
    assert len(found) == 11, told.stdout
    assert all("R" in flags for port, flags in found.items() if int(port) != OPEN), told.stdout
    assert "Not responding ports: \n" in told.stdout + told.stderr


def sequence_numbers(told: str) -> list[int]:
    """Those of the segments that came back, of `hping3 --seqnum`."""
    return [int(each) for each in re.findall(r"^\s*(\d+) \+", told, re.MULTILINE)]


@pytest.mark.requirement("SND-1")
def test_initial_sequence_numbers_of_different_ports_have_nothing_in_common(scanned: LiveHost) -> None:
    count = 16
    numbers = sequence_numbers(hping(scanned, "-S", "-Q", "-p", str(OPEN), count=count))
    steps = [(after - before) % WORD for before, after in itertools.pairwise(numbers)]
    assert len(numbers) == count
    # no two steps are near each other, as those of a counter, of whatever rate, are
    steps.sort()
    assert min(after - before for before, after in itertools.pairwise(steps)) > 1 << 10
    assert steps[-1] - steps[0] > 1 << 30


@pytest.mark.requirement("SND-1")
def test_initial_sequence_numbers_of_one_pair_of_ports_go_on(scanned: LiveHost) -> None:
    told = hping(scanned, "-S", "-Q", "-p", str(OPEN), "-k", "-s", "5050", count=6)
    numbers = sequence_numbers(told)
    # RFC 9293 3.4.1: by a clock of 4 microseconds, so that old duplicates are not taken for new
    assert all(0 < (after - before) % WORD < 1 << 24 for before, after in itertools.pairwise(numbers))


@pytest.mark.requirement("TCPX-1")
def test_timestamps_are_one_clock_to_an_address_and_another_to_the_next(scanned: LiveHost) -> None:
    seen = []
    for source in (), ("-a", ELSEWHERE):
        told = hping(scanned, "-S", "-p", str(OPEN), "--tcp-timestamp", *source, count=5)
        stamps = [int(each) for each in re.findall(r"tcpts=(\d+)", told)]
        # RFC 7323 5.4: connections of different ports, one clock
        steps = [(after - before) % WORD for before, after in itertools.pairwise(stamps)]
        assert len(stamps) == 5
        assert all(0 < step < 60_000 for step in steps), stamps
        seen.append(stamps[0])
    # RFC 7323 7.1: nobody learns from it how long the host has been up
    assert min((seen[0] - seen[1]) % WORD, (seen[1] - seen[0]) % WORD) > 60_000


def identifications(told: str) -> list[int]:
    """Those of the packets that came back."""
    return [int(each) for each in re.findall(r" id=(\d+)", told)]


def test_ip_identifications_tell_an_address_nothing_of_what_others_get(scanned: LiveHost) -> None:
    before = identifications(hping(scanned, "-1", count=4))
    elsewhere = identifications(hping(scanned, "-1", "-a", ELSEWHERE, count=40))
    after = identifications(hping(scanned, "-1", count=4))
    steps = [
        (second - first) % 65536
        for numbers in (before + after, elsewhere)
        for first, second in itertools.pairwise(numbers)
    ]
    # each answer is up to 8 further, whatever others got in between (RFC 7739 5.3)
    assert all(1 <= step <= 8 for step in steps), (before, elsewhere, after)
    assert len(set(steps)) > 1
    # and those of segments are 0, as they are never cut (RFC 6864 4.1)
    assert set(identifications(hping(scanned, "-S", "-p", str(OPEN), count=4))) == {0}
