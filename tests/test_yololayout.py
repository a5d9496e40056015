"""Where the pictures of a YOLO set lie."""

import pytest
from data_makers import drawn

from torchbeam.data.sources.yololayout import is_set, label_path, laid_out
from torchbeam.errors import DataError

NAMES = "names: [cat, dog]\n"


def pictures(root, *paths, labelled=True):
    for at, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        drawn(at).save(root / path)
        if labelled:
            label = root / label_path(path)
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("0 0.5 0.5 1 1\n")
    return root


def described(root, text, name="data.yaml"):
    (root / name).write_text(text)
    return laid_out(root)


@pytest.mark.parametrize(
    ("picture", "label"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("train/images/a.b.jpg", "train/labels/a.b.txt"),
        ("images/train/images/x/a.jpg", "images/train/labels/x/a.txt"),
        ("obj_train_data/a.jpg", "obj_train_data/a.txt"),
        ("my images/a.jpg", "my images/a.txt"),
        ("images.jpg", "images.txt"),
    ],
)
def test_labels_lie_where_the_last_folder_images_would(picture, label):
    assert label_path(picture) == label


def test_folders_by_data_yaml(tmp_path):
    pictures(tmp_path, "images/train/2.png", "images/train/10.png", "images/val/x/1.png")
    layout = described(tmp_path, "path: .\ntrain: images/train\nval: images/val\n" + NAMES)
    assert is_set(tmp_path)
    assert layout.names == ("cat", "dog")
    assert layout.pictures == (
        ("images/train/2.png", "train"),
        ("images/train/10.png", "train"),
        ("images/val/x/1.png", "val"),
    )
    assert layout.notes == () and layout.faults == ()


@pytest.mark.parametrize(
    "text",
    [
        "train: train/images\nval: valid/images\n",
        "train: ../train/images\nval: ../valid/images\n",
        "path: ../datasets/mine\ntrain: ./train/images/\nvalid: valid/images\n",
        "path: /content/mine\ntrain: [train/images]\nval: [valid/images]\n",
        "train: /kaggle/input/mine/train/images\nval: /kaggle/input/mine/valid/images\n",
        "train: train\\images\nval: valid\\images\n",
        "train: train.txt\nval: lists/val.txt\n",
    ],
)
def test_paths_of_another_machine_are_found_here(tmp_path, text):
    pictures(tmp_path, "train/images/1.png", "valid/images/2.png")
    (tmp_path / "lists").mkdir()
    (tmp_path / "train.txt").write_text("./train/images/1.png\n\n")
    (tmp_path / "lists" / "val.txt").write_text("/home/someone/mine/valid/images/2.png\n")
    layout = described(tmp_path, text + NAMES)
    assert layout.pictures == (("train/images/1.png", "train"), ("valid/images/2.png", "val"))
    assert layout.notes == () and layout.faults == ()


def test_path_is_a_folder_inside(tmp_path):
    pictures(tmp_path, "set/images/1.png")
    assert described(tmp_path, "path: set\ntrain: images\n" + NAMES).pictures == (("set/images/1.png", "train"),)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("names: [cat, dog]", ("cat", "dog")),
        ("names:\n  0: cat\n  1: dog", ("cat", "dog")),
        ("names:\n  1: dog\n  0: cat\nnc: 2", ("cat", "dog")),
        ("names: [1, 2.5]", ("1", "2.5")),
        ("nc: 2", ()),
    ],
)
def test_names_are_a_list_or_numbered(tmp_path, names, expected):
    pictures(tmp_path, "images/1.png")
    assert described(tmp_path, f"train: images\n{names}\n").names == expected


@pytest.mark.parametrize("names", ["names: cat", "names:\n  1: cat\n  2: dog", "names: [[cat]]", "nc: two\nval: x"])
def test_names_that_are_no_list_are_refused(tmp_path, names):
    pictures(tmp_path, "images/1.png")
    with pytest.raises(DataError, match=r"data.yaml has names that are no list"):
        described(tmp_path, f"train: images\n{names}\n")


def test_a_count_that_contradicts_the_names_is_refused(tmp_path):
    with pytest.raises(DataError, match="counts its classes otherwise than it names them") as caught:
        described(tmp_path, "train: images\nnc: 3\n" + NAMES)
    assert caught.value.got == "nc 3, 2 names"


def test_names_there_twice_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"^the names of the classes in .*data.yaml cannot be used"):
        described(tmp_path, "train: images\nnames: [cat, cat]\n")


def test_folders_that_are_not_there(tmp_path):
    pictures(tmp_path, "images/train/1.png")
    layout = described(tmp_path, "train: images/train\nval: images/val\ntest:\n" + NAMES)
    assert layout.notes == ("data.yaml names what is not there: val: images/val",)
    with pytest.raises(DataError, match=r"data.yaml names no folder of pictures that is there") as caught:
        described(tmp_path, "train: elsewhere\nval: x/../../y\n" + NAMES)
    assert caught.value.got == "train: elsewhere, val: x/../../y"


def test_a_picture_of_two_parts_stays_in_the_first(tmp_path):
    pictures(tmp_path, "images/1.png", "images/2.png")
    layout = described(tmp_path, "train: images\nval: images\n" + NAMES)
    assert {part for _, part in layout.pictures} == {"train"}
    assert layout.notes == ("2 pictures of val are in train already, and stay there",)


def test_lists_keep_what_is_missing_and_never_lead_out(tmp_path):
    pictures(tmp_path, "images/1.png")
    (tmp_path / "train.txt").write_text("images/1.png\nimages/gone.png\nimages/../../x.png\n/etc/passwd\n")
    layout = described(tmp_path, "train: train.txt\n" + NAMES)
    assert [path for path, _ in layout.pictures] == ["images/1.png", "images/gone.png"]
    assert [(fault.path, fault.kind) for fault in layout.faults] == [("train.txt", "picture outside")] * 2


def test_the_folders_alone(tmp_path):
    pictures(tmp_path, "images/1.png", "images/x/2.png")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert is_set(tmp_path)
    layout = laid_out(tmp_path)
    assert layout.names == ("cat", "dog")
    assert layout.pictures == (("images/1.png", ""), ("images/x/2.png", ""))


@pytest.mark.parametrize("layout", ["{}/images/1.png", "images/{}/1.png"])
def test_the_folders_of_parts_alone(tmp_path, layout):
    for part in ("train", "valid", "test"):
        pictures(tmp_path, layout.format(part))
    assert is_set(tmp_path)
    assert [part for _, part in laid_out(tmp_path).pictures] == ["train", "val", "test"]
    assert laid_out(tmp_path).names == ()


@pytest.mark.parametrize("place", ["classes.txt", "obj.names", "labels/classes.txt"])
def test_names_lie_in_many_places(tmp_path, place):
    pictures(tmp_path, "images/1.png")
    (tmp_path / place).write_text("cat\n")
    assert laid_out(tmp_path).names == ("cat",)


def test_darknet_s_lists(tmp_path):
    pictures(tmp_path, "obj_train_data/1.png", "obj_valid_data/2.png")
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "train.txt").write_text("data/obj_train_data/1.png\n")
    (tmp_path / "valid.txt").write_text("obj_valid_data/2.png\n")
    assert is_set(tmp_path)
    assert laid_out(tmp_path).pictures == (("obj_train_data/1.png", "train"), ("obj_valid_data/2.png", "val"))


def test_other_folders_are_not_taken_for_it(tmp_path):
    pictures(tmp_path, "images/1.png", "labels/1.png", "cat/1.png", labelled=False)
    (tmp_path / "settings.yaml").write_text("names: x\n")
    (tmp_path / "train.txt").write_text("cat/1.png\n")
    assert not is_set(tmp_path)
    with pytest.raises(DataError, match=r"^no YOLO set in"):
        laid_out(tmp_path)
