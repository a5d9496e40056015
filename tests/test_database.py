"""One table in an SQLite file of the cache."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from data_makers import run_bound, run_python

from torchbeam.data.database import Database

TABLE = "words (word TEXT PRIMARY KEY, meaning TEXT)"
PUT = "INSERT OR REPLACE INTO words VALUES (?, ?)"
ALL = "SELECT * FROM words ORDER BY word"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "new" / "words.sqlite"


def filled(path: Path, count: int = 500) -> list[tuple[str, str]]:
    """A file with rows, closed again."""
    rows = [(f"word {number:04}", f"meaning {number}") for number in range(count)]
    base = Database(path, TABLE)
    base.write(PUT, rows)
    base.close()
    return rows


def test_what_was_written_is_there_when_it_is_opened_again(path):
    rows = filled(path)
    base = Database(path, TABLE)
    assert base.ask(ALL) == rows
    assert base.ask("SELECT meaning FROM words WHERE word = ?", ("word 0003",)) == [("meaning 3",)]
    base.close()


def test_a_statement_is_carried_out_for_all_rows_or_none(path):
    base = Database(path, TABLE)
    with pytest.raises(sqlite3.IntegrityError):
        base.write("INSERT INTO words VALUES (?, ?)", [("a", "1"), ("b", "2"), ("a", "3")])
    assert base.ask(ALL) == []
    base.close()


def test_a_file_that_is_none_of_ours_is_begun_anew(path):
    path.parent.mkdir()
    for content in (b"no database at all, but long enough to be looked at" * 10, b"\0" * 5000):
        path.write_bytes(content)
        base = Database(path, TABLE)
        base.write(PUT, [("a", "1")])
        assert base.ask(ALL) == [("a", "1")]
        base.close()


def test_another_table_in_the_file_is_begun_anew(path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE words (word TEXT)")
    other.commit()
    other.close()
    base = Database(path, TABLE)
    base.write(PUT, [("a", "1")])
    assert base.ask(ALL) == [("a", "1")]
    base.close()


@pytest.mark.parametrize("first", ["ask", "write"])
def test_damage_further_in_is_met_later_and_begun_anew_then(path, first):
    filled(path, 3000)
    content = bytearray(path.read_bytes())
    assert len(content) > 5 * 4096
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    base = Database(path, TABLE)
    if first == "ask":
        assert base.ask(ALL) == []
    base.write(PUT, [("a", "1")])
    assert base.ask(ALL) == [("a", "1")]
    base.close()


def test_text_that_is_no_text_any_more_is_the_readers_to_judge(path):
    base = Database(path, TABLE)
    base.write("INSERT INTO words VALUES (?, CAST(? AS TEXT))", [("a", b"caf\xe9")])
    assert base.ask(ALL) == [("a", "caf\ufffd")]
    base.close()


def test_where_nothing_can_be_kept_it_is_not_opened(path, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        Database(tmp_path / "file" / "words.sqlite", TABLE)
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        Database(tmp_path / "folder.sqlite", TABLE)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_cannot_be_written_is_told(path, tmp_path, exists):
    path.parent.mkdir()
    if exists:
        filled(path)
    path.parent.chmod(0o555)
    script = f"""
import sqlite3
from torchbeam.data.database import Database
try:
    Database(__import__("pathlib").Path({str(path)!r}), {TABLE!r}).write({PUT!r}, [("a", "b")])
except sqlite3.OperationalError as error:
    print("refused")
"""
    assert run_bound(tmp_path, "-c", script) == "refused\n"
    path.parent.chmod(0o755)
    if exists:
        base = Database(path, TABLE)
        assert len(base.ask(ALL)) == 500
        base.close()


def test_once_closed_it_says_so(path):
    base = Database(path, TABLE)
    base.close()
    base.close()
    with pytest.raises(sqlite3.ProgrammingError):
        base.ask(ALL)
    assert path.exists()


def test_several_threads_may_use_it(path):
    base = Database(path, TABLE)

    def work(thread: int) -> None:
        for number in range(30):
            base.write(PUT, [(f"{thread} {number}", str(number))])
            assert base.ask("SELECT meaning FROM words WHERE word = ?", (f"{thread} {number}",)) == [(str(number),)]

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(base.ask(ALL)) == 120
    base.close()


RACING = """
import sys, time
from pathlib import Path
from torchbeam.data.database import Database
print("ready", flush=True)
sys.stdin.readline()
base = Database(Path(sys.argv[1]), sys.argv[2])
for number in range(10):
    base.write("INSERT OR REPLACE INTO words VALUES (?, ?)", [(f"{sys.argv[3]} {number}", "x")])
print(len(base.ask("SELECT * FROM words WHERE word LIKE ?", (sys.argv[3] + " %",))))
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_open_it_at_the_same_moment_all_may(path, damaged):
    path.parent.mkdir()
    if damaged:
        path.write_bytes(b"not a database" * 100)
    command = [sys.executable, "-c", RACING, str(path), TABLE]
    pipe = subprocess.PIPE
    racers = [
        subprocess.Popen([*command, f"racer{number}"], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        said, errors = racer.communicate(timeout=60)
        assert said == "10\n", errors
    if not damaged:  # one that begins anew may take the others' rows away: they can be found out again
        base = Database(path, TABLE)
        assert len(base.ask(ALL)) == 40
        base.close()


def test_what_a_killed_process_wrote_is_there(path):
    script = f"""
import os, signal
from pathlib import Path
from torchbeam.data.database import Database
base = Database(Path({str(path)!r}), {TABLE!r})
base.write({PUT!r}, [("a", "1")])
print("written", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(AssertionError):
        run_python("-c", script)
    base = Database(path, TABLE)
    assert base.ask(ALL) == [("a", "1")]
    base.close()
