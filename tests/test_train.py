import csv
import hashlib
import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import torchbeam
from torchbeam.data.load import load_data
from torchbeam.design.notation import write
from torchbeam.errors import DataError, DesignError, Diverged, NotationError, OutOfRoom, OutputError, SettingError
from torchbeam.jobs.settings import Settings, design_for, settle


def test_it_learns_the_digits(trained):
    assert trained.test.accuracy > 0.95
    assert trained.test.n == 359
    assert trained.test.baseline < 0.12


def test_the_run_folder_holds_what_the_house_says(run):
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "log.jsonl",
        "split.csv",
        "classes.txt",
        "model.safetensors",
        "summary.json",
        "report.html",
        "rate.svg",
        "state",
    }
    assert (run / "classes.txt").read_text().split() == list("0123456789")


def test_the_summary_has_the_promised_keys(trained, run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary == json.loads(json.dumps(trained.to_json()))
    assert {"accuracy", "n", "interval", "baseline", "origin"} <= set(summary["test"])
    assert {"test", "validation", "classes", "seconds"} <= set(summary)
    low, high = summary["test"]["interval"]
    assert low < summary["test"]["accuracy"] < high
    assert summary["test"]["origin"].startswith("a stratified fifth of all")


def test_every_setting_has_its_origin(run):
    config = json.loads((run / "config.json").read_text())
    assert config["epochs"] == {"value": 4, "origin": "flag"}
    assert config["lr"]["origin"] == "auto"
    assert config["lr"]["value"] == config["lr"]["why"]["chosen"]
    assert config["seed"] == {"value": 0, "origin": "default"}
    assert all(set(setting) - {"why"} == {"value", "origin"} for setting in config.values())


def test_the_log_tells_the_run_in_order(run, trained):
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    told = [event["event"] for event in events if event["event"] != "finding"]
    assert told == ["start", *["epoch"] * 4, "end", "test"]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    assert max(e["epoch"] for e in epochs if e["best"]) == trained.best_epoch
    assert all(earlier["at"] <= later["at"] for earlier, later in pairwise(events))


def test_the_split_file_accounts_for_every_picture(run):
    with open(run / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    images, labels = load_digits(return_X_y=True)
    assert len(rows) == 1797
    pixels = np.round(images * 255 / 16).astype(np.uint8)
    for row, picture, label in zip(rows, pixels, labels, strict=True):
        assert row["sha256"] == hashlib.sha256(picture.tobytes()).hexdigest()
        assert row["class"] == str(label)
    by_class = {part: [r["class"] for r in rows if r["part"] == part] for part in ("train", "val", "test")}
    assert [len(by_class[part]) for part in ("train", "val", "test")] == [1295, 143, 359]
    for digit in range(10):
        count = int((labels == digit).sum())
        assert by_class["test"].count(str(digit)) == round(count / 5)


def test_the_model_was_the_best_on_validation(trained):
    def rank(epoch):
        return epoch.validation_score, -epoch.validation_loss

    best = max(trained.epochs, key=rank)
    assert best.epoch == trained.best_epoch
    assert trained.validation.accuracy == best.validation_score


def test_the_reported_accuracy_is_that_of_the_model_file(trained, run):
    """Scores the test pictures again by hand: the file's network, its mean and std, scikit-learn's pixels."""
    with open(run / "split.csv", newline="") as file:
        test = [i for i, row in enumerate(csv.DictReader(file)) if row["part"] == "test"]
    images, labels = load_digits(return_X_y=True)
    model = torchbeam.load_model(run)
    pixels = torch.from_numpy(np.round(images * 255 / 16)).float().view(-1, 1, 8, 8)[test] / 255
    with torch.no_grad():
        model.network.eval()
        scores = model.network((pixels - model.preprocessing.mean[0]) / model.preprocessing.std[0])
    assert (scores.argmax(1).numpy() == labels[test]).mean() == trained.test.accuracy


def test_mean_and_std_are_those_of_the_training_part_alone(run):
    with open(run / "split.csv", newline="") as file:
        train = [i for i, row in enumerate(csv.DictReader(file)) if row["part"] == "train"]
    pixels = np.round(load_digits(return_X_y=True)[0] * 255 / 16)[train] / 255
    kept = torchbeam.load_model(run).preprocessing
    assert kept.mean[0] == pytest.approx(pixels.mean(), abs=1e-6)
    assert kept.std[0] == pytest.approx(pixels.std(), abs=1e-6)


def test_the_same_seed_gives_the_same_bits(trained, tmp_path):
    again = torchbeam.train("digits", epochs=4, out=tmp_path / "again", device="cpu", show=False)
    first, second = (torchbeam.load_model(run.out).network.state_dict() for run in (trained, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.test == trained.test


def test_the_callers_random_numbers_stay_as_they_were(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    torchbeam.train("digits", net="INPUT -> FC", epochs=1, out=tmp_path / "run", device="cpu", show=False)
    assert torch.equal(torch.rand(3), expected)


def test_a_named_network_takes_the_datas_pictures_scaled_where_its_own_size_is_needed(tmp_path):
    done = torchbeam.train("digits", net="LeNet_5", epochs=1, out=tmp_path / "run", device="cpu", show=False)
    assert done.text.startswith("INPUT 32x32x1 -> CONV 6 5x5 pad 0 -> TANH")
    assert done.parameters == 61_706


def test_size_gives_a_network_its_input(tmp_path):
    options = {"epochs": 1, "device": "cpu", "show": False}
    done = torchbeam.train("digits", net="INPUT -> FC", size="12x10", out=tmp_path / "a", **options)
    assert done.text == "INPUT 12x10x1 -> FC 10"
    done = torchbeam.train("digits", net="INPUT -> FC", size="6x6x3", out=tmp_path / "b", **options)
    assert done.text == "INPUT 6x6x3 -> FC 10"


def test_a_softmax_at_the_end_is_left_to_the_loss(tmp_path):
    net = torchbeam.parse("INPUT -> FC -> SOFTMAX")
    done = torchbeam.train("digits", net=net, epochs=1, out=tmp_path / "run", device="cpu", show=False)
    assert done.text == "INPUT 8x8x1 -> FC 10"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["net"]["value"] == "INPUT -> FC -> SOFTMAX"


def test_a_bad_picture_never_stops_a_run(tmp_path):
    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(level - 30, level + 30, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    (tmp_path / "data" / "dark" / "note.png").write_text("this is no picture")
    whole = (tmp_path / "data" / "light" / "1.png").read_bytes()
    (tmp_path / "data" / "light" / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = torchbeam.train(tmp_path / "data", epochs=2, out=tmp_path / "run", device="cpu", show=False)
    assert done.skipped == 2
    start = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    reasons = " ".join(bad["reason"] for bad in start["skipped"])
    assert "dark/note.png is not a picture" in reasons
    assert "light/cut.png is damaged or cut off" in reasons
    assert "note.png" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"net": "INPUT -> CONVV"}, NotationError, "unknown word CONVV"),
        ({"net": "resnet-9000"}, SettingError, "no network 'resnet-9000'"),
        ({"net": "INPUT -> FC 7"}, DesignError, "the network ends in 1x1x7, the data has 10 classes"),
        ({"size": "big"}, SettingError, "size cannot be big"),
        ({"size": "0"}, SettingError, "size cannot be 0"),
        ({"epochs": 0}, SettingError, "epochs cannot be 0"),
        ({"device": "warp"}, SettingError, "no device warp"),
        ({"fit": "foo"}, SettingError, "fit cannot be foo"),
        (
            {"net": "INPUT -> FC 8 -> BN -> RELU -> FC", "batch_size": 1},
            SettingError,
            "bn1 cannot learn from batches of one picture",
        ),
        ({"net": "INPUT -> FC 1000000000 -> FC"}, OutOfRoom, "training this network in batches of 64 takes about"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(options, error, words, tmp_path):
    with pytest.raises(error) as caught:
        torchbeam.train("digits", out=tmp_path / "run", show=False, **options)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{"lr": 0.0}, {"size": "x"}, {"net": "INPUT -> CNV"}, {"fit": "foo"}])
def test_a_typo_is_told_before_the_pictures_are_read(options, tmp_path):
    with pytest.raises((SettingError, NotationError)):
        torchbeam.train(tmp_path / "nothing here", out=tmp_path / "run", show=False, **options)


@pytest.mark.parametrize("size", ["8", "16x12", "64"])
def test_the_network_chosen_suits_the_size_asked_for(size):
    data = load_data("digits")
    design, _ = design_for(settle(Settings(None, None, None, None, None, size, None, None), data), data)
    pools = write(design).count("POOL")
    assert pools == {"8": 2, "16x12": 2, "64": 4}[size]


@pytest.mark.parametrize("net", ["INPUT -> POOL -> FC", "INPUT -> RELU -> POOL max global -> FC", "INPUT -> BN -> FC"])
def test_networks_without_filters_over_the_picture_end_well(net, tmp_path):
    done = torchbeam.train("digits", net=net, epochs=1, out=tmp_path / "run", device="cpu", show=False)
    assert done.report.exists()


def test_the_networks_text_and_device_stand_in_the_config_with_their_origin(tmp_path):
    (tmp_path / "net.txt").write_text("INPUT 8x8x1 -> FC")
    torchbeam.train("digits", net=str(tmp_path / "net.txt"), epochs=1, out=tmp_path / "run", device="cpu", show=False)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"] == {"value": "INPUT 8x8x1 -> FC 10", "origin": "file"}
    assert config["size"] == {"value": "8x8x1", "origin": "file"}
    assert config["device"] == {"value": "cpu", "origin": "flag"}


def test_a_folder_that_is_not_empty_is_refused_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is not empty"):
        torchbeam.train("digits", out=tmp_path, show=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_rate_too_high_ends_with_advice_and_the_log_tells_it(tmp_path):
    with pytest.raises(Diverged, match="the loss became"):
        torchbeam.train("digits", lr=1e5, epochs=2, out=tmp_path / "run", device="cpu", show=False)
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "stopped"
    assert last["why"].startswith("the loss became")


def test_losses_are_numbers(trained):
    assert all(math.isfinite(epoch.loss + epoch.validation_loss) for epoch in trained.epochs)


def test_a_network_with_branches_and_a_side_head_is_trained_kept_and_read_again(tmp_path):
    """In one line, longer than any file's name may be."""
    text = (
        "INPUT -> unit 8 -> stage1: [block 8]*2 -> side: AUX 0.3 [POOL avg global -> FC] -> POOL "
        "-> stage2: ( unit 8 | CONV 8 1x1 -> BN -> RELU ) -> POOL avg global -> FC classes where classes = 1000; "
        "unit n = CONV n 3x3 bias no -> BN -> RELU; block n = ( unit n -> CONV n 3x3 bias no -> BN + SKIP ) -> RELU"
    )
    assert len(text) > 255
    done = torchbeam.train("digits", net=text, epochs=1, out=tmp_path / "run", device="cpu", show=False)
    model = torchbeam.load_model(done.model)
    assert [name for name, _ in model.network.named_children()][-1] == "fc1"
    assert model.network.get_parameter("fc1.weight").shape == (10, 16)
    assert model.network.get_parameter("side.fc1.weight").shape == (10, 8)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"]["origin"] == "flag" and "block n = " in config["network"]["value"]


def test_a_named_network_that_cannot_take_the_pictures_size_keeps_its_own_and_says_why():
    data = load_data("digits")
    told = settle(Settings("alexnet-2012", None, None, None, None, None, None, None), data)
    design, notes = design_for(told, data)
    assert str(design.input.volume) == "227x227x3"
    assert "alexnet-2012 keeps its size: at 8x8x1, conv1: a 11x11 window does not fit" in notes[0]
    small, notes = design_for(settle(Settings("resnet-20", *[None] * 7), data), data)
    assert str(small.input.volume) == "8x8x1"
    assert [note.partition(":")[0] for note in notes] == ["augmented by shift 0.1, rotate 10, scale 0.1"]


# Photos: crops, lists, groups, an earlier split, the cache


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for number in range(36):
        name, size = ("light", "dark")[number % 2], (90 + 3 * number, 120)
        shade = np.random.default_rng(number).integers(
            140 if name == "light" else 0, 255 if name == "light" else 115, 3
        )
        pixels = np.random.default_rng(number).normal(shade, 25, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
        (root / name).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"s{number // 4}-{number}.jpg")
    return root


SMALL = "INPUT 32x32x3 -> CONV 8 -> RELU -> POOL -> FC"


def test_photos_are_cut_differently_in_every_epoch_and_the_second_run_decodes_nothing(photos, tmp_path):
    def run(name, **told):
        return torchbeam.train(
            photos, net=SMALL, epochs=3, cache=tmp_path / "cache", out=tmp_path / name, show=False, device="cpu", **told
        )

    first = run("first")
    config = json.loads((first.out / "config.json").read_text())
    assert config["augment"] == {"value": "resizedcrop 0.35:1, flip, color 0.2", "origin": "auto"}
    assert json.loads((first.out / "summary.json").read_text())["classes_sha256"]
    kept = sorted(path.name for path in (tmp_path / "cache" / "decoded").iterdir())
    assert len(kept) == 2 and all((tmp_path / "cache" / "decoded" / name / "pixels").stat().st_size for name in kept)
    weights = torchbeam.load_model(first.out).network.state_dict()
    for name, told in (("again", {}), ("alone", {"workers": 0})):
        other = torchbeam.load_model(run(name, **told).out).network.state_dict()
        assert all(torch.equal(weights[key], other[key]) for key in weights), name
    model = torchbeam.load_model(first.out)
    assert model.preprocessing.shown == 0.875
    assert torchbeam.evaluate(first.out, photos, cache=tmp_path / "cache").evaluation.n == first.test.n


def test_mixing_learns_and_is_told(photos, tmp_path):
    out = torchbeam.train(
        photos,
        net=SMALL,
        epochs=2,
        augment="mixup 0.4, cutmix 1, flip",
        out=tmp_path / "run",
        show=False,
        cache_size="none",
    ).out
    assert json.loads((out / "config.json").read_text())["augment"]["value"] == "mixup 0.4, cutmix 1, flip"


def test_lists_groups_and_an_earlier_split_are_kept_to(photos, tmp_path):
    (tmp_path / "out.csv").write_text("path,reason\nlight/s0-0.jpg,blurred\n")
    told = {"net": SMALL, "epochs": 1, "show": False, "cache": tmp_path / "cache"}
    first = torchbeam.train(photos, exclude=tmp_path / "out.csv", group_by=r"s\d+", out=tmp_path / "a", **told)
    with open(first.out / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 35 and "light/s0-0.jpg" not in {row["path"] for row in rows}
    parts = {}
    for row in rows:
        parts.setdefault(row["group"], set()).add(row["part"])
    assert len(parts) == 9 and all(len(own) == 1 for own in parts.values())
    second = torchbeam.train(photos, split=first.out, out=tmp_path / "b", **told)
    with open(second.out / "split.csv", newline="") as file:
        again = {row["path"]: row["part"] for row in csv.DictReader(file)}
    assert len(again) == 36 and all(again[row["path"]] == row["part"] for row in rows)
    # The model knows its own parts again, also where no rule gives them.
    assert torchbeam.evaluate(first.out, photos, part="test").evaluation.n == first.test.n


def test_an_exclude_list_that_is_none_is_refused(photos, tmp_path):
    (tmp_path / "notes.txt").write_text("leave out the blurred ones")
    with pytest.raises(DataError, match="is not an exclude list"):
        torchbeam.train(photos, exclude=tmp_path / "notes.txt", show=False, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
