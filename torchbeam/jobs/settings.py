"""What a run was told and what it chose itself: every value with its origin, as config.json keeps it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from torchbeam.data.augment.choose import default_for
from torchbeam.data.augment.words import Augmentation, parse_augment
from torchbeam.data.batches import WORKERS
from torchbeam.data.load import Data
from torchbeam.data.store import CACHE_SIZE
from torchbeam.design.complete import complete, without_softmax
from torchbeam.design.ledger import Ledger
from torchbeam.design.nets import Design
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Fit, Volume
from torchbeam.design.zoo import find
from torchbeam.errors import DesignError, SettingError
from torchbeam.jobs.amounts import bytes_of, human_bytes
from torchbeam.jobs.net import check_fit, is_notation, text_of
from torchbeam.jobs.tuning import DEFAULTS, NAMES, Tuning, check_tuning, seconds_of
from torchbeam.learn import device as devices
from torchbeam.learn.optimisers import RATES
from torchbeam.learn.plan import Plan
from torchbeam.recipes import recipe_of

Origin = Literal["default", "flag", "file", "recipe", "auto"]

NOT_TUNED = Tuning()
# Small sets are seen often, large ones need fewer rounds: about this many pictures in a run, within bounds.
PICTURES_PER_RUN = 600_000
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
MOST_BY_TIME = 1_000_000  # epochs of a run that ends by the clock
SMALL_SET = 10_000
RATE_PER_BATCH = 0.05 / 64


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it comes from: default, a flag, a file, a recipe, or chosen by what was found (auto), and
    then by which figures."""

    value: Any
    origin: Origin
    why: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As config.json keeps it."""
        told = {"value": self.value, "origin": self.origin}
        return told if self.why is None else told | {"why": self.why}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that `train` can be told. None stands for what the data decides."""

    net: str | Design | None
    epochs: int | None
    batch_size: int | None
    lr: float | None
    seed: int | None
    size: str | None
    fit: Fit | None
    device: str | None
    augment: str | None = None
    workers: int | None = None
    exclude: str | Path | None = None
    group_by: str | None = None
    split: str | Path | None = None
    cache: str | Path | None = None
    cache_size: str | None = None
    recipe: str | None = None
    tuning: Tuning = NOT_TUNED

    @property
    def time_and_epochs(self) -> bool:
        """Whether two ends were named."""
        return self.epochs is not None and self.tuning.time is not None


def check_told(told: Settings) -> torch.device:
    """Refuses, before any picture is read, what could not be used whatever the pictures are; gives the device."""
    if isinstance(told.net, str):
        parse(text_of(told.net))
    check_fit(told.fit)
    if told.size is not None:
        size_of(told.size, 3)
    Plan(
        epochs=1 if told.epochs is None else told.epochs,
        batch_size=1 if told.batch_size is None else told.batch_size,
        lr=1.0 if told.lr is None else told.lr,
        seed=0 if told.seed is None else told.seed,
    )
    check_tuning(told.tuning)
    if told.time_and_epochs:
        raise SettingError(
            "a run ends by --epochs or by --time", got="both", remedy="name one; the other follows from it"
        )
    if told.recipe is not None:
        recipe_of(told.recipe)
    if told.augment is not None:
        parse_augment(told.augment)
    if told.workers is not None and not 0 <= told.workers <= 256:
        raise SettingError(
            f"workers cannot be {told.workers}", expected="0 to 256 threads that decode while the network learns"
        )
    if told.cache_size is not None:
        cache_bytes(told.cache_size)
    return devices.choose(told.device or "auto")


def check_batch_norm(book: Ledger, pictures: int, batch_size: int) -> None:
    """Refuses batches of one picture where a BN would have but one number of each channel to learn from."""
    alone = batch_size == 1 or pictures == 1
    for row in book.rows if alone else ():
        if row.word == "BN" and row.output.height * row.output.width == 1:
            raise SettingError(
                f"{row.name} cannot learn from batches of one picture: {row.output} is one number a channel",
                expected="at least two pictures in a batch",
                got=f"{pictures} pictures in batches of {batch_size}",
                remedy="take a larger --batch-size",
            )


def net_for(side: int) -> str:
    """The network for pictures of that smaller side where none is named: stages of two 3x3 convolutions, halved
    by pooling until 3 to 5 pixels are left (2 of 8), a hidden layer, and the classes."""
    stages = min(5, max((side // 3).bit_length() - 1, min(2, side.bit_length() - 1)))
    conv = "CONV bias no -> BN -> RELU"
    first = f"[{conv} -> {conv} -> POOL]*{stages} -> " if stages else ""
    return f"INPUT -> {first}FC -> RELU -> DROPOUT 0.5 -> FC"


def epochs_for(pictures: int) -> int:
    """How many epochs for a training part of that many pictures."""
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(PICTURES_PER_RUN / pictures)))


def batch_size_for(pictures: int) -> int:
    """The batch size for a training part of that many pictures."""
    return 64 if pictures < SMALL_SET else 128


def lr_for(batch_size: int, optimiser: str = "sgd") -> float:
    """The usual peak rate for a batch size: in proportion (Goyal et al. 2017), for SGD 0.05 at 64, at most 0.1; other
    optimisers' rates stand to it as they do in RATES."""
    return min(0.1, RATE_PER_BATCH * batch_size) * RATES[optimiser] / RATES["sgd"]


def settle(told: Settings, data: Data) -> dict[str, Setting]:
    """Every setting with its value and origin. A flag goes before the recipe, the recipe before what is chosen; lr
    is None where it is yet to be measured."""
    pictures = len(data.split.indices("train"))
    own = data.volume()
    volume = own if told.size is None else size_of(told.size, own.channels)
    recipe = recipe_of(told.recipe).settings if told.recipe is not None else {}

    def one(name: str, value: Any, otherwise: Any, origin: Origin) -> Setting:
        if value is not None:
            return Setting(value, "flag")
        return Setting(recipe[name], "recipe") if name in recipe else Setting(otherwise, origin)

    time = told.tuning.time
    return {
        "recipe": Setting(told.recipe, "default" if told.recipe is None else "flag"),
        "net": one("net", told.net, net_for(min(volume.height, volume.width)), "auto"),
        "epochs": Setting(None, "default") if time else one("epochs", told.epochs, epochs_for(pictures), "auto"),
        "batch_size": one("batch_size", told.batch_size, batch_size_for(pictures), "auto"),
        "lr": one("lr", told.lr, None, "auto"),
        "seed": one("seed", told.seed, 0, "default"),
        "size": one("size", told.size, str(volume), "auto"),
        "fit": one("fit", told.fit, "error", "default"),
        "device": one("device", told.device, "auto", "default"),
        **{name: one(name, getattr(told.tuning, name), DEFAULTS[name], "default") for name in NAMES},
        "augment": one("augment", told.augment, str(_default_augment(data, volume)[0]), "auto"),
        "workers": one("workers", told.workers, WORKERS, "auto"),
        "exclude": _path(told.exclude),
        "group_by": Setting(told.group_by, "default" if told.group_by is None else "flag"),
        "split": _path(told.split),
        "cache": _path(told.cache),
        "cache_size": one("cache_size", told.cache_size, human_bytes(CACHE_SIZE), "default"),
    }


def plan_of(settings: dict[str, Setting]) -> Plan:
    """The plan that the settings make."""
    value = {name: setting.value for name, setting in settings.items()}
    return Plan(
        epochs=MOST_BY_TIME if value["epochs"] is None else value["epochs"],
        batch_size=value["batch_size"],
        lr=value["lr"] or lr_for(value["batch_size"], value["optimiser"]),
        seed=value["seed"],
        optimiser=value["optimiser"],
        momentum=value["momentum"],
        weight_decay=value["weight_decay"],
        schedule=value["schedule"],
        warm_up=value["warm_up"],
        clip=value["clip"],
        accumulate=value["accumulate"],
        ema=value["ema"],
        lookahead=value["lookahead"],
        augment=parse_augment(value["augment"]),
        workers=value["workers"],
        rates=tuple((str(part), float(share)) for part, share in value.get("rates") or ()),
        norms=value.get("norms") or "train",
        seconds=value.get("training_seconds") or (None if value["time"] is None else seconds_of(value["time"])),
    )


def fine_tuning(start: Setting, rates: Setting, norms: Setting) -> dict[str, Setting]:
    """The settings that a run has beside the others where it starts from given weights, as config.json can hold them.

    start: what the weights are, told as {"backbone": name, "digest": SHA-256 of the tensors}; they themselves come from
    whoever starts the run, and from its states when it goes on. rates, norms: as in Plan. Raises SettingError.
    """
    pairs = [[str(part), float(share)] for part, share in rates.value]
    Plan(1, 1, 1.0, rates=tuple((part, share) for part, share in rates.value), norms=norms.value)
    return {"start": start, "rates": replace(rates, value=pairs), "norms": norms}


def starts_from_weights(settings: dict[str, Setting]) -> bool:
    """Whether a run starts from given weights rather than from those its seed draws."""
    return "start" in settings and settings["start"].value is not None


def cache_bytes(told: str) -> int:
    """'20GB' in bytes; 'none' is 0, which keeps no decoded pictures. Raises SettingError."""
    return 0 if str(told).strip().lower() in ("none", "0") else bytes_of(told)


def _path(told: str | Path | None) -> Setting:
    return Setting(None, "default") if told is None else Setting(str(told), "flag")


def size_of(text: str, depth: int) -> Volume:
    """'64', '64x48' or '64x48x1' (width x height x depth) as a Volume. Raises SettingError."""
    parts = str(text).lower().split("x")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() and 0 < int(part) <= 20_000 for part in parts):
        raise SettingError(
            f"size cannot be {text}",
            expected="pixels, as in 64, or 64x48 (width x height), or 64x48x1 (x depth)",
        )
    numbers = [int(part) for part in parts]
    width, height = numbers[0], numbers[min(1, len(numbers) - 1)]
    return Volume(numbers[2] if len(numbers) == 3 else depth, height, width)


def design_for(settings: dict[str, Setting], data: Data) -> tuple[Design, list[str]]:
    """The completed design for these pictures, and what was done to make it so."""
    net, fit = settings["net"].value, settings["fit"].value
    named = find(net) if isinstance(net, str) else None
    design = net if isinstance(net, Design) else parse(text_of(net))
    own, count, notes = data.volume(), len(data.classes), []
    if settings["size"].origin == "flag":
        design = replace(design, input=replace(design.input, volume=size_of(settings["size"].value, own.channels)))
    elif named is not None:
        design, why_not = _at_own_size(design, own, count)
        notes += [f"{named.name} keeps its size: {why_not}"] if why_not else []
    completed = complete(design, own, count, fit if settings["fit"].origin == "flag" else None)
    trained = without_softmax(completed)
    if trained != completed:
        notes.append("SOFTMAX at the end is left to the loss and to predictions, which apply it")
    volume = trained.input.volume or own
    if set(data.sizes) != {(volume.width, volume.height)}:
        notes.append(f"pictures are scaled and cut to {volume.width}x{volume.height}")
    if volume.channels != own.channels:
        notes.append("pictures are made " + ("grey" if volume.channels == 1 else "RGB"))
    if settings["augment"].origin == "auto":
        notes.append(f"augmented by {settings['augment'].value}: {_default_augment(data, volume)[1]}")
    return trained, notes


def _default_augment(data: Data, volume: Volume) -> tuple[Augmentation, str]:
    return default_for(data.classes, data.grey, (volume.width, volume.height))


def what_was_made(settings: dict[str, Setting], design: Design, device: torch.device) -> dict[str, Setting]:
    """What the settings came to: the network's completed text, its input's size, the device."""
    net, size = settings["net"], settings["size"]
    told = write(net.value) if isinstance(net.value, Design) else net.value
    from_file = isinstance(net.value, str) and find(net.value) is None and not is_notation(net.value)
    origin: Origin = "file" if from_file else net.origin
    says_size = net.origin == "flag" and parse(text_of(told)).input.volume == design.input.volume
    return {
        "net": Setting(told, net.origin),
        "network": Setting(write(design), origin),
        "size": Setting(str(design.input.volume), origin if says_size and size.origin == "auto" else size.origin),
        "device": Setting(str(device), settings["device"].origin if settings["device"].value != "auto" else "auto"),
    }


def _at_own_size(design: Design, own: Volume, classes: int) -> tuple[Design, str]:
    """A named network at the data's own size and depth where its arithmetic allows, else as published and why."""
    resized = replace(design, input=replace(design.input, volume=own))
    try:
        complete(resized, own, classes)
    except DesignError as error:
        return design, f"at {own}, {error.what}"
    return resized, ""
