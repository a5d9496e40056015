"""The decoded cache."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from data_makers import fingerprints, run_bound, run_on_tmpfs
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import pictures, right

from torchbeam.data import store as storing
from torchbeam.data.store import Row, Store, checksum, room_for

TESTS = str(Path(__file__).parent)


def filled(folder: Path, count: int = 30) -> list[tuple[str, np.ndarray]]:
    own = pictures(0, count)
    store = Store(folder, [digest for digest, _ in own])
    store.put(own[: count // 2])
    store.put(own[count // 2 :])
    store.close()
    return own


def found(folder: Path, own: list[tuple[str, np.ndarray]]) -> list[np.ndarray | None]:
    """What a new store in the folder gives."""
    store = Store(folder, [digest for digest, _ in own])
    got = [store.get(digest) for digest, _ in own]
    store.close()
    return got


# What it keeps


def test_pictures_come_back_bit_for_bit_at_once_and_later(tmp_path):
    own = pictures(0, 50)
    store = Store(tmp_path / "new" / "one", [digest for digest, _ in own])
    assert all(store.get(digest) is None for digest, _ in own)
    store.put(own[:20])
    store.put(iter(own[20:]))
    assert right([store.get(digest) for digest, _ in own], own) == 50
    store.close()
    assert right(found(tmp_path / "new" / "one", own), own) == 50


def test_what_it_gives_cannot_be_written_to_and_outlives_it(tmp_path):
    own = filled(tmp_path)
    store = Store(tmp_path, [digest for digest, _ in own])
    held = store.get(own[3][0])
    assert held is not None
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 1
    store.close()
    del store
    assert np.array_equal(held, own[3][1])


def test_it_takes_pictures_that_lie_in_memory_in_any_way(tmp_path):
    whole = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    ways = [whole[::2, 1::3], whole.transpose(1, 0, 2), whole[:, ::-1], np.broadcast_to(whole[:1, :1], (4, 5, 3))]
    own = list(zip(fingerprints(4), ways, strict=True))
    store = Store(tmp_path, [])
    store.put(own)
    assert right([store.get(digest) for digest, _ in own], own) == 4
    store.close()


def test_a_picture_is_kept_once(tmp_path):
    own = filled(tmp_path)
    size = (tmp_path / "pixels").stat().st_size
    assert size == sum(held.size for _, held in own)
    store = Store(tmp_path, [])  # which does not know of them
    store.put(own)
    store.put(own * 2)
    store.close()
    assert (tmp_path / "pixels").stat().st_size == size


def test_a_second_store_sees_what_the_first_has_put_in(tmp_path):
    own = pictures(0, 20)
    digests = [digest for digest, _ in own]
    first = Store(tmp_path, digests)
    first.put(own[:10])
    second = Store(tmp_path, digests)
    assert right([second.get(digest) for digest in digests], own) == 10
    first.put(own[10:])
    second.put(own[15:])  # finds that they are there
    assert (tmp_path / "pixels").stat().st_size == sum(held.size for _, held in own)
    assert right([second.get(digest) for digest in digests], own) == 15
    first.close()
    second.close()


def test_more_digests_than_are_asked_for_at_once_are_looked_up(tmp_path):
    own = [(digest, np.full((1, 1, 1), number % 256, np.uint8)) for number, digest in enumerate(fingerprints(1203))]
    store = Store(tmp_path, [])
    store.put(own)
    store.close()
    assert right(found(tmp_path, own), own) == 1203


def test_pictures_handed_out_stay_right_while_the_file_grows(tmp_path):
    own = pictures(0, 200)
    store = Store(tmp_path, [])
    held: list[np.ndarray | None] = []
    for number, (digest, pixels) in enumerate(own):
        store.put([(digest, pixels)])
        held.append(store.get(digest))
        assert right(held, own[: number + 1]) == number + 1
    store.close()


def test_threads_may_put_and_get_at_once(tmp_path):
    own = pictures(0, 120)
    store = Store(tmp_path, [])
    counts = []

    def work(seed: int) -> None:
        order = random.Random(seed).sample(own, len(own))
        for start in range(0, len(order), 8):
            store.put(order[start : start + 8])
            counts.append(
                right([store.get(digest) for digest, _ in order[: start + 8]], order[: start + 8]) - start - 8
            )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [0] * 60
    assert (tmp_path / "pixels").stat().st_size == sum(held.size for _, held in own)
    store.close()


def test_its_files_are_let_go_with_it(tmp_path):
    filled(tmp_path)
    store = Store(tmp_path, [])
    file = store.file
    del store
    assert file.closed


# Damage


def test_a_changed_byte_is_found_and_its_picture_taken_for_missing(tmp_path):
    own = filled(tmp_path)
    content = (tmp_path / "pixels").read_bytes()
    starts = np.cumsum([0, *(held.size for _, held in own)])
    for number in range(len(own)):
        for at in {starts[number], starts[number + 1] - 1, (starts[number] + starts[number + 1]) // 2}:
            changed = bytearray(content)
            changed[at] ^= 1 << (number % 8)
            (tmp_path / "pixels").write_bytes(changed)
            got = found(tmp_path, own)
            assert got[number] is None
            assert right(got, own) == len(own) - 1


def test_a_lost_picture_is_kept_anew(tmp_path):
    own = filled(tmp_path)
    content = bytearray((tmp_path / "pixels").read_bytes())
    content[0] ^= 255
    (tmp_path / "pixels").write_bytes(content)
    store = Store(tmp_path, [digest for digest, _ in own])
    assert store.get(own[0][0]) is None
    store.put(own)
    assert right([store.get(digest) for digest, _ in own], own) == len(own)
    store.close()
    assert right(found(tmp_path, own), own) == len(own)
    assert (tmp_path / "pixels").stat().st_size == len(content) + own[0][1].size


def test_threads_that_find_the_same_loss_at_once_all_learn_of_it(tmp_path):
    own = [(digest, np.full((200, 200, 3), 7, np.uint8)) for digest in fingerprints(40)]
    store = Store(tmp_path, [])
    store.put(own)
    store.close()
    (tmp_path / "pixels").write_bytes(bytes((tmp_path / "pixels").stat().st_size))
    store = Store(tmp_path, [digest for digest, _ in own])
    start, got, errors = threading.Barrier(4), [], []

    def work() -> None:
        try:
            start.wait(20)
            got.extend(store.get(digest) for digest, _ in own)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert got == [None] * 160
    store.close()


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.999])
def test_what_lies_beyond_the_end_of_a_shortened_file_is_missing(tmp_path, share):
    own = filled(tmp_path)
    length = int((tmp_path / "pixels").stat().st_size * share)
    os.truncate(tmp_path / "pixels", length)
    expected = int((np.cumsum([held.size for _, held in own]) <= length).sum())
    assert right(found(tmp_path, own), own) == expected
    store = Store(tmp_path, [digest for digest, _ in own])
    gone = [(digest, held) for digest, held in own if store.get(digest) is None]
    store.put(gone)
    assert right([store.get(digest) for digest, _ in own], own) == len(own)
    store.close()


@pytest.mark.parametrize("name", ["pixels", "index.sqlite"])
def test_without_one_of_its_files_everything_is_missing_and_can_be_kept_again(tmp_path, name):
    own = filled(tmp_path)
    (tmp_path / name).unlink()
    assert right(found(tmp_path, own), own) == 0
    store = Store(tmp_path, [])
    store.put(own)
    store.close()
    assert right(found(tmp_path, own), own) == len(own)


def test_no_change_of_the_index_gives_a_wrong_picture(tmp_path):
    own = filled(tmp_path / "whole", 40)
    content = (tmp_path / "whole" / "index.sqlite").read_bytes()
    chance = random.Random(3)
    missing = 0
    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        changed = bytearray(content)
        for at in chance.sample(range(len(content)), 20):
            changed[at] ^= 1 << chance.randrange(8)
        (folder / "index.sqlite").write_bytes(changed)
        missing += len(own) - right(found(folder, own), own)
        shutil.rmtree(folder)
    assert missing > 60


def test_an_index_that_is_none_is_begun_anew(tmp_path):
    own = filled(tmp_path)
    (tmp_path / "index.sqlite").write_bytes(b"no index at all" * 100)
    assert right(found(tmp_path, own), own) == 0
    store = Store(tmp_path, [])
    store.put(own)
    store.close()
    assert right(found(tmp_path, own), own) == len(own)


@pytest.mark.parametrize(("start", "shape"), [(-1, (1, 1, 1)), (0, (0, 1, 1)), (0, (1, 1, -3))])
def test_a_row_that_can_be_no_picture_is_refused(start, shape):
    with pytest.raises(ValueError, match="no picture of shape"):
        Row(start, shape, 0)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=70), st.data())
def test_the_checksum_sees_every_single_change_wherever_the_bytes_lie(content, data):
    own = np.frombuffer(content, np.uint8)
    words = [int.from_bytes(content[at : at + 8], sys.byteorder) for at in range(0, len(content) // 8 * 8, 8)]
    assert checksum(own) == (sum(words) + sum(content[len(content) // 8 * 8 :])) % 2**64
    at, change = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    other = own.copy()
    other[at] ^= change
    assert checksum(other) != checksum(own)
    odd = np.frombuffer(b"\0\0\0" + content, np.uint8)[3:]  # as in the file, not at a multiple of eight
    assert checksum(odd) == checksum(own)


# Other processes


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stored import pictures, right
from torchbeam.data.store import Store
first, last = int(sys.argv[3]), int(sys.argv[4])
own = pictures(first, last)
store = Store(Path(sys.argv[2]), [digest for digest, _ in own])
print("ready", flush=True)
for start in range(0, len(own), 5):
    store.put(own[start:start + 5])
    print(start, flush=True)
assert right([store.get(digest) for digest, _ in own], own) == len(own)
"""


def writer(folder: Path, first: int, last: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, TESTS, str(folder), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_write_the_same_store_at_once(tmp_path):
    writers = [writer(tmp_path, 0, 300), writer(tmp_path, 150, 450)]
    for each in writers:
        assert each.communicate(timeout=60)[1] == ""
        assert each.returncode == 0
    own = pictures(0, 450)
    assert right(found(tmp_path, own), own) == 450
    assert (tmp_path / "pixels").stat().st_size == sum(held.size for _, held in own)


def test_a_process_killed_at_any_moment_leaves_nothing_that_is_half_there(tmp_path):
    own = pictures(0, 2000)
    chance = random.Random(1)
    kept = 0
    for _ in range(3):
        child = writer(tmp_path, kept, 2000)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        said, errors = child.communicate(timeout=60)
        assert errors == ""
        told = [int(line) + 5 for line in said.splitlines()]
        got = right(found(tmp_path, own), own)
        assert got >= kept + max(told, default=0)  # whatever it said was kept is
        kept = got // 5 * 5
    store = Store(tmp_path, [digest for digest, _ in own])
    store.put(own)
    assert right([store.get(digest) for digest, _ in own], own) == 2000
    store.close()


def test_a_store_that_another_run_removes_goes_on_giving_and_takes_no_more(tmp_path):
    own = filled(tmp_path / "one")
    store = Store(tmp_path / "one", [digest for digest, _ in own])
    assert right([store.get(digest) for digest, _ in own[:5]], own[:5]) == 5
    shutil.rmtree(tmp_path / "one")
    more = pictures(100, 110)
    store.put(more)
    assert right([store.get(digest) for digest, _ in own], own) == len(own)
    assert [store.get(digest) for digest, _ in more] == [None] * 10
    store.close()


# Where nothing can be kept


def test_a_folder_that_cannot_be_written_is_told_when_it_is_opened(tmp_path):
    filled(tmp_path / "one")
    (tmp_path / "one").chmod(0o555)
    (tmp_path / "closed").mkdir(mode=0o555)
    script = """
import sqlite3, sys
from pathlib import Path
from torchbeam.data.store import Store
for place in sys.argv[1:]:
    try:
        Store(Path(place), ["a"])
        print("opened")
    except (OSError, sqlite3.Error):
        print("refused")
"""
    places = [tmp_path / "one", tmp_path / "closed", tmp_path / "closed" / "deeper"]
    assert run_bound(tmp_path, "-c", script, *places) == "refused\n" * 3
    (tmp_path / "one").chmod(0o755)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        Store(tmp_path / "file", [])


def test_on_a_full_disk_it_forgets_and_leaves_the_last_bytes_to_the_run(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    script = """
import os, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from stored import right
from torchbeam.data.store import Store
place = Path(sys.argv[2])
chance = np.random.default_rng(0)
own = [(str(number), chance.integers(0, 256, (100, 100, 3), dtype=np.uint8)) for number in range(100)]
store = Store(place / "one", [])
for start in range(0, 100, 8):
    store.put(own[start:start + 8])
kept = right([store.get(digest) for digest, _ in own], own)
assert (place / "one" / "pixels").stat().st_size == 30_000 * kept
(place / "model").write_bytes(bytes(30_000))  # what the run itself has to write
(place / "model").unlink()
os.truncate(place / "one" / "pixels", 30_000)
store.put(own[-8:])  # there would be room now, but a run tries once
assert (place / "one" / "pixels").stat().st_size == 30_000
store.close()
store = Store(place / "one", [digest for digest, _ in own])
assert right([store.get(digest) for digest, _ in own], own) == 1
print(kept)
"""
    kept = int(run_on_tmpfs(place, "size=1600k", "-c", script, TESTS, place))
    assert 16 <= kept <= 48
    assert kept % 8 == 0


# Room


def sized(folder: Path, size: int, hours_ago: float) -> Path:
    """A store's folder of so many bytes, used that long ago."""
    folder.mkdir(parents=True)
    (folder / "pixels").write_bytes(bytes(size - 100))
    (folder / "index.sqlite").write_bytes(bytes(100))
    then = time.time() - 3600 * hours_ago
    os.utime(folder / "pixels", (then, then))
    return folder


@pytest.fixture
def three(tmp_path) -> Path:
    """Stores of 1000 bytes each, used five, three and four hours ago, and one of 500 used just now."""
    for name, hours in (("oldest", 5), ("youngest", 3), ("middle", 4)):
        sized(tmp_path / "decoded" / name, 1000, hours)
    sized(tmp_path / "decoded" / "in use", 500, 0.5)
    return tmp_path / "decoded"


@pytest.mark.parametrize(
    ("needed", "limit", "removed"),
    [
        (500, 4000, []),
        (501, 4000, ["oldest"]),
        (1500, 4000, ["oldest"]),
        (1501, 4000, ["oldest", "middle"]),
        (2501, 4000, ["oldest", "middle", "youngest"]),
        (3500, 4000, ["oldest", "middle", "youngest"]),
        (0, 3500, []),
        (0, 500, ["oldest", "middle", "youngest"]),
    ],
)
def test_room_is_made_by_removing_those_used_longest_ago_and_no_more_than_need_be(three, needed, limit, removed):
    assert room_for(three / "new", needed, limit)
    assert {path.name for path in three.iterdir()} == {"oldest", "middle", "youngest", "in use"} - set(removed)


@pytest.mark.parametrize(("needed", "limit"), [(3501, 4000), (10**9, 10**6), (0, 499), (1, 500)])
def test_nothing_is_removed_for_what_would_not_fit_anyway(three, needed, limit):
    assert not room_for(three / "new", needed, limit)
    assert len(list(three.iterdir())) == 4


def test_the_store_itself_counts_and_is_never_removed(three):
    assert not room_for(three / "oldest", 2501, 4000)
    assert len(list(three.iterdir())) == 4
    assert room_for(three / "oldest", 2500, 4000)
    assert {path.name for path in three.iterdir()} == {"in use", "oldest"}


def test_opening_a_store_is_using_it(three):
    for name in ("oldest", "middle"):
        (three / name / "index.sqlite").unlink()
    Store(three / "oldest", []).close()
    assert not room_for(three / "new", 10**6, 10**6)
    used = sum(path.stat().st_size for path in (three / "oldest").iterdir())
    assert room_for(three / "new", 10**6 - used - 500 - 1000, 10**6)
    assert {path.name for path in three.iterdir()} == {"in use", "oldest", "youngest"}


def test_a_store_that_another_run_has_only_begun_is_left_alone(tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "index.sqlite").write_bytes(bytes(1000))
    assert not room_for(tmp_path / "new", 500, 1000)
    assert (tmp_path / "begun" / "index.sqlite").exists()


def test_what_cannot_be_removed_makes_no_room(tmp_path):
    for name in ("a", "b"):
        sized(tmp_path / "elsewhere" / name, 1000, 10)
    (tmp_path / "decoded").mkdir()
    (tmp_path / "decoded" / "linked").symlink_to(tmp_path / "elsewhere" / "a")
    assert not room_for(tmp_path / "decoded" / "new", 500, 1000)
    assert (tmp_path / "elsewhere" / "a" / "pixels").exists()


def test_the_usual_limit_holds_where_none_is_told(three, monkeypatch):
    assert room_for(three / "new", 10**6)
    monkeypatch.setattr(storing, "CACHE_SIZE", 3000)
    assert room_for(three / "new", 1001)  # of 4501 bytes two have to go
    assert {path.name for path in three.iterdir()} == {"in use", "youngest"}


def test_the_disk_keeps_some_bytes_free(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(storing, "FREE_KEPT", free + 10**9)
    assert not room_for(tmp_path / "decoded" / "new", 1, 10**15)
    assert (tmp_path / "decoded").is_dir()
