"""Shows that the stack works: a real client fetches a file, and what it got is compared with what is on the disk."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stack.applications.file_tree import listing_page

if TYPE_CHECKING:
    from tapdev import Lab

FILE_LIMIT = 64 << 20  # bytes: a proof, not a benchmark
LOOKED_AT = 2000  # directory entries
CURL_SECONDS = 60
PIECE = 1 << 20


class ProofFailed(Exception):
    """What was fetched is not what is there; the message is one line."""


@dataclass(frozen=True)
class Sample:
    """What is fetched: the URL path, and the SHA-256 that its bytes must have."""

    url_path: str
    digest: str


@dataclass(frozen=True)
class Proof:
    """What was fetched, in bytes and seconds, with its SHA-256."""

    url: str
    size: int
    seconds: float
    digest: str

    def __str__(self) -> str:
        return f"{self.url}: {self.size:,} bytes in {self.seconds:.3f} s, SHA-256 {self.digest[:16]}… matches the file"


def web_address(address: str, port: int) -> str:
    """Returns the URL of a server's root."""
    return f"http://{address}/" if port == 80 else f"http://{address}:{port}/"


def choose_sample(root: Path) -> Sample:
    """Returns the largest file near the top of `root` that a quick fetch can carry; without one, the listing of it."""
    best, best_size = None, -1
    for path, size in _files(root):
        if best_size < size <= FILE_LIMIT and os.access(path, os.R_OK):
            best, best_size = path, size
    if best is None:
        return Sample("/", hashlib.sha256(listing_page(root, "/")).hexdigest())
    with best.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Sample("/" + quote(os.fsencode(best.relative_to(root))), digest)


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    left = LOOKED_AT
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            left -= 1
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path, path.stat().st_size
        if left < 0:
            return


def fetch_with_curl(lab: "Lab", root_url: str, sample: Sample) -> Proof:
    """Fetches the sample with curl inside the lab. Raises ProofFailed."""
    url = root_url.rstrip("/") + sample.url_path
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", str(CURL_SECONDS), url]
    begun = time.monotonic()
    try:
        curl = lab.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise ProofFailed("curl is missing: install the package curl ('apt-get install curl')") from None
    with curl:
        assert curl.stdout is not None
        assert curl.stderr is not None
        digest, size = hashlib.sha256(), 0
        while piece := curl.stdout.read(PIECE):
            digest.update(piece)
            size += len(piece)
        complaint = curl.stderr.read().decode(errors="replace")
    if curl.returncode:
        raise ProofFailed(f"curl ended with {curl.returncode}: {' '.join(complaint.split())}")
    return compare(url, sample, size, time.monotonic() - begun, digest.hexdigest())


def compare(url: str, sample: Sample, size: int, seconds: float, digest: str) -> Proof:
    """Returns the Proof when `digest` is the sample's, else raises ProofFailed."""
    if digest != sample.digest:
        raise ProofFailed(f"{url}: {size} bytes fetched with SHA-256 {digest}, the file has {sample.digest}")
    return Proof(url, size, seconds, digest)
