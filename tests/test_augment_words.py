"""The words of augmentation: text there and back, and what is refused."""

import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.data_makers import run_python
from torchbeam.data.augment.words import WORDS, Augmentation, parse_augment
from torchbeam.errors import SettingError, TorchbeamError

AREAS = some.tuples(*[some.floats(0, 1, exclude_min=True)] * 2).map(lambda pair: (min(pair), max(pair)))
SAID = some.builds(
    Augmentation,
    resizedcrop=some.none() | AREAS,
    flip=some.booleans(),
    altflip=some.just(False),
    vflip=some.booleans(),
    crop=some.integers(0, 1000),
    shift=some.floats(0, 1, exclude_max=True),
    rotate=some.floats(0, 180),
    scale=some.floats(0, 10, exclude_max=True),
    color=some.floats(0, 1),
    hue=some.floats(0, 0.5),
    grayscale=some.floats(0, 1),
    cutout=some.integers(0, 10_000),
    mixup=some.floats(0, 100),
    cutmix=some.floats(0, 100),
)
# Mirrored one way or the other.
AUGMENTATIONS = some.one_of(SAID, SAID.map(lambda said: replace(said, flip=False, altflip=True)))


def test_every_field_is_a_word_in_the_same_order():
    assert list(WORDS) == [field.name for field in fields(Augmentation)]


@given(AUGMENTATIONS)
def test_a_text_written_is_read_back_as_the_same(augmentation):
    assert parse_augment(str(augmentation)) == augmentation
    assert str(parse_augment(str(augmentation))) == str(augmentation)


@given(some.permutations([word.example for name, word in WORDS.items() if name != "flip"]))
def test_words_come_in_any_order(examples):
    found = parse_augment(", ".join(examples))
    assert found == parse_augment(", ".join(word.example for name, word in WORDS.items() if name != "flip"))


def test_the_examples_mean_what_they_say():
    assert parse_augment(" Flip,crop 4 ,\n rotate 10, COLOR .2") == Augmentation(
        flip=True, crop=4, rotate=10, color=0.2
    )
    assert parse_augment("resizedcrop 0.08:1") == Augmentation(resizedcrop=(0.08, 1.0))
    assert str(Augmentation(flip=True, crop=4, rotate=10.0, color=0.2)) == "flip, crop 4, rotate 10, color 0.2"
    for name, word in WORDS.items():
        assert str(parse_augment(word.example)) == word.example
        assert getattr(parse_augment(word.example), name)


@pytest.mark.parametrize("text", ["none", " NONE ", "rotate 0", "crop 0, color 0.0"])
def test_nothing_is_none(text):
    assert parse_augment(text) == Augmentation()
    assert str(parse_augment(text)) == "none"


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("colour 0.2", "color"), ("rotat 10", "rotate"), ("mixpu 1", "mixup"), ("hflip", "flip"), ("flip, crp 4", "crop")],
)
def test_an_unknown_word_is_answered_with_the_nearest(text, nearest):
    with pytest.raises(SettingError, match="the augmentation has no word") as caught:
        parse_augment(text)
    assert caught.value.remedy == f"did you mean {nearest}?"


def test_a_word_like_no_other_is_answered_with_an_example_and_shown_short():
    with pytest.raises(SettingError, match="the augmentation has no word zzzz") as caught:
        parse_augment("z" * 10_000)
    assert "for example" in caught.value.remedy
    assert "resizedcrop, flip" in caught.value.expected
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("crop", "the augmentation crop lacks its number"),
        ("flip 0.5", "the augmentation flip cannot be 0.5"),
        ("flip crop 4", "the augmentation flip cannot be crop 4"),
        ("altflip 2", "the augmentation altflip cannot be 2"),
        ("crop 4.5", "the augmentation crop cannot be 4.5"),
        ("crop -4", "the augmentation crop cannot be -4"),
        ("crop 1001", "the augmentation crop cannot be 1001"),
        ("shift 1", "the augmentation shift cannot be 1"),
        ("rotate 181", "the augmentation rotate cannot be 181"),
        ("rotate nan", "the augmentation rotate cannot be nan"),
        ("rotate inf", "the augmentation rotate cannot be inf"),
        ("rotate 1e999", "the augmentation rotate cannot be 1e999"),
        ("rotate 1_0", "the augmentation rotate cannot be 1_0"),
        ("rotate ١٠", "the augmentation rotate cannot be ١٠"),
        ("scale 10", "the augmentation scale cannot be 10"),
        ("color 2", "the augmentation color cannot be 2"),
        ("hue 0.6", "the augmentation hue cannot be 0.6"),
        ("resizedcrop 0.08", "the augmentation resizedcrop cannot be 0.08"),
        ("resizedcrop 0:1", "the augmentation resizedcrop cannot be 0:1"),
        ("resizedcrop 0.5:0.2", "the augmentation resizedcrop cannot be 0.5:0.2"),
        ("resizedcrop 0.5:1.2", "the augmentation resizedcrop cannot be 0.5:1.2"),
        ("resizedcrop 0.1:0.5:1", "the augmentation resizedcrop cannot be 0.1:0.5:1"),
        ("cutout 4 4", "the augmentation cutout cannot be 4 4"),
    ],
)
def test_a_number_beyond_reason_is_answered_with_what_is_expected_and_an_example(text, said):
    with pytest.raises(SettingError, match=f"^{re.escape(said)}\n") as caught:
        parse_augment(text)
    word = WORDS[text.split()[0]]
    assert caught.value.expected == word.expected
    assert caught.value.remedy == f"for example {word.example}; words stand between commas"


@pytest.mark.parametrize("text", ["flip, flip", "rotate 10, flip, rotate 20"])
def test_a_word_said_twice_is_refused(text):
    with pytest.raises(SettingError, match=r"the augmentation says (flip|rotate) twice"):
        parse_augment(text)


@pytest.mark.parametrize("text", ["flip, altflip", "altflip, crop 4, flip"])
def test_pictures_are_mirrored_in_one_way(text):
    with pytest.raises(SettingError, match="the augmentation mirrors left to right in two ways") as caught:
        parse_augment(text)
    assert caught.value.got == "flip and altflip"
    assert str(parse_augment("crop 4, vflip, altflip")) == "altflip, vflip, crop 4"


@pytest.mark.parametrize("text", ["flip,", ",", "flip,,crop 4", "flip, none"])
def test_a_comma_too_many_is_refused(text):
    with pytest.raises(SettingError, match=r"the augmentation has (a comma with no word beside it|no word none)"):
        parse_augment(text)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_text_is_refused(text):
    with pytest.raises(SettingError, match="the augmentation is empty") as caught:
        parse_augment(text)
    assert "or none" in caught.value.expected


@pytest.mark.parametrize(
    "told",
    [
        *({"flip": 1}, {"crop": 4.0}, {"crop": True}, {"rotate": "10"}, {"rotate": float("nan")}, {"shift": -0.1}),
        *({"resizedcrop": 0.5}, {"resizedcrop": (0.5,)}, {"resizedcrop": (float("nan"), 1.0)}),
    ],
)
def test_fields_are_checked_when_an_augmentation_is_made(told):
    with pytest.raises(SettingError, match=r"the augmentation .* cannot be"):
        Augmentation(**told)


@given(some.text(alphabet="flipcro 4.,:e-0n\n", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_augment(text)
    except TorchbeamError as error:
        assert isinstance(error, SettingError) and error.expected + error.remedy
    else:
        assert parse_augment(str(found)) == found


def test_only_mixing_words_mix():
    assert parse_augment("mixup 0.2").mixes and parse_augment("cutmix 1").mixes
    assert not parse_augment("flip, cutout 8").mixes


def test_words_are_read_without_torch():
    text = "import sys, torchbeam.data.augment.words as w; w.parse_augment('flip'); print('torch' in sys.modules)"
    assert run_python("-c", text).strip() == "False"
