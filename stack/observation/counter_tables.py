"""The counters of a stack as the kernel groups its own in /proc/net/snmp and /proc/net/netstat; and our own beside."""

from collections.abc import Mapping
from typing import Final

KERNEL_TABLES: Final[dict[str, tuple[str, ...]]] = {
    "Ip": (
        "InReceives",
        "InHdrErrors",
        "InAddrErrors",
        "InUnknownProtos",
        "InDiscards",
        "InDelivers",
        "OutRequests",
        "OutDiscards",
        "OutNoRoutes",
        "ReasmTimeout",
        "ReasmReqds",
        "ReasmOKs",
        "ReasmFails",
        "FragOKs",
        "FragFails",
        "FragCreates",
    ),
    "Icmp": (
        "InMsgs",
        "InErrors",
        "InCsumErrors",
        "InDestUnreachs",
        "InTimeExcds",
        "InParmProbs",
        "InEchos",
        "OutDestUnreachs",
        "OutTimeExcds",
        "OutParmProbs",
        "OutEchoReps",
    ),
    "Tcp": (
        "ActiveOpens",
        "PassiveOpens",
        "AttemptFails",
        "EstabResets",
        "CurrEstab",
        "InSegs",
        "OutSegs",
        "RetransSegs",
        "InErrs",
        "OutRsts",
        "InCsumErrors",
    ),
    "Udp": ("NoPorts",),
    "TcpExt": (
        "SyncookiesSent",
        "SyncookiesRecv",
        "SyncookiesFailed",
        "EmbryonicRsts",
        "OutOfWindowIcmps",
        "TW",
        "TWRecycled",
        "PAWSEstab",
        "DelayedACKs",
        "ListenOverflows",
        "TCPPureAcks",
        "TCPRenoRecovery",
        "TCPSackRecovery",
        "TCPSACKReneging",
        "TCPFullUndo",
        "TCPDSACKUndo",
        "TCPLossUndo",
        "TCPFastRetrans",
        "TCPSlowStartRetrans",
        "TCPTimeouts",
        "TCPLossProbes",
        "TCPLossProbeRecovery",
        "TCPDSACKOldSent",
        "TCPDSACKOfoSent",
        "TCPDSACKRecv",
        "TCPAbortOnData",
        "TCPAbortOnClose",
        "TCPAbortOnTimeout",
        "TCPSpuriousRTOs",
        "TCPMD5NotFound",
        "TCPMD5Unexpected",
        "TCPMD5Failure",
        "TCPOFOQueue",
        "TCPOFODrop",
        "TCPChallengeACK",
        "TCPFastOpenActive",
        "TCPFastOpenActiveFail",
        "TCPFastOpenPassive",
        "TCPFastOpenPassiveFail",
        "TCPFastOpenListenOverflow",
        "TCPFastOpenCookieReqd",
        "TCPSynRetrans",
        "TCPACKSkippedChallenge",
        "TCPWinProbe",
        "TCPKeepAlive",
        "TCPMTUPFail",
        "TCPMTUPSuccess",
        "TCPAORequired",
        "TCPAOBad",
        "TCPAOKeyNotFound",
        "TCPAOGood",
        "TCPAODroppedIcmps",
    ),
    "IpExt": ("InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts"),
}
"""Table and names of the kernel, in its order; the counters of the core that mean the same."""

OWN_TABLE: Final = "Wspstack"
"""Where the counters stand that the kernel has not."""

# The core keeps one name space: these carry the table's name in front there.
_PREFIXED: Final = ("Icmp", "Udp")


def core_name(table: str, name: str) -> str:
    """Returns how the core calls a counter of a table of the kernel."""
    return f"{table}{name}" if table in _PREFIXED else name


def grouped(counters: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Returns the counters of `Stack.counters()` by table; those that are not the kernel's come last, in OWN_TABLE."""
    left = dict(counters)
    tables = {
        table: {name: left.pop(core_name(table, name)) for name in names if core_name(table, name) in left}
        for table, names in KERNEL_TABLES.items()
    }
    tables[OWN_TABLE] = left
    return tables
