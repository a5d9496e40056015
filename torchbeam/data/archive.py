"""Archives of pictures: checked whole, unpacked once into the cache, and there under one name for ever after.

Nothing is written before everything the archive claims has been found harmless: names that stay inside, files and
folders only, no more bytes than such an archive can honestly hold and the disk has room for.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchbeam.data.lock import locked
from torchbeam.data.packed import FILE, FOLDER, Member, Packed, looks_packed, opened
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import DataError, OutOfRoom, OutputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# The largest public set of pictures, ImageNet-21k, has 14 million. Folders count.
MAX_MEMBERS = 20_000_000
# More than MAX_RATIO times its own size is believed only up to MAX_UNASKED bytes. Masks drawn in one colour reach
# about 100; a bomb reaches 1,000 (deflate) and far more (bzip2, xz).
MAX_RATIO, MAX_UNASKED = 200, 2**28
# What a disk gives up per file, at least, and what is left free on it.
DISK_BLOCK, RESERVE = 4096, 2**28
# Most file systems take names of 255 bytes; Linux takes paths of 4,096, and some of that is the cache's own.
MAX_PART, MAX_NAME = 255, 2048
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be written: folders, each after the one it lies in, and files with the members they come from."""

    folders: tuple[str, ...]
    files: tuple[tuple[str, Member], ...]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive: its suffix says so, or it has none and its first bytes do.

    A damaged archive is one too: `unpacked` says what is wrong with it.
    """
    if not os.path.isfile(path):  # unlike Path's own, it takes any name
        return False
    return path.name.lower().endswith(SUFFIXES) or (not path.suffix and looks_packed(path))


def place(path: Path, cache: Path) -> Path:
    """The folder an archive is unpacked into, whether it has been or not; another one once the file has changed.

    Raises DataError when there is no such file.
    """
    try:
        whole = path.resolve(strict=True)
        facts = whole.stat()
    except (OSError, RuntimeError, ValueError) as error:  # links that lead round in a circle, NUL in a name
        raise DataError(f"cannot read the archive {path}", got=str(error), remedy="check the path") from error
    told = "\0".join((str(whole), path.name, str(facts.st_size), str(facts.st_mtime_ns)))
    key = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.split(".")[0])[:40].strip("-") or "archive"
    return cache / "unpacked" / f"{readable}-{key}"


def unpacked(path: Path, cache: Path, watch: Watch = unwatched) -> Path:
    """The folder in `cache` with everything `path` holds; unpacked now, unless it is there already.

    Only files and folders; owners and modes are not taken over. A run that is killed leaves a hidden folder, which
    the next run removes. Raises DataError, with nothing written, for an archive that is damaged or that no honest
    program makes; OutOfRoom where the disk is too small; OutputError where the cache cannot be written.
    """
    target = place(path, cache)
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(_lock_of(target.parent, target.name)) as held:
            if target.is_dir():  # another run made it while this one waited
                return target
            _remove_dead(target.parent, target.name if held else "")
            with opened(path) as packed:
                _unpack(packed, path, target, watch)
    except OSError as error:  # reading raises DataError: this is the cache
        raise _cannot_unpack(path, target, error) from error
    return target


# Before anything is written


def _check(packed: Packed, path: Path, folder: Path, watch: Watch) -> _Plan:
    """What is to be written; raises DataError or OutOfRoom at the first member that speaks against it."""
    files: dict[str, Member] = {}
    folders: dict[str, None] = {}
    own = path.stat().st_size
    most, room = max(own * MAX_RATIO, MAX_UNASKED), shutil.disk_usage(folder).free - RESERVE
    claimed = taken = 0
    for member in _watched(packed, path, own, watch):
        if member.kind not in (FILE, FOLDER):
            raise _refused(path, member.kind, member.name, "files and folders only")
        name = _clean(member, path)
        _place(name, member, path, files, folders)
        if member.kind == FILE:
            claimed += member.size
            taken += -(-member.size // DISK_BLOCK) * DISK_BLOCK
        if len(files) + len(folders) > MAX_MEMBERS:
            raise _refused(path, f"more than {MAX_MEMBERS:,} files and folders", member.name)
        if claimed > most:
            raise DataError(
                f"{path.name} would unpack to far more than an archive of pictures can hold",
                expected=f"at most {MAX_RATIO} times its own {own:,} bytes, or {MAX_UNASKED:,}",
                got=f"{claimed:,} bytes or more",
                remedy="if you trust it, unpack it with another program and name the folder",
            )
        if taken > room:
            raise OutOfRoom(
                f"there is no room to unpack {path.name}",
                expected=f"{taken + RESERVE:,} bytes free in {folder}, or more",
                got=f"{room + RESERVE:,}",
                remedy="free some room, or name another place with --cache",
            )
    if not files:
        raise DataError(f"{path.name} holds no files", remedy="get the file again, or pack it again")
    return _Plan(tuple(folders), tuple(files.items()))


def _watched(packed: Packed, path: Path, own: int, watch: Watch) -> Iterator[Member]:
    """The members, watched by how much of the archive has been read: how many they are is not known before."""
    total = -(-own // _MIB)
    ticks, ticked = iter(watch(range(total), f"checking {path.name}", total, "MB")), 0
    for member in packed.members():
        while ticked < packed.passed() // _MIB and ticked < total:
            next(ticks, None)
            ticked += 1
        yield member
    for _ in ticks:
        pass


def _clean(member: Member, path: Path) -> str:
    """The name below the target, its parts joined by '/': '' for the archive's own top folder."""
    name = member.name
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refused(path, "an absolute name", name, "names relative to the folder it is unpacked into")
    if "\\" in name:
        raise _refused(path, "a name with a backslash in it", name, "folders told by '/'")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(path, "a name that climbs out of it", name, "names without '..'")
    if not _can_be_written(parts) or (member.kind == FILE and not parts):
        expected = f"parts of at most {MAX_PART} bytes, {MAX_NAME:,} in all, no NUL"
        raise _refused(path, "a name that no file can have", name, expected)
    return "/".join(parts)


def _can_be_written(parts: list[str]) -> bool:
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        return False
    too_long = max(lengths, default=0) > MAX_PART or sum(lengths) + len(lengths) > MAX_NAME
    return not too_long and not any("\0" in part for part in parts)


def _place(name: str, member: Member, path: Path, files: dict[str, Member], folders: dict[str, None]) -> None:
    """Enter a member and the folders above it, each folder after the one it lies in."""
    above = []
    upper = name.rpartition("/")[0]
    while upper and upper not in folders:
        if upper in files:
            raise _refused(path, "a name that is both a file and a folder", upper)
        above.append(upper)
        upper = upper.rpartition("/")[0]
    folders.update(dict.fromkeys(reversed(above)))
    if not name:
        return
    if member.kind == FOLDER and name not in files:
        folders[name] = None
    elif name in files and member.kind == FILE:
        raise _refused(path, "the same name twice", name)
    elif name in folders or name in files:
        raise _refused(path, "a name that is both a file and a folder", name)
    else:
        files[name] = member


def _refused(path: Path, what: str, name: str, expected: str = "") -> DataError:
    shown = name if len(name) <= 120 else f"{name[:100]}... ({len(name):,} characters)"
    return DataError(
        f"{path.name} holds {what}",
        expected=expected,
        got=shown if shown.isprintable() else ascii(shown),  # a name must not draw on the terminal
        remedy="get the file from where it is published, or unpack it with another program and name the folder",
    )


# Writing


def _unpack(packed: Packed, path: Path, target: Path, watch: Watch) -> None:
    plan = _check(packed, path, target.parent, watch)
    _check_inodes(path, target.parent, len(plan.files) + len(plan.folders))
    part = target.parent / f".{target.name}.{os.getpid()}-{threading.get_ident()}.part"
    os.mkdir(part)
    try:
        for folder in plan.folders:
            os.makedirs(f"{part}/{folder}", exist_ok=True)
        for name, member in watch(plan.files, f"unpacking {path.name}", len(plan.files), "files"):
            with open(f"{part}/{name}", "xb") as file:
                for piece in packed.content(member):
                    file.write(piece)
        _settle(part, target)
    except FileExistsError as error:  # the disk takes A.jpg and a.jpg for one
        raise _refused(path, "two names that are one on this disk", str(error.filename)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_inodes(path: Path, folder: Path, needed: int) -> None:
    if not hasattr(os, "statvfs"):
        return
    disk = os.statvfs(folder)
    if disk.f_files and disk.f_favail < needed:
        raise OutOfRoom(
            f"the disk cannot take as many files as {path.name} holds",
            expected=f"{needed:,} free inodes in {folder}",
            got=f"{disk.f_favail:,}",
            remedy="free some room, or name another place with --cache",
        )


def _settle(part: Path, target: Path) -> None:
    """Give the folder its name, once all of it has reached the disk."""
    if hasattr(os, "sync"):
        os.sync()  # for each file by itself it would take as long as all the rest
    try:
        os.rename(part, target)
    except OSError:
        if not target.is_dir():  # where there are no locks another run may have been quicker
            raise


# What killed runs leave


def _lock_of(folder: Path, key: str) -> Path:
    return folder / f".{key}.lock"


def _remove_dead(folder: Path, held: str) -> None:
    """Remove the half-made folders of runs that are no more; `held` is the key whose lock this run holds."""
    for part in folder.glob(".*.part"):
        key = part.name[1:].split(".")[0]
        with contextlib.ExitStack() as stack:
            if key == held or stack.enter_context(locked(_lock_of(folder, key), wait=False)):
                shutil.rmtree(part, ignore_errors=True)


def _cannot_unpack(path: Path, target: Path, error: OSError) -> OutOfRoom | OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfRoom(
            f"the disk filled up while {path.name} was unpacked",
            got=f"nothing is left of it in {target.parent}",
            remedy="free some room, or name another place with --cache",
        )
    return OutputError(
        f"cannot unpack {path.name} into {target.parent}",
        got=error.strerror or str(error),
        remedy="name a place that can be written with --cache",
    )
