"""YOLO sets: lines of labels into boxes and outlines."""

import numpy as np
import pytest
from data_makers import class_folders, drawn
from hypothesis import given
from hypothesis import strategies as st

from torchbeam.data.records import UNLABELLED, Fault
from torchbeam.data.regions import Outlines, raster
from torchbeam.data.sources.yolo import here, read
from torchbeam.data.tracing import joined
from torchbeam.errors import DataError

SIZE = (40, 20)


def yolo(root, text=None, name="1", part="", names="[cat, dog]"):
    (root / "images" / part).mkdir(parents=True, exist_ok=True)
    (root / "labels" / part).mkdir(parents=True, exist_ok=True)
    drawn(sum(map(ord, name)), SIZE).save(root / "images" / part / f"{name}.png")
    if text is not None:
        (root / "labels" / part / f"{name}.txt").write_text(text)
    if names:
        folders = f"train: images/{part}\n" if part in ("", "train") else ""
        if not (root / "data.yaml").exists():
            (root / "data.yaml").write_text(f"{folders}val: images/val\nnames: {names}\n")
    return root


def test_boxes_and_outlines_in_shares_become_pixels(tmp_path):
    yolo(tmp_path, "1 0.5 0.5 0.25 0.5\n\n0 0 0 0.5 0 0.5 1\n")
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root, source.classes) == ("yolo", "here", tmp_path, ("cat", "dog"))
    (record,) = source.records
    assert (record.path, record.label, record.part) == ("images/1.png", UNLABELLED, "train")
    assert record.boxes.xyxy_N4.tolist() == [[15, 5, 25, 15], [0, 0, 20, 20]]
    assert record.boxes.labels_N.tolist() == [1, 0]
    assert record.boxes.regions[0] is None
    assert record.boxes.regions[1].rings[0].tolist() == [[0, 0], [20, 0], [20, 20]]
    assert source.faults == ()
    assert source.pictures.image(0).tobytes() == drawn(ord("1"), SIZE).tobytes()


def test_a_picture_without_labels_shows_nothing(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1\n1 0.5 0.5 1 1", "1")
    yolo(tmp_path, "", "2")
    yolo(tmp_path, None, "3")
    assert [len(record.boxes) for record in read(tmp_path, "here").records] == [2, 0, 0]


boxes = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 390), st.integers(0, 190), st.integers(1, 99), st.integers(1, 99)),
    max_size=5,
)


@given(told=boxes)
def test_boxes_come_back_whatever_they_are(tmp_path_factory, told):
    root = yolo(tmp_path_factory.getbasetemp() / "yolo-any", "")
    lines, edges = [], []
    for label, left, top, width, height in told:
        right, bottom = min(400, left + width), min(200, top + height)
        edges.append([left / 10, top / 10, right / 10, bottom / 10])
        shares = ((left + right) / 800, (top + bottom) / 400, (right - left) / 400, (bottom - top) / 200)
        lines.append(" ".join([str(label), *(f"{share:.8f}" for share in shares)]))
    (root / "labels" / "1.txt").write_text("\n".join(lines))
    held = read(root, "here").records[0].boxes
    assert held.xyxy_N4 == pytest.approx(np.array(edges).reshape(-1, 4), abs=1e-5)
    assert held.labels_N.tolist() == [label for label, *_ in told]


def test_one_outline_of_several_pieces_covers_them(tmp_path):
    pieces = Outlines((np.array([[2.0, 2], [9, 2], [9, 8]]), np.array([[20.0, 10], [30, 10], [30, 18], [20, 18]])))
    shares = (joined(pieces) / SIZE).reshape(-1)
    yolo(tmp_path, " ".join(["0", *(f"{share:.10g}" for share in shares)]))
    held = read(tmp_path, "here").records[0].boxes
    assert held.xyxy_N4[0] == pytest.approx([2, 2, 30, 18])
    assert (raster(held.regions[0], 20, 40) == raster(pieces, 20, 40)).all()


# Dirt


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("cat 0.5 0.5 1 1", "'cat 0.5 0.5 1 1' is not numbers"),
        ("0.5 0.5 0.5 1 1", "0.5 is no class number"),
        ("-1 0.5 0.5 1 1", "-1 is no class number"),
        ("nan 0.5 0.5 1 1", "nan is no class number"),
        ("inf 0.5 0.5 1 1", "inf is no class number"),
        ("0", "0 numbers after the class, where a box has 4 and an outline 6 or more, in pairs"),
        ("0 0.5 0.5 1 1 0.9", "5 numbers after the class, where a box has 4 and an outline 6 or more, in pairs"),
        ("0 0 0 1 0 1 1 0", "7 numbers after the class, where a box has 4 and an outline 6 or more, in pairs"),
    ],
)
def test_lines_that_are_none_are_told_with_their_number(tmp_path, line, reason):
    yolo(tmp_path, f"0 0.5 0.5 1 1\n{line}\n")
    source = read(tmp_path, "here")
    assert len(source.records[0].boxes) == 1
    assert source.faults == (Fault("images/1.png", "line unreadable", f"line 2 of labels/1.txt: {reason}; set aside"),)


@pytest.mark.parametrize(
    ("line", "kind", "kept"),
    [
        ("2 0.5 0.5 1 1", "class unknown", 0),
        ("0 0.5 0.5 -1 1", "box inverted", 0),
        ("0 0.5 0.5 0 1", "box empty", 0),
        ("0 1.5 0.5 0.2 1", "box outside", 0),
        ("0 0.5 0.5 nan 1", "box not a number", 0),
        ("0 0 0 nan 0 1 1", "box not a number", 0),
        ("0 0.5 0.5 1.2 1", "box reaches out", 1),
        ("0 0 0 1.1 0 1 1", "box reaches out", 1),
    ],
)
def test_boxes_that_cannot_be_are_told(tmp_path, line, kind, kept):
    source = read(yolo(tmp_path, line), "here")
    assert [fault.kind for fault in source.faults] == [kind]
    assert len(source.records[0].boxes) == kept


def test_rounding_is_no_fault(tmp_path):
    source = read(yolo(tmp_path, "0 0.500001 0.5 1 1.000001\n0.0 0 0 1.0000001 0 1 1"), "here")
    assert source.faults == () and len(source.records[0].boxes) == 2


def test_labels_that_are_no_text(tmp_path):
    yolo(tmp_path, "")
    (tmp_path / "labels" / "1.txt").write_bytes(b"\xff\xfe0 0.5")
    assert [fault.kind for fault in read(tmp_path, "here").faults] == ["labels unreadable"]


def test_labels_without_a_picture_are_told(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1")
    (tmp_path / "labels" / "classes.txt").write_text("cat\ndog")
    (tmp_path / "labels" / "7.txt").write_text("0 0.5 0.5 1 1")
    assert read(tmp_path, "here").faults == (
        Fault("labels/7.txt", "picture missing", "labels without a picture; left out"),
    )


def test_a_damaged_picture_is_kept_to_be_told_of_when_it_is_read(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1")
    (tmp_path / "images" / "1.png").write_bytes(b"text")
    source = read(tmp_path, "here")
    assert len(source.records) == 1 and len(source.records[0].boxes) == 0


# Names and parts


def test_classes_without_names_go_by_their_numbers(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1\n2 0.5 0.5 1 1", names="")
    source = read(tmp_path, "here")
    assert source.classes == ("0", "1", "2")
    assert source.notes == ("no picture shows: 1", "nothing names the classes: they go by their numbers")


@pytest.mark.parametrize(("text", "got"), [("", "no box at all"), ("999999 0.5 0.5 1 1", "999999")])
def test_numbers_that_cannot_be_names_are_refused(tmp_path, text, got):
    yolo(tmp_path, text, names="")
    with pytest.raises(DataError, match=r"^nothing names the classes in .* and their numbers") as caught:
        read(tmp_path, "here")
    assert caught.value.got == got


def test_names_are_known_to_every_part(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1", "1", "train")
    yolo(tmp_path, "1 0.5 0.5 1 1", "2", "val")
    source = read(tmp_path, "here")
    assert [(record.path, record.part) for record in source.records] == [
        ("images/train/1.png", "train"), ("images/val/2.png", "val"),
    ]  # fmt: skip
    assert source.notes == ("the train part has no pictures of: dog", "the val part has no pictures of: cat")


def test_a_val_part_alone_cannot_be_learnt_from(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1", "1", "val")
    with pytest.raises(DataError, match="has pictures of val, and none to learn from"):
        read(tmp_path, "here")
    assert len(read(tmp_path, "here", to_learn=False).records) == 1


def test_folders_without_pictures_are_refused(tmp_path):
    yolo(tmp_path, "")
    (tmp_path / "images" / "1.png").unlink()
    with pytest.raises(DataError, match=r"^no pictures in the YOLO set"):
        read(tmp_path, "here")


def test_a_broken_data_yaml_is_told_and_not_passed_over(tmp_path):
    yolo(tmp_path, "0 0.5 0.5 1 1")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat\n")
    assert here(tmp_path)
    with pytest.raises(DataError, match=r"data.yaml is no YAML that can be read"):
        read(tmp_path, "here")


def test_other_folders_are_not_taken_for_it(tmp_path):
    class_folders(tmp_path, {"cat": 2, "images": 2})
    assert not here(tmp_path)
    assert not here(tmp_path / "none")
