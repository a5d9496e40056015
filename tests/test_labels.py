"""Faults of labels, and what no label names."""

from check_makers import facts_of, scene, scenes
from data_makers import encoded

from torchbeam.data.checks.labels import empty, faults, masks, strays
from torchbeam.data.find import find
from torchbeam.data.records import Fault, Record, Source, boxes


def source_of(*records, told=()):
    return Source("csv", "", None, ("a",), records, None, faults=told)


def test_faults_are_gathered_by_kind():
    told = (
        Fault("1.png", "box inverted", "box 1"),
        Fault("1.png", "box inverted", "box 2"),
        Fault("2.png", "box reaches out", "box 1"),
        Fault("3.png", "shape elsewhere", "object 4"),
    )
    inverted, out, other = faults(source_of(told=told))
    assert (inverted.what, inverted.severity) == ("2 boxes end before they begin", "error")
    assert inverted.paths == ("1.png", "1.png") and inverted.details == ("box 1", "box 2")
    assert (out.what, out.severity) == ("1 box reaches out of its picture", "warning")
    assert (other.kind, other.what, other.severity) == ("shape elsewhere", "1 label: shape elsewhere", "error")


def test_pictures_without_boxes_are_noted_where_others_have_some():
    facts = dict(enumerate(facts_of(scene(0), scene(1))))
    none, one = boxes([], []), boxes([[0, 0, 4, 4]], [0])
    assert list(empty(source_of(Record("0", -1, boxes=none), Record("1", -1, boxes=none)), facts)) == []
    assert list(empty(source_of(Record("0", 0), Record("1", 0)), facts)) == []
    (told,) = empty(source_of(Record("0", -1, boxes=none), Record("1", -1, boxes=one)), facts)
    assert (told.kind, told.severity, told.paths) == ("without boxes", "note", ("0",))


def test_masks_are_told_with_the_reason():
    unusable, size = masks(source_of(Record("0", -1), Record("1", -1)), {0: "9 is no class"}, {1: "5x4"})
    assert unusable.details == ("9 is no class",) and unusable.leave_out == (("0", "9 is no class"),)
    assert size.what == "1 mask is of another size than its picture"
    assert list(masks(source_of(), {}, {})) == []


def test_what_lies_about_is_told_by_what_it_is(tmp_path):
    root = scenes(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    for name in ("README.md", "LICENSE", ".hidden.png", "train/a/.DS_Store"):
        (root / name).touch()
    assert list(strays(find(root, False))) == []
    (root / "train/phone.HEIC").touch()
    (root / "train/loose.png").write_bytes(encoded(scene(5)))
    (root / "train/a/notes.txt").touch()
    (root / "train/a/noending").touch()
    told = {finding.kind: finding for finding in strays(find(root, False))}
    assert {kind: finding.paths for kind, finding in told.items()} == {
        "other format": ("train/phone.HEIC",),
        "not labelled": ("train/loose.png",),
        "no picture": ("train/a/noending", "train/a/notes.txt"),
    }
    assert told["no picture"].what == "2 files are no picture: .txt, no ending"
    assert [finding.severity for finding in told.values()] == ["warning", "note", "note"]


def test_pictures_a_list_does_not_name_are_noted(tmp_path):
    root = scenes(tmp_path, {"a": 3})
    (root / "labels.csv").write_text("path,class\na/00.jpg,x\na/01.jpg,y\n")
    (told,) = strays(find(root, False))
    assert (told.kind, told.paths) == ("not labelled", ("a/02.jpg",))
    assert told.what == "1 picture is below the folder, but no label names it"


def test_a_set_that_is_no_folder_has_no_strays():
    assert list(strays(find("digits"))) == []
