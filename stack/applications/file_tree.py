"""What a URL path names in a directory, and how a directory is listed."""

import errno
import html
import mimetypes
import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, unquote_to_bytes

INDEX = "index.html"

# Nothing there, a file for a directory, a loop of links, a name too long, a socket or a device without driver.
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}


class BadPath(ValueError):
    """A URL path that names nothing anywhere: it does not begin with a slash, or decodes to a NUL octet."""


class OpenFile(NamedTuple):
    """A regular file to be sent: the open stream, size in bytes, time of modification (seconds), media type."""

    stream: BinaryIO
    size: int
    modified: float
    media_type: str


class Listing(NamedTuple):
    """A directory to be shown: the page in UTF-8."""

    page: bytes


class Elsewhere(NamedTuple):
    """The directory's name lacks its slash; `path` is the URL path with it."""

    path: str


class FileTree:
    """The files under `root`, by URL path; nothing outside it is ever reached.

    Raises NotADirectoryError when root is not a directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        if not self.root.is_dir():
            raise NotADirectoryError(f"{root}: not a directory")
        mimetypes.init()  # reads files: not the first request's time

    def look_up(self, url_path: str) -> OpenFile | Listing | Elsewhere:
        """Returns what `url_path` (percent-encoded, without query) names.

        A directory gives its index.html, else its listing. Raises BadPath; FileNotFoundError for what is missing, is
        neither file nor directory, or lies outside the root (also by way of a symbolic link); PermissionError.
        """
        names = self._names(url_path)
        path = self.root.joinpath(*names)
        resolved = self._inside(path)
        if resolved.is_dir():
            if not url_path.endswith("/"):
                return Elsewhere(quote("/" + "/".join(names) + "/"))
            try:
                return self._open(self._inside(path / INDEX))
            except FileNotFoundError:
                return Listing(listing_page(resolved, "/" + "".join(name + "/" for name in names)))
        if url_path.endswith("/"):
            raise FileNotFoundError(url_path)
        return self._open(resolved)

    @staticmethod
    def _names(url_path: str) -> list[str]:
        if not url_path.startswith("/"):
            raise BadPath(f"{url_path!r}: a path begins with /")
        octets = unquote_to_bytes(url_path)
        if b"\0" in octets:
            raise BadPath(f"{url_path!r}: NUL in the path")
        names: list[str] = []
        for name in os.fsdecode(octets).split("/"):
            if name == "..":
                if not names:
                    raise FileNotFoundError(url_path)
                names.pop()
            elif name not in ("", "."):
                names.append(name)
        return names

    def _inside(self, path: Path) -> Path:
        try:
            resolved = Path(os.path.realpath(path, strict=True))
        except OSError as error:
            raise missing_or_same(error) from error
        if not resolved.is_relative_to(self.root):
            raise FileNotFoundError(str(path))
        return resolved

    @staticmethod
    def _open(path: Path) -> OpenFile:
        # O_NOFOLLOW: `path` is resolved, so a link in its last place is newer than our look at it. O_NONBLOCK: a FIFO
        # must not hold the thread before fstat can refuse it.
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise missing_or_same(error) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise FileNotFoundError(str(path))
        media_type, encoding = mimetypes.guess_type(path.name)
        if media_type is None or encoding is not None:
            media_type = "application/octet-stream"
        elif media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        return OpenFile(os.fdopen(descriptor, "rb", buffering=0), status.st_size, status.st_mtime, media_type)


def missing_or_same(error: OSError) -> OSError:
    """Returns FileNotFoundError for what is as good as missing, else `error` itself."""
    return FileNotFoundError(str(error)) if error.errno in _MISSING else error


def listing_page(directory: Path, shown_as: str) -> bytes:
    """Returns an HTML page in UTF-8 that lists `directory`, whose URL path (decoded) is `shown_as`."""
    title = _text(f"Files in {shown_as}")
    rows = ['<tr><td><a href="../">../</a></td><td></td></tr>'] if shown_as != "/" else []
    with os.scandir(directory) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        slash, size = "", ""
        try:
            if entry.is_dir():
                slash = "/"
            else:
                size = f"{entry.stat().st_size:,}"
        except OSError:
            continue  # gone meanwhile, or a link that leads nowhere
        link = quote(os.fsencode(entry.name)) + slash
        rows.append(f'<tr><td><a href="./{link}">{_text(entry.name)}{slash}</a></td><td>{size}</td></tr>')
    page = (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n<table>\n" + "\n".join(rows) + "\n</table></body></html>\n"
    )
    return page.encode("utf-8")


def _text(name: str) -> str:
    """Escapes for HTML; octets that are no UTF-8 become replacement characters."""
    return html.escape(os.fsencode(name).decode("utf-8", "replace"))
