"""Stack: a device, an engine, its loop and the socket layer as one thing that is started and stopped in order."""

import atexit
import ipaddress
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.keyring import Keyring
from stack.config import StackConfig
from stack.driving import Driver, LiveDriver
from stack.serving import BuiltinService
from stack.wsp.binding import COMMON_ACCOUNT
from stack.wsp.constants import SOMAXCONN, WSASYSNOTREADY
from stack.wsp.errors import error_name
from stack.wsp.provider import HIGHEST_VERSION, Provider
from stack.wsp.structures import WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_TABLE

if TYPE_CHECKING:
    from stack.observation.control import ControlSocket

LOG = logging.getLogger("wspstack.stack")

_MILLISECOND = 1_000_000
_DRAIN_STEP = 2 * _MILLISECOND


class Device(Protocol):
    """An open TAP or TUN device; `tapdev.Tap` is one."""

    @property
    def kind(self) -> str:
        """`tap` or `tun`."""

    @property
    def vnet_header(self) -> bool:
        """Whether frames begin with a virtio-net header."""

    @property
    def offloads(self) -> int:
        """What the kernel granted; 0 for nothing."""

    @property
    def thread_switch(self) -> int | None:
        """A descriptor that takes "1" and "0": whether a thread of the kernel takes what is written; None: no such."""

    def fileno(self) -> int:
        """The non-blocking descriptor."""


def make_engine(config: StackConfig, *, vnet_header: bool = False, offloads: bool = False) -> Engine:
    """Returns a host as `config` says, not yet driven.

    vnet_header, offloads: as for Engine; offloads are used only where the configuration allows them.
    """
    return Engine(
        address=config.address,
        prefix=config.prefix,
        gateway=config.next_hop,
        mac=None if config.mac is None else bytes.fromhex(config.mac.replace(":", "")),
        mtu=config.mtu,
        ethernet=config.kind == "tap",
        seed=config.seed,
        vnet_header=vnet_header,
        offloads=offloads and config.offloads,
        congestion=config.congestion,
        **config.core_tunables(),
    )


class Stack:
    """A live host with its socket layer. Use it as a context manager, or call `start` and `stop`.

    tap: the open device, which the caller closes after `stop`.
    descriptor: in place of `tap`, a non-blocking descriptor that keeps frames apart (a packet socket pair); without
    either the host has no device.
    inbound, outbound: faults put on the frames from and to the device.

    Raises ConfigurationError, or ValueError naming the argument that the core refuses.
    """

    def __init__(
        self,
        config: StackConfig,
        *,
        tap: Device | None = None,
        descriptor: int | None = None,
        inbound: Impairment | None = None,
        outbound: Impairment | None = None,
    ) -> None:
        if tap is not None and tap.kind != config.kind:
            raise ValueError(f"the device is a {tap.kind}, the configuration says {config.kind}")
        self.config = config
        self.engine = make_engine(
            config,
            vnet_header=tap is not None and tap.vnet_header,
            offloads=tap is not None and bool(tap.offloads),
        )
        self._keys = Keyring(self.engine)
        switch = None
        if tap is not None:
            descriptor, switch = tap.fileno(), tap.thread_switch
        self._driver = LiveDriver(
            self.engine,
            -1 if descriptor is None else descriptor,
            inbound=inbound,
            outbound=outbound,
            busy_poll=config.busy_poll_us * 1000,
            thread_switch=-1 if switch is None else switch,
            on_failure=self._device_failed,
        )
        self._provider = Provider(self._driver, config)
        self._services: set[BuiltinService] = set()
        self._control = _control_socket(self, config.control)
        self._table: WSPPROC_TABLE | None = None
        self._running = False
        self._failed = False
        self._at_exit: Any = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def provider(self) -> WSPPROC_TABLE:
        """The procedure table of a start of the stack's own, made on first use. Raises RuntimeError when it fails."""
        if self._table is None:
            table = WSPPROC_TABLE()
            code = self.wsp_startup(HIGHEST_VERSION.word, WSPDATA(), self.protocols[0], None, table)
            if code:
                raise RuntimeError(f"the provider does not start: {error_name(code)}")
            self._table = table
        return self._table

    @property
    def keys(self) -> Keyring:
        """The keys with which the host and its peers sign TCP segments (RFC 2385, RFC 5925); none at first (TCPX-7)."""
        return self._keys

    @property
    def service_provider(self) -> Provider:
        """The socket layer itself."""
        return self._provider

    @property
    def protocols(self) -> list[WSAPROTOCOL_INFOW]:
        """Catalog records; one of them tells `stack.wsp.WSPStartup` that this stack is meant."""
        return self._provider.protocols

    def wsp_startup(
        self,
        wVersionRequested: int,
        lpWSPData: Any,
        lpProtocolInfo: Any,
        UpcallTable: Any,
        lpProcTable: Any,
        *,
        account: str = COMMON_ACCOUNT,
    ) -> int:
        """WSPStartup of this stack's provider; WSASYSNOTREADY while the stack is not running.

        account: whose sockets the table makes (BIND-21).
        """
        if not self._running:
            return WSASYSNOTREADY
        return self._provider.WSPStartup(
            wVersionRequested, lpWSPData, lpProtocolInfo, UpcallTable, lpProcTable, account=account
        )

    def start(self) -> None:
        """Starts the loop; from here on the host answers. Raises RuntimeError the second time: a stack runs once.

        Raises stack.observation.places.ControlError when the control socket that the configuration asks for cannot be
        made; the stack is stopped then.
        """
        self._driver.start()
        if self._control is not None:
            try:
                self._control.start()
            except OSError:
                self._driver.stop()
                raise
        self._running = True
        # CLEAN-5: an in-process stack dies with its process; what is under way is drained first.
        weak = weakref.ref(self)

        def stop_at_exit() -> None:
            stack = weak()
            if stack is not None:
                stack.stop()

        self._at_exit = atexit.register(stop_at_exit)
        LOG.info("started at %s/%d", self.config.address, self.config.prefix)

    def stop(self) -> bool:
        """Stops in order: open sockets are reset, closed ones drained for drain_time_ms, the rest reset (CLEAN-5).

        Returns False when the time ran out with data undelivered. The second time it does nothing.
        """
        if not self._running:
            return True
        self._running = False
        atexit.unregister(self._at_exit)
        if self._control is not None:
            self._control.stop()
        self._close_services()
        self._provider.end()
        # Without a device nothing more will be delivered: there is nothing to wait for.
        milliseconds = 0 if self._failed else self.config.drain_time_ms
        drained = drain(self._driver, milliseconds)
        reset = self.engine.abort_all()
        if not drained:
            LOG.warning("%d ms were not enough to deliver everything", milliseconds)
        self._driver.stop()
        LOG.info("stopped, %d connections and listeners reset", reset)
        return drained

    def use_congestion(self, socket: int, name: str) -> None:
        """Chooses the congestion control of a socket, connected or not, and of what a listener accepts from now on.

        Windows Sockets has no option for it. name: one of `netcore.engine.congestion_names()`. Raises ValueError for
        another name, and EntryFailure (WSAENOTSOCK, WSAEOPNOTSUPP for a datagram socket ...) for the socket (REC-5).
        """
        self._provider.use_congestion(socket, name)

    def request_key(self, socket: int, receive_id: int) -> None:
        """Asks the peer of a connected socket to sign with another of the keys it shares with us (RFC 5925 7.3).

        receive_id: of a TCP-AO key in `keys`. Raises ValueError when there is none such for the peer, and EntryFailure
        (WSAENOTSOCK, WSAENOTCONN ...) for the socket (TCPX-7).
        """
        self._provider.request_key(socket, receive_id)

    def serve(
        self,
        kind: str,
        port: int,
        *,
        address: str = "0.0.0.0",
        backlog: int = SOMAXCONN,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> BuiltinService:
        """Starts a server inside the core, whose connections need neither a thread nor Python's lock.

        kind: `echo` (RFC 862), `discard` (RFC 863) or `source` (the character generator of RFC 864).
        port, address: host order, dotted; held as by a socket with SO_EXCLUSIVEADDRUSE. backlog: as WSPListen takes it.
        on_failure: called, on another thread, when the device is lost. The service ends with its `close` or the stack.
        Raises ValueError for a kind, port or address that there is not, and EntryFailure (WSAEADDRINUSE, WSAEACCES,
        WSAEADDRNOTAVAIL, WSAEMFILE, WSAENOBUFS) as WSPBind and WSPListen would fail.
        """
        if not 0 < port < 65536:
            raise ValueError(f"port is {port!r}, but must be 1 to 65535")
        service = BuiltinService(
            self._provider,
            kind,
            port,
            address=ipaddress.IPv4Address(address).packed,
            backlog=backlog,
            on_failure=on_failure,
            on_close=self._services.discard,
        )
        self._services.add(service)
        return service

    def counters(self) -> dict[str, int]:
        """Counters of the host and of its loop."""
        return {**self.engine.counters(), **self._driver.counters()}

    def _device_failed(self, error: Exception) -> None:
        self._failed = True
        LOG.error("the device failed: %s", error)
        self._provider.network_down()
        for service in tuple(self._services):
            if service.on_failure is not None:
                service.on_failure(error)

    def _close_services(self) -> None:
        for service in tuple(self._services):
            service.close()


def _control_socket(stack: Stack, wish: bool | str) -> "ControlSocket | None":
    if wish is False:
        return None
    from stack.observation.control import ControlSocket

    return ControlSocket(stack, None if wish is True else Path(wish))


def undelivered(engine: Engine) -> int:
    """Returns how many closed connections still have data or FIN to deliver."""
    return engine.usage()["undelivered"]


def drain(driver: Driver, milliseconds: int) -> bool:
    """Waits until all that was sent on closed sockets is delivered; False when `milliseconds` ran out (CLEAN-5)."""
    deadline = driver.now() + milliseconds * _MILLISECOND
    wait = driver.waiter()
    while undelivered(driver.engine):
        now = driver.now()
        if now >= deadline:
            return False
        wait.wait((), min(deadline, now + _DRAIN_STEP))
    return True
