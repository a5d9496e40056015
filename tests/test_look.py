"""Every picture of a source read and decoded once; the bad ones set aside."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_makers import drawn, encoded, run_python

from torchbeam.data.facts import examine, examine_pixels
from torchbeam.data.factsbook import NAME, FactsBook
from torchbeam.data.look import look
from torchbeam.data.pictures import Array, Files
from torchbeam.data.records import Record, Source
from torchbeam.errors import PictureError

COUNT = 150  # more than one chunk


def source_of(root: Path, names: Sequence[str]) -> Source:
    records = tuple(Record(name, 0) for name in names)
    return Source("folder", str(root), root, ("a",), records, Files(root, tuple(names)))


@pytest.fixture
def photos(tmp_path) -> Source:
    """Pictures of several kinds; every seventh file is none, each for another reason."""
    root = tmp_path / "photos"
    root.mkdir()
    bad = [b"", b"text", encoded(drawn(0), "JPEG")[:300], encoded(drawn(0))[:-20], b"\x89PNG\r\n\x1a\n", bytes(100)]
    names = []
    for number in range(COUNT):
        names.append(f"{number:03}.{('png', 'jpg', 'bmp')[number % 3]}")
        content = encoded(drawn(number, mode="L" if number % 5 == 0 else "RGB"), ("PNG", "JPEG", "BMP")[number % 3])
        (root / names[-1]).write_bytes(bad[number // 7 % len(bad)] if number % 7 == 3 else content)
    (root / names[-3]).unlink()
    return source_of(root, names)


def test_bad_pictures_are_set_aside_with_the_reason_and_the_order_is_kept(photos, tmp_path):
    good, bad = look(photos, tmp_path / "cache")
    reasons = {}
    for number, record in enumerate(photos.records):
        try:
            expected = examine(photos.pictures.content(number), record.path)
            assert good[number] == expected
        except PictureError as error:
            reasons[record.path] = error.reason
    assert [(skipped.path, skipped.reason) for skipped in bad] == list(reasons.items())
    assert len(bad) == 22
    assert list(good) == sorted(good)
    assert len(good) + len(bad) == COUNT
    assert all(reasons.values())


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_what_is_found_does_not_depend_on_the_threads(photos, tmp_path, threads):
    expected = look(photos, tmp_path / "cache")
    assert look(photos, tmp_path / "another", threads=threads) == expected
    assert look(photos, tmp_path / "another", threads=threads) == expected


def test_what_was_looked_at_before_is_not_decoded_again_whatever_its_name(photos, tmp_path):
    good, bad = look(photos, tmp_path / "cache")
    book = FactsBook(tmp_path / "cache")
    book.add(replace(facts, frames=1000 + number) for number, facts in good.items())  # what no decoding would tell
    book.close()
    again, bad_again = look(photos, tmp_path / "cache")
    assert [facts.frames for facts in again.values()] == [1000 + number for number in good]
    assert bad_again == bad
    assert photos.root is not None
    for number in good:
        (photos.root / photos.records[number].path).rename(photos.root / f"moved {number}")
    moved, _ = look(source_of(photos.root, [f"moved {number}" for number in good]), tmp_path / "cache")
    assert [facts.frames for facts in moved.values()] == [1000 + number for number in good]


def test_a_picture_that_was_changed_is_looked_at_anew(photos, tmp_path):
    look(photos, tmp_path / "cache")
    assert photos.root is not None
    content = encoded(drawn(999, (40, 30)), "BMP")
    (photos.root / photos.records[0].path).write_bytes(content)
    good, _ = look(photos, tmp_path / "cache")
    assert good[0] == examine(content, "any")


def test_only_what_is_wanted_is_looked_at(photos, tmp_path):
    whole, _ = look(photos, tmp_path / "cache")
    good, bad = look(photos, tmp_path / "cache", wanted=[2, 3, 5, 9])
    assert good == {number: whole[number] for number in (2, 5, 9)}
    assert [skipped.path for skipped in bad] == ["003.png"]
    assert look(photos, tmp_path / "cache", wanted=[]) == ({}, ())


def test_a_source_without_pictures_has_no_facts(tmp_path):
    assert look(source_of(tmp_path, []), tmp_path / "cache") == ({}, ())


def test_pictures_in_an_array_are_looked_at_without_a_book(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 9, 7, 3), dtype=np.uint8)
    records = tuple(Record(str(number), 0) for number in range(200))
    good, bad = look(Source("mnist", "here", None, ("a",), records, Array(pixels)), tmp_path / "cache")
    assert good == {number: examine_pixels(pixels[number]) for number in range(200)}
    assert bad == ()
    assert not (tmp_path / "cache").exists()


def test_the_book_lies_in_the_cache_and_nothing_else_does(photos, tmp_path):
    look(photos, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [NAME]


def test_without_a_cache_that_can_be_written_it_goes_on(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert look(photos, tmp_path / "file") == look(photos, tmp_path / "cache")


def test_it_can_be_watched(photos, tmp_path):
    seen = []

    def watch(items, what, total, unit="pictures"):
        seen.append((what, total, unit))
        for item in items:
            seen.append(item)
            yield item

    good, bad = look(photos, tmp_path / "cache", watch)
    assert seen[0] == ("looking at the pictures", COUNT, "pictures")
    assert [item for item in seen[1:] if item in good.values()] == list(good.values())
    assert [item for item in seen[1:] if item in bad] == list(bad)


def test_an_error_of_the_watcher_ends_the_work(photos, tmp_path):
    def watch(items, what, total, unit="pictures"):
        for count, item in enumerate(items):
            if count == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        look(photos, tmp_path / "cache", watch, threads=1)
    # Of the chunks, those in hand were finished and the others not begun.
    book = FactsBook(tmp_path / "cache")
    known = [book.known(facts.digest) is not None for facts in look(photos, tmp_path / "other")[0].values()]
    book.close()
    assert known[0]
    assert not all(known)


MEASURED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_look import source_of
from torchbeam.data.look import look

def highest():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

root = Path(sys.argv[2])
names = sorted(path.name for path in root.iterdir())
look(source_of(root, names[:4]), root.parent / "first", threads=2)
before = highest()
good, bad = look(source_of(root, names), root.parent / "cache", threads=2)
print(len(good), len(bad), highest() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux does")
def test_no_more_than_a_few_pictures_are_in_memory_at_a_time(tmp_path):
    root = tmp_path / "large"
    root.mkdir()
    content = encoded(drawn(0, (900, 700)), "BMP")
    (root / "00.bmp").write_bytes(content)
    for number in range(1, 60):
        os.link(root / "00.bmp", root / f"{number:02}.bmp")
    good, bad, kilobytes = map(int, run_python("-c", MEASURED, Path(__file__).parent, root).split())
    assert (good, bad) == (60, 0)
    assert kilobytes * 1024 < 10 * len(content)  # of sixty
