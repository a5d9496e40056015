"""Copies: what is made of them, and which of them goes."""

from check_makers import NEARLY, facts_of, scene

from torchbeam.data.checks.alike import alike
from torchbeam.data.records import Record, Source, boxes

PICTURES = [scene(number) for number in range(12)]
FACTS = facts_of(*PICTURES)
NEAR = facts_of(*(NEARLY["brightened"](one) for one in PICTURES))


def found(*rows):
    """rows: (path, class or None, part, facts[, boxes]) -> the findings by kind, among pictures without copies."""
    rows = [(f"rest/{number}.png", 0, rows[0][2], FACTS[number]) for number in range(6, 12)] + list(rows)
    records = tuple(Record(path, -1 if label is None else label, part, *more) for path, label, part, _, *more in rows)
    source = Source("folder", "", None, ("cat", "dog"), records, None)
    return {finding.kind: finding for finding in alike(source, dict(enumerate(row[3] for row in rows)))}


def test_pictures_without_copies_are_not_told_of():
    assert found(("a", 0, "", FACTS[0])) == {}


def test_the_first_of_several_copies_stays():
    told = found(("a", 0, "", FACTS[0]), ("b", 0, "", FACTS[0]), ("c", 0, "", FACTS[0]))["copies"]
    assert told.groups == (("a", "b", "c"),)
    assert told.leave_out == (("b", "copy of a"), ("c", "copy of a"))
    assert told.details == ("cat", "cat", "cat")


def test_a_measured_part_stays_as_it_is():
    told = found(
        ("a", 0, "train", FACTS[0]), ("b", 0, "val", FACTS[0]), ("c", 0, "test", FACTS[0]), ("d", 0, "test", FACTS[0])
    )
    assert told.keys() == {"leak"}
    assert told["leak"].severity == "error"
    assert told["leak"].leave_out == (("a", "copy of c"), ("b", "copy of c"))
    assert told["leak"].details == ("train, cat", "val, cat", "test, cat", "test, cat")


def test_copies_within_a_measured_part_stay():
    told = found(("a", 0, "test", FACTS[0]), ("b", 0, "test", FACTS[0]))
    assert told["copies"].leave_out == ()


def test_all_of_a_conflict_go():
    told = found(("a", 0, "train", FACTS[0]), ("b", 1, "train", FACTS[0]), ("c", 0, "train", FACTS[0]))
    assert told.keys() == {"label conflict"}
    assert [path for path, _ in told["label conflict"].leave_out] == ["a", "b", "c"]


def test_a_copy_may_be_in_two_classes_and_in_two_parts():
    told = found(("a", 0, "train", FACTS[0]), ("b", 1, "test", FACTS[0]))
    assert told.keys() == {"label conflict", "leak"}


def test_near_copies_in_one_part_are_harmless():
    told = found(("a", 0, "", FACTS[0]), ("b", 0, "", NEAR[0]))["near copies"]
    assert (told.severity, told.leave_out) == ("note", ())


def test_near_copies_that_leak_leave_train():
    told = found(("a", 0, "train", FACTS[0]), ("b", 0, "test", NEAR[0]), ("c", 0, "train", FACTS[0]))
    assert told.keys() == {"copies", "near leak"}
    assert told["near leak"].leave_out == (("a", "near copy of b"), ("c", "near copy of b"))


def test_an_exact_leak_with_a_near_copy_beside_it_is_both():
    told = found(("a", 0, "train", FACTS[0]), ("b", 0, "test", FACTS[0]), ("c", 0, "train", NEAR[0]))
    assert told.keys() == {"leak", "near leak"}


def test_copies_with_other_boxes_are_a_conflict():
    one, other = boxes([[0, 0, 5, 5], [1, 2, 9, 9]], [0, 1]), boxes([[1, 2, 9, 9], [0, 0, 5, 5]], [1, 0])
    moved = boxes([[0, 0, 5, 5], [1, 2, 9, 30]], [0, 1])
    assert found(("a", None, "", FACTS[0], one), ("b", None, "", FACTS[0], other)).keys() == {"copies"}
    assert found(("a", None, "", FACTS[0], one), ("b", None, "", FACTS[0], moved)).keys() == {"label conflict"}
    assert found(("a", None, "", FACTS[0], one), ("b", None, "", NEAR[0], moved)).keys() == {"near copies"}
