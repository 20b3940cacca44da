"""What of a flow is shown, and how: the frame that all panels share."""

from dataclasses import dataclass

from stack.plotting.flow import SECOND, Flow


@dataclass(frozen=True)
class View:
    """begin, end: ns since the origin. columns: the most pixels that the picture is wide.

    absolute: sequence numbers as they stand in the headers. window: ns over which rates are taken.
    """

    begin: int
    end: int
    columns: int
    absolute: bool
    window: int

    def shows(self, time: int) -> bool:
        """Whether a moment (ns) is in view."""
        return self.begin <= time <= self.end


class NothingToShow(ValueError):
    """The part that was asked for is empty; the message says what there is."""


def span_of(flow: Flow, begin: float | None, end: float | None) -> tuple[int, int]:
    """Returns the part of a flow that is meant, ns since the origin.

    begin, end: seconds, None: from its first moment, to its last. Raises NothingToShow.
    """
    first = 0 if begin is None else round(begin * SECOND)
    last = flow.duration if end is None else round(end * SECOND)
    if first >= last and not (begin is None and end is None):
        raise NothingToShow(f"nothing lies between {first / SECOND:g} s and {last / SECOND:g} s")
    if first > flow.duration:
        raise NothingToShow(f"nothing lies after {first / SECOND:g} s: {flow} ends at {flow.duration / SECOND:g} s")
    return first, max(last, first + 1)
