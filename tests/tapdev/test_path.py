"""Two namespaces whose devices are descriptors of this process."""

import os
from ipaddress import IPv4Network

import pytest

from tapdev import Offload, PathLab

pytestmark = pytest.mark.live


def test_path_lab_gives_two_configured_ends_and_removes_both(tun_device: str) -> None:
    with PathLab(mtu=1400) as lab:
        assert lab.right_address in IPv4Network(f"{lab.left_address}/{lab.prefix}", strict=False)
        assert lab.left.name != lab.right.name
        for namespace, tap, address in (
            (lab.left, lab.left_tap, lab.left_address),
            (lab.right, lab.right_tap, lab.right_address),
        ):
            told = namespace.run(["ip", "-o", "address", "show", "dev", tap.name], capture_output=True, text=True)
            assert f"inet {address}/{lab.prefix}" in told.stdout
            told = namespace.run(["ip", "-o", "link", "show", "dev", tap.name], capture_output=True, text=True)
            assert "mtu 1400" in told.stdout
        places = [f"/run/netns/{namespace.name}" for namespace in (lab.left, lab.right)]
        assert lab.rootless or all(map(os.path.exists, places))
    assert not any(map(os.path.exists, places))
    assert lab.left_tap.closed
    assert lab.right_tap.closed


@pytest.mark.parametrize("wanted", [Offload.NONE, Offload.CSUM, Offload.CSUM | Offload.TSO4])
def test_path_lab_asks_for_the_offloads_that_are_wanted_and_no_more(tun_device: str, wanted: Offload) -> None:
    with PathLab(wanted=wanted) as lab:
        assert (lab.left_tap.offloads, lab.right_tap.offloads) == (wanted, wanted)
