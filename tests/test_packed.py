"""What archives hold, judged by tarfile, zipfile and GNU tar; and bytes that make no sense."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchbeam.data import packed
from torchbeam.data.packed import CHUNK, FILE, FOLDER, looks_packed, opened
from torchbeam.errors import DataError

LONG = "/".join(["a folder with quite a long name"] * 9) + "/ümlaut-猫.png"
CONTENTS = {
    "a/1.png": b"one",
    "a/empty.png": b"",
    "b/block.png": bytes(range(256)) * 2,
    "b/large.png": random.Random(1).randbytes(5000) * 211,
    LONG: b"far down",
    "x" * 99: b"just fits",
    "y" * 100: b"fills its field",
    "z" * 101 + "/" + "z" * 120: b"does not fit",
}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def tarred(contents=None, form="pax", mode="w"):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode, format=FORMATS[form]) as file:
        for name, content in (CONTENTS if contents is None else contents).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return held.getvalue()


def read_whole(path):
    """name -> content of every file, and the names of folders."""
    with opened(path) as archive:
        members = list(archive.members())
        files = {member.name: b"".join(archive.content(member)) for member in members if member.kind == FILE}
    return files, {member.name.rstrip("/") for member in members if member.kind == FOLDER}


def written(path: Path, content: bytes):
    path.write_bytes(content)
    return path


# Judged by others


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_tar_holds_what_tarfile_put_into_it(tmp_path, form, pack):
    path = written(tmp_path / "x.tar", pack(tarred(form=form)))
    assert read_whole(path) == (CONTENTS, set())


def test_a_ustar_splits_long_names(tmp_path):
    contents = {name: content for name, content in CONTENTS.items() if len(name) <= 200}
    contents["d" * 100 + "/" + "e" * 90] = b"split in two"
    assert read_whole(written(tmp_path / "x.tar", tarred(contents, "ustar"))) == (contents, set())


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_a_tar_holds_what_gnu_tar_put_into_it(tmp_path, form):
    if not shutil.which("tar"):
        pytest.skip("there is no tar")
    names = {"a/1.png": b"one", "a/b/2.png": b"two" * 999, "c d/3.png": b""}
    for name, content in names.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    path = tmp_path / "x.tgz"
    subprocess.run(["tar", "czf", path, f"--format={form}", "-C", tmp_path / "in", "a", "c d"], check=True)
    assert read_whole(path) == (names, {"a", "a/b", "c d"})


def test_large_sizes_are_read_in_base_256(tmp_path):
    info = tarfile.TarInfo("large.bin")
    info.size = 2**40
    path = written(tmp_path / "x.tar", info.tobuf(tarfile.GNU_FORMAT))
    with opened(path) as archive:
        assert next(iter(archive.members())).size == 2**40


def test_a_pax_size_counts_more_than_the_headers(tmp_path):
    info = tarfile.TarInfo("large.bin")
    info.size = 2**40
    path = written(tmp_path / "x.tar", info.tobuf(tarfile.PAX_FORMAT))
    with opened(path) as archive:
        assert next(iter(archive.members())).size == 2**40


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_holds_what_zipfile_put_into_it(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as file:
        for name, content in CONTENTS.items():
            file.writestr(name, content)
        file.mkdir("empty")
    assert read_whole(tmp_path / "x.zip") == (CONTENTS, {"empty"})


def test_names_that_are_no_utf8_come_back_as_the_bytes_they_were(tmp_path):
    header = bytearray(tarfile.TarInfo("k.png").tobuf(tarfile.USTAR_FORMAT))
    header[0:1] = b"\xff"
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    files, _ = read_whole(written(tmp_path / "x.tar", bytes(header) + bytes(1024)))
    assert [os.fsencode(name) for name in files] == [b"\xff.png"]


def test_how_far_an_archive_was_read_grows_to_its_size(tmp_path):
    path = written(tmp_path / "x.tar.gz", gzip.compress(tarred()))
    with opened(path) as archive:
        told = [archive.passed() for _ in archive.members()]
        assert told == sorted(told)
        assert archive.passed() == path.stat().st_size


# Told by first bytes


def test_an_archive_is_told_by_its_first_bytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "zip", "w") as file:
        file.writestr("a", "a")
    assert looks_packed(tmp_path / "zip")
    for name, pack in (("tar", bytes), ("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        assert looks_packed(written(tmp_path / name, pack(tarred({"a": b"1"})))), name
    for name, content in (("gz of text", gzip.compress(b"text" * 999)), ("text", b"text" * 999), ("none", b"")):
        assert not looks_packed(written(tmp_path / name, content)), name
    assert not looks_packed(tmp_path / "missing")


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>" + b" " * 999, b"", b"Rar!\x1a\x07\x00", bytes(2048)])
def test_something_else_is_no_archive(tmp_path, content):
    with pytest.raises(DataError, match="is not an archive that can be read"):
        read_whole(written(tmp_path / "x.zip", content))


# Damaged


def damaged(path):
    with pytest.raises(DataError, match="is damaged or cut off") as caught:
        read_whole(path)
    return caught.value.got


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_tar_that_is_cut_off_or_changed_is_noticed(tmp_path, pack):
    content = pack(tarred())
    for at in (len(content) // 3, len(content) - 4):
        damaged(written(tmp_path / "cut", content[:at]))
    for at in (len(content) // 2, len(content) - 6):
        damaged(written(tmp_path / "bad", content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]))


def test_a_tar_cut_off_anywhere_is_noticed_even_between_members(tmp_path):
    whole = tarred({"a": b"1" * 600, "b": b"2"})
    for size in (512, 1000, 1536, 2048, 2560):
        assert damaged(written(tmp_path / "x.tar", whole[:size])) == "the tar is cut off"


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    whole = bytearray(tarred({"a": b"1", "b": b"2", "c": b"3"}, "ustar"))
    whole[1024 + 3] ^= 1  # in the name of the second
    path = written(tmp_path / "x.tar", bytes(whole))
    with tarfile.open(path) as file:
        assert file.getnames() == ["a"]  # what tarfile does, and why it is not used
    assert damaged(path) == "a header of the tar is damaged"


def test_what_follows_the_end_of_a_tar_is_not_passed_over(tmp_path):
    assert damaged(written(tmp_path / "x.tar", tarred({"a": b""}) + tarred({"b": b""}))).endswith("after its end")


def test_zeros_without_end_are_not_read_to_their_end(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_TRAILING", CHUNK)
    path = written(tmp_path / "x.tar.gz", gzip.compress(tarred({"a": b""}) + bytes(3 * CHUNK)))
    assert damaged(path).endswith("after its end")


def test_headers_that_claim_too_much_are_not_believed(tmp_path):
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2**33
    path = written(tmp_path / "x.tar", long_name.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    assert damaged(path) == "a name of 8,589,934,592 bytes"
    long_name.size = 1
    path = written(tmp_path / "x.tar", (long_name.tobuf(tarfile.GNU_FORMAT) + b"a" + bytes(511)) * 99)
    assert damaged(path) == "more than 16 headers before one member"


@pytest.mark.parametrize(
    "field", [b"-0000000001\0", b"0x123456789\0", b"99999999999\0", b"\xff" * 12, b"1_1\0".ljust(12)]
)
def test_sizes_that_are_none_are_not_believed(tmp_path, field):
    header = bytearray(tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = field
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    damaged(written(tmp_path / "x.tar", bytes(header) + bytes(2048)))


@pytest.mark.parametrize(
    "records", [b"8 path=a", b"99 path=a\n", b"path=a\n", b"0 =\n", b"9 path a\n", b"11 size=-1\n\n"]
)
def test_pax_records_that_do_not_add_up_are_not_believed(tmp_path, records):
    extra = tarfile.TarInfo("pax")
    extra.type, extra.size = tarfile.XHDTYPE, len(records)
    plain = tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT)
    path = written(
        tmp_path / "x.tar", extra.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + plain + bytes(1024)
    )
    damaged(path)


def test_a_zip_with_a_wrong_checksum_or_cut_off_is_noticed(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a.png", b"picture" * 99)
    content = (tmp_path / "x.zip").read_bytes()
    assert "CRC" in damaged(written(tmp_path / "bad.zip", content.replace(b"picturepic", b"pictureXic", 1)))
    damaged(written(tmp_path / "cut.zip", content[:-30]))


def test_a_zip_never_gives_more_than_it_claims(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(5000))
    content = (tmp_path / "x.zip").read_bytes()
    claimed = content.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert "CRC" in damaged(written(tmp_path / "less.zip", claimed))
    claimed = content.replace((5000).to_bytes(4, "little"), (6000).to_bytes(4, "little"))
    assert damaged(written(tmp_path / "more.zip", claimed)) == "1,000 bytes of a.png are missing"


SOUND = {"tar": tarred({"a/1": b"one" * 300, LONG: b"two"}), "gz": gzip.compress(tarred({"a": b"1" * 900}), mtime=0)}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(SOUND)), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4))
def test_no_bytes_whatever_do_more_than_raise_the_one_error(tmp_path, kind, changes):
    content = bytearray(SOUND[kind])
    for at, value in changes:
        content[at % len(content)] = value
    path = written(tmp_path / "fuzzed", bytes(content))
    try:
        files, _ = read_whole(path)
    except DataError:
        return
    assert sum(map(len, files.values())) <= 10_000
