"""One file from the network: resumed where it broke off, compared with its published digest, put in place whole.

HTTP as in RFC 9110: ranges (section 14), redirects (15.4). Addresses are https; plain http only to this machine.
"""

import contextlib
import errno
import hashlib
import http.client
import ipaddress
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from torchbeam.data.lock import locked
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import DataError, OutOfRoom, OutputError

CHUNK = 2**20
_PIECE = 2**16
# Answers of a server that may be better in a moment.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 8.0
_BROKEN = "the server may be broken, or somebody in between"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is fetched from where, and how it is known to be right."""

    url: str
    to: Path
    sha256: str
    md5: str
    size: int | None

    @property
    def told(self) -> bool:
        """Whether a digest tells in the end that pieces from several connections fit together."""
        return bool(self.sha256 or self.md5)

    @property
    def part(self) -> Path:
        """Where the file grows until it is whole."""
        return self.to.with_name(f"{self.to.name}.part")

    @property
    def remedy(self) -> str:
        """What to do where the network does not help."""
        by_hand = f"get {self.url} on another machine\nand put it into {self.to.parent} as {self.to.name}"
        return f"{by_hand},\nor name a folder that holds the data"


class _Dropped(Exception):
    """The connection was lost in a way that another try may mend."""


def fetch(
    url: str,
    to: Path,
    *,
    sha256: str = "",
    md5: str = "",
    size: int | None = None,
    watch: Watch = unwatched,
    retries: int = 4,
    pause: float = 0.5,
    timeout: float = 30.0,
) -> Path:
    """The file at `url`, kept at `to`; what lies there already is checked and used.

    It grows in `<name>.part` beside, and what a dropped connection or a killed run left there is gone on with where
    a digest (hex) tells in the end whether all fits together; without one it begins anew. Two runs at once fetch it
    once. retries: how often in a row a connection may drop; the first wait is `pause` seconds, doubled each time.
    timeout: seconds without a byte. size: in bytes, where known; one byte more is refused.

    Raises DataError when it cannot be had or is not the right one (a file of yours is left as it is, a download
    is removed), OutOfRoom when the disk is full, OutputError when the folder cannot be written.
    """
    wanted = _Wanted(url, to, sha256.lower(), md5.lower(), size)
    _check_address(url)
    if to.exists():
        check(to, sha256=sha256, md5=md5, size=size)
        return to
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with locked(to.with_name(f".{to.name}.lock")):
            if to.exists():  # another run was fetching it
                check(to, sha256=sha256, md5=md5, size=size)
                return to
            _download(wanted, watch, retries, pause, timeout)
            _settle(wanted)
    except OSError as error:  # the network's are told apart below: this is the disk
        raise _cannot_keep(wanted, error) from error
    return to


def check(path: Path, *, sha256: str = "", md5: str = "", size: int | None = None) -> None:
    """Compare a file with what was published of it. Raises DataError; changes nothing."""
    try:
        held = path.stat().st_size
        if size is not None and held != size:
            raise _another(path, f"{size:,} bytes", f"{held:,}")
        for name, published in (("sha256", sha256.lower()), ("md5", md5.lower())):
            if published and (found := _digest(path, name)) != published:
                raise _another(path, f"{name} {published}", found)
    except OSError as error:
        raise DataError(f"cannot read {path}", got=error.strerror or str(error), remedy="check the path") from error


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as file:
        # md5 is what some publishers offer: it keeps out accidents, and is not taken for more.
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def _another(path: Path, expected: str, got: str) -> DataError:
    return DataError(
        f"{path} is not the file that was published under this name",
        expected=expected,
        got=got,
        remedy="move it away, and it is fetched anew",
    )


def _settle(wanted: _Wanted) -> None:
    """Give the whole part its name, or remove it when it is the wrong one."""
    try:
        check(wanted.part, sha256=wanted.sha256, md5=wanted.md5, size=wanted.size)
    except DataError as error:
        wanted.part.unlink()
        raise DataError(
            f"what came from {wanted.url} is not the file that was published",
            expected=error.expected,
            got=f"{error.got}; it was removed",
            remedy=f"try again later: {_BROKEN}. Or {wanted.remedy}",
        ) from None
    os.replace(wanted.part, wanted.to)


def _download(wanted: _Wanted, watch: Watch, retries: int, pause: float, timeout: float) -> None:
    """Make the part whole, in as many connections as it takes."""
    dropped, furthest = 0, _size_of(wanted.part)
    while True:
        try:
            return _connect(wanted, watch, timeout)
        except _Dropped as drop:
            reached = _size_of(wanted.part)
            dropped = 1 if reached >= furthest + CHUNK else dropped + 1
            furthest = max(furthest, reached)
            if dropped > retries:
                raise DataError(
                    f"the connection for {wanted.to.name} broke off {dropped} times",
                    expected=f"{wanted.size:,} bytes" if wanted.size else "",
                    got=f"{reached:,} bytes; then: {drop}",
                    remedy=f"try again{': it goes on from there' if wanted.told else ''}. Or {wanted.remedy}",
                ) from drop
            time.sleep(min(pause * 2 ** (dropped - 1), _LONGEST_WAIT))


def _connect(wanted: _Wanted, watch: Watch, timeout: float) -> None:
    """One connection's worth of the file, written behind what there is of it."""
    held = _size_of(wanted.part) if wanted.told else 0
    if wanted.size is not None and held > wanted.size:
        held = 0
    if held and held == wanted.size:
        return
    with _answer(wanted, held, timeout) as answer:
        start = _start(wanted, answer, held)
        left = answer.length
        _check_size(wanted, start, left)
        total = left if left is not None else (wanted.size or start) - start
        with open(wanted.part, "r+b" if start else "wb", buffering=0) as file:
            file.truncate(file.seek(start))
            for piece in watch(_pieces(answer, left), f"fetching {wanted.to.name}", -(-total // CHUNK), "MB"):
                start += len(piece)
                if wanted.size is not None and start > wanted.size:
                    wanted.part.unlink()
                    raise DataError(
                        f"{wanted.url} sends more than the file that was published",
                        expected=f"{wanted.size:,} bytes",
                        got=f"{start:,} and perhaps more to come; what came was removed",
                        remedy=f"try again later: {_BROKEN}. Or {wanted.remedy}",
                    )
                _write(file, piece)
            os.fsync(file.fileno())
    if wanted.size is not None and start < wanted.size:
        raise _Dropped(f"the server ended it {wanted.size - start:,} bytes early")


def _write(file: IO[bytes], piece: bytes) -> None:
    """All of it, past the system's freedom to take less."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _pieces(answer: http.client.HTTPResponse, left: int | None) -> Iterator[bytes]:
    """What comes, by the mebibyte; what has come before a drop is given out first. left: bytes, None if not said."""
    while left is None or left > 0:
        held, drop = bytearray(), ""
        while len(held) < CHUNK and (left is None or left > 0):
            try:
                piece = answer.read1(min(_PIECE, CHUNK - len(held), left or _PIECE))
            except (OSError, http.client.HTTPException) as error:
                drop = _reason(error)
                break
            if not piece:
                drop = f"the connection was closed {left:,} bytes early" if left else ""
                left = left or 0
                break
            held += piece
            left = None if left is None else left - len(piece)
        if held:
            yield bytes(held)
        if drop:
            raise _Dropped(drop)


def _start(wanted: _Wanted, answer: http.client.HTTPResponse, held: int) -> int:
    """Where in the file the answer begins: behind what is held, or 0 when the server sends it all."""
    if answer.status != 206:
        return 0
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if not told or int(told[1]) != held:
        wanted.part.unlink()  # the next try asks for all of it
        raise _Dropped("the server sent another piece of the file than it was asked for")
    return held


def _check_size(wanted: _Wanted, start: int, left: int | None) -> None:
    if left is None:
        return
    if wanted.size is not None and start + left != wanted.size:
        raise DataError(
            f"{wanted.url} does not lead to the file that was published",
            expected=f"{wanted.size:,} bytes",
            got=f"{start + left:,}",
            remedy=f"try again later: {_BROKEN}. Or {wanted.remedy}",
        )
    free = shutil.disk_usage(wanted.to.parent).free
    if left > free:
        raise OutOfRoom(
            f"there is no room for {wanted.to.name}",
            expected=f"{left:,} bytes free in {wanted.to.parent}",
            got=f"{free:,}",
            remedy="free some room, or name another place with --cache",
        )


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# The network


def _check_address(url: str) -> None:
    """https, or http to this machine; said of where a server leads on to, too."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise DataError(
            f"nothing is fetched from {url}",
            expected="an address that begins with https://",
            got=f"{parts.scheme}://" if parts.scheme else "none",
            remedy="get the file by hand if you trust it, and name where it lies",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to where it leads, if that is safe too."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request that follows; urllib keeps the Range header."""
        try:
            _check_address(newurl)
        except DataError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Web addresses and nothing else: no files, no ftp. The system's proxies, save to this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if _is_loopback(urlsplit(url).hostname or "") else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


@contextlib.contextmanager
def _answer(wanted: _Wanted, held: int, timeout: float) -> Iterator[http.client.HTTPResponse]:
    """The server's answer, 200 or 206. Raises _Dropped where another try may help, else DataError."""
    ranged = {"Range": f"bytes={held}-"} if held else {}
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "torchbeam", **ranged})
    try:
        answer = _opener(wanted.url).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(wanted, error.code, error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        # urllib wraps what goes wrong before the request is sent.
        if _is_offline(cause) or (cause is not error and isinstance(cause, TimeoutError)):
            raise DataError(
                f"cannot reach {urlsplit(wanted.url).hostname}",
                expected=f"a connection to fetch {wanted.to.name}",
                got=_reason(cause),
                remedy=wanted.remedy,
            ) from None
        raise _Dropped(_reason(cause)) from None
    with answer:
        yield answer


def _refusal(wanted: _Wanted, code: int, reason: str) -> Exception:
    if code == 416:  # the part ends behind the file's end: it is of another file
        wanted.part.unlink(missing_ok=True)
        return _Dropped("the server has less of the file than is here already")
    if code in _PASSING:
        return _Dropped(f"HTTP {code} {reason}")
    return DataError(
        f"the server does not give out {wanted.to.name}",
        expected="HTTP 200 or 206",
        got=f"HTTP {code} {reason} from {wanted.url}",
        remedy=wanted.remedy,
    )


def _is_offline(cause: object) -> bool:
    """Whether there is no way to the server at all, so that waiting a second will not help."""
    if isinstance(cause, (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)):
        return True
    return isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def _reason(error: object) -> str:
    told = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return told or type(error).__name__


def _cannot_keep(wanted: _Wanted, error: OSError) -> OutOfRoom | OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfRoom(
            f"the disk filled up while {wanted.to.name} was fetched",
            got=f"what came so far is kept in {wanted.part}",
            remedy="free some room and try again, or name another place with --cache",
        )
    return OutputError(
        f"cannot keep {wanted.to.name} in {wanted.to.parent}",
        got=error.strerror or str(error),
        remedy="name a place that can be written with --cache",
    )
