"""CNN codes: what they are, and that a picture's never depend on anything but what their key names."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from data_makers import class_folders, drawn, shared
from torch import nn
from torch.nn import functional as F

from torchbeam.data.augment.words import parse_augment
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.learn import codes as own
from torchbeam.learn.codes import Codes, CodeSource, Shown, codes_of, columns, pool
from torchbeam.learn.codestore import CodeStore
from torchbeam.learn.heads import fit_head
from torchbeam.learn.probes import probe
from torchbeam.learn.way import Way
from torchbeam.network.modelfile import tensors_digest
from torchbeam.network.pretrained import read_state

VOLUME = Volume(3, 18, 24)
USUAL = Preprocessing(24, 18, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
CPU = torch.device("cpu")
MIRRORED = Shown(2, parse_augment("altflip"))


class Small:
    """A backbone of two stages, maps and vectors, that counts its batches."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 6, 3, stride=2)
        self.last = nn.Linear(6, 5)
        self.batches: list[int] = []

    def __call__(self, x_NCHW: torch.Tensor) -> dict[str, torch.Tensor]:
        self.batches.append(len(x_NCHW))
        maps = F.relu(self.first(x_NCHW))
        return {"first": maps, "last": self.last(maps.mean((2, 3))), "rest": maps}

    def backbone(self, stages: tuple[str, ...] = ("first", "last"), way: Way | None = None) -> CodeSource:
        tensors = {"f": self.first.weight, "l": self.last.weight}
        return CodeSource(self, tensors_digest(tensors), stages, CPU, way or Way())


@pytest.fixture
def folder(tmp_path) -> Path:
    return class_folders(tmp_path / "pictures", {"ant": 12, "bee": 11})


def taken(
    folder: Path,
    backbone: CodeSource,
    cache: Path,
    *,
    samples: Sequence[int] | None = None,
    preprocessing: Preprocessing = USUAL,
    shown: Shown = own.ONCE,
    batch_size: int = 5,
) -> tuple[Data, Codes]:
    """The codes of a folder's pictures."""
    data = load_data(folder, to_learn=False, cache=cache)
    pixels = Fixed(data, VOLUME, Kept(cache))
    chosen = range(len(data.records)) if samples is None else samples
    return data, codes_of(
        backbone, data, pixels, list(chosen), preprocessing, shown=shown, batch_size=batch_size, cache=cache, workers=2
    )


def same(first: Codes, second: Codes) -> bool:
    return all(torch.equal(held, second.vectors[stage]) for stage, held in first.vectors.items())


# What they are


@pytest.mark.parametrize("size", [(7, 5), (4, 4), (1, 1), (2, 3)])
def test_a_map_is_pooled_as_numpy_pools_it(size):
    maps = torch.randn(3, 4, *size, generator=torch.Generator().manual_seed(0))
    found, ranges = pool(maps), columns(40)
    x = maps.double().numpy()
    for kind, pooled in (("avg", np.mean), ("max", np.max)):
        assert found[:, ranges[kind, 1]].numpy() == pytest.approx(pooled(x, (2, 3)), abs=1e-6)
        halves = [[slice(at * side // 2, -(-(at + 1) * side // 2)) for at in (0, 1)] for side in size]
        quarters = [pooled(x[:, :, top, left], (2, 3)) for top in halves[0] for left in halves[1]]
        assert found[:, ranges[kind, 2]].numpy() == pytest.approx(np.stack(quarters, 2).reshape(3, -1), abs=1e-6)
    assert torch.allclose(pool(maps.to(memory_format=torch.channels_last)), found, atol=1e-6)
    assert pool(maps.bfloat16()).dtype == torch.float32


def test_the_columns_of_each_pooling_are_named():
    assert columns(30) == {
        ("avg", 1): slice(0, 3),
        ("max", 1): slice(3, 6),
        ("avg", 2): slice(6, 18),
        ("max", 2): slice(18, 30),
    }
    for width in (0, 25):
        with pytest.raises(ValueError, match=f"no map is pooled to {width} numbers"):
            columns(width)


def test_codes_are_what_the_backbone_gives_pooled(folder, tmp_path):
    small = Small()
    data, found = taken(folder, small.backbone(), tmp_path / "cache", samples=[3, 20, 0])
    with torch.no_grad():
        pixels = Fixed(data, VOLUME, Kept(limit=0)).take(np.array([3, 20, 0]))
        given = small(USUAL.normalise(pixels))
        judge = {"first": pool(given["first"]), "last": given["last"]}
    assert found.samples.tolist() == [3, 20, 0]
    assert found.fresh == 3
    assert found.maps == {"first"}
    assert set(found.vectors) == {"first", "last"}
    for stage, held in found.vectors.items():
        assert held.dtype == torch.float32
        assert torch.allclose(held, judge[stage], atol=1e-5)
    part = found.part("first", ("max", 1), ("avg", 1))
    assert torch.equal(part, torch.cat([found.vectors["first"][:, 6:12], found.vectors["first"][:, :6]], 1))
    assert set(small.batches[:-1]) == {5}


# Bit for bit


@pytest.mark.parametrize("way", [Way(), Way("bf16", channels_last=True)])
def test_a_pictures_codes_are_the_same_whatever_is_beside_it_cached_or_fresh(folder, tmp_path, way):
    small = Small()
    _, whole = taken(folder, small.backbone(way=way), tmp_path / "one")
    _, cached = taken(folder, small.backbone(way=way), tmp_path / "one")
    assert (whole.fresh, cached.fresh) == (23, 0)
    assert same(whole, cached)
    assert cached.maps == whole.maps
    for name, samples in (("two", [22]), ("three", [7, 22, 1, 0, 19, 5, 6]), ("four", list(range(22, -1, -1)))):
        _, some = taken(folder, small.backbone(way=way), tmp_path / name, samples=samples)
        for stage, held in some.vectors.items():
            assert torch.equal(held, whole.vectors[stage][samples])


def test_the_same_picture_twice_is_computed_once(tmp_path):
    root = class_folders(tmp_path / "pictures", {"ant": 4, "bee": 4})
    shutil.copy(root / "ant" / "1.png", root / "ant" / "copy.png")
    small = Small()
    data, found = taken(root, small.backbone(), tmp_path / "cache")
    assert len(found.samples) == 9
    assert found.fresh == 8
    names = [record.path for record in data.records]
    one, two = names.index("ant/1.png"), names.index("ant/copy.png")
    assert torch.equal(found.vectors["last"][one], found.vectors["last"][two])
    assert found.vectors["last"][two].any()


def test_no_pictures_have_no_codes(folder, tmp_path):
    _, found = taken(folder, Small().backbone(), tmp_path / "cache", samples=[])
    assert found.fresh == 0
    assert all(len(held) == 0 for held in found.vectors.values())


# What is kept, and for whom


def test_a_picture_added_costs_one_and_one_moved_nothing(folder, tmp_path):
    small, cache = Small(), tmp_path / "cache"
    _, before = taken(folder, small.backbone(), cache)
    drawn(500).save(folder / "bee" / "new.png")
    small.batches.clear()
    data, after = taken(folder, small.backbone(), cache)
    assert after.fresh == 1
    assert small.batches == [5]
    old = [at for at, record in enumerate(data.records) if "new" not in record.path]
    for stage, held in after.vectors.items():
        assert torch.equal(held[old], before.vectors[stage])
    (folder / "ant" / "3.png").rename(folder / "bee" / "moved.png")
    folder.rename(tmp_path / "elsewhere")
    assert taken(tmp_path / "elsewhere", small.backbone(), cache)[1].fresh == 0


def test_a_stage_added_is_computed_and_one_left_out_is_not_asked_for(folder, tmp_path):
    small, cache = Small(), tmp_path / "cache"
    taken(folder, small.backbone(("last",)), cache)
    assert taken(folder, small.backbone(), cache)[1].fresh == 23
    assert taken(folder, small.backbone(("first",)), cache)[1].fresh == 0


def test_whatever_codes_are_a_function_of_has_codes_of_its_own(folder, tmp_path, monkeypatch):
    small, cache = Small(), tmp_path / "cache"
    taken(folder, small.backbone(), cache)
    other = Preprocessing(24, 18, 3, (0.5, 0.4, 0.31), (0.2, 0.3, 0.25))
    assert taken(folder, Small(1).backbone(), cache)[1].fresh == 23
    assert taken(folder, small.backbone(), cache, preprocessing=other)[1].fresh == 23
    assert taken(folder, small.backbone(way=Way("bf16")), cache)[1].fresh == 23
    assert taken(folder, small.backbone(), cache, batch_size=6)[1].fresh == 23
    assert taken(folder, small.backbone(), cache, shown=MIRRORED)[1].fresh == 23
    monkeypatch.setattr(own, "POOLING", 2)
    assert taken(folder, small.backbone(), cache)[1].fresh == 23
    monkeypatch.undo()
    assert taken(folder, small.backbone(), cache)[1].fresh == 0


def test_a_damaged_shard_is_computed_again(folder, tmp_path):
    small, cache = Small(), tmp_path / "cache"
    _, before = taken(folder, small.backbone(), cache)
    shard = next((cache / "codes").rglob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-9] ^= 4
    shard.write_bytes(content)
    _, again = taken(folder, small.backbone(), cache)
    assert again.fresh == 23
    assert same(before, again)
    assert taken(folder, small.backbone(), cache)[1].fresh == 0


def test_an_interrupted_run_keeps_what_it_has(folder, tmp_path):
    small, cache = Small(), tmp_path / "cache"

    def interrupted(x_NCHW):
        if len(small.batches) == 2:
            raise KeyboardInterrupt
        return small(x_NCHW)

    whole = small.backbone()
    with pytest.raises(KeyboardInterrupt):
        taken(folder, CodeSource(interrupted, whole.digest, whole.stages, CPU), cache)
    _, rest = taken(folder, whole, cache)
    assert rest.fresh == 13
    assert same(rest, taken(folder, whole, tmp_path / "other")[1])


def test_codes_are_written_down_on_the_way(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "WAITING", 1)
    added: list[int] = []
    add = CodeStore.add
    monkeypatch.setattr(
        CodeStore, "add", lambda self, names, *rest: (added.append(len(names)), add(self, names, *rest))
    )
    cache = tmp_path / "cache"
    taken(folder, Small().backbone(("last",)), cache)
    assert added == [1] * 23
    assert len(list((cache / "codes").rglob("*.safetensors"))) == 1  # and in the end put together


def test_a_file_changed_since_it_was_looked_at_is_not_kept(folder, tmp_path):
    small, cache = Small(), tmp_path / "cache"
    data = load_data(folder, to_learn=False, cache=cache)
    drawn(900).save(folder / data.records[4].path)
    pixels = Fixed(data, VOLUME, Kept(limit=0))
    codes_of(small.backbone(), data, pixels, range(23), USUAL, batch_size=5, cache=cache)
    assert codes_of(small.backbone(), data, pixels, range(23), USUAL, batch_size=5, cache=cache).fresh == 1


def test_a_cache_that_cannot_be_written_is_gone_without(folder, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "codes").write_text("a file where the folder should be")
    assert taken(folder, Small().backbone(), tmp_path / "cache")[1].fresh == 23


def test_each_picture_computed_is_watched(folder, tmp_path):
    seen: list[tuple[str, int, int]] = []

    def watch(items, what, total, unit="pictures"):
        rows = list(items)
        seen.append((what, total, len(rows)))
        return iter(rows)

    data = load_data(folder, to_learn=False, cache=tmp_path)
    pixels = Fixed(data, VOLUME, Kept(tmp_path))
    codes_of(Small().backbone(), data, pixels, range(8), USUAL, batch_size=5, cache=tmp_path, watch=watch)
    codes_of(Small().backbone(), data, pixels, range(9), USUAL, batch_size=5, cache=tmp_path, watch=watch)
    assert seen == [("computing codes", 8, 8), ("computing codes", 1, 1)]


# Views


def test_two_views_are_the_picture_and_its_mirror_image(folder, tmp_path):
    small = Small()
    data, mean = taken(folder, small.backbone(), tmp_path / "cache", shown=MIRRORED)
    stacked = taken(
        folder, small.backbone(), tmp_path / "cache", shown=Shown(2, parse_augment("altflip"), joined="stack")
    )[1]
    with torch.no_grad():
        pixels = USUAL.normalise(Fixed(data, VOLUME, Kept(limit=0)).take(np.arange(23)))
        plain, mirror = (pool(small(x)["first"]) for x in (pixels, pixels.flip(3)))
    assert torch.allclose(mean.vectors["first"], (plain + mirror) / 2, atol=1e-4)
    assert stacked.vectors["first"].shape == (23, 120)
    halves = stacked.vectors["first"].view(23, 2, 60)
    assert torch.allclose(halves.sum(1), plain + mirror, atol=1e-3)
    either = [torch.allclose(halves[at, 0], each[at], atol=1e-4) for at in range(23) for each in (plain, mirror)]
    assert sum(either) >= 23


def test_views_follow_the_picture_wherever_it_lies(tmp_path):
    shown = Shown(3, parse_augment("crop 3, color 0.3"), seed=4)
    small = Small()
    root = class_folders(tmp_path / "pictures", {"ant": 6, "bee": 6})
    before = taken(root, small.backbone(), tmp_path / "one", shown=shown)[1].vectors["last"]
    (root / "ant" / "0.png").rename(root / "bee" / "z.png")
    data, after = taken(root, small.backbone(), tmp_path / "two", shown=shown)
    moved = [record.path for record in data.records].index("bee/z.png")
    assert torch.equal(after.vectors["last"][moved], before[0])
    other = Shown(3, parse_augment("crop 3, color 0.3"), seed=5)
    assert not torch.equal(
        taken(root, small.backbone(), tmp_path / "two", shown=other)[1].vectors["last"], after.vectors["last"]
    )


# What cannot be


def test_what_cannot_be_is_refused(folder, tmp_path):
    small = Small()
    with pytest.raises(SettingError, match="codes cannot be computed 0 pictures at a time"):
        taken(folder, small.backbone(), tmp_path, batch_size=0)
    with pytest.raises(SettingError, match="the backbone gives no stage middle") as told:
        taken(folder, small.backbone(("middle",)), tmp_path)
    assert "first, last, rest" in str(told.value)
    for stages in ((), ("last", "last")):
        with pytest.raises(SettingError, match="the stages to take codes from cannot be used"):
            small.backbone(stages)
    with pytest.raises(SettingError, match="the stage odd gives no codes") as told:
        taken(folder, CodeSource(lambda x: {"odd": x[0]}, "d", ("odd",), CPU), tmp_path)
    assert "3 x 18 x 24" in str(told.value)
    for count, joined in ((0, "mean"), (1, "sum")):
        with pytest.raises(SettingError, match="codes cannot be made of such views"):
            Shown(count, joined=joined)
    for text in ("mixup 0.2", "resizedcrop 0.3:1"):
        with pytest.raises(SettingError, match="views for codes cannot be made by"):
            Shown(2, parse_augment(text))


# Photographs


def test_ants_and_bees_by_a_pretrained_networks_codes(tmp_path):
    weights = shared("weights", "mobilenet_v2_from_int8_fp16.pth")
    photos = shared("data", "hymenoptera", "hymenoptera_data", "train")
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in sorted((photos / name).glob("*.jpg"))[:20]:
            shutil.copy(photo, tmp_path / "photos" / name)
    network = torchvision.models.mobilenet_v2().eval()
    network.load_state_dict({name: tensor.float() for name, tensor in read_state(weights).items()}, strict=False)
    stages = nn.ModuleList(network.features.children())

    def features(x_NCHW: torch.Tensor) -> dict[str, torch.Tensor]:
        early = stages[0](x_NCHW)
        maps = early
        for stage in list(stages)[1:]:
            maps = stage(maps)
        return {"early": early, "maps": maps, "codes": maps.mean((2, 3))}

    data = load_data(tmp_path / "photos", to_learn=False, cache=tmp_path)
    pixels = Fixed(data, Volume(3, 224, 224), Kept(tmp_path), 0.875)
    usual = Preprocessing(224, 224, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0.875)
    backbone = CodeSource(features, tensors_digest(network.state_dict()), ("early", "maps", "codes"), CPU)
    found = codes_of(backbone, data, pixels, range(40), usual, batch_size=8, cache=tmp_path)
    again = codes_of(backbone, data, pixels, range(40), usual, batch_size=8, cache=tmp_path)
    assert (found.fresh, again.fresh) == (40, 0)
    assert same(found, again)
    assert torch.allclose(found.part("maps", ("avg", 1)), found.vectors["codes"], atol=1e-5)
    with torch.no_grad():  # alone, without padding
        judge = network.features(usual.normalise(pixels.take(np.array([33])))).mean((2, 3))
    assert torch.allclose(found.vectors["codes"][33], judge[0], atol=1e-4)
    labels = [record.label for record in data.records]
    head = fit_head(found.vectors["codes"], labels, data.classes)
    assert head.accuracy is not None
    assert head.accuracy >= 0.85
    late, early = probe(found.vectors["codes"], labels), probe(found.vectors["early"], labels)
    assert late.accuracy > early.accuracy
    assert late.accuracy == pytest.approx(head.accuracy, abs=0.1)
