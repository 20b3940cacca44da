"""FileTree: what URL paths reach, and what they never reach."""

import os
from pathlib import Path

import pytest

from stack.applications.file_tree import BadPath, Elsewhere, FileTree, Listing, OpenFile

SECRET = b"not for you"


@pytest.fixture
def tree(tmp_path: Path) -> FileTree:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "root-of-others").mkdir()
    (tmp_path / "root-of-others" / "secret.txt").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "with index").mkdir()
    (root / "with index" / "index.html").write_bytes(b"<p>index")
    (root / "file.bin").write_bytes(b"content")
    (root / "empty").write_bytes(b"")
    (root / "page.html").write_bytes(b"<p>")
    (root / "ümlaut & <tag>.txt").write_bytes(b"text")
    (root / "inner-link").symlink_to("file.bin")
    (root / "outer-link").symlink_to("../secret.txt")
    (root / "absolute-link").symlink_to(tmp_path / "secret.txt")
    (root / "outer-folder").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    return FileTree(root)


def read(tree: FileTree, path: str) -> bytes:
    found = tree.look_up(path)
    assert isinstance(found, OpenFile)
    with found.stream:
        return found.stream.read()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/file.bin", b"content"),
        ("/empty", b""),
        ("/./file.bin", b"content"),
        ("//file.bin", b"content"),
        ("/folder/../file.bin", b"content"),
        ("/%66ile.bin", b"content"),
        ("/%C3%BCmlaut%20%26%20%3Ctag%3E.txt", b"text"),
        ("/inner-link", b"content"),
        ("/with%20index/", b"<p>index"),
    ],
)
def test_path_inside_the_root_gives_the_file(tree: FileTree, path: str, content: bytes) -> None:
    assert read(tree, path) == content


@pytest.mark.parametrize(
    "path",
    [
        "/missing",
        "/file.bin/",
        "/file.bin/more",
        "/../secret.txt",
        "/../root-of-others/secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/folder/../../secret.txt",
        "/folder/%2e%2e/%2e%2e/secret.txt",
        "/outer-link",
        "/absolute-link",
        "/outer-folder/secret.txt",
        "/outer-folder/",
        "/loop",
        "/fifo",
        "/" + "a" * 300,
    ],
)
def test_path_that_leads_outside_or_nowhere_is_not_found(tree: FileTree, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        tree.look_up(path)


@pytest.mark.parametrize("path", ["", "file.bin", "/file%00.bin", "*"])
def test_malformed_path_is_refused(tree: FileTree, path: str) -> None:
    with pytest.raises(BadPath):
        tree.look_up(path)


def test_double_encoding_is_decoded_once(tree: FileTree) -> None:
    with pytest.raises(FileNotFoundError):
        tree.look_up("/%252e%252e/secret.txt")


def test_index_that_leads_outside_is_not_sent(tree: FileTree) -> None:
    (tree.root / "folder" / "index.html").symlink_to("../../secret.txt")
    assert isinstance(tree.look_up("/folder/"), Listing)


def test_directory_without_its_slash_is_elsewhere(tree: FileTree) -> None:
    assert tree.look_up("/with%20index") == Elsewhere("/with%20index/")


def test_directory_without_index_is_listed_with_escaped_names(tree: FileTree) -> None:
    found = tree.look_up("/")
    assert isinstance(found, Listing)
    page = found.page.decode()
    assert 'href="./%C3%BCmlaut%20%26%20%3Ctag%3E.txt"' in page
    assert "ümlaut &amp; &lt;tag&gt;.txt" in page
    assert 'href="./folder/"' in page
    assert "<tag>" not in page


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/page.html", "text/html; charset=utf-8"), ("/file.bin", "application/octet-stream")],
)
def test_media_type_follows_the_name(tree: FileTree, path: str, media_type: str) -> None:
    found = tree.look_up(path)
    assert isinstance(found, OpenFile)
    found.stream.close()
    assert found.media_type == media_type


def test_root_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        FileTree(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_forbidden(tree: FileTree) -> None:
    (tree.root / "file.bin").chmod(0)
    with pytest.raises(PermissionError):
        tree.look_up("/file.bin")
