"""What an archive says it holds, member by member, and the bytes of each: zip files and tars. Nothing is written.

zipfile reads the zips. Tars are read here, forwards only: the standard library's tarfile takes a damaged header in
the middle for the end of the archive, and reads headers of any claimed length into memory.
Formats: APPNOTE.TXT 6.3 (PKWARE); POSIX.1-2017, pax, 'ustar Interchange Format'; GNU tar, 'Basic Tar Format'.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torchbeam.errors import DataError

FILE, FOLDER = "a file", "a folder"
CHUNK = 2**20
BLOCK = 512
# What a tar may say about one member beside its header (a long name, pax records), and how often.
MAX_EXTRA, MAX_EXTRAS = 2**16, 16
# Zeros at the end of a tar, which tapes were filled up with: 20 blocks are usual.
MAX_TRAILING = 2**24


@dataclass(frozen=True, slots=True)
class Member:
    """One thing an archive holds: its name as written, FILE, FOLDER or what else it is, and its size in bytes.

    start: where its content begins in an unpacked tar, or its number in a zip.
    """

    name: str
    kind: str
    size: int
    start: int


class Packed(Protocol):
    """An archive, opened. What is damaged or cut off raises DataError when it is come upon."""

    def members(self) -> Iterator[Member]:
        """All members in the archive's order. To be read to its end, which is where a tar's last damage shows."""
        ...

    def content(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file, member.size of them and no more, in pieces of at most CHUNK. In order, for a tar."""
        ...

    def passed(self) -> int:
        """How many bytes of the archive's file were read over so far."""
        ...


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Packed]:
    """The archive in a file, told by its first bytes, not by its name. Raises DataError."""
    with contextlib.ExitStack() as stack:
        with _reading(path):
            raw = stack.enter_context(path.open("rb"))
            first = raw.read(BLOCK)
            raw.seek(0)
            if first.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                packed = Zip(stack.enter_context(zipfile.ZipFile(raw)), path)
            else:
                packed = Tar(stack.enter_context(_unpacking(raw, first)), raw, path)
        if isinstance(packed, Tar) and not any(map(first.startswith, _UNPACKING)) and not _is_header(first):
            raise DataError(
                f"{path} is not an archive that can be read",
                expected="a zip file, or a tar, packed with gzip, bzip2, xz or not at all",
                got=repr(first[:24])[2:-1] or "an empty file",
                remedy="get the file again, or unpack it with another program and name the folder",
            )
        yield packed


def looks_packed(path: Path) -> bool:
    """Whether the first bytes of a file are those of a zip or a tar."""
    try:
        with path.open("rb") as raw:
            first = raw.read(BLOCK)
            raw.seek(0)
            if first.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                return True
            with _unpacking(raw, first) as file:
                return _is_header(file.read(BLOCK))
    except _DAMAGED:
        return False


class Zip:
    """A zip file, read by zipfile."""

    def __init__(self, file: zipfile.ZipFile, path: Path) -> None:
        self._file, self._path = file, path
        self._members = file.infolist()

    def members(self) -> Iterator[Member]:
        """All members in the order of the central directory."""
        for number, info in enumerate(self._members):
            # filename ends at a NUL, orig_filename is what is written.
            yield Member(info.orig_filename, _zipped_kind(info), info.file_size, number)

    def content(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file, whose checksum is compared at their end."""
        with _reading(self._path), self._file.open(self._members[member.start]) as file:
            left = member.size
            while piece := file.read(CHUNK):  # zipfile itself never gives more than the size that is claimed
                left -= len(piece)
                yield piece
            if left:
                raise EOFError(f"{left:,} bytes of {member.name} are missing")

    def passed(self) -> int:
        """The directory is read at once."""
        return self._path.stat().st_size


def _zipped_kind(info: zipfile.ZipInfo) -> str:
    written = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, directory encrypted
        return "an encrypted file"
    if info.is_dir() or written == stat.S_IFDIR:
        return FOLDER
    if written not in (0, stat.S_IFREG):
        return _SPECIAL.get(written, "something unknown")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # bzip2 and lzma unpack a piece in one go, however large it becomes; hardly a zip uses them.
        return "a file packed by a method that is not read"
    return FILE


class Tar:
    """A tar, read forwards from `file`; `raw` is the file it lies packed in."""

    def __init__(self, file: io.BufferedIOBase, raw: io.BufferedReader, path: Path) -> None:
        self._file, self._raw, self._path, self._at = file, raw, path, 0

    def members(self) -> Iterator[Member]:
        """All members, then the zeros that end a tar, and the checksum of what it is packed in."""
        with _reading(self._path):
            self._go_to(0)
            while (found := self._next()) is not None:
                yield found
                if found.kind == FILE:
                    self._go_to(found.start + -(-found.size // BLOCK) * BLOCK)
            self._end()

    def content(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file."""
        with _reading(self._path):
            self._go_to(member.start)
            left = member.size
            while left:
                piece = self._read(min(left, CHUNK))
                left -= len(piece)
                yield piece

    def passed(self) -> int:
        """How far the packed file was read."""
        return self._raw.tell()

    def _next(self) -> Member | None:
        """The next member; None at the zeros that end the archive."""
        told: dict[bytes, bytes] = {}
        for _ in range(MAX_EXTRAS):
            block = self._read(BLOCK)
            if not any(block):
                return None
            if not _is_header(block):
                raise ValueError("a header of the tar is damaged")
            kind, size = block[156:157], _number(block[124:136])
            if kind in b"LKxXg":
                if size > MAX_EXTRA:
                    raise ValueError(f"a name of {size:,} bytes")
                content = self._read(-(-size // BLOCK) * BLOCK)[:size]
                if kind == b"L":
                    told[b"path"] = content.split(b"\0", 1)[0]
                elif kind in b"xX":
                    told |= _pax(content)
                continue
            return _tarred(block, kind, size, told, self._at)
        raise ValueError(f"more than {MAX_EXTRAS} headers before one member")

    def _end(self) -> None:
        trailing = 0
        while piece := self._file.read(CHUNK):
            trailing += len(piece)
            if any(piece) or trailing > MAX_TRAILING:
                raise ValueError("the tar goes on after its end")

    def _read(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise EOFError("the tar is cut off")
        self._at += size
        return content

    def _go_to(self, at: int) -> None:
        if self._file is self._raw or at < self._at:
            self._file.seek(at)
            self._at = at
        while self._at < at:
            self._read(min(CHUNK, at - self._at))


def _is_header(block: bytes) -> bool:
    """Whether the checksum of a tar's header is right, which is counted as if its own field were blank."""
    field = block[148:156]
    try:
        return len(block) == BLOCK and _number(field) == sum(block) - sum(field) + 8 * ord(" ")
    except ValueError:
        return False


def _tarred(block: bytes, kind: bytes, size: int, told: dict[bytes, bytes], start: int) -> Member:
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    name = told.get(b"path", name).decode("utf-8", "surrogateescape")
    if b"size" in told:
        size = _decimal(told[b"size"])
    if any(key.startswith(b"GNU.sparse") for key in told):
        return Member(name, "a sparse file", size, start)
    if kind in b"07\0":  # before POSIX, a folder was a file whose name ends so
        return Member(name, FOLDER if name.endswith("/") else FILE, size, start)
    return Member(name, _TAR_KINDS.get(kind, "something unknown"), size, start)


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or for large ones 0x80 and the number itself in base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if digits and not digits.isdigit():
        raise ValueError("a number in a header of the tar is none")
    return int(digits or b"0", 8)


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 20:
        raise ValueError("a number in a pax header is none")
    return int(digits)


def _pax(content: bytes) -> dict[bytes, bytes]:
    """pax records, 'LENGTH KEY=VALUE\\n' with the length of the whole record."""
    records, at = {}, 0
    while at < len(content):
        space = content.index(b" ", at, at + 20)
        end = at + _decimal(content[at:space])
        key, equals, value = content[space + 1 : end].partition(b"=")
        if end > len(content) or not equals or not value.endswith(b"\n"):
            raise ValueError("a pax header is damaged")
        records[key] = value[:-1]
        at = end
    return records


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong inside while an archive is read, as a DataError."""
    try:
        yield
    except _DAMAGED as error:
        raise DataError(
            f"{path} is damaged or cut off",
            got=str(error) or type(error).__name__,
            remedy="get the file again",
        ) from error


def _unpacking(raw: io.BufferedReader, first: bytes) -> io.BufferedIOBase:
    for magic, unpack in _UNPACKING.items():
        if first.startswith(magic):
            return unpack(raw)
    return raw


_SPECIAL = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_TAR_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": FOLDER,
    b"6": "a pipe",
    b"S": "a sparse file",
}
_UNPACKING: dict[bytes, Callable[[io.BufferedReader], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
# All that zipfile, the unpackers and the reading of headers above raise on bytes that make no sense.
_DAMAGED = (
    OSError,  # bz2 and gzip raise it, beside the disk
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
