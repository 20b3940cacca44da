"""Counters stand under the names of the kernel's tables, and what the kernel has not stands apart."""

from pathlib import Path

import pytest

from netcore.engine import Engine
from stack.observation.counter_tables import KERNEL_TABLES, OWN_TABLE, grouped
from tests.observation.observed import HandStack

PROC = Path("/proc/net")

# the core's that no kernel has: a new counter goes into a table of the kernel's, or here
OWN = {
    "IcmpOutRateLimited",
    "SynFloodsBegun",
    "SynFloodsEnded",
    "TCPECNFallbacks",
    "TCPCWRSent",
    "PathBlackHoles",
    "TCPTSMissing",
    "ArpInRequests",
    "ArpInReplies",
    "ArpOutRequests",
    "ArpOutReplies",
    "NeighborQueueDrops",
    "NeighborFailures",
    "FramesIn",
    "FramesOut",
    "FramesBad",
    "ReplyDrops",
    "CaptureDrops",
    "IllegalTransitions",
}

# the kernel's since 6.7
LATER = {"TCPAORequired", "TCPAOBad", "TCPAOKeyNotFound", "TCPAOGood", "TCPAODroppedIcmps"}


def kernel_names() -> dict[str, set[str]]:
    """Table and names of the running kernel."""
    tables: dict[str, set[str]] = {}
    for file in ("snmp", "netstat"):
        for line in (PROC / file).read_text().splitlines()[::2]:
            table, names = line.split(":")
            tables[table] = set(names.split())
    return tables


def core_counters() -> dict[str, int]:
    return Engine(address="10.0.0.1", prefix=24, seed=bytes(16)).counters()


@pytest.mark.parametrize("table", KERNEL_TABLES)
def test_names_that_we_give_as_the_kernels_are(table: str) -> None:
    assert set(KERNEL_TABLES[table]) - kernel_names()[table] - LATER == set()


def test_every_counter_has_one_place() -> None:
    tables = grouped(core_counters())
    assert tables[OWN_TABLE].keys() == OWN
    assert {table: tuple(names) for table, names in tables.items() if table != OWN_TABLE} == KERNEL_TABLES


def test_name_of_ours_is_none_of_the_kernels_in_that_place() -> None:
    known = kernel_names()
    names = {name for table in ("Ip", "Tcp", "TcpExt", "IpExt") for name in known[table]}
    names |= {f"{table}{name}" for table in ("Icmp", "Udp") for name in known[table]}
    assert names & OWN == set()


def test_values_are_those_of_the_core() -> None:
    stack = HandStack()
    stack.connection(1000)
    tables = grouped(stack.counters())
    assert tables["Tcp"]["PassiveOpens"] == 1
    assert tables["Tcp"]["InSegs"] == 3
    assert tables["Ip"]["InReceives"] == 3
    assert "NoPorts" in tables["Udp"]
