"""convert: round trips through every format of boxes, what is lost, and that nothing half-written is left."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from data_makers import class_folders, drawn, encoded, shared
from PIL import Image

from torchbeam.cli import main
from torchbeam.data.find import find
from torchbeam.data.sources import shapes
from torchbeam.errors import DataError, OutOfRoom, OutputError, SettingError
from torchbeam.jobs import convert as job
from torchbeam.jobs.convert import TARGETS, convert


def stem(path):
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def assert_same(one, other, apart=0.5, masks=False):
    """The same pictures by the stem of their names, with the same parts, boxes, classes of boxes and masks."""
    assert one.classes == other.classes
    by_stem = {stem(record.path): number for number, record in enumerate(other.records)}
    assert len(by_stem) == len(one.records) == len(other.records)
    for number, record in enumerate(one.records):
        at = by_stem[stem(record.path)]
        again = other.records[at]
        assert again.part == record.part
        assert len(record.boxes or ()) == len(again.boxes or ()), record.path
        if record.boxes is not None and len(record.boxes):
            assert np.abs(record.boxes.xyxy_N4 - again.boxes.xyxy_N4).max() <= apart
            assert (record.boxes.labels_N == again.boxes.labels_N).all()
        if masks:
            assert again.masked
            assert (one.masks.mask(number) == other.masks.mask(at)).all(), record.path


def through(place, root, *formats, **options):
    """The source at the end of a trip through several formats, and what was lost on the way."""
    lost = []
    for number, to in enumerate(formats):
        out = root / f"{number}-{to}"
        lost.append(convert(place, to, out, show=False, cache=root / "cache", **options).lost)
        place = out
    return find(place, False), lost


@pytest.fixture(scope="module")
def few_shapes(tmp_path_factory):
    """The first 40 drawn shapes as a VOC set, with parts by hand."""
    root = tmp_path_factory.mktemp("shapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "PICTURES", 40)
        convert("shapes", "voc", root / "voc", show=False, cache=root / "cache")
        drawn_ones = shapes.read()
    names = [f"shapes_{number:03d}" for number in range(40)]
    main_folder = root / "voc" / "ImageSets" / "Main"
    main_folder.mkdir(parents=True)
    for part, own in (("train", names[:20]), ("val", names[20:30]), ("test", names[30:])):
        (main_folder / f"{part}.txt").write_text("\n".join(own))
    return root / "voc", drawn_ones


# Round trips


def test_shapes_come_through_voc_with_exact_boxes_and_masks(few_shapes):
    root, truth = few_shapes
    again = find(root, False)
    assert again.classes == truth.classes
    assert [stem(record.path) for record in again.records] == [f"shapes_{number:03d}" for number in range(40)]
    for number, (one, other) in enumerate(zip(truth.records, again.records, strict=True)):
        assert (one.boxes.xyxy_N4 == other.boxes.xyxy_N4).all()
        assert (one.boxes.labels_N == other.boxes.labels_N).all()
        assert (truth.masks.mask(number) == again.masks.mask(number)).all()
        assert again.pictures.image(number).tobytes() == truth.pictures.content(number)
    assert again.faults == ()


def test_shapes_go_round_through_every_format_of_boxes(few_shapes, tmp_path):
    root, _ = few_shapes
    again, lost = through(root, tmp_path, "coco", "yolo", "csv", "voc")
    assert_same(find(root, False), again, masks=True)
    count = sum(len(record.boxes) for record in find(root, False).records)
    assert lost == [{}, {}, {"shapes of boxes": count}, {}]
    assert again.faults == ()


def test_shapes_go_round_as_masks_alone(few_shapes, tmp_path):
    """The connected pieces of the masks are the shapes, which do not touch."""
    root, _ = few_shapes
    again, _ = through(root, tmp_path, "masks", "coco", "voc")
    before = find(root, False)
    assert again.classes == before.classes
    for record, other in zip(before.records, sorted(again.records, key=lambda one: stem(one.path)), strict=True):
        rows = sorted(
            (label, *box) for label, box in zip(record.boxes.labels_N, record.boxes.xyxy_N4.tolist(), strict=True)
        )
        assert rows == sorted(
            (label, *box) for label, box in zip(other.boxes.labels_N, other.boxes.xyxy_N4.tolist(), strict=True)
        )
        assert record.part == other.part


def test_blood_cells_go_round_through_every_format_of_boxes(tmp_path):
    """45 real pictures with their parts; two boxes of the whole set are degenerate and set aside at the first step."""
    root = tmp_path / "bccd"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    whole = shared("data", "bccd", "BCCD")
    chosen = sorted(path.stem for path in (whole / "Annotations").glob("*.xml"))[::8]
    for name in chosen:
        shutil.copy(whole / "Annotations" / f"{name}.xml", root / "Annotations")
        shutil.copy(whole / "JPEGImages" / f"{name}.jpg", root / "JPEGImages")
    for part in ("train", "val", "test"):
        names = (whole / "ImageSets" / "Main" / f"{part}.txt").read_text().split()
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(sorted(set(names) & set(chosen))))
    again, lost = through(root, tmp_path, "coco", "yolo", "csv", "voc", link=True)
    before = find(root, False)
    assert len(before.records) > 40 and {record.part for record in before.records} == {"train", "val", "test"}
    assert_same(before, again, apart=1e-3)
    assert lost == [{}] * 4
    for record in again.records:
        path = tmp_path / "3-voc" / record.path
        assert path.read_bytes() == (root / "JPEGImages" / path.name).read_bytes()


def test_all_of_the_blood_cells_become_coco(tmp_path):
    place = shared("data", "bccd")
    converted = convert(place, "coco", tmp_path / "coco", link=True, show=False)
    assert converted.pictures == 364 and converted.lost == {}
    assert converted.parts == {"train": 205, "val": 87, "test": 72}
    told = [json.loads(path.read_text()) for path in sorted((tmp_path / "coco" / "annotations").iterdir())]
    assert sum(len(one["annotations"]) for one in told) == converted.boxes
    assert converted.boxes + sum(fault.kind.startswith("box") for fault in converted.faults) >= 4888


def test_class_folders_go_round_through_csv_byte_for_byte(tmp_path):
    place = class_folders(tmp_path / "in", {"train/cat": 3, "train/dog": 2, "test/cat": 1, "test/dog": 1})
    again, lost = through(place, tmp_path, "csv", "folder")
    assert lost == [{}, {}]
    written = {
        path.relative_to(tmp_path / "1-folder").as_posix(): path.read_bytes()
        for path in (tmp_path / "1-folder").rglob("*.png")
    }
    assert written == {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.png")}
    assert again.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("to", "size", "mode"), [("mnist", (28, 28), "L"), ("cifar", (32, 32), "RGB"), ("stl10", (96, 96), "RGB")]
)
def test_pictures_of_one_size_go_round_through_one_file(tmp_path, to, size, mode):
    for number in range(12):
        folder = tmp_path / "in" / ("train" if number < 8 else "test") / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        drawn(number, size, mode).save(folder / f"{number}.png")
    again, lost = through(tmp_path / "in", tmp_path, to, "folder")
    assert lost == [{}, {}]
    assert again.classes == ("0", "1")
    before = find(tmp_path / "in", False)

    def held(source):
        pictures = (source.pictures.image(number).convert(mode).tobytes() for number in range(12))
        return {(record.part, record.label, pixels) for record, pixels in zip(source.records, pictures, strict=True)}

    assert held(again) == held(before)


# What is lost


def coco_with_flags(root):
    """One picture, a crowd and a shape with a hole; the second category never occurs."""
    (root / "annotations").mkdir(parents=True)
    (root / "train").mkdir()
    drawn(0).save(root / "train" / "a.png")
    counts = [0, 5, 13, 5, 13, 2, 1, 2, 13, 5, 13, 5, 355]
    thing = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5], "area": 24}
    told = {
        "images": [{"id": 1, "file_name": "a.png", "width": 24, "height": 18}],
        "categories": [{"id": 7, "name": "cell"}, {"id": 9, "name": "none"}],
        "annotations": [
            thing | {"id": 1, "iscrowd": 1, "segmentation": {"size": [18, 24], "counts": counts}},
            thing | {"id": 2, "iscrowd": 0, "segmentation": [[10, 5, 20, 5, 20, 15]], "bbox": [10, 5, 10, 10]},
        ],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(told))
    return root


def test_crowds_and_holes_are_counted_and_named(tmp_path, capsys):
    place = coco_with_flags(tmp_path / "in")
    assert convert(place, "coco", tmp_path / "coco", show=False).lost == {}
    converted = convert(place, "yolo", tmp_path / "yolo")
    assert converted.lost == {"boxes marked as crowds (iscrowd)": 1, "shapes with holes (filled)": 1}
    told = capsys.readouterr()
    assert "will be lost: boxes marked as crowds (iscrowd): 1\n" in told.err
    assert "will be lost: shapes with holes (filled): 1\n" in told.err
    assert told.out == ""
    assert "  lost: shapes with holes (filled): 1" in str(converted).splitlines()
    assert convert(place, "voc", tmp_path / "voc", show=False).lost == {
        "outlines finer than pixels": 1,
        "boxes marked as crowds (iscrowd)": 1,
    }


def test_difficult_boxes_are_counted_and_named(tmp_path):
    (tmp_path / "in" / "Annotations").mkdir(parents=True)
    (tmp_path / "in" / "JPEGImages").mkdir()
    drawn(0).save(tmp_path / "in" / "JPEGImages" / "a.png")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    things = [
        f"<object><name>{name}</name><difficult>{flag}</difficult>{box}</object>"
        for name, flag in (("cat", 1), ("dog", 0))
    ]
    text = f"<annotation><filename>a.png</filename>{''.join(things)}</annotation>"
    (tmp_path / "in" / "Annotations" / "a.xml").write_text(text)
    for to in ("coco", "yolo", "csv"):
        lost = convert(tmp_path / "in", to, tmp_path / to, show=False).lost
        assert lost == {"boxes marked difficult": 1}
    assert convert(tmp_path / "in", "voc", tmp_path / "voc", show=False).lost == {}
    assert find(tmp_path / "voc", False).records[0].boxes.difficult_N.tolist() == [True, False]


def test_strict_writes_nothing_where_something_would_be_lost(tmp_path):
    place = coco_with_flags(tmp_path / "in")
    with pytest.raises(
        DataError, match=r"yolo cannot hold all of .*, and nothing may be lost under --strict"
    ) as caught:
        convert(place, "yolo", tmp_path / "out", strict=True, show=False)
    assert caught.value.got == "boxes marked as crowds (iscrowd): 1\nshapes with holes (filled): 1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert convert(place, "coco", tmp_path / "out", strict=True, show=False).lost == {}


def test_pictures_that_cannot_be_read_are_left_out_and_listed(tmp_path, capsys):
    place = class_folders(tmp_path / "in", {"cat": 2, "dog": 2})
    (place / "cat" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    converted = convert(place, "csv", tmp_path / "out")
    assert "cat/bad.png" in capsys.readouterr().err
    assert converted.pictures == 4
    assert [bad.path for bad in converted.skipped] == ["cat/bad.png"]
    assert converted.lost == {"pictures that cannot be read (left out)": 1}
    assert not (tmp_path / "out" / "images" / "cat" / "bad.png").exists()
    with pytest.raises(DataError, match="nothing may be lost under --strict"):
        convert(place, "csv", tmp_path / "again", strict=True, show=False)


def test_a_place_without_one_readable_picture_is_refused(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "bad.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="can be converted") as caught:
        convert(tmp_path / "in", "csv", tmp_path / "out", show=False)
    assert str(caught.value).startswith(f"no picture at {tmp_path / 'in'} can be converted")
    assert "cat/bad.png is not a picture" in caught.value.got


def masks_with_one_too_small(root):
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(3):
        drawn(number).save(root / "images" / f"{number}.png")
        Image.new("L", (24, 18), number % 2).save(root / "masks" / f"{number}.png")
    (root / "masks" / "2.png").write_bytes(encoded(Image.new("L", (2, 2), 1)))
    return root


def test_faults_of_the_source_are_told_with_counts(tmp_path, capsys):
    converted = convert(masks_with_one_too_small(tmp_path / "in"), "coco", tmp_path / "out")
    assert [fault.path for fault in converted.faults] == ["images/2.png"]
    assert converted.to_json()["faults"][0]["path"] == "images/2.png"
    assert "  wrong in the source: mask size: 1" in str(converted).splitlines()
    assert "wrong in the source: " in capsys.readouterr().err


def test_a_mask_that_cannot_be_read_when_it_is_needed_is_set_aside(tmp_path, monkeypatch):
    """A mask that goes bad after the source was read."""
    root = masks_with_one_too_small(tmp_path / "in")

    def look_late(source, *rest):
        (root / "masks" / "1.png").write_bytes(b"gone")
        return look(source, *rest)

    look = job.look
    monkeypatch.setattr(job, "look", look_late)
    converted = convert(root, "coco", tmp_path / "out", show=False)
    assert "mask unreadable" in {fault.kind for fault in converted.faults}
    assert converted.masks == 1


def test_shapes_that_do_not_go_with_their_picture_are_set_aside(tmp_path):
    place = coco_with_flags(tmp_path / "in")
    file = place / "annotations" / "instances_train.json"
    told = json.loads(file.read_text())
    told["annotations"][0]["segmentation"] = {"size": [18, 24], "counts": [18 * 24]}
    told["annotations"][1]["segmentation"] = {"size": [2, 2], "counts": [0, 4]}
    file.write_text(json.dumps(told))
    for to in ("yolo", "voc"):
        converted = convert(place, to, tmp_path / to, show=False)
        assert len(converted.faults) == 2
        again = find(tmp_path / to, False).records[0].boxes
        assert len(again) == 2 and again.regions == (None, None)


def test_pictures_turned_by_exif_keep_their_bytes_and_are_told(tmp_path):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "in" / "cat" / "a.jpg").write_bytes(encoded(drawn(0), "JPEG", exif=exif))
    converted = convert(tmp_path / "in", "csv", tmp_path / "out", show=False)
    assert "1 pictures are stored turned (EXIF); boxes and masks go by the upright picture" in converted.notes
    assert (tmp_path / "out/images/cat/a.jpg").read_bytes() == (tmp_path / "in/cat/a.jpg").read_bytes()


# Where it is written


def test_an_unknown_format_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(SettingError, match="no format 'coc' to convert to") as caught:
        convert("shapes", "coc", tmp_path / "out")
    assert caught.value.remedy == "did you mean coco?"
    assert caught.value.expected == ", ".join(TARGETS)


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(OutputError, match="is not empty"):
        convert("digits", "folder", tmp_path / "out", show=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_folder_among_the_class_folders_is_refused(tmp_path):
    place = class_folders(tmp_path / "in", {"cat": 2, "dog": 2})
    with pytest.raises(OutputError, match="lies inside the data that is read") as caught:
        convert(place, "csv", place / "table", show=False)
    assert "where every folder is taken for a class" in caught.value.expected
    assert sorted(path.name for path in place.iterdir()) == ["cat", "dog"]


def test_an_empty_folder_is_filled_and_so_is_the_one_the_user_is_in(tmp_path, monkeypatch):
    place = class_folders(tmp_path / "in", {"cat": 1, "dog": 1})
    for name in ("empty", "here"):
        (tmp_path / name).mkdir()
    convert(place, "csv", tmp_path / "empty", show=False)
    monkeypatch.chdir(tmp_path / "here")
    before = os.stat(".").st_ino
    convert(place, "csv", ".", show=False)
    assert os.stat(".").st_ino == before
    for name in ("empty", "here"):
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["images", "pictures.csv"]


def test_an_error_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    place = class_folders(tmp_path / "in", {"cat": 2, "dog": 2})

    def fails(told, root, link):
        (root / "half").touch()
        yield told.samples[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(TARGETS["csv"], "write", fails)
    with pytest.raises(KeyboardInterrupt):
        convert(place, "csv", tmp_path / "out", show=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


KILLED = """
import os, signal, sys
from torchbeam.jobs.convert import TARGETS, convert

def is_killed(told, root, link):
    (root / "half").touch()
    yield told.samples[0]
    os.kill(os.getpid(), signal.SIGKILL)

TARGETS["csv"].write = is_killed
convert(sys.argv[1], "csv", sys.argv[2], show=False)
"""


def test_a_killed_conversion_leaves_no_half_data_set_under_the_name(tmp_path):
    place = class_folders(tmp_path / "in", {"cat": 2, "dog": 2})
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(place), str(tmp_path / "out")])
    assert child.wait() == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".out.part-{child.pid}", "in"]
    assert convert(place, "csv", tmp_path / "out", show=False).pictures == 4


def test_a_folder_left_by_one_that_was_killed_is_no_hindrance(tmp_path):
    place = class_folders(tmp_path / "in", {"cat": 1, "dog": 1})
    (tmp_path / f".out.part-{os.getpid()}").mkdir()
    assert convert(place, "csv", tmp_path / "out", show=False).pictures == 2


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(job.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    place = class_folders(tmp_path / "in", {"cat": 2, "dog": 2})
    with pytest.raises(OutOfRoom, match="the disk has too little room beside"):
        convert(place, "csv", tmp_path / "out", show=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_links_are_links_and_where_there_can_be_none_that_is_told(tmp_path, monkeypatch):
    place = class_folders(tmp_path / "in", {"cat": 1, "dog": 1})
    assert convert(place, "csv", tmp_path / "one", link=True, show=False).notes == ()
    assert os.path.samefile(tmp_path / "one/images/cat/0.png", place / "cat/0.png")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["images", "pictures.csv"]
    monkeypatch.setattr(job, "linked", lambda old, new: False)
    converted = convert(place, "csv", tmp_path / "two", link=True, show=False)
    assert converted.notes == ("the pictures are copied: the file system cannot link them",)
    converted = convert("digits", "mnist", tmp_path / "three", link=True, show=False)
    assert "the source's pictures are no files, so none can be linked" in converted.notes


# The command


def test_the_verb_prints_what_was_written(tmp_path, capsys):
    place = class_folders(tmp_path / "in", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    assert main(["data", "convert", str(place), "--to", "csv", "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"{place} (folder): 2 classes",
        f"-> csv {tmp_path / 'a'}: 6 pictures (train 4, val 2)",
        "  nothing is lost",
    ]
    assert f"folder: 6 pictures, 2 classes from {place}" in told.err
    assert main(["data", "convert", str(place), "--to", "csv", "--out", str(tmp_path / "b"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["to"] == "csv" and told["pictures"] == 6 and told["parts"] == {"train": 4, "val": 2}
    assert told["lost"] == {} and told["skipped"] == [] and told["classes"] == ["cat", "dog"]


def test_the_verb_is_strict_when_told(tmp_path, capsys):
    place = coco_with_flags(tmp_path / "in")
    arguments = ["data", "convert", str(place), "--to", "yolo", "--out", str(tmp_path / "out"), "--strict"]
    assert main(arguments) == 2
    assert "nothing may be lost under --strict" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
