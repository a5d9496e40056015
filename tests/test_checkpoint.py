"""A state comes back in every bit and stride, or is told of as damaged; a kill or a full disk costs nothing."""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from data_makers import run_on_tmpfs, run_python

from torchbeam.errors import OutputError, StateError
from torchbeam.files import whole, write_whole
from torchbeam.learn.checkpoint import State, load, save

ROOT = Path(__file__).parents[1]


def state(step: int, size: int = 5) -> State:
    """A small state that no other step has."""
    return State({"a": torch.arange(size) + step, "b.c": torch.full((2, 3), step / 7)}, {"step": step})


def same(first: State, second: State) -> bool:
    """Whether two states are alike in names, dtypes, shapes, strides, bits and what is told."""
    return (
        first.told == second.told
        and first.tensors.keys() == second.tensors.keys()
        and all(alike(first.tensors[name], second.tensors[name]) for name in first.tensors)
    )


def alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    form = first.dtype == second.dtype and first.shape == second.shape and first.stride() == second.stride()
    return form and bytes_of(first) == bytes_of(second)


def bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# --- what is saved comes back ---


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64),
        *(torch.bool, torch.complex64),
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4, 5)])
def test_tensors_of_every_dtype_and_shape_come_back(dtype, shape, tmp_path):
    count = torch.Size(shape).numel()
    tensor = (torch.arange(count) % 2 if dtype == torch.bool else torch.arange(count)).to(dtype).reshape(shape)
    save(tmp_path, State({"one": tensor}, {}))
    back, note = load(tmp_path)
    assert alike(back.tensors["one"], tensor)
    assert (back.told, note) == ({}, "")


def test_every_bit_pattern_of_a_float_comes_back(tmp_path):
    # Among them NaNs with a payload, both infinities, both zeros and the subnormal numbers.
    patterns = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    save(tmp_path, State({"all": patterns}, {}))
    assert alike(load(tmp_path)[0].tensors["all"], patterns)


LAYOUTS = {
    "channels_last": torch.arange(120.0).view(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "1x1 filters, channels_last": torch.arange(6.0).view(2, 3, 1, 1).to(memory_format=torch.channels_last),
    "1x1 filters": torch.arange(6.0).view(2, 3, 1, 1),
    "one channel, channels_last": torch.arange(8.0).view(2, 1, 2, 2).to(memory_format=torch.channels_last),
    "transposed": torch.arange(6).view(2, 3).t(),
    "five axes": torch.arange(48.0).view(2, 3, 2, 2, 2).contiguous(memory_format=torch.channels_last_3d),
    "half precision": torch.arange(24).view(1, 2, 3, 4).bfloat16().contiguous(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("word", LAYOUTS)
def test_the_order_in_memory_comes_back(word, tmp_path):
    tensor = LAYOUTS[word]
    save(tmp_path, State({"one": tensor}, {}))
    back = load(tmp_path)[0].tensors["one"]
    assert alike(back, tensor)
    assert back.is_contiguous(memory_format=torch.channels_last) == tensor.is_contiguous(
        memory_format=torch.channels_last
    )


def test_tensors_with_gaps_or_repeats_come_back_as_their_clones(tmp_path):
    whole_one = torch.arange(24.0).view(4, 6)
    given = {"column": whole_one[:, 2], "every second": whole_one[::2], "repeated": torch.ones(3, 1).expand(3, 4)}
    save(tmp_path, State(given, {}))
    back = load(tmp_path)[0].tensors
    assert all(alike(back[name], tensor.clone()) for name, tensor in given.items())


def test_tensors_in_the_same_memory_and_parameters_come_back(tmp_path):
    weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    save(tmp_path, State({"tied": weight, "to": weight, "row": weight[1]}, {}))
    back = load(tmp_path)[0].tensors
    assert torch.equal(back["tied"], back["to"]) and torch.equal(back["row"], torch.tensor([3.0, 4.0, 5.0]))
    assert torch.equal(back["tied"], weight.detach()) and not back["tied"].requires_grad


def test_what_is_told_comes_back(tmp_path):
    told = {
        "step": 7,
        "rate": 0.1 + 0.2,  # floats as Python writes them are read back to the last bit
        "tiny": 5e-324,
        "endless": float("inf"),
        "history": [{"loss": 1 / 3}, None, True, [], {}],
        "größe": '網 \x00 \ud800 \n "quoted" \' \\',
        "": 2**70,
        "z": 1,
        "a": 2,
    }
    save(tmp_path, State({}, told))
    back = load(tmp_path)[0]
    assert back.told == told
    assert list(back.told) == list(told)
    assert dict(back.tensors) == {}


def test_the_file_is_one_that_safetensors_itself_reads(tmp_path):
    given = state(3)
    save(tmp_path, given)
    read = safetensors.torch.load_file(tmp_path / "state-1.safetensors")
    assert read.keys() == given.tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in given.tensors.items())


def test_what_was_loaded_does_not_hang_on_its_file(tmp_path):
    save(tmp_path, state(1))
    back, _ = load(tmp_path)
    (tmp_path / "state-1.safetensors").write_bytes(bytes(2000))
    assert same(back, state(1))


def test_a_state_may_be_read_by_whoever_may_read_the_other_files_of_a_run(tmp_path):
    write_whole(tmp_path / "log", "")
    save(tmp_path / "state", state(1))
    assert (tmp_path / "state" / "state-1.safetensors").stat().st_mode == (tmp_path / "log").stat().st_mode


# --- which files there are ---


def test_the_last_two_states_are_kept_and_the_newest_is_loaded(tmp_path):
    folder = tmp_path / "run" / "state"
    for step in (10, 20, 30, 25):  # after going on from an earlier state the steps may be lower
        save(folder, state(step))
        back, note = load(folder)
        assert same(back, state(step)) and note == ""
    assert names(folder) == ["state-3.safetensors", "state-4.safetensors"]


def test_the_tenth_state_is_newer_than_the_ninth(tmp_path):
    for step in range(1, 12):
        save(tmp_path, state(step))
    assert load(tmp_path)[0].told["step"] == 11
    assert names(tmp_path) == ["state-10.safetensors", "state-11.safetensors"]


def test_the_new_is_on_the_disk_before_the_old_goes(tmp_path):
    for step in (1, 2):
        save(tmp_path, state(step))
    done = []

    def note(frame, event, function):
        name = getattr(function, "__name__", "")
        if event == "c_call" and name in ("save_file", "serialize_file", "fsync", "replace", "unlink"):
            done.append((name, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        save(tmp_path, state(3))
    finally:
        sys.setprofile(None)
    assert done == [
        ("serialize_file", "save_file"),
        ("fsync", "whole"),
        ("replace", "whole"),
        ("fsync", "_flush_folder"),
        ("unlink", "unlink"),
    ]


def test_what_killed_processes_left_is_removed_by_the_next_save(tmp_path):
    for step in (1, 2):
        save(tmp_path, state(step))
    for left in (".4711-1.part", ".tmpAXtImK"):  # of the writer's own, and of safetensors'
        (tmp_path / left).write_bytes(b"half a state")
    (tmp_path / "state-0.safetensors").write_bytes(b"killed before it was removed")
    assert same(load(tmp_path)[0], state(2))
    save(tmp_path, state(3))
    assert names(tmp_path) == ["state-2.safetensors", "state-3.safetensors"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", "old")
    with pytest.raises(SystemExit), whole(tmp_path / "a") as beside:
        beside.write_text("half")
        raise SystemExit(130)
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        save(tmp_path, State({}, {"step": torch.zeros(1)}))
    assert names(tmp_path) == []


# --- what is damaged ---


def test_every_flipped_bit_is_told_of(tmp_path):
    save(tmp_path, state(1, size=40))
    save(tmp_path, state(2, size=40))
    newest, chance = tmp_path / "state-2.safetensors", random.Random(0)
    content = newest.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    spots = [(chance.randrange(len(content)), chance.randrange(8)) for _ in range(760)]
    spots += [(at, bit) for at in range(header, header + 8) for bit in range(8)]
    spots += [(chance.randrange(header), chance.randrange(8)) for _ in range(240)]
    for at, bit in spots:
        flipped = bytearray(content)
        flipped[at] ^= 1 << bit
        newest.write_bytes(flipped)
        back, note = load(tmp_path)
        assert same(back, state(1, size=40)), (at, bit)
        assert note.startswith("the newest state is damaged (state-2.safetensors: "), (at, bit)
        assert note.endswith("); the one before, from step 1, is used")
    assert "its tensors changed since they were written" in spoilt(tmp_path, content, len(content) - 1)
    assert "its header changed since it was written" in spoilt(tmp_path, content, content.index(b"told") + 12)


def spoilt(folder: Path, content: bytes, at: int) -> str:
    """The note on a state one byte of which is another."""
    (folder / "state-2.safetensors").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    return load(folder)[1]


def test_a_state_cut_short_or_too_long_is_told_of(tmp_path):
    save(tmp_path, state(1))
    save(tmp_path, state(2))
    newest = tmp_path / "state-2.safetensors"
    content = newest.read_bytes()
    lengths = [*range(20), *range(20, len(content), 17), len(content) - 1]
    for other in (*(content[:length] for length in lengths), content + b"\0", content * 2, bytes(len(content))):
        newest.write_bytes(other)
        back, note = load(tmp_path)
        assert same(back, state(1)), len(other)
        assert "the newest state is damaged" in note


def test_after_a_damaged_state_the_run_goes_on_and_saves(tmp_path):
    for step in (1, 2):
        save(tmp_path, state(step))
    (tmp_path / "state-2.safetensors").write_bytes(b"")
    save(tmp_path, state(3))
    assert same(load(tmp_path)[0], state(3))
    assert load(tmp_path)[1] == ""


def test_several_damaged_states_and_one_without_a_step_are_told_of(tmp_path):
    save(tmp_path, State({}, {"word": "kept"}))
    for number in (2, 3):
        (tmp_path / f"state-{number}.safetensors").write_bytes(b"")
    back, note = load(tmp_path)
    assert back.told == {"word": "kept"}
    assert note.startswith("the newest 2 states are damaged (state-3.safetensors: ")
    assert note.endswith("); the one before is used")


def test_a_state_that_cannot_be_opened_is_told_of(tmp_path):
    save(tmp_path, state(1))
    (tmp_path / "state-2.safetensors").mkdir()
    back, note = load(tmp_path)
    assert same(back, state(1))
    assert "state-2.safetensors: " in note


def test_no_good_state_is_refused(tmp_path):
    for step in (1, 2):
        save(tmp_path, state(step))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match=r"no state in .* is as it was saved") as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
    assert [line.partition(":")[0] for line in caught.value.got.splitlines()] == [
        "state-2.safetensors",
        "state-1.safetensors",
    ]
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("make", ["nothing", "empty", "file", "other files"])
def test_no_state_at_all_is_refused(make, tmp_path):
    folder = tmp_path / "state"
    if make == "file":
        folder.write_text("a file")
    elif make != "nothing":
        folder.mkdir()
    if make == "other files":
        (folder / ".1-1.part").write_text("half")
        (folder / "state-x.safetensors").write_text("no number")
    with pytest.raises(StateError, match="no saved state in") as caught:
        load(folder)
    assert caught.value.got
    assert "train anew" in caught.value.remedy


# --- what others wrote ---


def written(path: Path, form: str, held: str, tensors: dict[str, torch.Tensor] | None = None) -> None:
    """A file as the format describes it, by hand."""
    told = {"format": form, "held": held, "sha256": hashlib.sha256(f"{form}\n{held}".encode()).hexdigest()}
    safetensors.torch.save_file(tensors or {}, path, told)


def test_a_state_of_a_newer_torchbeam_is_refused_and_not_passed_over(tmp_path):
    save(tmp_path, state(1))
    written(tmp_path / "state-2.safetensors", "torchbeam-state 2", "{}")
    with pytest.raises(StateError, match="was saved by a newer torchbeam") as caught:
        load(tmp_path)
    assert (caught.value.expected, caught.value.got) == ("format 1 or older", "format 2")
    assert caught.value.remedy == "update torchbeam"


NO_TENSORS = hashlib.sha256().hexdigest()
ONE = {"a": torch.zeros(2, 2)}
ONE_DIGEST = hashlib.sha256(b"a torch.float32 (2, 2)\n" + bytes(16)).hexdigest()


def test_a_file_made_by_hand_as_the_format_says_is_read(tmp_path):
    held = {"told": {"step": 4}, "strides": {"a": [1, 2]}, "tensors": ONE_DIGEST}
    written(tmp_path / "state-1.safetensors", "torchbeam-state 1", json.dumps(held), ONE)
    back, _ = load(tmp_path)
    assert back.told == {"step": 4}
    assert back.tensors["a"].stride() == (1, 2)


@pytest.mark.parametrize(
    ("form", "held"),
    [
        ("torchbeam 1", "{}"),  # a model file
        ("torchbeam-state", "{}"),
        ("torchbeam-state one", "{}"),
        ("torchbeam-state 1", ""),
        ("torchbeam-state 1", "[]"),
        ("torchbeam-state 1", "null"),
        ("torchbeam-state 1", "[" * 100_000),
        ("torchbeam-state 1", json.dumps({"tensors": ONE_DIGEST})),
        ("torchbeam-state 1", json.dumps({"tensors": ONE_DIGEST, "strides": {}, "told": 5})),
        ("torchbeam-state 1", json.dumps({"tensors": ONE_DIGEST, "strides": [], "told": {}})),
        # Strides that would reach beyond the tensor, ask for all memory, overlap or run backwards.
        *(
            ("torchbeam-state 1", json.dumps({"tensors": ONE_DIGEST, "strides": {"a": strides}, "told": {}}))
            for strides in ([1, 3], [2**60, 1], [0, 1], [1, 1], [-2, 1], [1], [1, 1, 1], "12", [1.5, 2], [2**70, 1])
        ),
    ],
)
def test_a_file_that_only_looks_like_a_state_is_told_of(form, held, tmp_path):
    save(tmp_path, state(1))
    written(tmp_path / "state-2.safetensors", form, held, ONE)
    back, note = load(tmp_path)
    assert same(back, state(1))
    assert "the newest state is damaged (state-2.safetensors: " in note
    assert "\n" not in note


# --- where it cannot be written ---


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_refused(below, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot write"):
        save(tmp_path / "file" / below, state(1))
    assert (tmp_path / "file").read_text() == "kept"


# Saves states of a megabyte until the disk is full; tells what was said, what is there, and what happens once there is
# room again.
FILLER = """
import json, os, sys
from pathlib import Path

import torch

from torchbeam.errors import TorchbeamError
from torchbeam.learn.checkpoint import State, load, save

place = Path(sys.argv[1])
made = lambda step: State({"a": torch.full((250_000,), float(step))}, {"step": step})
said = []
for step in (1, 2, 3, 3):
    try:
        save(place / "state", made(step))
    except TorchbeamError as error:
        said.append([step, type(error).__name__, str(error)])
state, note = load(place / "state")
told = {"said": said, "names": sorted(os.listdir(place / "state")), "step": state.told["step"], "note": note}
told["whole"] = bool((state.tensors["a"] == state.told["step"]).all())
(place / "state" / "state-1.safetensors").unlink()
save(place / "state", made(4))
told["after"] = load(place / "state")[0].told["step"]
print(json.dumps(told))
"""


def test_a_full_disk_leaves_the_states_that_were_there(tmp_path):
    told = json.loads(run_on_tmpfs(tmp_path, "size=2500k", "-c", FILLER, tmp_path))
    assert [(step, kind) for step, kind, _ in told["said"]] == [(3, "OutOfRoom"), (3, "OutOfRoom")]
    assert f"the disk is full: {tmp_path / 'state' / 'state-3.safetensors'} could not be written" in told["said"][0][2]
    assert told["names"] == ["state-1.safetensors", "state-2.safetensors"]
    assert (told["step"], told["note"], told["whole"], told["after"]) == (2, "", True, 4)


SOAK = """
import json, random, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from bench.soak_saving import soak

print(json.dumps(soak(Path(sys.argv[2]), 40, random.Random(1))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_a_process_killed_at_any_moment_leaves_a_good_state(tmp_path):
    """bench/soak_saving.py kills 200, and says what is compared."""
    if not (ROOT / "bench" / "soak_saving.py").exists():
        pytest.skip("bench/ is not part of this copy")
    told = json.loads(run_python("-c", SOAK, ROOT, tmp_path / "state"))
    assert told["kills"] == 40 == told["while writing"] + told["before removing"] + told["between"]
    assert told["states"] > 0 and told["while writing"] > 0
