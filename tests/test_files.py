"""A file is written whole or not at all."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest
from data_makers import run_bound, run_on_tmpfs, run_python

from torchbeam.errors import OutOfRoom, OutputError
from torchbeam.files import cannot_write, write_whole

# Writes a little, then a megabyte, and tells how it went; the limit, where there is one, binds the second time.
WRITER = """
import json, os, resource, sys
from pathlib import Path
from torchbeam.errors import TorchbeamError
from torchbeam.files import write_whole

path, limit = Path(sys.argv[1]), int(sys.argv[2])
told = {}
for word, content in (("first", b"old"), ("second", b"new" * 350_000)):
    try:
        write_whole(path, content)
    except TorchbeamError as error:
        told[word] = [type(error).__name__, error.exit_code, str(error)]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
told["held"] = path.read_bytes()[:9].decode() if path.exists() else None
told["names"] = os.listdir(path.parent)
print(json.dumps(told))
"""


def test_bytes_are_written_as_they_are_and_text_as_utf_8(tmp_path):
    write_whole(tmp_path / "a", bytes(range(256)))
    write_whole(tmp_path / "b", "naïve Straße\r\n網\n")
    assert (tmp_path / "a").read_bytes() == bytes(range(256))
    assert (tmp_path / "b").read_bytes() == b"na\xc3\xafve Stra\xc3\x9fe\r\n\xe7\xb6\xb2\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_nothing_can_be_written_too(tmp_path):
    write_whole(tmp_path / "a", b"")
    assert (tmp_path / "a").read_bytes() == b""


def test_the_new_content_takes_the_place_of_the_old(tmp_path):
    write_whole(tmp_path / "a", "a longer text")
    write_whole(tmp_path / "a", "short")
    assert (tmp_path / "a").read_text() == "short"
    assert os.listdir(tmp_path) == ["a"]


def test_a_reader_sees_the_old_or_the_new_and_never_a_half(tmp_path):
    path = tmp_path / "a"
    contents = [letter * 300_000 for letter in (b"a", b"b")]
    write_whole(path, contents[0])
    writer = threading.Thread(target=lambda: [write_whole(path, contents[turn % 2]) for turn in range(20)])
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(path.read_bytes())
    writer.join()
    assert seen
    assert all(content in contents for content in seen)


def test_a_folder_as_target_is_refused_and_stays(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inner").write_text("kept")
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_whole(tmp_path / "taken", "text")
    assert caught.value.got == "Is a directory"
    assert caught.value.remedy == "name a place that can be written with --out"
    assert (tmp_path / "taken" / "inner").read_text() == "kept"
    assert os.listdir(tmp_path) == ["taken"]


def test_a_place_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_whole(tmp_path / "no" / "a", "text")
    assert caught.value.got == "No such file or directory"
    assert str(tmp_path / "no" / "a") in str(caught.value)


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_whole(tmp_path / "file" / "a", "text")
    assert caught.value.got == "Not a directory"
    assert (tmp_path / "file").read_text() == "kept"


def test_a_name_too_long_for_the_disk_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_whole(tmp_path / ("n" * 300), "text")
    assert caught.value.got == "File name too long"


def test_the_longest_name_the_disk_takes_can_be_written(tmp_path):
    write_whole(tmp_path / ("n" * 255), "text")
    assert os.listdir(tmp_path) == ["n" * 255]


def test_a_text_with_a_file_name_that_is_not_utf_8_can_be_written(tmp_path):
    # A name in Latin-1, as old zip files bring it; Python reads it with a lone surrogate in it.
    name = os.fsdecode(b"caf\xe9.png")
    write_whole(tmp_path / "a", f"path\n{name}\n")
    assert b"caf" in (tmp_path / "a").read_bytes()
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_too_large_for_the_limit_is_refused_and_the_old_one_kept(tmp_path):
    told = json.loads(run_python("-c", WRITER, tmp_path / "a", 100_000))
    kind, code, text = told["second"]
    assert (kind, code) == ("OutputError", 2)
    assert "cannot write" in text
    assert "File too large" in text
    assert (told["held"], told["names"]) == ("old", ["a"])


def test_a_full_disk_ends_the_run_and_keeps_the_old_file(tmp_path):
    told = json.loads(run_on_tmpfs(tmp_path, "size=64k", "-c", WRITER, tmp_path / "a", 0))
    assert "first" not in told
    kind, code, text = told["second"]
    assert (kind, code) == ("OutOfRoom", 3)
    assert text.startswith(f"the disk is full: {tmp_path / 'a'} could not be written")
    assert "free some room, or name another place with --out" in text
    assert (told["held"], told["names"]) == ("old", ["a"])


def test_a_disk_mounted_for_reading_is_refused(tmp_path):
    told = json.loads(run_on_tmpfs(tmp_path, "ro", "-c", WRITER, tmp_path / "a", 0))
    kind, code, text = told["first"]
    assert (kind, code) == ("OutputError", 2)
    assert "cannot write" in text
    assert "Read-only file system" in text
    assert told["names"] == []


def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    (tmp_path / "fixed").mkdir(mode=0o555)
    told = json.loads(run_bound(tmp_path, "-c", WRITER, tmp_path / "fixed" / "a", 0))
    kind, code, text = told["first"]
    assert (kind, code) == ("OutputError", 2)
    assert "Permission denied" in text
    assert told["names"] == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_and_no_quota_are_one_thing_to_the_user(number):
    error = cannot_write(Path("out/a"), OSError(number, os.strerror(number)))
    assert isinstance(error, OutOfRoom)
    assert "the disk is full: out/a could not be written" in str(error)


def test_an_error_without_words_of_its_own_is_told_as_it_is():
    error = cannot_write(Path("out/a"), OSError("odd"))
    assert isinstance(error, OutputError)
    assert error.got == "odd"
