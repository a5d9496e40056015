"""ImageNet's layouts, made small: synset folders, Kaggle's tree, Caffe's lists, Tiny ImageNet."""

import json
from collections import Counter

import pytest
from data_makers import class_folders, drawn

from torchbeam.data.sources.imagenet import here, read, read_list, readable
from torchbeam.errors import DataError

# Five of ImageNet's synsets as LOC_synset_mapping.txt and synset_words.txt have them.
WORDS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n02113186": "Cardigan, Cardigan Welsh corgi",
    "n02963159": "cardigan",
    "n03126707": "crane",
}
READABLE = (
    "tench",
    "crane (n02012849)",
    "Cardigan (n02113186)",
    "cardigan (n02963159)",
    "crane (n03126707)",
)
MAPPING = "".join(f"{synset} {words}\n" for synset, words in WORDS.items())


def pictures(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        drawn(number).save(folder / name, "JPEG")


def found(source):
    """(part, class) -> how many pictures."""
    return Counter((record.part, source.classes[record.label]) for record in source.records)


# Folders of synsets


def test_synset_folders_are_in_the_order_of_their_ids_and_have_readable_names(tmp_path):
    class_folders(tmp_path, dict.fromkeys(reversed(WORDS), 1), ".JPEG")
    (tmp_path / "LOC_synset_mapping.txt").write_text(MAPPING)
    assert here(tmp_path)
    source = read(tmp_path, "here")
    assert (source.kind, source.place, source.root) == ("imagenet", "here", tmp_path)
    assert source.classes == READABLE
    assert [(record.path, record.label) for record in source.records] == [
        (f"{synset}/0.JPEG", label) for label, synset in enumerate(WORDS)
    ]
    assert source.notes == ()
    assert source.pictures.image(0).size == (24, 18)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("synset_words.txt", MAPPING),
        ("words.txt", "n00001740\tentity\n" + "".join(f"{synset}\t{words}\n" for synset, words in WORDS.items())),
        ("imagenet_class_index.json", json.dumps({str(at): pair for at, pair in enumerate(WORDS.items())})),
    ],
)
@pytest.mark.parametrize("above", [0, 3])
def test_names_are_found_in_each_kind_of_list_and_up_to_three_folders_up(tmp_path, name, text, above):
    root = tmp_path / "a" / "b" / "c"
    class_folders(root, {f"{part}/{synset}": 1 for part in ("train", "val") for synset in ("n01440764", "n02012849")})
    ([root, *root.parents][above] / name).write_text(text)
    source = read(root, "here")
    assert source.classes == ("tench", "crane")
    assert found(source) == {(part, name): 1 for part in ("train", "val") for name in ("tench", "crane")}


def test_without_a_list_the_ids_are_the_names(tmp_path):
    class_folders(tmp_path, {"n02012849": 1, "n01440764": 2})
    source = read(tmp_path, "here")
    assert source.classes == ("n01440764", "n02012849")
    assert source.notes == (
        "classes go by their synset ids: none of LOC_synset_mapping.txt, synset_words.txt, "
        "imagenet_class_index.json, words.txt lies here",
    )


def test_a_synset_that_the_list_does_not_name_keeps_its_id(tmp_path):
    class_folders(tmp_path, {"n01440764": 1, "n09999999": 1})
    (tmp_path / "synset_words.txt").write_text(MAPPING)
    source = read(tmp_path, "here")
    assert source.classes == ("tench", "n09999999")
    assert source.notes == ("synset_words.txt does not name: n09999999",)


def test_words_of_another_kind_are_passed_over(tmp_path):
    class_folders(tmp_path / "set", {"n01440764": 1, "n02012849": 1})
    (tmp_path / "words.txt").write_text("aardvark\nabacus\n")
    assert read(tmp_path / "set", "here").classes == ("n01440764", "n02012849")


def test_names_alike_are_told_apart_by_their_ids():
    assert readable(list(WORDS), WORDS) == READABLE
    assert readable(["n00000001", "n00000002"], {"n00000001": "great white, shark"}) == ("great white", "n00000002")
    assert readable(["n00000001"], {"n00000001": " , "}) == ("n00000001",)


def test_an_empty_synset_folder_is_noted(tmp_path):
    class_folders(tmp_path, {"train/n01440764": 1, "train/n02012849": 1, "train/n03126707": 0})
    assert "left out in train, no pictures inside: n03126707" in read(tmp_path, "here").notes


# A flat val folder with a list


def kaggle(root):
    data = root / "ILSVRC" / "Data" / "CLS-LOC"
    pictures(data / "train" / "n01440764", "n01440764_1.JPEG", "n01440764_2.JPEG")
    pictures(data / "train" / "n02012849", "n02012849_1.JPEG")
    pictures(data / "val", "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG")
    pictures(data / "test", "ILSVRC2012_test_00000001.JPEG")
    (root / "LOC_synset_mapping.txt").write_text(MAPPING)
    solution = "ImageId,PredictionString\nILSVRC2012_val_00000002,n01440764 85 1 499 272 3 4 5 6 \n"
    solution += "ILSVRC2012_val_00000001,n02012849 131 0 499 254 \n"
    (root / "LOC_val_solution.csv").write_text(solution)
    return root


@pytest.mark.parametrize("below", ["", "ILSVRC", "ILSVRC/Data/CLS-LOC"])
def test_kaggles_tree_is_read_from_wherever_it_is_named(tmp_path, below):
    place = kaggle(tmp_path) / below
    assert here(place)
    source = read(place, "here")
    assert source.root == tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    assert source.classes == ("tench", "crane")
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("train/n01440764/n01440764_1.JPEG", 0, "train"),
        ("train/n01440764/n01440764_2.JPEG", 0, "train"),
        ("train/n02012849/n02012849_1.JPEG", 1, "train"),
        ("val/ILSVRC2012_val_00000002.JPEG", 0, "val"),
        ("val/ILSVRC2012_val_00000001.JPEG", 1, "val"),
    ]
    assert source.notes == (
        "passed over, its pictures have no labels: test",
        "the boxes in LOC_val_solution.csv are passed over",
    )


def caffe(root, lines, names="synset_words.txt"):
    class_folders(root, {f"train/{synset}": 1 for synset in WORDS})
    pictures(root / "val", "1.JPEG", "2.JPEG")
    (root / "val.txt").write_text(lines)
    if names:
        (root / names).write_text(MAPPING)
    return root


@pytest.mark.parametrize("names", ["synset_words.txt", None])
def test_the_numbers_of_val_txt_count_through_the_sorted_ids(tmp_path, names):
    source = read(caffe(tmp_path, "1.JPEG 4\n2.JPEG 1\n", names), "here")
    val = {record.path: list(WORDS)[record.label] for record in source.records if record.part == "val"}
    assert val == {"val/1.JPEG": "n03126707", "val/2.JPEG": "n02012849"}


def test_numbers_count_through_the_list_where_train_has_only_some_synsets(tmp_path):
    caffe(tmp_path, "1.JPEG 4\n2.JPEG 0\n")
    (tmp_path / "train" / "n02012849" / "0.png").unlink()
    source = read(tmp_path, "here")
    val = {record.path: source.classes[record.label] for record in source.records if record.part == "val"}
    assert val == {"val/1.JPEG": "crane", "val/2.JPEG": "tench"}


def test_an_empty_synset_folder_still_counts(tmp_path):
    caffe(tmp_path, "1.JPEG 4\n2.JPEG 0\n", None)
    (tmp_path / "train" / "n02012849" / "0.png").unlink()
    source = read(tmp_path, "here")
    val = {record.path: source.classes[record.label] for record in source.records if record.part == "val"}
    assert val == {"val/1.JPEG": "n03126707", "val/2.JPEG": "n01440764"}


def test_the_numbers_of_a_json_index_are_its_own(tmp_path):
    root = caffe(tmp_path, "1.JPEG 0\n2.JPEG 1\n", None)
    index = {str(at): pair for at, pair in enumerate(reversed(WORDS.items()))}
    (root / "imagenet_class_index.json").write_text(json.dumps(index))
    source = read(root, "here")
    val = {record.path: source.classes[record.label] for record in source.records if record.part == "val"}
    assert val == {"val/1.JPEG": "crane (n03126707)", "val/2.JPEG": "cardigan (n02963159)"}


def test_what_list_and_folder_do_not_share_is_noted(tmp_path):
    source = read(caffe(tmp_path, "1.JPEG n01440764\n7.JPEG n01440764\n8.JPEG n01440764\n\n"), "here")
    assert [record.path for record in source.records if record.part == "val"] == ["val/1.JPEG"]
    assert source.notes[:2] == (
        "left out in val, not in val.txt: 1 pictures",
        "named by val.txt but not in val: 2 pictures",
    )


def tiny(root):
    for synset in ("n02012849", "n01440764"):
        pictures(root / "train" / synset / "images", f"{synset}_0.JPEG", f"{synset}_1.JPEG")
        (root / "train" / synset / f"{synset}_boxes.txt").write_text(f"{synset}_0.JPEG\t0\t0\t62\t63\n")
    pictures(root / "val" / "images", "val_0.JPEG", "val_1.JPEG")
    (root / "val" / "val_annotations.txt").write_text(
        "val_0.JPEG\tn02012849\t0\t32\t44\t62\nval_1.JPEG\tn01440764\t0\t1\t2\t3\n"
    )
    pictures(root / "test" / "images", "test_0.JPEG")
    (root / "wnids.txt").write_text("n02012849\nn01440764\n")
    (root / "words.txt").write_text("n00001740\tentity\nn01440764\ttench, Tinca tinca\nn02012849\tcrane\n")
    return root


def test_tiny_imagenet_is_read(tmp_path):
    assert here(tiny(tmp_path))
    source = read(tmp_path, "here")
    assert source.classes == ("tench", "crane")
    assert found(source) == {
        ("train", "tench"): 2,
        ("train", "crane"): 2,
        ("val", "tench"): 1,
        ("val", "crane"): 1,
    }
    assert source.records[-1].path == "val/images/val_0.JPEG"
    assert "passed over, its pictures have no labels: test" in source.notes


def test_a_val_folder_may_be_read_alone(tmp_path):
    root = tiny(tmp_path) / "val"
    assert here(root)
    source = read(root, "here", to_learn=False)
    assert [(record.path, record.label, record.part) for record in source.records] == [
        ("images/val_1.JPEG", 0, ""),
        ("images/val_0.JPEG", 1, ""),
    ]
    assert source.classes == ("tench", "crane")


def test_a_val_folder_without_a_list_is_passed_over(tmp_path):
    root = caffe(tmp_path, "")
    (root / "val.txt").unlink()
    source = read(root, "here")
    assert {record.part for record in source.records} == {"train"}
    assert source.notes == ("passed over, its pictures have no labels: val",)


# What is not ImageNet


def test_here_is_not_taken_in_by_other_folders(tmp_path):
    assert not here(tmp_path)
    assert not here(tmp_path / "nothing")
    class_folders(tmp_path / "a", {"n01440764": 1, "cat": 1})
    class_folders(tmp_path / "b", {"train/cat": 1, "train/dog": 1, "val/n01440764": 1})
    class_folders(tmp_path / "c" / "val", {"": 2})
    (tmp_path / "c" / "val" / "val.txt").write_text("0.png 1\n1.png 0\n")
    for name in ("a", "b", "c", "c/val"):
        assert not here(tmp_path / name)


# What is refused


def test_the_devkits_numbers_are_refused(tmp_path):
    root = caffe(tmp_path, "")
    (root / "val.txt").unlink()
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text("490\n361\n")
    with pytest.raises(DataError, match="does not tell the classes of") as caught:
        read(root, "here")
    assert caught.value.expected == "one of val_annotations.txt, LOC_val_solution.csv, val.txt"
    assert "meta.mat" in caught.value.got


@pytest.mark.parametrize("told", ["5", "-1", "tench", "n0144076", "", "9" * 5000])
def test_a_line_without_a_class_is_refused(tmp_path, told):
    root = caffe(tmp_path, f"1.JPEG 0\n2.JPEG {told}\n")
    with pytest.raises(DataError, match=r"val.txt has no class in line 2") as caught:
        read(root, "here")
    assert caught.value.expected == ("the name of a picture and a synset id such as n01440764, or a number from 0 to 4")


def test_a_picture_of_two_classes_is_refused(tmp_path):
    (tmp_path / "val_annotations.txt").write_text("a.JPEG\tn01440764\t0\na.JPEG\tn02012849\t0\n")
    with pytest.raises(DataError, match="gives one picture two classes, the second in line 2") as caught:
        read_list(tmp_path / "val_annotations.txt", ())
    assert caught.value.got == "a.JPEG: n01440764 and n02012849"


def test_a_list_of_other_pictures_is_refused(tmp_path):
    root = caffe(tmp_path, "ILSVRC2012_val_00000001.JPEG 0\n")
    with pytest.raises(DataError, match=r"val.txt names none of the pictures in") as caught:
        read(root, "here")
    assert caught.value.got == "ILSVRC2012_val_00000001.JPEG in the list, 1.JPEG in the folder"


@pytest.mark.parametrize("text", ["", "tench\n", "0 tench\n1 crane\n"])
def test_a_list_that_names_no_synset_is_refused(tmp_path, text):
    root = caffe(tmp_path, "1.JPEG 0\n")
    (root / "synset_words.txt").write_text(text)
    with pytest.raises(DataError, match=r"synset_words.txt names no synset"):
        read(root, "here")


@pytest.mark.parametrize("text", ["", "[]]", "7", "[1, 2]", '{"a": 1}', '{"0": ["n01440764"]}', "[" * 100_000])
def test_a_json_that_is_no_index_is_refused(tmp_path, text):
    root = caffe(tmp_path, "1.JPEG 0\n", None)
    (root / "imagenet_class_index.json").write_text(text)
    with pytest.raises(DataError, match=r"imagenet_class_index.json is no index of classes"):
        read(root, "here")


def test_a_list_of_a_terabyte_is_refused(tmp_path):
    root = caffe(tmp_path, "")
    with (root / "val.txt").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"val.txt is too large for a list of names"):
        read(root, "here")


def test_a_synset_that_only_val_knows_is_refused(tmp_path):
    root = caffe(tmp_path, "1.JPEG n09999999\n")
    with pytest.raises(DataError, match=r"^the val folder has classes that the train folder does not know") as caught:
        read(root, "here")
    assert caught.value.got == "n09999999"


def test_val_alone_is_refused_to_learn_from(tmp_path):
    class_folders(tmp_path, {"val/n01440764": 1, "val/n02012849": 1})
    with pytest.raises(DataError, match="has a val folder but none to learn from"):
        read(tmp_path, "here")
