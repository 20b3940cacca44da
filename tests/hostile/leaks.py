"""Asks LeakSanitizer, when this process runs with it, for memory of the core that nothing points at any more."""

import ctypes
import gc
import os
import re
import tempfile
from pathlib import Path

RECORD = re.compile(r"^(?:Direct|Indirect) leak of .*?(?=^\s*$)", re.MULTILINE | re.DOTALL)


def is_available() -> bool:
    """True under AddressSanitizer with ASAN_OPTIONS=detect_leaks=1."""
    return hasattr(ctypes.CDLL(None), "__lsan_do_recoverable_leak_check") and "detect_leaks=1" in os.environ.get(
        "ASAN_OPTIONS", ""
    )


def find_leaks() -> list[str]:
    """Returns the records of leaks whose allocation was made in the core.

    The interpreter's own, of which it has some on purpose, are left out: the allocation's stack tells them apart.

    Raises:
        RuntimeError: the leak sanitizer is not there or did not work, which must not look like a clean run.
    """
    if not is_available():
        raise RuntimeError("no leak sanitizer: run the address variant of the core with ASAN_OPTIONS=detect_leaks=1")
    gc.collect()
    sanitizer = ctypes.CDLL(None)
    with tempfile.TemporaryDirectory() as folder:
        sanitizer.__sanitizer_set_report_path(f"{folder}/leaks".encode())
        try:
            sanitizer.__lsan_do_recoverable_leak_check()
        finally:
            sanitizer.__sanitizer_set_report_path(b"stderr")
        report = "".join(path.read_text() for path in Path(folder).glob("leaks*"))
    if "fatal error" in report:
        raise RuntimeError(f"the leak sanitizer did not work: {report.strip()}")
    return [record for record in RECORD.findall(report + "\n\n") if "netcore" in record]
