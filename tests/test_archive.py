"""Archives unpacked into the cache, and hostile ones that must not write a byte."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import pytest
from data_makers import class_folders, run_bound, run_on_tmpfs, run_python, shared
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchbeam.data import archive
from torchbeam.data.archive import is_archive, place, unpacked
from torchbeam.errors import DataError, OutOfRoom, OutputError

UNPACK = """
import os, sys
os.sync = lambda: None
from pathlib import Path
from torchbeam.data.archive import unpacked
from torchbeam.errors import TorchbeamError
try:
    print(unpacked(Path(sys.argv[1]), Path(sys.argv[2])))
except TorchbeamError as error:
    print(type(error).__name__, error, sep=": ")
"""


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch):
    """Nothing here is to outlive a power cut, and what has reached the disk is slow to remove."""
    monkeypatch.setattr(os, "sync", lambda: None)


def tree(folder):
    """Relative path -> content, None for folders."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def zipped(path, contents):
    """A zip of names, or whole ZipInfos, and contents."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents:
            file.writestr(name, content)
    return path


def tarred(path, contents, mode="w"):
    """A tar of names, or whole TarInfos, and contents."""
    with tarfile.open(path, mode) as file:
        for name, content in contents:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = info.size or len(content)
            file.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def refused(path, cache):
    """The error that unpacking ends with; nothing may have been written."""
    before = {other: other.stat().st_mtime_ns for other in path.parent.rglob("*") if cache not in other.parents}
    with pytest.raises(DataError) as caught:
        unpacked(path, cache)
    assert tree(cache) == {"unpacked": None}
    after = {other: other.stat().st_mtime_ns for other in path.parent.rglob("*") if cache not in other.parents}
    assert set(after) - set(before) <= {cache}
    assert {other: after[other] for other in before if other != path.parent} == {
        other: told for other, told in before.items() if other != path.parent
    }
    return caught.value


# What is unpacked


@pytest.mark.parametrize("suffix", archive.SUFFIXES)
def test_a_folder_comes_back_as_it_was_packed(tmp_path, cache, suffix):
    folder = class_folders(tmp_path / "pets", {"train/cat": 3, "train/dog": 2, "test/cat": 1})
    (folder / "empty").mkdir()
    form = {".zip": "zip", ".tar": "tar", ".tar.bz2": "bztar", ".tar.xz": "xztar"}.get(suffix, "gztar")
    made = shutil.make_archive(str(tmp_path / "made"), form, tmp_path, "pets")
    path = tmp_path / f"my pets{suffix}"
    os.rename(made, path)
    out = unpacked(path, cache)
    assert out.parent == cache / "unpacked"
    assert out.name.startswith("my-pets-")
    assert tree(out / "pets") == tree(folder)
    assert tree(cache / "unpacked").keys() == {out.name, *(f"{out.name}/{name}" for name in tree(out))}


def test_once_is_enough_until_the_file_changes(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", [("a.png", "one")])
    out = unpacked(path, cache)
    (out / "mark").touch()
    assert unpacked(path, cache) == out == place(path, cache)
    assert (out / "mark").exists()
    zipped(path, [("a.png", "two")])
    os.utime(path, ns=(1, 1))
    other = unpacked(path, cache)
    assert other != out
    assert (other / "a.png").read_text() == "two"


def test_archives_of_one_name_in_two_folders_do_not_share(tmp_path, cache):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        zipped(tmp_path / name / "x.zip", [("a.png", name)])
    assert (unpacked(tmp_path / "one" / "x.zip", cache) / "a.png").read_text() == "one"
    assert (unpacked(tmp_path / "two" / "x.zip", cache) / "a.png").read_text() == "two"


def test_an_archive_is_told_by_its_suffix_or_without_one_by_its_bytes(tmp_path):
    path = zipped(tmp_path / "X.ZIP", [("a.png", "one")])
    assert is_archive(path)
    assert is_archive(path.rename(tmp_path / "download"))
    (tmp_path / "x.tgz").write_bytes(b"<html>")
    assert is_archive(tmp_path / "x.tgz")
    for name, content in (("README", b"words"), ("labels.gz", gzip.compress(b"words")), ("m.pt", b"PK\3\4")):
        (tmp_path / name).write_bytes(content)
        assert not is_archive(tmp_path / name)
    (tmp_path / "folder.zip").mkdir()
    assert not is_archive(tmp_path / "folder.zip")
    for name in ("missing.zip", "a\0.zip", "x" * 300 + ".zip", "folder.zip/a.zip", "X.ZIP/a.zip"):
        assert not is_archive(tmp_path / name)


def test_the_kind_is_read_from_the_bytes_whatever_the_suffix(tmp_path, cache):
    path = tarred(tmp_path / "x.zip", [("a.png", b"one")], "w:gz")
    assert tree(unpacked(path, cache)) == {"a.png": b"one"}


def test_modes_and_owners_are_not_taken_over(tmp_path, cache):
    info = tarfile.TarInfo("tool")
    info.mode, info.uid, info.gid = 0o6777, 12345, 12345
    folder = tarfile.TarInfo("closed")
    folder.type, folder.mode = tarfile.DIRTYPE, 0
    out = unpacked(tarred(tmp_path / "x.tar", [(info, b"#!"), (folder, b""), ("closed/a", b"1")]), cache)
    told = (out / "tool").stat()
    assert (stat.S_IMODE(told.st_mode) & 0o7111, told.st_uid) == (0, os.getuid())
    assert tree(out) == {"tool": b"#!", "closed": None, "closed/a": b"1"}


def test_dots_and_double_slashes_in_names_are_read_over(tmp_path, cache):
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    path = tarred(tmp_path / "x.tar", [(folder, b""), ("./a//b/./1.png", b"1"), ("a/2.png", b"2")])
    assert tree(unpacked(path, cache)) == {"a": None, "a/b": None, "a/b/1.png": b"1", "a/2.png": b"2"}


def test_a_folder_may_be_named_twice(tmp_path, cache):
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    path = tarred(tmp_path / "x.tar", [("a/1.png", b"1"), (folder, b""), (folder, b"")])
    assert tree(unpacked(path, cache)) == {"a": None, "a/1.png": b"1"}


def test_all_has_reached_the_disk_before_the_folder_gets_its_name(tmp_path, cache, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "sync", lambda: seen.append({name for name in tree(cache) if name.endswith("png")}))
    out = unpacked(zipped(tmp_path / "x.zip", [("a.png", "one")]), cache)
    assert [name.split("/")[1].endswith(".part") for name in seen[0]] == [True]
    assert tree(out) == {"a.png": b"one"}


def test_unpacking_is_watched_first_the_checks_and_then_the_files(tmp_path, cache):
    told = []

    def watch(items, what, total, unit="pictures"):
        seen = list(items)
        told.append((what, len(seen) == total, total, unit))
        return iter(seen)

    path = tmp_path / "x.tar"
    tarred(path, [(f"{number}.png", os.urandom(700_000)) for number in range(3)])
    unpacked(path, cache, watch)
    assert told == [("checking x.tar", True, 3, "MB"), ("unpacking x.tar", True, 3, "files")]


# Hostile archives


NAMES = {
    "../evil.png": "a name that climbs out of it",
    "a/../../evil.png": "a name that climbs out of it",
    "a/..": "a name that climbs out of it",
    "/evil.png": "an absolute name",
    "//evil.png": "an absolute name",
    "C:/evil.png": "an absolute name",
    "C:evil.png": "an absolute name",
    "c:\\evil.png": "an absolute name",
    "..\\evil.png": "a name with a backslash in it",
    "\\\\host\\evil.png": "a name with a backslash in it",
    "a\\b.png": "a name with a backslash in it",
    "x" * 256: "a name that no file can have",
    "ü" * 128: "a name that no file can have",
    "a/" * 1500 + "b": "a name that no file can have",
    ".": "a name that no file can have",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("before", [True, False])
def test_no_name_leads_out_of_the_folder(tmp_path, cache, make, name, before):
    contents = [("good.png", b"1"), (name, b"evil")]
    path = tmp_path / "x.bin"
    error = refused(make(path, contents if before else contents[::-1]), cache)
    assert error.what == f"x.bin holds {NAMES[name]}"
    assert error.got


def test_a_name_with_a_nul_is_refused(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", [("good.pngZ.exe", b"1")])
    path.write_bytes(path.read_bytes().replace(b"pngZ.exe", b"png\0.exe"))
    error = refused(path, cache)
    assert (error.what, error.got) == ("x.zip holds a name that no file can have", r"'good.png\x00.exe'")


def test_a_name_does_not_draw_on_the_terminal(tmp_path, cache):
    error = refused(tarred(tmp_path / "x.tar", [("../\x1b[2J" + "n" * 150, b"")]), cache)
    assert "\x1b" not in str(error)
    assert error.got.endswith("... (157 characters)'")


SPECIAL = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    b"Z": "something unknown",
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_tar_of_anything_but_files_and_folders_is_refused(tmp_path, cache, kind):
    info = tarfile.TarInfo("a")
    info.type, info.linkname = kind, str(tmp_path)
    error = refused(tarred(tmp_path / "x.tar", [("good.png", b"1"), (info, b""), ("a/evil.png", b"2")]), cache)
    assert error.what == f"x.tar holds {SPECIAL[kind]}"


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        (stat.S_IFLNK, "a symbolic link"),
        (stat.S_IFCHR, "a device"),
        (stat.S_IFIFO, "a pipe"),
        (stat.S_IFSOCK, "a socket"),
        (0o110000, "something unknown"),
    ],
)
def test_a_zip_of_anything_but_files_and_folders_is_refused(tmp_path, cache, mode, what):
    info = zipfile.ZipInfo("a")
    info.external_attr = (mode | 0o777) << 16
    error = refused(zipped(tmp_path / "x.zip", [("good.png", b"1"), (info, b"/etc")]), cache)
    assert error.what == f"x.zip holds {what}"


def test_an_encrypted_zip_is_refused(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", [("a.png", b"secret")])
    held = bytearray(path.read_bytes())
    held[6] |= 1  # bit 0 of the flags says that the member is encrypted: here in its own header,
    held[held.index(b"PK\x01\x02") + 8] |= 1  # and here in the directory (APPNOTE 4.4.4)
    path.write_bytes(held)
    with zipfile.ZipFile(path) as file, pytest.raises(RuntimeError, match="encrypted"):
        file.read("a.png")  # the judge
    assert refused(path, cache).what == "x.zip holds an encrypted file"


def test_a_zip_packed_by_an_unusual_method_is_refused(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("a.png", b"1" * 999)
    assert refused(tmp_path / "x.zip", cache).what == "x.zip holds a file packed by a method that is not read"


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["a.png", "b.png", "a.png"], "the same name twice"),
        (["a/b.png", "a//./b.png"], "the same name twice"),
        (["a", "a/b.png"], "a name that is both a file and a folder"),
        (["a/b.png", "a"], "a name that is both a file and a folder"),
        (["a", "b", "a/b/c/d.png"], "a name that is both a file and a folder"),
        (["a", "a/"], "a name that is both a file and a folder"),
    ],
)
@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_never_share_a_place(tmp_path, cache, make, names, what):
    path = make(tmp_path / "x.bin", [(name, b"") for name in names])
    assert refused(path, cache).what == f"x.bin holds {what}"


def test_too_many_members_are_refused_and_folders_count(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    unpacked(tarred(tmp_path / "ok.tar", [("a/b/c/d/e/1", b""), *((str(n), b"") for n in range(4))]), cache)
    shutil.rmtree(cache)
    path = tarred(tmp_path / "x.tar", [("a/b/c/d/e/f/g/h/i/1", b""), ("2", b"")])
    assert refused(path, cache).what == "x.tar holds more than 10 files and folders"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_refused_before_it_is_read(tmp_path, cache, pack):
    info = tarfile.TarInfo("a.png")
    info.size = 2**40
    path = tmp_path / "x.tar"
    path.write_bytes(pack(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    error = refused(path, cache)
    assert error.what == "x.tar would unpack to far more than an archive of pictures can hold"
    assert error.got == f"{2**40:,} bytes or more"


def test_a_bomb_in_many_members_is_refused_too(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNASKED", 2**20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(40):
            file.writestr(f"{number}.png", bytes(2**17))
    error = refused(tmp_path / "x.zip", cache)
    assert error.what == "x.zip would unpack to far more than an archive of pictures can hold"


def test_a_zip_whose_members_overlap_is_a_bomb_or_damaged(tmp_path, cache):
    """The construction of Fifield, 'A better zip bomb', 2019: many names for the same bytes."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(2**20))
    content = (tmp_path / "x.zip").read_bytes()
    start = content.index(b"PK\1\2")
    entry = content[start : content.index(b"PK\5\6")]
    many = b"".join(entry[:-1] + bytes([97 + number]) for number in range(26))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 26, 26, len(many), start, 0)
    (tmp_path / "x.zip").write_bytes(content[:start] + many + end)
    assert "is damaged or cut off" in refused(tmp_path / "x.zip", cache).what


def test_damage_found_while_writing_leaves_nothing(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", [("a.png", b"picture one"), ("b.png", b"picture two")])
    path.write_bytes(path.read_bytes().replace(b"picture two", b"picture too", 1))
    error = refused(path, cache)
    assert error.what == f"{path} is damaged or cut off"
    assert error.remedy == "get the file again"


def test_a_page_in_place_of_an_archive_says_so(tmp_path, cache):
    (tmp_path / "x.zip").write_bytes(b"<!DOCTYPE html><html>Please log in")
    error = refused(tmp_path / "x.zip", cache)
    assert "is not an archive that can be read" in error.what
    assert error.got == "<!DOCTYPE html><html>Ple"


def test_an_archive_without_files_is_refused(tmp_path, cache):
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    assert refused(tarred(tmp_path / "x.tar", [(folder, b"")]), cache).what == "x.tar holds no files"
    assert refused(zipped(tmp_path / "y.zip", []), cache).what == "y.zip holds no files"


def test_a_missing_archive_is_said_to_be_missing(tmp_path, cache):
    with pytest.raises(DataError, match="cannot read the archive"):
        unpacked(tmp_path / "x.zip", cache)
    (tmp_path / "x.zip").symlink_to("x.zip")
    with pytest.raises(DataError, match="cannot read the archive"):
        unpacked(tmp_path / "x.zip", cache)
    with pytest.raises(DataError, match="cannot read the archive"):
        unpacked(tmp_path / "a\0.zip", cache)
    assert not cache.exists()


PART = st.sampled_from(["a", "b", "..", ".", "", "C:", "\\", "x" * 256, "\0"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(PART, max_size=4).map("/".join), st.sampled_from("01257")), min_size=1, max_size=5))
def test_whatever_the_names_and_kinds_all_is_inside_or_nothing(tmp_path, members):
    top = tmp_path / "top"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    path = top / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as file:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind.encode(), "../.."
            file.addfile(info)
    try:
        out = unpacked(path, top / "cache")
    except DataError:
        assert tree(top) == {"cache": None, "cache/unpacked": None, "x.tar": path.read_bytes()}
        return
    assert all(
        found.startswith(f"cache/unpacked/{out.name}")
        for found in set(tree(top)) - {"x.tar", "cache", "cache/unpacked"}
    )
    assert not any(found.is_symlink() for found in top.rglob("*"))


# Room and permission


def test_no_room_is_told_before_anything_is_written(tmp_path, cache, monkeypatch):
    path = zipped(tmp_path / "x.zip", [("a.png", b"1"), ("b.png", b"2")])
    monkeypatch.setattr(archive, "RESERVE", shutil.disk_usage(tmp_path).total)
    with pytest.raises(OutOfRoom, match=r"there is no room to unpack x\.zip") as caught:
        unpacked(path, cache)
    assert "--cache" in caught.value.remedy
    assert tree(cache) == {"unpacked": None}


def test_a_disk_that_fills_up_keeps_nothing(tmp_path):
    path = zipped(tmp_path / "x.zip", [(f"{number}.png", os.urandom(2**16)) for number in range(40)])
    (tmp_path / "disk").mkdir()
    script = "from torchbeam.data import archive; archive.RESERVE = -2**40\n" + UNPACK
    script += "import os; print(os.listdir(Path(sys.argv[2]) / 'unpacked'))"
    said = run_on_tmpfs(tmp_path / "disk", "size=1m", "-c", script, path, tmp_path / "disk")
    assert said.startswith("OutOfRoom: the disk filled up while x.zip was unpacked")
    assert said.endswith("\n[]\n")


def test_a_disk_that_takes_no_more_files_is_told_before(tmp_path):
    path = zipped(tmp_path / "x.zip", [(f"{number}.png", b"") for number in range(50)])
    (tmp_path / "disk").mkdir()
    script = "from torchbeam.data import archive; archive.RESERVE = 0\n" + UNPACK
    said = run_on_tmpfs(tmp_path / "disk", "nr_inodes=40", "-c", script, path, tmp_path / "disk")
    assert said.startswith("OutOfRoom: the disk cannot take as many files as x.zip holds")


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    path = zipped(tmp_path / "x.zip", [("a.png", b"1")])
    (tmp_path / "cache").touch()
    with pytest.raises(OutputError, match=r"cannot unpack x\.zip into") as caught:
        unpacked(path, tmp_path / "cache")
    assert "--cache" in caught.value.remedy
    closed = tmp_path / "closed cache"
    closed.mkdir(mode=0o555)
    assert run_bound(tmp_path, "-c", UNPACK, path, closed).startswith("OutputError: cannot unpack x.zip into")


def test_two_names_that_a_disk_takes_for_one_are_refused(tmp_path, cache, monkeypatch):
    """As on disks that know no case; here the second name is already there."""
    path = zipped(tmp_path / "x.zip", [("A.png", b"1"), ("a.png", b"2")])

    def open_without_case(name, mode):
        return open(str(name).replace("a.png", "A.png"), mode)

    monkeypatch.setattr(archive, "open", open_without_case, raising=False)
    assert refused(path, cache).what == "x.zip holds two names that are one on this disk"


# Killed runs, and two at once


def many(path, count=1000):
    return zipped(path, [(f"{number % 7}/{number}.png", str(number)) for number in range(count)])


def test_what_a_killed_run_leaves_is_removed_by_the_next(tmp_path, cache):
    path = many(tmp_path / "x.zip", 6000)
    with subprocess.Popen([sys.executable, "-c", UNPACK, str(path), str(cache)]) as run:
        while not any((cache / "unpacked").glob(".*.part/*/*")):
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
    left = list((cache / "unpacked").glob(".*.part"))
    assert len(left) == 1
    assert not place(path, cache).exists()
    other = zipped(tmp_path / "other.zip", [("a.png", b"1")])
    out = unpacked(other, cache)  # of another archive
    assert set((cache / "unpacked").iterdir()) == {out}
    assert len(tree(unpacked(path, cache))) == 6000 + 7


def test_the_folder_of_a_run_that_lives_is_left_alone(tmp_path, cache):
    path, other = many(tmp_path / "x.zip", 6000), many(tmp_path / "other.zip", 10)
    with subprocess.Popen([sys.executable, "-c", UNPACK, str(path), str(cache)], stdout=subprocess.PIPE) as run:
        while not any((cache / "unpacked").glob(".*.part/*/*")):
            assert run.poll() is None
            time.sleep(0.005)
        unpacked(other, cache)
        assert run.stdout is not None
        assert run.stdout.read().decode().strip() == str(place(path, cache))
    assert len(tree(place(path, cache))) == 6000 + 7


def test_two_runs_at_once_end_with_one_folder(tmp_path, cache):
    path = many(tmp_path / "x.zip")
    command = [sys.executable, "-c", UNPACK, str(path), str(cache)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {run.communicate()[0].strip() for run in runs}
    assert said == {str(place(path, cache))}
    assert [found.name for found in (cache / "unpacked").iterdir()] == [place(path, cache).name]
    assert len(tree(place(path, cache))) == 1000 + 7


def test_without_locks_the_slower_of_two_takes_what_the_quicker_made(tmp_path, cache, monkeypatch):
    path = many(tmp_path / "x.zip", 200)
    monkeypatch.setattr("torchbeam.data.lock._hold", lambda path, wait: None)
    meet, found = threading.Barrier(2), []

    def watch(items, what, total, unit="pictures"):
        if what.startswith("unpacking"):
            meet.wait()
        return iter(items)

    threads = [threading.Thread(target=lambda: found.append(unpacked(path, cache, watch))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [place(path, cache)] * 2
    assert list((cache / "unpacked").iterdir()) == [place(path, cache)]
    assert len(tree(found[0])) == 200 + 7


def test_a_run_that_is_stopped_leaves_nothing(tmp_path, cache):
    def watch(items, what, total, unit="pictures"):
        for at, item in enumerate(items):
            if what.startswith("unpacking") and at == 2:
                raise KeyboardInterrupt
            yield item

    path = many(tmp_path / "x.zip", 10)
    with pytest.raises(KeyboardInterrupt):
        unpacked(path, cache, watch)
    assert tree(cache) == {"unpacked": None}


# Real data


@pytest.mark.shared
def test_sixty_thousand_pictures_are_all_there(tmp_path):
    """In memory: a disk takes its time to remove so many files."""
    path = shared("data", "cifar10-jpeg.zip")
    (tmp_path / "disk").mkdir()
    script = (
        UNPACK
        + """
import zipfile, collections
(out,) = (Path(sys.argv[2]) / "unpacked").iterdir()
print(sorted(collections.Counter(len(os.listdir(folder)) for folder in out.glob("*/*")).items()))
with zipfile.ZipFile(sys.argv[1]) as file:
    print({(out / name).read_bytes() == file.read(name) for name in file.namelist()[::1000]})
"""
    )
    said = run_on_tmpfs(tmp_path / "disk", "size=900m", "-c", script, path, tmp_path / "disk")
    assert said.splitlines()[1:] == ["[(1000, 10), (5000, 10)]", "{True}"]


def test_the_room_for_archives_never_loads_torch():
    said = run_python("-c", "import sys, torchbeam.data.archive; print('torch' in sys.modules)")
    assert said == "False\n"
