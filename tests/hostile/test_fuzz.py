"""Hostile bytes: hosts with live connections under attack, a bounded part of the campaign of scripts/fuzz.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from netcore.engine import build_information
from tests.hostile import campaign, leaks
from tests.hostile.world import SETTINGS, Setting, World

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 25_000


@pytest.mark.requirement(
    "LIM-4",
    "REC-1",
    "REC-7",
    "REC-9",
    "SEG-4",
    "SEG-5",
    "SEG-6",
    "SEG-7",
    "SEG-13",
    "SEG-16",
    "TCPX-1",
    "TCPX-6",
    "TCPX-7",
)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
@pytest.mark.parametrize("seed", [13, 14])
def test_host_under_attack_keeps_its_live_connections(setting: Setting, seed: int) -> None:
    result = campaign.run_setting(setting, seed, FRAMES)
    # an attack that reaches nothing would pass as well
    assert result.live_bytes > 1_000_000
    assert result.states >= 8
    for name in (
        "OutRsts", "TCPChallengeACK", "InCsumErrors", "ListenOverflows", "PassiveOpens", "ReasmFails",
        "ReasmOKs", "ReasmTimeout", "TCPSackRecovery", "TCPDSACKRecv", "TCPDSACKOldSent", "InCEPkts",
        "TCPMD5NotFound", "TCPFastOpenPassive", "TCPFastOpenPassiveFail", "TCPFastOpenCookieReqd",
    ):  # fmt: skip
        assert result.counters[name] > 0, name
    # what somebody else would have said on the connection that is signed
    assert result.counters["TCPMD5Failure" if setting.signature == "md5" else "TCPAOBad"] > 0
    # the accurate form of ECN (RFC 9768), which the other settings do not ask for, has no CWR
    assert result.counters["TCPCWRSent"] > 0 or setting.ecn == 3


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_host_under_attack_leaks_nothing(setting: Setting) -> None:
    if not leaks.is_available():
        pytest.skip("the ordinary core has no leak sanitizer; scripts/fuzz.py --sanitize has")
    campaign.run_setting(setting, 21, 2_000)
    assert leaks.find_leaks() == []


@pytest.mark.requirement("LIM-5")
def test_same_seed_gives_the_same_frames() -> None:
    first, again, other = (campaign.run_setting(SETTINGS[1], seed, 3_000) for seed in (5, 5, 6))
    assert first.digest == again.digest
    assert first.counters == again.counters
    assert first.digest != other.digest


@pytest.mark.requirement("SEG-3", "SEG-4", "SEG-5", "SEG-6", "SEG-13", "SEG-14", "TCPX-1")
@pytest.mark.parametrize("fault", range(10))
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_segment_with_one_fault_changes_nothing(setting: Setting, fault: int) -> None:
    world = World(setting, fault)
    for _ in range(40):
        for _ in range(5):
            world.victim.frame_arrives(world.attacker.blind_segment(fault), world.now)
        for connection in world.live:
            connection.work(world.source)
        world.settle(2)
    world.finish()


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_million_hostile_frames_under_sanitizers_find_nothing(request: pytest.FixtureRequest) -> None:
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("a campaign of minutes, run by -m campaign: scripts/fuzz.py --frames 1000000 --sanitize")
    if build_information()["address_sanitizer"]:
        pytest.skip("starts the sanitized core by itself; run it with the ordinary one")
    command = [sys.executable, "scripts/fuzz.py", "--frames", "1000000", "--sanitize"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^leaks of the core: 0$", result.stdout, re.MULTILINE)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_leak_that_was_planted_is_found(request: pytest.FixtureRequest) -> None:
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("builds the sanitized core, run by -m campaign: scripts/fuzz.py --plant-leak --sanitize")
    command = [sys.executable, "scripts/fuzz.py", "--frames", "400", "--plant-leak", "--sanitize"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "host_open" in result.stderr
