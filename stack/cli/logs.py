"""Logging for the command line: silent unless asked for, chosen per subsystem."""

import logging

import click

ROOT = "wspstack"
SUBSYSTEMS = ("applications", "driving", "observation", "stack", "wsp")
LEVELS = ("debug", "info", "warning", "error")


def chosen_levels(text: str) -> dict[str, int]:
    """Reads `wsp=debug,applications=info`: a level for each subsystem; `all` is every one of them.

    Raises click.BadParameter with a line that names what is not known.
    """
    levels: dict[str, int] = {}
    for item in text.split(","):
        subsystem, _, level = item.strip().partition("=")
        level = level.lower() or "info"
        if subsystem not in (*SUBSYSTEMS, "all"):
            raise click.BadParameter(f"no subsystem {subsystem!r}: there are {', '.join((*SUBSYSTEMS, 'all'))}")
        if level not in LEVELS:
            raise click.BadParameter(f"no level {level!r}: there are {', '.join(LEVELS)}")
        levels[subsystem] = logging.getLevelNamesMapping()[level.upper()]
    return levels


def configure(levels: dict[str, int] | None) -> None:
    """Sends the chosen subsystems' messages to stderr and nothing else anywhere."""
    root = logging.getLogger(ROOT)
    root.propagate = False
    root.handlers.clear()
    root.setLevel(logging.CRITICAL + 1)
    if not levels:
        root.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    root.addHandler(handler)
    for subsystem, level in levels.items():
        logger = root if subsystem == "all" else root.getChild(subsystem)
        logger.setLevel(level)
