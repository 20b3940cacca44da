"""Labs: addresses, frames that really pass, names and networks that are taken."""

import ipaddress
import os
import select
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from tapdev import VNET_HEADER_LENGTH, Lab, LinkError, NamespaceUnavailable, TapUnavailable, VethLab, claim, link
from tapdev.claim import Claim, claim_and_make
from tapdev.netns import NAMES
from tapdev.queue import QUEUE_LENGTH

pytestmark = pytest.mark.live

WAIT = 10_000  # ms until a frame that the kernel owes counts as missing
NEEDS_CHECKSUM = 1  # VIRTIO_NET_HDR_F_NEEDS_CSUM
GSO_TCPV4 = 1  # VIRTIO_NET_HDR_GSO_TCPV4
VNET_HEADER = struct.Struct("=BBHHHH")  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
OUR_MAC = "02:00:00:00:00:02"


def next_frame(lab: Lab) -> bytes:
    """Returns the next frame of the kernel, with its virtio-net header."""
    ready = select.poll()
    ready.register(lab.tap.fileno(), select.POLLIN)
    assert ready.poll(WAIT), "the kernel sent nothing"
    return os.read(lab.tap.fileno(), 65536 + VNET_HEADER_LENGTH)


def next_packet(lab: Lab, kind: type[Packet]) -> tuple[bytes, Packet]:
    """Returns header and content of the next frame that holds a `kind`."""
    length = VNET_HEADER_LENGTH if lab.tap.vnet_header else 0
    while True:
        frame = next_frame(lab)
        packet = (Ether if lab.tap.kind == "tap" else IP)(frame[length:])
        if packet.haslayer(kind):
            return frame[:length], packet


def send(lab: Lab, packet: Packet) -> None:
    """Sends a packet to the kernel."""
    os.write(lab.tap.fileno(), bytes(VNET_HEADER_LENGTH if lab.tap.vnet_header else 0) + bytes(packet))


def test_lab_open_has_the_addresses_mtu_and_queue_asked_for(tun_device: str, rootless: bool) -> None:
    with Lab("192.0.2.9/28", "192.0.2.3", mtu=9000, txqueuelen=123, kind="tun", rootless=rootless) as lab:
        assert (lab.kernel_address, lab.stack_address) == tuple(map(ipaddress.ip_address, ("192.0.2.9", "192.0.2.3")))
        assert (lab.prefix, lab.mtu, lab.tap.kind, lab.rootless) == (28, 9000, "tun", rootless)
        shown = lab.run(["ip", "address", "show", lab.tap.name], capture_output=True, text=True).stdout
        assert "inet 192.0.2.9/28 " in shown
        assert "mtu 9000 " in shown
        assert "qlen 123\n" in shown
        assert ",UP," in shown
        assert ",UP," in lab.run(["ip", "link", "show", "lo"], capture_output=True, text=True).stdout


@pytest.mark.parametrize(("vnet", "frames"), [(True, QUEUE_LENGTH), (False, 1000)])
def test_queue_of_a_lab_has_room_for_superframes(tun_device: str, rootless: bool, vnet: bool, frames: int) -> None:
    with Lab(vnet=vnet, rootless=rootless) as lab:
        shown = lab.run(["ip", "link", "show", lab.tap.name], capture_output=True, text=True).stdout
        assert f"qlen {frames}\n" in shown


def test_lab_open_without_arguments_takes_a_network_of_its_own(tun_device: str) -> None:
    with Lab() as lab, Lab() as other:
        for one in (lab, other):
            number = one.namespace.removeprefix("wspstack-")
            assert str(one.kernel_address) == f"10.77.{number}.1"
            assert str(one.stack_address) == f"10.77.{number}.2"
            assert (one.prefix, one.mtu, one.tap.kind, one.tap.vnet_header) == (24, 1500, "tap", True)
        assert lab.namespace != other.namespace


def test_kernel_pinging_asks_by_arp_behind_a_vnet_header(tun_device: str, rootless: bool) -> None:
    with Lab(rootless=rootless) as lab:
        with lab.popen(["ping", "-c1", str(lab.stack_address)], stdout=subprocess.DEVNULL) as ping:
            header, packet = next_packet(lab, ARP)
            assert header == bytes(VNET_HEADER_LENGTH)
            assert (packet[ARP].psrc, packet[ARP].pdst) == (str(lab.kernel_address), str(lab.stack_address))
            ping.kill()


@pytest.mark.parametrize("vnet", [True, False], ids=["vnet", "plain"])
def test_kernel_pinging_and_answered_over_tap_is_content(tun_device: str, rootless: bool, vnet: bool) -> None:
    with Lab(rootless=rootless, vnet=vnet) as lab:
        with lab.popen(["ping", "-c1", str(lab.stack_address)], stdout=subprocess.DEVNULL) as ping:
            _, asked = next_packet(lab, ARP)
            ours = ARP(op=2, hwsrc=OUR_MAC, psrc=asked[ARP].pdst, hwdst=asked.src, pdst=asked[ARP].psrc)
            send(lab, Ether(src=OUR_MAC, dst=asked.src) / ours)
            _, echo = next_packet(lab, ICMP)
            send(lab, Ether(src=echo.dst, dst=echo.src) / answer(echo))
            assert ping.wait(timeout=WAIT) == 0


def test_kernel_pinging_and_answered_over_tun_is_content(tun_device: str, rootless: bool) -> None:
    with Lab(rootless=rootless, kind="tun") as lab:
        with lab.popen(["ping", "-c1", str(lab.stack_address)], stdout=subprocess.DEVNULL) as ping:
            _, echo = next_packet(lab, ICMP)
            send(lab, answer(echo))
            assert ping.wait(timeout=WAIT) == 0


def answer(echo: Packet) -> Packet:
    """Returns the echo reply to an echo request, from its IP header on."""
    reply = ICMP(type=0, id=echo[ICMP].id, seq=echo[ICMP].seq) / Raw(bytes(echo[ICMP].payload))
    return IP(src=echo[IP].dst, dst=echo[IP].src) / reply


def send_datagram(lab: Lab) -> None:
    """Makes the kernel send one datagram to the stack's address."""
    script = f"import socket; socket.socket(2, 2).sendto(b'word', ('{lab.stack_address}', 9))"
    assert lab.run(["python3", "-c", script]).returncode == 0


def test_checksum_granted_is_left_to_us_in_the_header(tun_device: str) -> None:
    with Lab(kind="tun") as lab:
        send_datagram(lab)
        header, packet = next_packet(lab, UDP)
        flags, _, _, _, start, offset = VNET_HEADER.unpack(header)
        assert (flags, start, offset) == (NEEDS_CHECKSUM, 20, 6)
        assert bytes(packet[UDP].payload) == b"word"


def test_checksum_without_vnet_is_the_kernels(tun_device: str) -> None:
    with Lab(kind="tun", vnet=False) as lab:
        send_datagram(lab)
        _, packet = next_packet(lab, UDP)
        sent = packet[UDP].chksum
        del packet[UDP].chksum
        assert IP(bytes(packet))[UDP].chksum == sent


def test_command_run_in_the_lab_hands_back_its_exit_status(tun_device: str, rootless: bool) -> None:
    with Lab(rootless=rootless) as lab:
        assert lab.run(["sh", "-c", "exit 7"]).returncode == 7
        assert lab.popen(["true"]).wait() == 0


def test_lab_closed_leaves_no_descriptor_and_no_name(tun_device: str, rootless: bool) -> None:
    before = len(os.listdir("/proc/self/fd"))
    lab = Lab(rootless=rootless).open()
    lab.close()
    lab.close()
    assert lab.tap.closed
    assert len(os.listdir("/proc/self/fd")) == before
    assert not (NAMES / lab.namespace).exists()


def test_lab_closed_can_be_opened_again(tun_device: str) -> None:
    lab = Lab()
    with lab, pytest.raises(RuntimeError, match="is open already"):
        lab.open()
    with lab:
        assert lab.run(["true"]).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"kernel_address": "10.1.2"}, "10.1.2"),
        ({"kernel_address": "10.1.2.3/32"}, "10.1.2.3/32"),
        ({"kernel_address": "10.1.2.3/24", "stack_address": "10.1.3.4"}, "10.1.3.4"),
        ({"kernel_address": "10.1.2.3/24", "stack_address": "10.1.2.3"}, "10.1.2.3"),
        ({"kernel_address": "10.1.2.3/24", "stack_address": "fe80::1"}, "fe80::1"),
        ({"stack_address": "10.1.2.3"}, "10.1.2.3"),
    ],
)
def test_address_wrong_raises_value_error_naming_it(arguments: dict[str, Any], value: str) -> None:
    with pytest.raises(ValueError) as caught:
        Lab(**arguments)
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kernel_address", "stack_address"),
    [("10.1.2.1/24", "10.1.2.2"), ("10.1.2.5/24", "10.1.2.1"), ("10.1.2.0/31", "10.1.2.1"), ("fd00::1/64", "fd00::2")],
)
def test_stack_address_left_out_is_the_first_other_host(
    tun_device: str, kernel_address: str, stack_address: str
) -> None:
    with Lab(kernel_address) as lab:
        assert str(lab.stack_address) == stack_address


def test_mtu_refused_by_the_kernel_is_said_and_leaves_nothing(tun_device: str, rootless: bool) -> None:
    lab = Lab(mtu=70000, rootless=rootless)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LinkError, match="MTU 70000"):
        lab.open()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not (NAMES / lab.namespace).exists()


def test_device_missing_is_said_and_leaves_nothing(tmp_path: Path, rootless: bool) -> None:
    lab = Lab(device=str(tmp_path / "tun"), rootless=rootless)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TapUnavailable, match="is missing"):
        lab.open()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not (NAMES / lab.namespace).exists()


def test_claims_made_at_once_never_give_a_number_twice() -> None:
    claims: list[Claim] = []
    start = threading.Barrier(64)

    def take() -> None:
        start.wait()
        claims.append(claim_and_make(lambda made: None)[0])

    threads = [threading.Thread(target=take) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [made.number for made in claims]
    for made in claims:
        made.close()
    assert len(set(numbers)) == 64


def test_claim_that_fails_to_be_used_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Claim] = []

    def fail(made: Claim) -> None:
        tried.append(made)
        raise TapUnavailable("no device")

    with pytest.raises(TapUnavailable):
        claim_and_make(fail)
    Claim(tried[0].number).close()


def test_networks_of_the_machine_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    used = [ipaddress.ip_network("10.77.0.0/17"), ipaddress.ip_network("fe80::/64")]
    monkeypatch.setattr(link, "networks_in_use", lambda route: used)
    made, _ = claim_and_make(lambda made: None)
    with_network = str(made.network)
    made.close()
    assert made.number >= 128
    assert with_network == f"10.77.{made.number}.0/24"


def test_no_number_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_NUMBERS", range(1))
    monkeypatch.setattr(link, "networks_in_use", lambda route: [ipaddress.ip_network("10.0.0.0/8")])
    with pytest.raises(NamespaceUnavailable, match="are taken"):
        claim_and_make(lambda made: None)


def test_networks_in_use_are_addresses_and_routes_without_the_default(tun_device: str) -> None:
    with Lab("192.0.2.1/24") as lab, lab.inside.routes() as route:
        link.add_route(route, ipaddress.IPv4Network("198.51.100.0/24"), gateway=lab.stack_address)
        link.add_route(route, None, gateway=lab.stack_address)
        used = set(map(str, link.networks_in_use(route)))
        assert {"127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24"} <= used
        assert "0.0.0.0/0" not in used


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_veth_lab_joins_client_and_server(rootless: bool, mtu: int) -> None:
    with VethLab(rootless=rootless, mtu=mtu) as lab:
        ping = ["ping", "-c1", "-Mdo", f"-s{mtu - 28}", str(lab.server_address)]
        assert lab.client.run(ping, stdout=subprocess.DEVNULL).returncode == 0
        assert lab.server.run(["ping", "-c1", str(lab.client_address)], stdout=subprocess.DEVNULL).returncode == 0
        assert lab.rootless is rootless
        names = (lab.client.name, lab.server.name)
    assert not any((NAMES / name).exists() for name in names)
