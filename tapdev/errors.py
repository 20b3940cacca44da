"""What tapdev raises when the machine does not give what was asked for."""


class LabUnavailable(Exception):
    """The machine refuses something a lab needs; the message is one line with the reason and what to do about it."""


class TapUnavailable(LabUnavailable):
    """A TAP or TUN device cannot be had: the device node is missing or forbidden, or the name is taken."""


class NamespaceUnavailable(LabUnavailable):
    """A network namespace cannot be made, named or entered."""


class LinkError(LabUnavailable):
    """The kernel refused to configure an interface, an address or a route."""
