"""Labs of an ordinary user."""

from typing import Any

import pytest

pytestmark = pytest.mark.live

LAB = """
import tapdev, select
with tapdev.Lab() as lab:
    ping = lab.popen(["ping", "-c1", str(lab.stack_address)])
    select.select([lab.tap.fileno()], [], [])
    frame = os.read(lab.tap.fileno(), 65546)
    ping.kill()
    inside = lab.run(["id", "-u"], capture_output=True, text=True).stdout.strip()
    up = lab.run(["ip", "link", "set", "lo", "down"]).returncode
print(json.dumps([os.getuid(), lab.rootless, lab.tap.vnet_header, len(frame), inside, up, tapdev.clean()]))
"""

REFUSED = """
import tapdev
try:
    tapdev.Lab().open()
except tapdev.TapUnavailable as refusal:
    print(json.dumps(str(refusal)))
"""

VETH = """
import tapdev
with tapdev.VethLab() as lab:
    print(json.dumps([lab.rootless, lab.client.run(["ping", "-c1", str(lab.server_address)]).returncode]))
"""

NO_NAMESPACES = """
import tapdev, ctypes
open("/proc/self/setgroups")
with tapdev.Namespace.create("outer") as outer:
    limited = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'
    script = "import tapdev\\ntry: tapdev.Lab().open()\\nexcept tapdev.NamespaceUnavailable as refusal: print(refusal)"
    command = ["sh", "-c", limited, "sh", sys.executable, "-c", script]
    print(json.dumps(outer.run(command, capture_output=True, text=True).stdout))
"""


def test_ordinary_user_with_an_open_device_gets_a_lab(ordinary_user: Any, allowed_device: str) -> None:
    user, rootless, vnet_header, length, inside, status, removed = ordinary_user(LAB, device=allowed_device)
    assert user != 0
    assert (rootless, vnet_header, inside, status, removed) == (True, True, "0", 0, [])
    assert length > 10


def test_ordinary_user_with_a_forbidden_device_is_told_in_one_line(ordinary_user: Any, tmp_path: Any) -> None:
    message = ordinary_user(REFUSED, device=str(tmp_path / "tun"))
    assert "is forbidden to user 65534" in message
    assert "\n" not in message


def test_ordinary_user_without_device_is_told_in_one_line(ordinary_user: Any) -> None:
    message = ordinary_user(REFUSED, device="/dev/no-such-device")
    assert "/dev/no-such-device is missing" in message
    assert "\n" not in message


def test_ordinary_user_gets_a_veth_lab(ordinary_user: Any) -> None:
    assert ordinary_user(VETH) == [True, 0]


def test_ordinary_user_without_namespaces_is_told_in_one_line(ordinary_user: Any) -> None:
    message = ordinary_user(NO_NAMESPACES)
    assert message.count("\n") == 1
    assert "cannot make a network namespace" in message
    assert "max_net_namespaces" in message
