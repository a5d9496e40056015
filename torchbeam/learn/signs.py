"""What the numbers of a run are signs of: each judgement takes numbers and gives a Finding, or none.

The limits were set so that sound networks stay silent, the named ones among them (their figures stand beside the
limits), and so that each fault planted in tests/test_doctor.py is told.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torchbeam.learn.listening import Heard

# Cross-entropy of scores that know nothing is ln K (CS231n, 'Neural Networks Part 3', sanity checks). Scores that
# start with spread s add about s^2 / 2: AlexNet, without batch norm and with its dropout, starts 1.8 above.
FIRST_LOSS_ABOVE = 3.0
# CS231n, 'Part 2': mean 0, variance 1. A mean over N pictures, which differ as wholes, strays by up to 2 / sqrt(N).
MEAN_FROM_0 = 0.75
STD_FROM, STD_TO = 0.25, 3.0
FEWEST_PICTURES = 8  # fewer tell nothing of the inputs' spread, nor of a unit that is silent for all of them
# CS231n, 'Part 1': 40 % of a network's units can be dead. Sound layers were silent in up to 53 % of their units over a
# batch of 64, whereas a layer that has died is silent in all.
SILENT = 0.9
# The gradient's length over the weights' own: NIN's first layer has 7e-5 of its last one's, and learns; eight
# sigmoids in a row leave 1e-8, and do not (Glorot & Bengio 2010).
VANISHED = 1e-6
EXPLODED = 1e3  # AlexNet starts with 16 at its last layer
# CS231n, 'Part 3': an update of about 1e-3 of the weights is right. Sound runs reached 0.02 in the middle layer.
RATIO_RIGHT, RATIO_FROM, RATIO_TO = 1e-3, 1e-6, 0.2
AT_THE_PEAK = (0.1, 0.6)  # shares of the run between which the rate is near its peak
LOSS_GROWN = 3.0  # times where it began; a peak of the rate may lift a sound loss by half
LEARNT_LOSS = 0.97  # of what class shares alone give
OVERFIT_LOSS = 1.25  # times the least so far: Prechelt 1998's generalisation loss of 25 %
OVERFIT_WAIT = 3  # epochs since the least
OVERFIT_GAP = 0.1  # between the scores
RELATED = 4.0  # standard deviations
# A loss within this share of what the same scores for all pictures give lies flat. Scores that differ by less than
# this share of what they did are the same.
FLAT, THE_SAME = 0.05, 1e-3
STOOD_STILL = 0.99  # SqueezeNet, whose scores pass a rectifier, is the slowest: 0.95 after 16 steps


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a run: its kind ('dead-relu'), a sentence or two with the numbers, the next thing to do.

    epoch and step count from 1; 0 before training.
    """

    kind: str
    text: str
    remedy: str
    epoch: int = 0
    step: int = 0

    def to_json(self) -> dict[str, Any]:
        """As log.jsonl keeps it."""
        return asdict(self)


def inputs(heard: Heard) -> Finding | None:
    """Pictures that do not lie about 0 with a spread of about 1, of any channel."""
    if heard.pictures < FEWEST_PICTURES or not heard.means:
        return None
    most = MEAN_FROM_0 + 2 / math.sqrt(heard.pictures)
    mean = max(heard.means, key=abs)
    std = max(heard.stds)
    if abs(mean) <= most and STD_FROM <= std <= STD_TO:
        return None
    return Finding(
        "inputs",
        f"The pictures reach the network with mean {mean:.3g} and standard deviation {std:.3g}; "
        "they should lie about 0 with a deviation of about 1.",
        "normalise them: less the training pictures' mean, over their deviation, as `torchbeam train DATA` does of "
        "itself; `torchbeam check DATA` tells whether some are of another kind",
    )


def first_loss(loss: float, expected: float, classes: int) -> Finding | None:
    """A first loss far above that of a network which knows nothing."""
    if loss <= expected + FIRST_LOSS_ABOVE:  # NaN is no less
        return None
    return Finding(
        "first-loss",
        f"The first loss is {loss:.3g}, where {classes:,} classes and no knowledge give {expected:.3g}: "
        "the scores start too large.",
        "start the last layer with smaller weights, or put BN behind each CONV, as in "
        '`torchbeam train DATA --net "INPUT -> [CONV bias no -> BN -> RELU -> POOL]*2 -> FC"`',
    )


def all_zero(layers: int) -> Finding:
    """Of a network whose units are all alike."""
    return Finding(
        "all-zero",
        f"In all {layers} layers every unit starts with the same weights: all get the same gradient, or none, and "
        "stay alike.",
        "start from random weights, as `torchbeam train DATA` does of itself, or from trained ones",
    )


def zeros(heard: Heard) -> Finding | None:
    """Weights that are 0 everywhere; a single layer may start so, as there is nothing behind it."""
    if len(heard.weights) < 2 or any(weights.length for weights in heard.weights):
        return None
    return all_zero(len(heard.weights))


def dead(heard: Heard, better: float | None) -> Finding | None:
    """The rectifier with the largest share of units that answer to no picture of the batch. better: a rate to try, None
    where none was taken yet."""
    if heard.pictures < FEWEST_PICTURES or not heard.rectifiers:
        return None
    worst = max(heard.rectifiers, key=lambda rectifier: rectifier.silent / rectifier.units)
    if worst.silent < SILENT * worst.units:
        return None
    return Finding(
        "dead-relu",
        f"In {worst.name}, {worst.silent:,} of {worst.units:,} units are 0 for all {heard.pictures:,} pictures of the "
        "batch: nothing is learnt through them.",
        f"try LEAKYRELU in place of RELU, or BN before it, in --net{_or_lower(better)}; and see that no bias in "
        "front of it starts far below 0",
    )


def blind_loss(counts: Sequence[int], smoothing: float = 0.0, weights: Sequence[float] = ()) -> float:
    """The least loss of scores that are the same for every picture, of so many pictures a class: with neither
    smoothing nor weights the entropy of the classes' shares, ln K where all have as many.

    smoothing: the share of each target spread over all classes. weights: by which each class counts, () for all alike.
    """
    total, classes = sum(counts), len(counts)
    each = list(weights) or [1.0] * classes
    pulls = [w * ((1 - smoothing) * n + smoothing * total / classes) for w, n in zip(each, counts, strict=True)]
    pull = sum(pulls)
    loss = -sum(one * math.log(one / pull) for one in pulls if one > 0)
    return loss / sum(w * n for w, n in zip(each, counts, strict=True))


def is_flat(loss: float, blind: float) -> bool:
    """Whether a loss is that of scores which are the same for every picture."""
    return abs(loss - blind) <= FLAT * blind  # NaN is not


def lifeless(heard: Heard, widest: float) -> str:
    """What shows that a network answers to no picture, in words; '' where nothing does. widest: how far its scores
    differed at most before."""
    if heard.pictures >= FEWEST_PICTURES:
        for one in heard.rectifiers:
            if one.silent == one.units:  # while one unit of sixteen lives, a network may learn through it
                return f"in {one.name}, all {one.units:,} units are 0 for all {heard.pictures:,} pictures"
        if heard.spread is not None and heard.spread <= THE_SAME * widest:
            return (
                f"its scores differ by {heard.spread:.1g} between {heard.pictures:,} pictures, by {widest:.1g} before"
            )
    still = sum(weights.gradient == 0 for weights in heard.weights)
    return f"{still} of its {len(heard.weights)} layers get no gradient" if 2 * still > len(heard.weights) > 1 else ""


def quiet_death(loss: float, blind: float, shown: str, lr: float) -> Finding:
    """Of a network that a rate too high has killed, whose loss does not even rise. shown: by what that shows."""
    return Finding(
        "quiet-death",
        f"The loss lies flat at {loss:.3g}, where the same scores for every picture give {blind:.3g}, and {shown} of a "
        "batch: the network has died of a learning rate that was too high, and learns nothing more.",
        f"{_with_rate(lr / 10)}; at this one, --clip 1 or BN before each RELU in --net may keep it alive",
    )


def gradients(heard: Heard, step: int) -> Finding | None:
    """Gradients that are lost on the way to the pictures, or that grow beyond all measure."""
    known = [weights for weights in heard.weights if weights.length > 0]
    relative = [weights.gradient / weights.length for weights in known]
    if not known:
        return None
    if not all(map(math.isfinite, relative)) or max(relative) > EXPLODED:
        worst = known[max(range(len(known)), key=lambda at: _or_inf(relative[at]))]
        return Finding(
            "exploding",
            f"The gradient of {worst.name} is {worst.gradient:.3g} long, its weights {worst.length:.3g}: "
            f"more than {EXPLODED:g} times as long.",
            "put BN behind each CONV in --net, or see that the weights start smaller",
        )
    most = max(range(len(known)), key=relative.__getitem__)
    # A last layer of zeros, which some start from, stops the first gradient and no later one.
    before = [at for at in range(most) if relative[at] > 0 or step > 1]
    least = min(before, key=relative.__getitem__, default=most)
    if relative[most] > 0 and relative[least] >= VANISHED * relative[most]:
        return None
    if relative[most] == 0 and step <= 1:
        return None
    return Finding(
        "vanishing",
        f"The gradient of {known[least].name} is {relative[least]:.2g} of its weights, that of {known[most].name} "
        f"{relative[most]:.2g}: what is learnt at the end does not reach the beginning.",
        "take RELU in place of SIGMOID and TANH, BN behind each CONV, or fewer layers, in --net",
    )


def middle_ratio(heard: Heard) -> float:
    """The update's length over the weights', in the middle (median) of the layers; infinity where it is no number."""
    ratios = [_or_inf(weights.update / weights.length) for weights in heard.weights if weights.length > 0]
    return statistics.median(ratios) if ratios else 0.0


def better_rate(ratio: float, lr: float) -> float:
    """The rate by which updates come to ten times the textbook's 1e-3, as sound runs have at their peak; at most 1000
    times the one there is."""
    return min(lr * 10 * RATIO_RIGHT / ratio, 1000 * lr) if 0 < ratio < math.inf else lr / 100


def update_ratio(ratio: float, progress: float, lr: float) -> Finding | None:
    """Updates far too long, or far too short, for the weights that they change. progress: the share of the run that is
    done: at its ends the rate is low by right."""
    early, late = AT_THE_PEAK
    slow = 0 < ratio < RATIO_FROM and early <= progress <= late
    if ratio <= RATIO_TO and not slow:
        return None
    return Finding(
        "update-ratio",
        f"In the middle one of the layers an update changes the weights by {ratio:.2g} of their length, where about "
        f"{RATIO_RIGHT:g} is right: the learning rate is far too {'low' if slow else 'high'}.",
        _with_rate(better_rate(ratio, lr)),
    )


def rate(loss: float, began: float, better: float) -> Finding | None:
    """A loss that has grown far beyond where it began. better: the rate to try."""
    if loss <= LOSS_GROWN * began:
        return None
    return Finding(
        "rate",
        f"The loss is {loss:.3g}, and began at {began:.3g}: the learning rate is too high.",
        _with_rate(better),
    )


@dataclass(frozen=True, slots=True)
class Chance:
    """What can be had on validation without looking at a picture: `score` by naming the class most frequent in
    training, of `pictures`; `loss` by giving each class its share in training."""

    score: float
    loss: float
    pictures: int


def chance(train: Sequence[int], validation: Sequence[int]) -> Chance:
    """Of so many pictures a class in each part; one is added to each class of training, so that none is impossible."""
    pictures = sum(validation)
    shares = [(count + 1) / (sum(train) + len(train)) for count in train]
    loss = -sum(count * math.log(share) for count, share in zip(validation, shares, strict=True)) / pictures
    return Chance(validation[max(range(len(train)), key=train.__getitem__)] / pictures, loss, pictures)


def learns_nothing(loss: float, score: float, by_chance: Chance) -> bool:
    """Whether validation is no better, by score and by loss, than what can be had without looking."""
    spread = math.sqrt(by_chance.score * (1 - by_chance.score) / by_chance.pictures)
    return score <= by_chance.score + 2 * spread and not loss < LEARNT_LOSS * by_chance.loss


@dataclass(frozen=True, slots=True)
class Relation:
    """Of `pictures`, the share whose most similar one is of the same class, and what share chance gives."""

    share: float
    chance: float
    pictures: int

    @property
    def deviations(self) -> float:
        """How far above chance, in standard deviations of chance."""
        spread = math.sqrt(self.chance * (1 - self.chance) / self.pictures)
        return (self.share - self.chance) / spread if spread else 0.0


def nothing_learnt(score: float, by_chance: Chance, relation: Relation, said: Sequence[str], better: float) -> Finding:
    """Why a run learns nothing: its labels, where pictures that look alike are no more of one class than others."""
    missed = (
        f"Validation stands at {score:.1%} of {by_chance.pictures:,} pictures, where naming one class for all gives "
        f"{by_chance.score:.1%}"
    )
    alike = (
        f"the most similar picture is of the same class for {relation.share:.1%} of {relation.pictures:,}, by chance "
        f"for {relation.chance:.1%}"
    )
    if relation.deviations > RELATED:
        first = f"first do what was said of {', '.join(said)}; then try" if said else f"{_with_rate(better)},"
        return Finding(
            "does-not-learn",
            f"{missed}. The labels do have to do with the pictures: {alike}.",
            f"{first} a network of fewer layers (--net), or one with BN behind each CONV",
        )
    return Finding(
        "shuffled-labels",
        f"{missed}. The labels may not belong to their pictures: {alike}.",
        "look at the pictures of each class, and at how the labels were read: `torchbeam check DATA`",
    )


@dataclass(frozen=True, slots=True)
class Least:
    """The epoch with the least validation loss so far, and its training loss."""

    epoch: int
    validation: float
    training: float


def overfit(least: Least, epoch: int, training: float, validation: float, gap: float | None) -> Finding | None:
    """Learning by heart: the training loss falls on while that on validation has long been rising.

    gap: between the scores in training and validation, None where the one in training is not known.
    """
    rising = validation > OVERFIT_LOSS * least.validation and epoch >= least.epoch + OVERFIT_WAIT
    apart = training < validation / 2 if gap is None else gap > OVERFIT_GAP
    if not (rising and training < least.training and apart):
        return None
    return Finding(
        "overfit",
        f"The validation loss was least in epoch {least.epoch}, {least.validation:.3g}, and is {validation:.3g} now, "
        f"while the training loss fell from {least.training:.3g} to {training:.3g}: the network learns its pictures "
        "by heart.",
        'show them in more ways (`torchbeam train DATA --augment "flip, crop 4, rotate 10"`), end sooner '
        f"(--epochs {least.epoch}), or put DROPOUT 0.5 before the last FC",
    )


def does_not_fit(pictures: int, steps: int, first: float, least: float) -> Finding | None:
    """A network whose loss stands still on a handful of pictures, which it should learn by heart."""
    if least < STOOD_STILL * first:
        return None
    return Finding(
        "does-not-fit",
        f"In {steps} steps on {pictures} pictures alone the loss stood still, at {first:.3g} first and {least:.3g} at "
        "least: the network does not learn even these by heart.",
        'see what stops the gradient with `torchbeam describe NET`, or try a plain network: --net "INPUT -> '
        '[CONV bias no -> BN -> RELU -> POOL]*2 -> FC"',
    )


def _or_inf(number: float) -> float:
    return number if math.isfinite(number) else math.inf


def _or_lower(lr: float | None) -> str:
    return "" if lr is None else f", or another rate, --lr {lr:.1g}"


def _with_rate(lr: float) -> str:
    return f"try `torchbeam train DATA --lr {lr:.1g}`"
