"""Odd, broken and hostile files: each decodes or is refused with its reason, soon, in little memory."""

import json
import sys
from pathlib import Path

import pytest
from data_makers import drawn, encoded, run_bound, run_python
from hostile_pictures import bound_socket, write_zoo
from mutated_pictures import mutations, seeds

from torchbeam.data.decode import decode, read_bytes
from torchbeam.errors import PictureError

HERE = Path(__file__).parent
# Every file looked at in every way, in a process of its own: what each said and took of the processor's time, and the
# most memory there was.
LOOK = """
import sys, time
from torchbeam.data.decode import decode, read_bytes, size_of
from torchbeam.data.facts import examine
from torchbeam.errors import PictureError

def reason(look, *given):
    try:
        look(*given)
    except PictureError as error:
        assert error.reason.strip() and str(error), given[1]
        return error.reason
    return ""

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
"""
ZOO = (
    LOOK
    + """
import json
from pathlib import Path

for path in map(Path, json.loads(Path(sys.argv[1]).read_text())):
    start = time.process_time()
    told = [reason(read_bytes, path)]
    if not told[0]:
        content = read_bytes(path)
        told = [reason(decode, content, path.name), reason(examine, content, path.name)]
        del content
    header = reason(size_of, path, path.name)
    print(json.dumps([str(path), told, header, time.process_time() - start]))
print(json.dumps([peak(), "torch" in sys.modules]))
"""
)
MUTATIONS = (
    LOOK
    + """
import json
sys.path.insert(0, sys.argv[1])
from mutated_pictures import mutations

seen, slowest = [0, 0], 0
for kind, content in mutations(int(sys.argv[2])):
    start = time.process_time()
    whole, reduced = reason(decode, content, "x"), reason(examine, content, "x")
    assert bool(whole) == bool(reduced), (kind, whole, reduced)
    seen[bool(whole)] += 1
    slowest = max(slowest, time.process_time() - start)
print(json.dumps([seen, slowest, peak()]))
"""
)
MOST_MEMORY, MOST_SECONDS = 500_000_000, 5.0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc")
def test_every_odd_file_decodes_or_is_refused_for_its_own_reason_in_little_memory(tmp_path):
    (tmp_path / "zoo").mkdir()
    expected = {str(path): words for path, words in write_zoo(tmp_path / "zoo").items()}
    assert len(expected) > 200
    for suffix in ("jpg", "png", "gif", "bmp", "tif", "webp", "ppm"):  # well and ill
        assert {bool(words) for path, words in expected.items() if path.endswith(suffix)} == {True, False}
    (tmp_path / "list.json").write_text(json.dumps(list(expected)))
    *lines, last = run_python("-c", ZOO, tmp_path / "list.json").splitlines()
    wrong = []
    for path, told, header, seconds in map(json.loads, lines):
        words = expected.pop(path)
        as_said = all(words in reason if words else not reason for reason in told)
        one_line = not any("\n" in reason for reason in (*told, header))
        if not as_said or not one_line or (not words and header) or seconds > MOST_SECONDS:
            wrong.append((path, words, told, header, seconds))
    assert wrong == []
    assert not expected
    memory, torch_is_loaded = json.loads(last)
    assert memory < MOST_MEMORY
    assert not torch_is_loaded


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc")
def test_thousands_of_mutated_files_decode_or_are_refused_in_little_time_and_memory():
    rounds = 5000 // len(seeds()) + 1
    (seen, refused), slowest, memory = json.loads(run_python("-c", MUTATIONS, HERE, rounds))
    assert seen + refused == rounds * len(seeds()) >= 5000
    assert min(seen, refused) > 500
    assert slowest < MOST_SECONDS
    assert memory < MOST_MEMORY


def test_what_is_mutated_decodes_before_it_is():
    for kind, content in seeds().items():
        assert decode(content, kind).mode in ("L", "RGB")
    assert len({content for _, content in mutations(3)}) > 2 * len(seeds())


def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with bound_socket(Path("x.jpg")), pytest.raises(PictureError, match=r"^cannot read x\.jpg"):
        read_bytes(Path("x.jpg"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(drawn(1)))
    (tmp_path / "x.png").chmod(0)
    script = """
import sys
from pathlib import Path
from torchbeam.data.decode import read_bytes
from torchbeam.errors import PictureError
try:
    read_bytes(Path(sys.argv[1]))
except PictureError as error:
    print(error.reason)
"""
    assert "Permission denied" in run_bound(tmp_path, "-c", script, tmp_path / "x.png")
