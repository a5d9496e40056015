"""Data sets by name: the table against torchvision's own, and fetching from a server on this machine."""

import gzip
import hashlib
import importlib.util
import io
import random
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from loopback import served

from torchbeam.data import known
from torchbeam.data.known import KNOWN, KnownFile, KnownSet, get, named
from torchbeam.errors import DataError, SettingError

CHANCE = random.Random(3)
IMAGES, LABELS = gzip.compress(CHANCE.randbytes(50_000)), gzip.compress(CHANCE.randbytes(500))


def packed():
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as file:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = 3073
            file.addfile(info, io.BytesIO(CHANCE.randbytes(3073)))
    return held.getvalue()


ARCHIVE = packed()
FILES = {"/images.gz": IMAGES, "/labels.gz": LABELS, "/small.tar.gz": ARCHIVE}


def told(name, *sites):
    content = FILES[f"/{name}"]
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    urls = tuple(f"{site.url}/{name}" for site in sites)
    return KnownFile(name, urls, md5, hashlib.sha256(content).hexdigest(), len(content))


def table(*sites):
    return {
        "small-digits": KnownSet("small-digits", (told("images.gz", *sites), told("labels.gz", *sites)), "made here"),
        "small": KnownSet("small", (told("small.tar.gz", *sites),), "made here"),
    }


# The table


def of_torchvision(name):
    """The text of one of its data sets; importing it takes seconds."""
    found = importlib.util.find_spec("torchvision")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "datasets" / f"{name}.py").read_text()


def test_digests_are_those_that_torchvision_carries():
    text = of_torchvision("mnist")
    for name in ("mnist", "fashion-mnist"):
        for file in KNOWN[name].files:
            assert f'("{file.name}", "{file.md5}")' in text
    (stl10,) = KNOWN["stl10"].files
    assert f'filename = "{stl10.name}"\n    tgz_md5 = "{stl10.md5}"' in of_torchvision("stl10")


def test_addresses_are_those_that_torchvision_carries_where_they_are_safe():
    for file in KNOWN["mnist"].files:
        assert file.urls[0].removesuffix(file.name) in of_torchvision("mnist")
    for name in ("cifar10", "cifar100"):
        (url,) = KNOWN[name].files[0].urls
        assert f'url = "{url.replace("binary", "python")}"' in of_torchvision("cifar")
    assert KNOWN["stl10"].files[0].urls[0].replace("https:", "http:") in of_torchvision("stl10")
    assert all(url.startswith("https://") for each in KNOWN.values() for file in each.files for url in file.urls)


def test_cifar_is_the_binary_version():
    """MD5 as on the page of its author, https://www.cs.toronto.edu/~kriz/cifar.html; the other version is pickles."""
    assert KNOWN["cifar10"].files[0].md5 == "c32a1d4ab5d03f1284b67883e8d87530"
    assert KNOWN["cifar100"].files[0].md5 == "03b5dce01913d631647c71ecec9e9cb8"


def test_every_set_says_where_it_comes_from_and_how_large_it_is():
    for name, each in KNOWN.items():
        assert each.name == name
        assert len(each.origin) > 20
    assert KNOWN["mnist"].size == 9_912_422 + 28_881 + 1_648_877 + 4_542


@pytest.mark.parametrize("name", ["CIFAR-10", "cifar_10", "cifar10", "Cifar 10"])
def test_names_may_be_written_as_people_write_them(name):
    assert named(name) is KNOWN["cifar10"]
    assert named(name, {}) is None


def test_an_unknown_name_names_the_nearest(tmp_path):
    with pytest.raises(DataError, match="no data set is known by the name cifar11") as caught:
        get("cifar11", tmp_path)
    assert caught.value.expected == "mnist, fashion-mnist, cifar10, cifar100, stl10"
    assert caught.value.remedy == "did you mean cifar10?"
    with pytest.raises(DataError) as caught:
        get("zzz", tmp_path)
    assert caught.value.remedy == "name one of these, or a folder of pictures"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"name": "../x"}, {"name": ""}, {"urls": ()}, {"md5": "ab"}, {"sha256": "AB" * 32}, {"size": 0}],
)
def test_a_file_must_be_told_well(change):
    right = {"name": "x", "urls": ("https://x",), "md5": "ab" * 16, "sha256": "ab" * 32, "size": 1}
    KnownFile(**right)
    with pytest.raises(SettingError, match="is not told well enough to be fetched"):
        KnownFile(**right | change)


def test_a_set_is_one_archive_or_files_side_by_side():
    one, other = KNOWN["cifar10"].files[0], KNOWN["mnist"].files[0]
    for files in ((), (one, other)):
        with pytest.raises(SettingError, match="cannot be laid out as one folder"):
            KnownSet("x", files, "made here")


# Fetching


def test_files_side_by_side_are_fetched_once(tmp_path):
    with served(FILES) as site:
        for _ in range(2):
            folder = get("Small_Digits", tmp_path, table=table(site))
            assert folder == tmp_path / "known" / "small-digits"
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
                "images.gz": IMAGES,
                "labels.gz": LABELS,
            }
    assert [path for path, _ in site.asked] == ["/images.gz", "/labels.gz"]


def test_an_archive_is_fetched_and_unpacked_once(tmp_path):
    watched = []

    def watch(items, what, total, unit="pictures"):
        watched.append(what)
        return iter(items)

    with served(FILES) as site:
        folder = get("small", tmp_path, watch, table(site))
        assert get("small", tmp_path, watch, table(site)) == folder
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.bin")) == [
        "cifar-10-batches-bin/data_batch_1.bin",
        "cifar-10-batches-bin/test_batch.bin",
    ]
    assert watched == ["fetching small.tar.gz", "checking small.tar.gz", "unpacking small.tar.gz"]
    assert len(site.asked) == 1


def test_what_has_been_unpacked_is_not_read_again_to_be_checked(tmp_path, monkeypatch):
    with served(FILES) as site:
        folder = get("small", tmp_path, table=table(site))
    checked = []
    monkeypatch.setattr(known, "check", lambda path, **_: checked.append(path.name))
    assert get("small", tmp_path, table=table(site)) == folder
    assert checked == []
    shutil.rmtree(folder)
    assert get("small", tmp_path, table=table(site)) == folder
    assert checked == ["small.tar.gz"]


def test_the_next_address_is_tried_where_one_fails(tmp_path):
    wrong = {name: bytes(len(content)) for name, content in FILES.items()}
    with served({}) as empty, served(wrong) as lying, served(FILES) as good:
        folder = get("small-digits", tmp_path, table=table(empty, lying, good))
    assert (folder / "images.gz").read_bytes() == IMAGES
    assert [len(site.asked) for site in (empty, lying, good)] == [2, 2, 2]


def test_where_no_address_helps_all_are_named_and_what_to_do(tmp_path):
    with served({}) as empty, served(FILES) as gone:
        sets = table(empty, gone)
        gone.files = {"/images.gz": b"short"}
        with pytest.raises(DataError, match="could not be fetched from any of its addresses") as caught:
            get("small-digits", tmp_path, table=sets)
    first, second = caught.value.got.splitlines()
    assert first.startswith(f"{empty.url}/images.gz: the server does not give out images.gz (HTTP 404")
    assert second.startswith(f"{gone.url}/images.gz: ")
    folder = tmp_path / "known" / "small-digits"
    assert caught.value.remedy == (
        f"get {empty.url}/images.gz on another machine\nand put it into {folder} as images.gz,\n"
        "or name a folder that holds the data"
    )


def test_files_put_there_by_hand_count_when_they_are_right(tmp_path):
    with served({}) as site:
        sets = table(site)
    folder = tmp_path / "known" / "small-digits"
    folder.mkdir(parents=True)
    (folder / "images.gz").write_bytes(IMAGES)
    (folder / "labels.gz").write_bytes(LABELS)
    assert get("small-digits", tmp_path, table=sets) == folder
    (folder / "labels.gz").write_bytes(LABELS[:-1])
    with pytest.raises(DataError, match=re.escape(f"{folder / 'labels.gz'} is not the file that was published")):
        get("small-digits", tmp_path, table=sets)
    assert (folder / "labels.gz").read_bytes() == LABELS[:-1]


def test_an_archive_put_there_by_hand_is_unpacked(tmp_path):
    with served({}) as site:
        sets = table(site)
    (tmp_path / "known" / "small").mkdir(parents=True)
    (tmp_path / "known" / "small" / "small.tar.gz").write_bytes(ARCHIVE)
    assert len(list(get("small", tmp_path, table=sets).rglob("*.bin"))) == 2
    assert site.asked == []
