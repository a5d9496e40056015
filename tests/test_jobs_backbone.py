"""A backbone by its name: weights from a file, a model file, or a real server on this machine."""

import csv
import hashlib
from dataclasses import replace

import pytest
import torch
import torchvision.models as tv
from data_makers import shared
from loopback import served
from PIL import Image
from test_pretrained import published as random_weights
from torchvision.transforms import v2

from torchbeam.data.decode import decode
from torchbeam.errors import DataError, DesignError, ModelFileError, OutputError, SettingError
from torchbeam.jobs.backbone import fetched, load_backbone
from torchbeam.jobs.predict import load_model
from torchbeam.network.published import PUBLISHED


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory):
    """A file of random weights of SqueezeNet 1.1, in torchvision's names."""
    path = tmp_path_factory.mktemp("weights") / "squeezed.pth"
    torch.save(random_weights("torchvision", "squeezenet-1.1")[1], path)
    return path


def row_of(path, site, prefix=""):
    """The table's row of SqueezeNet 1.1 with its file on that server."""
    prefix = prefix or hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return replace(PUBLISHED["squeezenet-1.1"], url=f"{site.url}/squeezed-{prefix}.pth")


# Fetched


def test_published_weights_are_fetched_once_proven_and_watched(squeezed, tmp_path, monkeypatch):
    told = []

    def watch(items, what, total, unit="pictures"):
        told.append((what, total, unit))
        return iter(items)

    content = squeezed.read_bytes()
    name = f"squeezed-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with served({f"/{name}": content}) as site:
        row = row_of(squeezed, site)
        monkeypatch.setitem(PUBLISHED, "squeezenet-1.1", row)
        first = load_backbone("squeezenet-1.1", cache=tmp_path, watch=watch)
        again = load_backbone("squeezenet-1.1", cache=tmp_path, size=64)
    assert site.asked == [(f"/{name}", "")] and told == [(f"fetching {name}", 5, "MB")]
    kept = tmp_path / "weights" / name
    assert kept.read_bytes() == content
    assert [path for path in (tmp_path / "weights").rglob("*") if path.is_file()] == [kept]
    assert first.origin == row.url and first.backbone.digest == again.backbone.digest
    own, small = first.preprocessing, again.preprocessing
    assert (own.width, own.height, own.short, own.shown, own.filter) == (224, 224, 256, 0.875, "bilinear")
    assert (small.width, small.short, small.mean) == (64, 73, (0.485, 0.456, 0.406))
    assert again.backbone.design.input.volume.width == 64


def test_another_file_under_that_name_is_removed_and_one_that_lies_there_is_left(squeezed, tmp_path):
    content = squeezed.read_bytes()
    with served({"/squeezed-00000000.pth": content, "/a-12345678.pth": b""}) as site:
        row = row_of(squeezed, site, "00000000")
        with pytest.raises(ModelFileError, match="is not the file that was published under this name") as caught:
            fetched(row, tmp_path)
        assert caught.value.expected == "a SHA-256 that begins with 00000000"
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        mine = tmp_path / "weights" / row.file
        mine.write_bytes(b"mine")
        with pytest.raises(ModelFileError, match="is not the file that was published") as caught:
            fetched(row, tmp_path)
        assert mine.read_bytes() == b"mine" and "move it away" in caught.value.remedy


def test_what_a_killed_run_left_is_fetched_anew(squeezed, tmp_path):
    content = squeezed.read_bytes()
    name = f"squeezed-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    left = tmp_path / "weights" / "new" / name
    left.parent.mkdir(parents=True)
    left.write_bytes(content[:1000])
    with served({f"/{name}": content}) as site:
        assert fetched(row_of(squeezed, site), tmp_path).read_bytes() == content


def test_offline_it_is_said_which_file_to_get_and_where_it_goes(tmp_path):
    row = replace(PUBLISHED["resnet-18"], url="http://127.0.0.1:9/resnet18-f37072fd.pth")
    with pytest.raises(DataError, match=r"the weights of resnet-18 could not be fetched from 127\.0\.0\.1") as caught:
        fetched(row, tmp_path)
    lines = caught.value.remedy.splitlines()
    assert lines[0] == f"get {row.url} on another machine"
    assert "--weights FILE" in lines[1] and lines[2] == str(tmp_path / "weights" / row.file)


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "weights").write_text("a file where a folder should be")
    row = replace(PUBLISHED["resnet-18"], url="http://127.0.0.1:9/resnet18-f37072fd.pth")
    with pytest.raises(OutputError, match=r"cannot keep resnet18-f37072fd\.pth in") as caught:
        fetched(row, tmp_path)
    assert "--cache" in caught.value.remedy


# From a file


def test_a_model_file_or_a_run_is_a_backbone_with_its_own_stages_and_preparation(run):
    for name in (run, run / "model.safetensors"):
        found = load_backbone(str(name))
        model = load_model(name)
        assert found.preprocessing == model.preprocessing and found.origin == str(name)
        assert found.backbone.stages[-1].name == "codes" and found.backbone.classes == 10
        x = torch.rand(2, *model.preprocessing.pixels(Image.new("L", (8, 8))).shape)
        assert set(found.backbone.features(x, ["stem", "codes"])) == {"stem", "codes"}
    with pytest.raises(SettingError, match="has weights and a size of its own"):
        load_backbone(str(run), size=32)


def test_weights_of_another_library_s_network_come_from_a_file(tmp_path):
    torch.save(tv.squeezenet1_1(weights=None).state_dict(), tmp_path / "w.pth")
    found = load_backbone("torchvision/squeezenet1_1", tmp_path / "w.pth", size=64)
    assert found.origin == str(tmp_path / "w.pth") and found.preprocessing.short == 73
    assert found.backbone.design is None and found.backbone.stages[-1].volume.channels == 512


def test_names_that_are_none_and_weights_without_an_address_are_told(squeezed, tmp_path):
    with pytest.raises(SettingError, match="no backbone resnett-18") as caught:
        load_backbone("resnett-18")
    assert caught.value.remedy == "did you mean resnet-18?" and "timm/NAME" in caught.value.expected
    with pytest.raises(SettingError, match="no weights are published for lenet-5"):
        load_backbone("lenet-5")
    with pytest.raises(SettingError, match="no address is told for the weights of resnet-20") as caught:
        load_backbone("resnet-20")
    assert "--weights FILE" in caught.value.remedy
    with pytest.raises(DesignError, match="cannot take pictures of 2x2"):
        load_backbone("squeezenet-1.1", squeezed, size=2)
    folder = tmp_path / "weights" / PUBLISHED["resnet-18"].file
    folder.mkdir(parents=True)
    with pytest.raises(ModelFileError, match=r"cannot read .*resnet18-f37072fd\.pth"):
        fetched(PUBLISHED["resnet-18"], tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "make"),
    [
        ("mobilenet-v2", "mobilenet_v2_from_int8_fp16.pth", tv.mobilenet_v2),
        ("squeezenet-1.1", "squeezenet1_1_deepscale_fp16.pth", tv.squeezenet1_1),
    ],
)
@torch.no_grad()
def test_photographs_are_called_what_torchvision_s_model_and_transforms_call_them(name, file, make):
    path, folder = shared("weights", file), shared("data", "imagenet-samples")
    found = load_backbone(name, path)
    theirs = make(weights=None).eval()
    theirs.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in
                            torch.load(path, map_location="cpu", weights_only=True).items()})  # fmt: skip
    own = found.preprocessing
    sized = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(224), v2.PILToTensor()])
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    ours, other = [], []
    for row in rows:
        content = (folder / row["file"]).read_bytes()
        ours.append(torch.from_numpy(own.pixels(decode(content, row["file"], own.least))))
        with Image.open(folder / row["file"]) as picture:
            pixels = v2.functional.to_dtype(sized(picture.convert("RGB")), torch.float32, scale=True)
        other.append(v2.functional.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert len(rows) == 50
    called = found.backbone.network(own.normalise(torch.stack(ours))).argmax(1)
    assert torch.equal(called, theirs(torch.stack(other)).argmax(1))
