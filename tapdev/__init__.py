"""TAP devices, network namespaces and labs made of them. Knows the kernel, nothing of TCP/IP.

>>> from tapdev import Lab
>>> with Lab() as lab:
...     lab.run(["ip", "address"])
...     frame = os.read(lab.tap.fileno(), 65536 + 10)
"""

from tapdev.errors import LabUnavailable, LinkError, NamespaceUnavailable, TapUnavailable
from tapdev.lab import Lab
from tapdev.netns import Namespace
from tapdev.path import PathLab
from tapdev.stale import clean
from tapdev.tap import VNET_HEADER_LENGTH, Offload, Tap
from tapdev.veth import VethLab

__all__ = [
    "VNET_HEADER_LENGTH",
    "Lab",
    "LabUnavailable",
    "LinkError",
    "Namespace",
    "NamespaceUnavailable",
    "Offload",
    "PathLab",
    "Tap",
    "TapUnavailable",
    "VethLab",
    "clean",
]
