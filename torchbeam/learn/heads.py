"""Linear heads on codes: a softmax or an SVM, its kind and strength chosen by cross-validation, its scores made
honest probabilities, and all of it folded into one weight and bias on the raw codes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchbeam.errors import DataError, SettingError
from torchbeam.learn.folds import Folds, folds_of, of_part, stratified
from torchbeam.learn.linear import KINDS, NEAR_ENOUGH, Rotated, fit, rotated, scores

# Strengths that are tried, times the number of columns: standardised codes are as long as the root of that, so the
# same ones do for codes of every width. The last, which takes longest, is tried where the one before it is the best.
STRENGTHS, LAST = (0.01, 0.1, 1.0, 10.0), 100.0
UNTRIED = 0.1  # where nothing can be tried
# The choice is made on part of the pictures, in fewer folds, where there are many; of few strengths where there are
# many classes.
LARGE, LARGE_SCORES, SUBSET, FEWER_FOLDS = 1500, 20_000, 1000, 3
MANY_CLASSES, FEWER_STRENGTHS = 50, (0.1, 1.0)
LEAST = 4  # pictures of each class in such a part


@dataclass(frozen=True, slots=True)
class Tried:
    """A kind and strength with the accuracy on pictures held out, and the standard error of that."""

    kind: str
    strength: float
    accuracy: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head: codes N x D @ weight.T + bias are scores N x K whose softmax is a calibrated probability.

    kind: 'softmax' or 'svm'. strength: C, as scikit-learn's linear models have it on standardised codes; smaller is
    more regularised. weight, bias: K x D and K, float32, for raw codes. accuracy: on pictures held out, and error,
    its standard error (None where none could be held out); the kind and strength were chosen by it, so it is a little
    too good. temperature: what the scores were divided by. tried: all that was tried.
    """

    kind: str
    strength: float
    weight: Tensor
    bias: Tensor
    accuracy: float | None
    error: float | None
    temperature: float
    tried: tuple[Tried, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(f"no head is a {self.kind} of {tuple(self.weight.shape)} and {tuple(self.bias.shape)}")

    def scores(self, codes_ND: Tensor) -> Tensor:
        """Scores N x K of raw codes."""
        return codes_ND @ self.weight.T + self.bias

    def to_json(self) -> dict[str, Any]:
        """All but the tensors."""
        told = ("kind", "strength", "accuracy", "error", "temperature", "notes")
        return {name: getattr(self, name) for name in told} | {"tried": [asdict(each) for each in self.tried]}


def fit_head(
    codes: Tensor,
    labels: Sequence[int] | NDArray[np.int64] | Tensor,
    classes: Sequence[str],
    *,
    class_weights: Sequence[float] | None = None,
    folds: int = 5,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> Head:
    """The linear head that does best on codes N x D of pictures held out, fitted on all of them.

    Both kinds and all strengths are cross-validated; of equals the more regularised is taken, and softmax. The
    temperature (Guo et al. 2017) is that of the scores of pictures held out. Columns are standardised by what they
    are over all pictures given, which knows no labels. class_weights: how much a picture of each class counts.
    groups: the name of each picture's group, '' where it is alone; none parts between folds.

    Raises DataError where codes are not finite, do not belong to the labels or a class has no picture; SettingError
    for weights that are none and fewer than 2 folds.
    """
    labels_N = np.asarray(labels, np.int64)
    check_codes(codes, labels_N, classes)
    weights_N = _weights(labels_N, classes, class_weights)
    few = len(labels_N) <= LARGE and len(labels_N) * len(classes) <= LARGE_SCORES
    crossing = folds_of(labels_N, folds if few else min(folds, FEWER_FOLDS), seed, groups)
    data = _Data(rotated(codes), torch.from_numpy(labels_N), len(classes), weights_N)
    notes = [*crossing.notes, *_said_of(data.codes)]
    if crossing.count == 0:
        notes.append("the strength is a usual one, and the probabilities are the softmax's own: nothing could be tried")
        return _folded(data, "softmax", UNTRIED, 1.0, None, (), notes)
    if few:
        kind, strength, tried = _best(data, crossing, STRENGTHS)
    else:
        kind, strength, tried = _best_of_part(codes, data, seed, groups, notes)
    held_MK = _held_out(data, crossing, kind, [strength])[0]
    truth_M = data.labels_N[torch.from_numpy(crossing.held)]
    sharpness = _sharpness(held_MK, truth_M)
    own = _tried(kind, strength / data.width, held_MK, truth_M)
    return _folded(data, kind, strength, sharpness, own, tried, notes)


def check_codes(codes: Tensor, labels_N: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Refuses codes and labels that no head can be fitted to. Raises DataError."""
    if codes.ndim != 2 or codes.shape[1] == 0 or labels_N.shape != codes.shape[:1]:
        raise DataError(
            "the codes and labels do not belong together",
            expected="codes N x D and N labels",
            got=f"codes {' x '.join(map(str, codes.shape))} and {' x '.join(map(str, labels_N.shape))} labels",
        )
    if len(classes) < 2:
        raise DataError("a head needs classes to tell apart", expected="two or more", got=", ".join(classes) or "none")
    if len(labels_N) and not 0 <= labels_N.min() <= labels_N.max() < len(classes):
        raise DataError(
            "some labels name no class",
            expected=f"numbers from 0 to {len(classes) - 1}",
            got=f"{labels_N.min()} to {labels_N.max()}",
        )
    counts = np.bincount(labels_N, minlength=len(classes))
    bare = [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]
    if bare:
        raise DataError(
            f"{len(bare):,} of {len(classes):,} classes have no picture to learn from",
            expected="one or more pictures of each class, better twenty",
            got=f"none of {', '.join(bare[:3])}{', ...' if len(bare) > 3 else ''} among {len(labels_N):,} pictures",
            remedy="add pictures, or take these classes out",
        )
    bad = int((~codes.isfinite().all(1)).sum())
    if bad:
        raise DataError(
            f"the codes of {bad:,} of {len(codes):,} pictures are not finite",
            expected="numbers",
            got="NaN or infinity, which a backbone gives whose weights are damaged or whose precision is too small",
            remedy="compute the codes in fp32, and look at the weights",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Pictures to fit to. weights_N: how much each counts, float64."""

    codes: Rotated
    labels_N: Tensor
    classes: int
    weights_N: Tensor

    @property
    def width(self) -> int:
        """What strengths are divided by."""
        return max(1, self.codes.columns)


def _weights(labels_N: NDArray[np.int64], classes: Sequence[str], told: Sequence[float] | None) -> Tensor:
    if told is None:
        return torch.ones(len(labels_N), dtype=torch.float64)
    if len(told) != len(classes) or not all(0 < weight < np.inf for weight in told):
        raise SettingError(
            "the class weights cannot be used",
            expected=f"{len(classes)} numbers above 0, one for each class",
            got=", ".join(f"{weight:g}" for weight in told),
        )
    return torch.tensor(told, dtype=torch.float64)[torch.from_numpy(labels_N)]


def _said_of(codes: Rotated) -> list[str]:
    notes = []
    if not codes.exact:
        notes.append(f"the head sees the codes in the {codes.a_NR.shape[1]:,} directions that some pictures span")
    if codes.columns == 0:
        notes.append("all pictures have the same codes, so the head can only name the class most frequent")
    return notes


def _held_out(data: _Data, crossing: Folds, kind: str, strengths: Sequence[float]) -> Tensor:
    """Scores (strengths, pictures held out, K) of each picture by the head that has not seen it."""
    of_N = torch.from_numpy(crossing.of_N)
    learnt_NF = (of_N[:, None] != torch.arange(crossing.count)) * data.weights_N[:, None]
    per_problem = [strength / data.width for strength in strengths for _ in range(crossing.count)]
    weights_NP = learnt_NF.repeat(1, len(strengths))
    fitted = fit(data.codes, data.labels_N, data.classes, kind, per_problem, weights_NP, NEAR_ENOUGH).weight_RPK
    held = of_N >= 0
    made = [
        _whole(scores(data.codes, fitted[:, at : at + crossing.count])[held, of_N[held]])
        for at in range(0, len(per_problem), crossing.count)
    ]
    return torch.stack(made)


def _whole(scores_NK: Tensor) -> Tensor:
    """Scores of every class: the one score of two classes as a pair around 0."""
    return torch.cat([-scores_NK / 2, scores_NK / 2], 1) if scores_NK.shape[1] == 1 else scores_NK


def _best(data: _Data, crossing: Folds, strengths: Sequence[float]) -> tuple[str, float, tuple[Tried, ...]]:
    """(kind, strength times columns, all that was tried)."""
    truth_M = data.labels_N[torch.from_numpy(crossing.held)]
    found: list[tuple[float, float, int, str]] = []
    tried: list[Tried] = []
    for rank, kind in enumerate(KINDS):
        for some in (strengths, (LAST,)):
            if some == (LAST,) and (strengths[-1] != STRENGTHS[-1] or min(found[-len(strengths) :])[1] < strengths[-1]):
                continue
            for strength, held_MK in zip(some, _held_out(data, crossing, kind, some), strict=True):
                tried.append(_tried(kind, strength / data.width, held_MK, truth_M))
                found.append((-tried[-1].accuracy, strength, rank, kind))
    _, strength, _, kind = min(found)
    return kind, strength, tuple(tried)


def _best_of_part(
    codes: Tensor, data: _Data, seed: int, groups: Sequence[str] | None, notes: list[str]
) -> tuple[str, float, tuple[Tried, ...]]:
    """The same by a part of the pictures; says so in the notes."""
    labels_N = data.labels_N.numpy()
    many = data.classes > MANY_CLASSES
    strengths = FEWER_STRENGTHS if many else STRENGTHS
    part = stratified(labels_N, SUBSET, LEAST, seed)
    crossing = folds_of(
        labels_N[part],
        2 if many else FEWER_FOLDS,
        seed,
        of_part(groups, part),
    )
    if crossing.count == 0:
        notes.append("the kind and strength are the usual ones: a part of the pictures was too small to try them")
        return "softmax", UNTRIED, ()
    some = torch.from_numpy(part)
    small = _Data(rotated(codes[some]), data.labels_N[some], data.classes, data.weights_N[some])
    kind, strength, tried = _best(small, crossing, strengths)
    notes.append(
        f"kind and strength were chosen by {len(part):,} of {len(labels_N):,} pictures in {crossing.count} folds, "
        f"from {len({each.strength for each in tried})} strengths; the accuracy is of all of them"
    )
    return kind, strength, tried


def _tried(kind: str, strength: float, held_MK: Tensor, truth_M: Tensor) -> Tried:
    accuracy = (held_MK.argmax(1) == truth_M).double().mean().item()
    return Tried(kind, strength, accuracy, (accuracy * (1 - accuracy) / len(truth_M)) ** 0.5)


def _sharpness(scores_NK: Tensor, truth_N: Tensor) -> float:
    """1 / temperature: what the scores are to be multiplied by for their softmax to give the truth the highest
    likelihood.

    One picture more is thought of, of each class alike (Laplace's rule, as in Platt 1999): else scores that are never
    wrong would be made certain.
    """
    n, count = scores_NK.shape
    softened = (torch.nn.functional.one_hot(truth_N, count).double() * n + 1) / (n + count)
    spread = float((scores_NK - scores_NK.mean(1, keepdim=True)).square().mean().sqrt())
    if not spread:
        return 1.0
    low, high = 1e-3 / spread, 1e4 / spread
    for _ in range(60):  # the likelihood has one peak; halved on a scale of ratios
        middle = (low * high) ** 0.5
        slope = (((middle * scores_NK).softmax(1) - softened) * scores_NK).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return (low * high) ** 0.5


def _folded(
    data: _Data,
    kind: str,
    strength: float,
    sharpness: float,
    own: Tried | None,
    tried: tuple[Tried, ...],
    notes: list[str],
) -> Head:
    """The head of that kind and strength fitted on all pictures."""
    weights_N1 = data.weights_N[:, None]
    used = strength / data.width
    fitted = fit(data.codes, data.labels_N, data.classes, kind, [used], weights_N1)
    if not fitted.converged:
        notes.append("the fit was ended before it had come to rest")
    weight_KD, bias_K = data.codes.raw(sharpness * _whole(fitted.weight_RPK[:, 0]))
    return Head(
        kind=kind,
        strength=used,
        weight=weight_KD.float().contiguous(),
        bias=bias_K.float().contiguous(),
        accuracy=own.accuracy if own else None,
        error=own.error if own else None,
        temperature=1 / sharpness,
        tried=tried,
        notes=tuple(notes),
    )
