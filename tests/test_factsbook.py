"""The facts of pictures looked at before."""

import random
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from data_makers import run_bound, run_on_tmpfs
from stored import made

from torchbeam.data.facts import Facts
from torchbeam.data.factsbook import NAME, FactsBook


def reopened(folder, facts):
    """What a new book in the folder knows of them."""
    book = FactsBook(folder)
    known = [book.known(each.digest) for each in facts]
    book.close()
    return known


def filled(folder, count: int) -> list[Facts]:
    facts = [made(number) for number in range(count)]
    book = FactsBook(folder)
    book.add(facts)
    book.close()
    return facts


def test_what_was_added_is_known_word_for_word_also_later(tmp_path):
    facts = [made(number) for number in range(200)]
    facts += [replace(made(1000), dhash=0), replace(made(1001), dhash=2**64 - 1), replace(made(1002), dhash=2**63)]
    book = FactsBook(tmp_path / "cache")
    book.add(facts[:100])
    book.add(facts[100:])
    assert [book.known(each.digest) for each in facts] == facts
    book.close()
    assert reopened(tmp_path / "cache", facts) == facts
    known = reopened(tmp_path / "cache", facts)[0]
    assert [type(getattr(known, name)) for name in Facts.__slots__] == [
        type(getattr(facts[0], name)) for name in Facts.__slots__
    ]


def test_what_was_not_added_is_not_known(tmp_path):
    book = FactsBook(tmp_path)
    assert book.known(made(0).digest) is None
    book.add([])
    book.add([made(1)])
    assert book.known(made(0).digest) is None
    book.close()


def test_facts_added_again_replace_the_former(tmp_path):
    book = FactsBook(tmp_path)
    book.add([made(0)])
    book.add([replace(made(0), frames=7)])
    assert book.known(made(0).digest) == replace(made(0), frames=7)
    book.close()


def test_a_damaged_book_is_begun_anew(tmp_path):
    (tmp_path / NAME).write_bytes(b"not a database at all" * 1000)
    facts = filled(tmp_path, 50)
    assert reopened(tmp_path, facts) == facts


def test_a_book_cut_short_knows_no_less_than_nothing_and_takes_more(tmp_path):
    facts = filled(tmp_path / "whole", 300)
    content = (tmp_path / "whole" / NAME).read_bytes()
    for number, length in enumerate((1, 50, 4096, 5000, len(content) // 2, len(content) - 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / NAME).write_bytes(content[:length])
        for known, own in zip(reopened(folder, facts), facts, strict=True):
            assert known in (None, own)
        book = FactsBook(folder)
        book.add(facts)  # found out again
        book.close()
        assert reopened(folder, facts) == facts


def test_no_changed_byte_makes_it_tell_anything_wrong(tmp_path):
    facts = filled(tmp_path / "whole", 60)
    content = (tmp_path / "whole" / NAME).read_bytes()
    chance = random.Random(5)
    wrong = 0
    for number in range(60):
        changed = bytearray(content)
        for at in chance.sample(range(len(content)), 20):
            changed[at] ^= 1 << chance.randrange(8)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / NAME).write_bytes(changed)
        for known, own in zip(reopened(folder, facts), facts, strict=True):
            assert known in (None, own)
            wrong += known is None
        shutil.rmtree(folder)
    assert wrong > 60  # the changes did reach what it holds


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stored import made
from torchbeam.data.factsbook import FactsBook
book = FactsBook(Path(sys.argv[2]))
for start in range(int(sys.argv[3]), int(sys.argv[3]) + 200, 10):
    facts = [made(number) for number in range(start, start + 10)]
    book.add(facts)
    assert [book.known(each.digest) for each in facts] == facts
"""


def test_two_processes_write_and_read_it_at_once(tmp_path):
    arguments = [sys.executable, "-c", WRITER, __file__.rpartition("/")[0], str(tmp_path)]
    writers = [subprocess.Popen([*arguments, str(first)], stderr=subprocess.PIPE) for first in (0, 100, 300)]
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == b""
        assert writer.returncode == 0
    facts = [made(number) for number in range(500)]
    assert reopened(tmp_path, facts) == facts


GOING_WITHOUT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stored import made
from torchbeam.data.factsbook import FactsBook
book = FactsBook(Path(sys.argv[2]))
for number in range(0, 1000, 100):
    book.add([made(each) for each in range(number, number + 100)])
found = [book.known(made(number).digest) for number in range(1000)]
book.close()
print(sum(known is not None for known in found), all(known in (None, made(at)) for at, known in enumerate(found)))
"""
TESTS = __file__.rpartition("/")[0]


def test_without_a_folder_that_can_be_written_it_is_gone_without(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for place in (closed, closed / "deeper"):
        assert run_bound(tmp_path, "-c", GOING_WITHOUT, TESTS, place) == "0 True\n"


@pytest.mark.parametrize("place", ["a file", "a file/deeper"])
def test_a_file_in_its_place_is_gone_around(tmp_path, place):
    (tmp_path / "a file").write_bytes(b"x")
    book = FactsBook(tmp_path / place)
    book.add([made(0)])
    assert book.known(made(0).digest) is None
    book.close()


def test_on_a_full_disk_it_knows_what_it_could_keep(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    number, right = run_on_tmpfs(place, "size=250k", "-c", GOING_WITHOUT, TESTS, place).split()
    assert 0 < int(number) < 1000
    assert right == "True"


def test_a_folder_whose_name_is_no_text_has_one_too(tmp_path):
    facts = filled(tmp_path / "\udcff?#%20", 3)
    assert reopened(tmp_path / "\udcff?#%20", facts) == facts
