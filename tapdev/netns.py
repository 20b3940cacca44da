"""Network namespaces: made, entered, removed; as root with a name in /run/netns, as an ordinary user without.

Each namespace has a holder process (tapdev/holder.py) that lives in it, hands out descriptors opened there, and cleans
up when this process ends, however it ends. Nothing here moves the calling process or one of its threads.
"""

import contextlib
import errno
import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2 import netns as kernel_names

from tapdev import link
from tapdev.errors import NamespaceUnavailable
from tapdev.holder import MARK, remove_name
from tapdev.owner import Holder
from tapdev.spawn import Command, popen_inside, run_with
from tapdev.tap import Kind, Offload, Tap, device_path, device_unavailable

NAMES = Path("/run/netns")
OWNER_ALIAS = "made by wspstack"


class Namespace:
    """A network namespace, held until `close`; made by `create` or `join`.

    Attributes: `name`, that of /run/netns for a privileged one; `rootless`, whether it stands in a user namespace of
    its own, where the caller is root; `pid`, a process that lives in it as long as it is held.
    """

    def __init__(self, name: str, holder: Holder) -> None:
        self.name = name
        self.pid = holder.pid
        # A user namespace that is the caller's own need not, and cannot, be entered (setns(2)).
        self.rootless = not os.path.samestat(os.fstat(holder.user), os.stat("/proc/self/ns/user"))
        self._holder = holder
        self._lock = threading.Lock()
        self._closed = False
        self._owns_name = False

    @classmethod
    def create(cls, name: str, *, rootless: bool | None = None, beside: "Namespace | None" = None) -> Self:
        """Make a namespace called `name`.

        `rootless` True makes it in a user namespace and without an entry in /run/netns, False in /run/netns, None as
        the privileges of the caller allow. `beside` puts it into the user namespace of another one, so that
        interfaces can be moved between them.
        Raises FileExistsError if /run/netns has that name already, NamespaceUnavailable for all else.
        """
        if beside is not None:
            rootless = beside.rootless
        if rootless is None:
            try:
                return cls.create(name, rootless=False)
            except NamespaceUnavailable:
                return cls.create(name, rootless=True)
        if rootless:
            return cls(name, Holder("net", user=beside._holder.user) if beside is not None else Holder("user"))
        if os.path.lexists(NAMES / name):
            raise FileExistsError(errno.EEXIST, "network namespace exists", name)
        namespace = cls(name, Holder("net"))
        try:
            namespace._publish()
        except BaseException:
            namespace.close()
            raise
        return namespace

    @classmethod
    def create_two(cls, first: str, second: str, *, rootless: bool | None = None) -> tuple[Self, Self]:
        """Make two namespaces in one user namespace. Arguments and errors as for `create`."""
        one = cls.create(first, rootless=rootless)
        try:
            return one, cls.create(second, beside=one)
        except BaseException:
            one.close()
            raise

    @classmethod
    def join(cls, name: str) -> Self:
        """Hold the namespace /run/netns/`name`, made by anybody; `close` leaves it in place.

        Raises NamespaceUnavailable.
        """
        try:
            descriptor = os.open(NAMES / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NamespaceUnavailable(f"network namespace {name!r} cannot be opened: {error.strerror}") from None
        try:
            return cls(name, Holder("none", net=descriptor))
        finally:
            os.close(descriptor)

    def _publish(self) -> None:
        # The lock stands on the inode of the namespace itself and before the name does: whoever sees the name of a
        # living owner finds it locked, and the kernel drops it with the owner. The alias says whose it was.
        fcntl.flock(self._holder.net, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with self.routes() as route:
            link.set_alias(route, "lo", OWNER_ALIAS)
        try:
            kernel_names.attach(self.name, self.pid)
        except FileExistsError:
            raise
        except OSError as error:
            raise NamespaceUnavailable(
                f"network namespace {self.name!r} cannot be named in {NAMES}: {os.strerror(error.errno or 0)}"
            ) from None
        self.adopt()

    def adopt(self) -> None:
        """Let `close`, or the end of this process, remove the name from /run/netns."""
        self._request(f"name {self.name}")
        self._owns_name = True

    @property
    def enter_hint(self) -> str:
        """What to put before a command to run it inside."""
        if self.rootless:
            return f"nsenter --preserve-credentials --user --net --target {self.pid}"
        return f"ip netns exec {self.name}"

    def fileno(self) -> int:
        """Return a descriptor of the network namespace, as setns(2) takes it. Raises ValueError when closed."""
        if self._closed:
            raise ValueError(f"network namespace {self.name!r} is closed")
        return self._holder.net

    def open_tap(
        self,
        name: str = "",
        *,
        kind: Kind = "tap",
        vnet: bool = True,
        wanted: Offload = Offload.ALL,
        existing: bool | None = False,
        device: str | None = None,
    ) -> Tap:
        """Open a device inside, by default a new one, and return it for use from outside.

        Arguments as for `Tap.open`. Raises TapUnavailable.
        """
        path = device_path(device)
        try:
            (descriptor,) = self._request(f"open {os.path.abspath(path)}")
        except OSError as error:
            raise device_unavailable(path, error.errno or 0) from None
        return Tap.from_descriptor(descriptor, name, kind=kind, vnet=vnet, wanted=wanted, existing=existing, path=path)

    @contextlib.contextmanager
    def routes(self) -> Iterator[IPRoute]:
        """Give a pyroute2 IPRoute that speaks of the interfaces, addresses and routes inside."""
        (descriptor,) = self._request("netlink")
        with IPRoute(fileno=descriptor) as route:
            yield route

    def popen(self, argv: Command, **options: Any) -> "subprocess.Popen[Any]":
        """Start a command inside; arguments and result as for subprocess.Popen, but `executable` is not taken.

        A command that still runs when the namespace is closed, or when this process dies, is ended.
        Raises OSError (FileNotFoundError, PermissionError, ...) if the command cannot be run.
        """
        net = self.fileno()
        environment: Mapping[str, str] | None = options.get("env")
        environment = os.environ if environment is None else environment
        options["env"] = {**environment, MARK: f"{os.fstat(net).st_ino}.{self.pid}"}
        return popen_inside(self._holder.user if self.rootless else -1, net, argv, **options)

    def run(self, argv: Command, **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Run a command inside to its end; arguments, result, errors as for subprocess.run (`timeout` in seconds)."""
        return run_with(self.popen, argv, **options)

    def close(self) -> None:
        """End the commands still running inside, remove the name, let the namespace go; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._owns_name:
            remove_name(self.name, os.fstat(self._holder.net))
        self._holder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, text: str) -> list[int]:
        self.fileno()
        return self._holder.request(text)
