"""TAP and TUN devices: what is granted, and what is said when nothing is."""

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapdev import Namespace, Offload, Tap, TapUnavailable, link, tap, visiting
from tapdev.queue import QUEUE_LENGTH

KERNELS_QUEUE = 1000
ALL = Offload.CSUM | Offload.TSO4 | Offload.TSO6 | Offload.TSO_ECN


@pytest.fixture
def namespace(tun_device: str) -> Any:
    with Namespace.create(f"test-tap-{os.getpid()}") as made:
        yield made


@pytest.mark.parametrize("kind", ["tap", "tun"])
def test_device_opened_has_header_offloads_and_nonblocking_descriptor(namespace: Namespace, kind: Any) -> None:
    with namespace.open_tap("one", kind=kind) as device:
        assert (device.name, device.kind, device.vnet_header, device.offloads) == ("one", kind, True, ALL)
        with pytest.raises(BlockingIOError):
            os.read(device.fileno(), 65546)
        assert not os.get_inheritable(device.fileno())


def test_device_without_vnet_has_neither_header_nor_offloads(namespace: Namespace) -> None:
    with namespace.open_tap(vnet=False) as device:
        assert (device.vnet_header, device.offloads) == (False, Offload.NONE)


@pytest.mark.parametrize("kind", ["tap", "tun"])
def test_device_without_vnet_lets_a_thread_of_the_kernel_take_what_is_written(namespace: Namespace, kind: Any) -> None:
    if namespace.rootless:
        pytest.skip("an ordinary user may not see the device's attributes")
    with namespace.open_tap("one", kind=kind, vnet=False) as device:
        if device.thread_switch is None:
            pytest.skip("this kernel has no threaded NAPI")
        os.write(device.thread_switch, b"1")
        assert _threaded(namespace) == "1"
        os.write(device.thread_switch, b"0")
        assert _threaded(namespace) == "0"
        switch = device.thread_switch
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(switch)


def test_device_with_superframes_has_no_thread_switch(namespace: Namespace) -> None:
    with namespace.open_tap() as device:
        assert device.thread_switch is None


def test_device_whose_attributes_cannot_be_seen_has_no_thread_switch(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.ioctl

    def older_kernel(descriptor: int, request: int, argument: Any = 0) -> Any:
        if request == visiting._TUNGETDEVNETNS:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return real(descriptor, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", older_kernel)
    with namespace.open_tap(vnet=False) as device:
        assert device.thread_switch is None
    with namespace.open_tap("one"):
        assert queue_of(namespace, "one") == KERNELS_QUEUE


def queue_of(namespace: Namespace, name: str) -> int:
    """How many frames the kernel keeps for whoever reads the device."""
    with namespace.routes() as route:
        (device,) = route.get_links(ifname=name)
    length: int = device.get_attr("IFLA_TXQLEN")
    return length


def test_device_with_superframes_has_room_for_many_streams(namespace: Namespace) -> None:
    if namespace.rootless:
        pytest.skip("only a lab may set up what an ordinary user has opened for it")
    with namespace.open_tap("one"):
        assert queue_of(namespace, "one") == QUEUE_LENGTH


@pytest.mark.parametrize("wanted", [Offload.NONE, Offload.CSUM])
def test_queue_of_a_device_without_superframes_is_the_kernels(namespace: Namespace, wanted: Offload) -> None:
    with namespace.open_tap("one", wanted=wanted) as device:
        assert not device.superframes
        assert queue_of(namespace, "one") == KERNELS_QUEUE


def test_fault_during_a_visit_is_raised_and_a_refusal_is_none(namespace: Namespace) -> None:
    def refused() -> None:
        raise PermissionError

    with namespace.open_tap() as device:
        assert visiting.visit(device.fileno(), refused) is None
        if not namespace.rootless:
            with pytest.raises(ZeroDivisionError):
                visiting.visit(device.fileno(), lambda: 1 // 0)


def _threaded(namespace: Namespace) -> str:
    command = ["unshare", "--mount", "sh", "-c", "mount -t sysfs none /sys && cat /sys/class/net/one/threaded"]
    told: str = namespace.run(command, capture_output=True, text=True, check=True).stdout
    return told.strip()


def test_device_without_name_is_named_by_the_kernel(namespace: Namespace) -> None:
    with namespace.open_tap() as first, namespace.open_tap() as second:
        assert first.name
        assert first.name != second.name


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        (ALL, ALL),
        (Offload.CSUM | Offload.TSO4 | Offload.TSO6, Offload.CSUM | Offload.TSO4 | Offload.TSO6),
        (Offload.CSUM | Offload.TSO4, Offload.CSUM | Offload.TSO4),
        (Offload.CSUM, Offload.CSUM),
        (Offload.NONE, Offload.NONE),
    ],
)
def test_offloads_refused_leave_the_largest_granted_set(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, granted: Offload, expected: Offload
) -> None:
    real = fcntl.ioctl
    set_last = []

    def older_kernel(descriptor: int, request: int, argument: Any = 0) -> Any:
        if request == tap._TUNSETOFFLOAD:
            if argument & ~granted:
                raise OSError(errno.EINVAL, "Invalid argument")
            set_last.append(argument)
        return real(descriptor, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", older_kernel)
    with namespace.open_tap() as device:
        assert device.offloads == expected
        assert set_last[-1] == expected


def test_closed_device_is_gone_and_has_no_descriptor(namespace: Namespace) -> None:
    device = namespace.open_tap("one")
    device.close()
    device.close()
    assert device.closed
    with pytest.raises(ValueError, match="'one' is closed"):
        device.fileno()
    with namespace.routes() as route:
        assert list(route.link_lookup(ifname="one")) == []


def refusal(make: Callable[[], Tap]) -> str:
    """Returns the message of the refusal, after a look at its form."""
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TapUnavailable) as caught:
        make()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def test_name_taken_is_refused(namespace: Namespace) -> None:
    with namespace.open_tap("one"):
        assert "'one' is taken" in refusal(lambda: namespace.open_tap("one"))


def test_name_of_a_persistent_device_is_refused_where_a_new_one_is_wanted(namespace: Namespace) -> None:
    make_persistent(namespace)
    assert "'lasting' is taken" in refusal(lambda: namespace.open_tap("lasting"))


def test_name_of_another_kind_of_interface_is_refused(tun_device: str) -> None:
    assert "'lo' cannot be opened as tap" in refusal(lambda: Tap.open("lo"))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize(("user", "advice"), [(1000, "chmod 0666"), (0, "--device")])
def test_device_node_forbidden_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: int, user: int, advice: str
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    message = refusal(lambda: Tap.open(device="/dev/net/tun"))
    assert f"/dev/net/tun is forbidden to user {user}" in message
    assert advice in message


@pytest.mark.parametrize("name", ["a" * 16, "a/b", "a b"])
def test_name_that_no_interface_can_have_is_refused(namespace: Namespace, name: str) -> None:
    assert repr(name) in refusal(lambda: namespace.open_tap(name))


def test_device_node_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "tun")
    message = refusal(lambda: Tap.open(device=path))
    assert f"{path} is missing" in message
    assert "modprobe tun" in message


def test_device_node_missing_inside_a_namespace_is_said(namespace: Namespace, tmp_path: Path) -> None:
    assert "is missing" in refusal(lambda: namespace.open_tap(device=str(tmp_path / "tun")))


def test_device_node_of_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSPSTACK_TUN_DEVICE", "/dev/null")
    assert "/dev/null is not the TUN/TAP device" in refusal(Tap.open)


def test_device_asked_for_as_existing_and_absent_is_refused(tun_device: str) -> None:
    assert "there is no device 'absent'" in refusal(lambda: Tap.open("absent", existing=True))


def test_kind_unknown_raises_value_error(namespace: Namespace) -> None:
    with pytest.raises(ValueError, match="'tip'"):
        namespace.open_tap(kind="tip")  # type: ignore[arg-type]


PERSISTENT = """
import tapdev, tapdev.tap, fcntl
with tapdev.Tap.open("lasting", existing=True, kind={kind!r}) as device:
    print(device.name, device.vnet_header, int(device.offloads))
"""


def make_persistent(namespace: Namespace) -> None:
    with namespace.open_tap("lasting") as made:
        fcntl.ioctl(made.fileno(), 0x400454CB, 1)  # TUNSETPERSIST


def open_persistent(namespace: Namespace, kind: str) -> str:
    make_persistent(namespace)
    return open_again(namespace, kind)


def open_again(namespace: Namespace, kind: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PERSISTENT.format(kind=kind)]
    result = namespace.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return str(result.stdout or result.stderr.splitlines()[-1])


def test_persistent_device_in_the_current_namespace_is_opened(namespace: Namespace) -> None:
    assert open_persistent(namespace, "tap").split() == ["lasting", "True", str(int(ALL))]
    with namespace.routes() as route:
        assert list(route.link_lookup(ifname="lasting"))


def test_persistent_device_of_the_other_kind_is_refused(namespace: Namespace) -> None:
    assert "'lasting' cannot be opened as tun" in open_persistent(namespace, "tun")


def test_queue_of_a_device_that_somebody_keeps_is_as_it_was(namespace: Namespace) -> None:
    make_persistent(namespace)
    with namespace.routes() as route:
        link.set_queue_length(route, "lasting", 77)
    assert open_again(namespace, "tap").startswith("lasting True")
    assert queue_of(namespace, "lasting") == 77
