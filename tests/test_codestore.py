"""The store of codes: what it keeps comes back bit for bit or not at all."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from data_makers import fingerprints
from safetensors.torch import save_file

from torchbeam.learn import codestore
from torchbeam.learn.codestore import CodeStore, Found
from torchbeam.network.modelfile import tensors_digest

KEY = "a" * 64
TESTS = str(Path(__file__).parent)


def made(first: int, last: int, width: int = 7) -> tuple[list[str], torch.Tensor]:
    """Digests and codes of pictures first to last: each a function of its number."""
    rows = [torch.randn(width, generator=torch.Generator().manual_seed(number)) for number in range(first, last)]
    return fingerprints(last - first, first), torch.stack(rows)


def store(folder: Path, key: str = KEY) -> CodeStore:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return CodeStore(folder, key)


def filled(folder: Path, *spans: tuple[int, int]) -> CodeStore:
    own = store(folder)
    for span in spans:
        own.add(*made(*span), True)
    return own


def right(found: Found, codes: torch.Tensor) -> list[int]:
    """The rows that are kept, all of which must be right."""
    rows = np.flatnonzero(found.have_N)
    if len(rows):
        assert found.codes_ND is not None
        assert torch.equal(found.codes_ND[rows], codes[rows])
    return rows.tolist()


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def test_codes_come_back_bit_for_bit_in_the_order_asked_for(tmp_path):
    filled(tmp_path / "k", (0, 10), (10, 13))
    digests, codes = made(0, 16)
    order = [12, 3, 15, 3, 0]
    found = store(tmp_path / "k").find([digests[at] for at in order])
    assert right(found, codes[order]) == [0, 1, 3, 4]
    assert found.map


def test_all_of_a_shard_in_its_order_is_given_as_it_lies_and_may_be_written_to(tmp_path):
    digests, codes = made(0, 10)
    filled(tmp_path / "k", (0, 10))
    for _ in range(2):
        found = store(tmp_path / "k").find(digests)
        assert right(found, codes) == list(range(10))
        assert found.codes_ND is not None
        found.codes_ND[:] = 0  # which never reaches the file


def test_vectors_are_known_from_maps_and_an_empty_store_knows_nothing(tmp_path):
    digests, codes = made(0, 3)
    own = store(tmp_path / "k")
    empty = own.find(digests)
    assert (empty.codes_ND, empty.have_N.any(), empty.map) == (None, False, False)
    assert not (tmp_path / "k").exists()  # nothing is made before there is something to keep
    own.add(digests, codes, False)
    assert not own.find(digests).map
    own.add([], codes[:0], False)
    assert len(shards(tmp_path / "k")) == 1


def test_a_byte_changed_anywhere_is_found_and_its_shard_taken_away(tmp_path):
    digests, codes = made(0, 4)
    filled(tmp_path / "k", (0, 4))
    (path,) = shards(tmp_path / "k")
    content = path.read_bytes()
    for at in {*range(0, len(content), 37), len(content) - 1}:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        found = store(tmp_path / "k").find(digests)
        assert right(found, codes) in ([], [0, 1, 2, 3])
        if not found.have_N.all():
            assert not path.exists()
    for left in (0, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:left])
        assert right(store(tmp_path / "k").find(digests), codes) == []
        assert not path.exists()


def test_what_another_key_or_program_wrote_is_never_taken(tmp_path):
    digests, codes = made(0, 4)
    filled(tmp_path / "k", (0, 4))
    assert right(store(tmp_path / "k", "b" * 64).find(digests), codes) == []
    assert shards(tmp_path / "k") == []
    own, names = store(tmp_path / "k"), torch.tensor([list(bytes.fromhex(each)) for each in digests], dtype=torch.uint8)
    for tensors in (
        {"codes": codes},
        {"digests": names},
        {"codes": codes.half(), "digests": names},
        {"codes": codes[0], "digests": names},
        {"codes": codes, "digests": names[:3].contiguous()},
        {"codes": codes, "digests": names.short()},
    ):
        told = {"format": codestore.FORMAT, "key": KEY, "sha256": tensors_digest(tensors), "map": "no"}
        save_file(tensors, tmp_path / "k" / "two.safetensors", told)
        assert own.find(digests).codes_ND is None
        assert shards(tmp_path / "k") == []
    save_file({"codes": codes, "digests": names}, tmp_path / "k" / "three.safetensors", {"format": "theirs"})
    assert own.find(digests).codes_ND is None


def test_a_shard_of_other_pictures_is_left_alone(tmp_path):
    own = filled(tmp_path / "k", (0, 4))
    (path,) = shards(tmp_path / "k")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in its codes or digests, which nobody needs to read
    path.write_bytes(content)
    assert own.find(made(10, 12)[0]).codes_ND is None
    assert path.exists()


def test_shards_of_two_widths_do_not_mix(tmp_path):
    own = filled(tmp_path / "k", (0, 3))
    own.add(*made(3, 6, width=5), True)
    found = own.find(made(0, 6)[0])
    assert found.have_N.sum() == 3


def test_many_small_shards_become_one_and_nothing_is_lost(tmp_path):
    own = filled(tmp_path / "k", *((at, at + 3) for at in range(0, 20, 2)))  # each has one that the next has too
    assert len(shards(tmp_path / "k")) == 10
    (tmp_path / "k" / ".7-7.part").write_bytes(b"x")
    (tmp_path / "k" / ".8-8.part").write_bytes(b"x")
    os.utime(tmp_path / "k" / ".7-7.part", (0, 0))
    own.tidy()
    assert len(shards(tmp_path / "k")) == 1
    assert [path.name for path in (tmp_path / "k").glob(".*")] == [".8-8.part"]  # whose process may be writing it
    digests, codes = made(0, 21)
    assert right(store(tmp_path / "k").find(digests), codes) == list(range(21))
    assert len(torch.unique(own.find(digests).codes_ND, dim=0)) == 21


def test_large_shards_stay_as_they_are(tmp_path, monkeypatch):
    own = filled(tmp_path / "k", *((at, at + 1) for at in range(6)), (6, 40))
    monkeypatch.setattr(codestore, "LARGE", 3000)
    own.tidy()
    assert len(shards(tmp_path / "k")) == 2
    digests, codes = made(0, 40)
    assert right(own.find(digests), codes) == list(range(40))


def test_shards_merged_while_another_reads_are_looked_for_again(tmp_path, monkeypatch):
    own = filled(tmp_path / "k", *((at, at + 1) for at in range(6)))
    other, digests = store(tmp_path / "k"), made(0, 6)[0]
    listed = other._shards

    def merged_meanwhile() -> list[Path]:
        paths = listed()
        own.tidy()
        return paths

    monkeypatch.setattr(other, "_shards", merged_meanwhile)
    assert right(other.find(digests), made(0, 6)[1]) == list(range(6))


def test_a_folder_that_cannot_be_written_only_forgets(tmp_path):
    (tmp_path / "k").write_text("a file where the folder should be")
    own = store(tmp_path / "k")
    own.add(*made(0, 3), True)
    assert not own.keeps
    own.add(*made(0, 3), True)
    assert not own.find(made(0, 3)[0]).have_N.any()
    own.tidy()


def test_several_processes_write_and_merge_at_once(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom test_codestore import made, store\n"
        "own = store(Path(sys.argv[1]))\nfirst = int(sys.argv[2])\n"
        "for at in range(first, first + 24, 2):\n    own.add(*made(at, at + 2), True)\n    own.tidy()\n"
        "assert own.keeps\n"
    )
    arguments = [[sys.executable, "-c", script, str(tmp_path / "k"), str(first)] for first in (0, 12)]
    running = [subprocess.Popen(each, cwd=TESTS, stderr=subprocess.PIPE, text=True) for each in arguments]
    for each in running:
        assert each.communicate(timeout=200)[1] == ""
        assert each.returncode == 0
    digests, codes = made(0, 36)
    assert right(store(tmp_path / "k").find(digests), codes) == list(range(36))


def test_using_it_marks_the_folder_as_used(tmp_path):
    filled(tmp_path / "k", (0, 2))
    os.utime(tmp_path / "k", (0, 0))
    store(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mtime == pytest.approx(time.time(), abs=100)
