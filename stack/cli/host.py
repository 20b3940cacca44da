"""A running stack in a place of its own or in the current namespace, as the options ask; undone in order."""

import contextlib
import ipaddress
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from stack.cli.options import DEFAULT_ADDRESS, HostOptions

if TYPE_CHECKING:
    from stack.assembly import Stack
    from tapdev import Lab, Tap

THREAD_STACK = 512 << 10  # bytes; a thread for each connection needs little


@dataclass
class RunningHost:
    """A stack that answers: the Stack, its address, and the Lab it stands in (None: the current namespace)."""

    stack: "Stack"
    address: ipaddress.IPv4Interface
    lab: "Lab | None"
    device: str

    def describe(self) -> str:
        """One line: where the stack stands."""
        place = f"namespace {self.lab.namespace}" if self.lab is not None and not self.lab.rootless else ""
        if self.lab is not None and self.lab.rootless:
            place = f"a user namespace (process {self.lab.inside.pid})"
        return f"{self.address} on device {self.device}, {place or 'current namespace'}"

    def explain(self, failure: Exception) -> Exception:
        """Returns what ended a server, as a person can understand it: most often the device went away."""
        if self.stack.counters().get("device_lost"):
            return click.ClickException(f"device {self.device} is gone: somebody removed it")
        return failure

    def inside(self, command: str) -> str:
        """Returns what to type to run `command` where the stack can be reached."""
        return f"{self.lab.enter_hint} {command}" if self.lab is not None else command


@contextlib.contextmanager
def running_host(options: HostOptions) -> Iterator[RunningHost]:
    """Gives a started stack; at the end drains and stops it (CLEAN-5), closes the capture and undoes the place.

    Raises tapdev.LabUnavailable when the machine refuses the place, click.ClickException for all else.
    """
    if options.tap is not None:
        from tapdev import Tap

        with Tap.open(options.tap, vnet=options.offloads) as tap:
            interface = options.address or DEFAULT_ADDRESS
            with running_stack(options, interface, options.gateway, tap) as stack:
                yield RunningHost(stack, interface, None, tap.name)
        return
    with _lab(options) as lab:
        interface = ipaddress.IPv4Interface(f"{lab.stack_address}/{lab.prefix}")
        if options.address is None and lab.stack_address != DEFAULT_ADDRESS.ip:
            note(f"{DEFAULT_ADDRESS.ip} is taken on this machine: the stack is at {lab.stack_address}")
        gateway = options.gateway or ipaddress.IPv4Address(str(lab.kernel_address))
        if gateway not in interface.network or gateway == interface.ip:
            raise click.ClickException(f"--gateway {gateway} is no neighbour of {interface}: say --address too")
        with running_stack(options, interface, gateway, lab.tap) as stack:
            yield RunningHost(stack, interface, lab, lab.tap.name)


def _lab(options: HostOptions) -> "Lab":
    from tapdev import Lab

    if options.address is None:
        return Lab(mtu=options.mtu, vnet=options.offloads)
    network = options.address.network
    # The kernel's end is the gateway if one is named, else the first host of the network that is not the stack.
    kernel = options.gateway or next(host for host in network.hosts() if host != options.address.ip)
    return Lab(f"{kernel}/{network.prefixlen}", str(options.address.ip), mtu=options.mtu, vnet=options.offloads)


@contextlib.contextmanager
def running_stack(
    options: HostOptions,
    interface: ipaddress.IPv4Interface,
    gateway: ipaddress.IPv4Address | None,
    tap: "Tap",
) -> "Iterator[Stack]":
    """Gives a started stack on `tap`, with the faults and the capture of the options; stops it at the end."""
    from stack.assembly import Stack
    from stack.config import StackConfig

    threading.stack_size(THREAD_STACK)
    config = StackConfig(
        address=str(interface.ip),
        prefix=interface.network.prefixlen,
        gateway=None if gateway is None else str(gateway),
        mtu=options.mtu,
        offloads=options.offloads,
        busy_poll_us=options.busy_poll,
        tunables={"connection_statistics": 1} if options.observed else {},
    )
    inbound, outbound = options.faults.impairments(options.mtu) or (None, None)
    if options.faults.any:
        note(f"put on the link, each way: {options.faults}")
    with contextlib.ExitStack() as undo:
        stack = Stack(config, tap=tap, inbound=inbound, outbound=outbound)
        if options.capture is not None:
            undo.enter_context(_capture(stack, options, tap))
        stack.start()
        undo.callback(stop, stack)
        undo.enter_context(observed(stack, options))
        yield stack


@contextlib.contextmanager
def observed(stack: "Stack", options: HostOptions) -> Iterator[None]:
    """Lets `wspstack ss` and `stat` ask the stack, unless the options say otherwise."""
    if not options.observed:
        yield
        return
    from stack.observation.control import ControlSocket
    from stack.observation.places import ControlError

    control = ControlSocket(stack, options.control)
    try:
        control.start()
    except ControlError as error:
        if options.control is not None:
            raise click.ClickException(f"--control: {error}") from error
        note(f"{error}: `wspstack ss` and `stat` do not see this stack")
    try:
        yield
    finally:
        control.stop()


def stop(stack: "Stack") -> None:
    """Drains and stops a stack, and says so if what was sent could not all be delivered (CLEAN-5)."""
    if not stack.stop():
        note(f"{stack.config.drain_time_ms / 1000:g} s were not enough to deliver all that was sent")


@contextlib.contextmanager
def _capture(stack: "Stack", options: HostOptions, tap: "Tap") -> Iterator[None]:
    from stack.capture import Capture

    assert options.capture is not None
    try:
        capture = Capture(stack.engine, options.capture, ethernet=tap.kind == "tap", name=tap.name)
        with capture:
            yield
    except OSError as error:
        raise click.ClickException(f"--capture: {options.capture}: {error.strerror or error}") from error
    note(capture.report())


def note(line: str) -> None:
    """Says something beside the point, on stderr."""
    click.echo(f"wspstack: {line}", err=True)
