"""A probe: how well a ridge classifier on codes does on pictures held out, in closed form.

Quick enough to be asked of many stages and poolings. The same labels and seed give the same folds, so probes can be
compared picture by picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from torchbeam.errors import DataError
from torchbeam.learn.folds import Folds, folds_of, of_part, stratified
from torchbeam.learn.heads import check_codes

# Ridges that are tried, times the number of columns, the strongest first.
RIDGES = (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01)
SUBSET, LEAST = 1000, 4  # pictures that the ridge is chosen by, and of each class
FLAT = 1e-6  # a column that varies by less than this share of its mean is one number, but for rounding


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """correct: whether each picture was named right while it was held out, N bools. held: which pictures were held
    out once (the others are all there is of a class). accuracy: over those. strength: the ridge, alpha in
    scikit-learn's words, on standardised codes; larger is more regularised."""

    correct: NDArray[np.bool_]
    held: NDArray[np.bool_]
    accuracy: float
    strength: float

    def __post_init__(self) -> None:
        if self.correct.shape != self.held.shape or not 0 <= self.accuracy <= 1:
            raise ValueError("a probe has one answer for each picture, and an accuracy from 0 to 1")


def probe(
    codes: Tensor,
    labels: Sequence[int] | NDArray[np.int64] | Tensor,
    folds: int = 5,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> Probe:
    """The ridge classifier (scores towards 1 for the class that is, -1 for others) on codes N x D, cross-validated.

    The ridge that does best is taken, of equals the stronger; it is chosen by a thousand pictures where there are
    more. Columns are standardised by what they are over all pictures. Labels are class numbers; those that no
    picture has do not count. Raises DataError for codes that are not finite or not of these labels, and where fewer
    than two classes could be held out; SettingError for fewer than 2 folds.
    """
    labels_N = np.asarray(labels, np.int64)
    found, own_N = np.unique(labels_N, return_inverse=True)
    check_codes(codes, own_N, [str(label) for label in found])
    crossing = folds_of(own_N, folds, seed, groups)
    if crossing.count == 0:
        raise DataError(
            "there are too few pictures for a probe",
            expected="two or more of at least two classes",
            got=f"{len(own_N)} of {len(found)} classes",
        )
    z_ND = _standardised(codes)
    one_hot_NK = F.one_hot(torch.from_numpy(own_N), len(found)).double() * 2 - 1
    if len(own_N) <= SUBSET:
        correct, ridge = _best(z_ND, one_hot_NK, crossing)
    else:
        part = stratified(own_N, SUBSET, LEAST, seed)
        rows = torch.from_numpy(part)
        kept = folds_of(own_N[part], folds, seed, of_part(groups, part))
        ridge = _best(z_ND[rows], one_hot_NK[rows], kept)[1] if kept.count else _width(z_ND)
        held_out = _by_pictures if len(z_ND) <= z_ND.shape[1] else _by_columns
        correct = _right(held_out(z_ND, one_hot_NK, crossing, ridge), one_hot_NK)
    correct &= crossing.held
    return Probe(correct, crossing.held, float(correct.sum() / crossing.held.sum()), ridge)


def _standardised(codes_ND: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1, float32; a column of one number is 0."""
    x_ND = codes_ND.detach().cpu().float()
    mean_D, std_D = x_ND.mean(0), x_ND.std(0, correction=0)
    varies_D = std_D > FLAT * mean_D.abs()
    return (x_ND - mean_D) * (varies_D / torch.where(varies_D, std_D, 1))


def _width(z_ND: Tensor) -> float:
    """How many columns vary, at least 1."""
    return float(max(1, int(z_ND.any(0).sum())))


def _gram(z_ND: Tensor) -> Tensor:
    """N x N, float64, of codes less their mean over these pictures."""
    centred = z_ND - z_ND.mean(0)
    return (centred @ centred.T).double()


def _right(scores_NK: Tensor, one_hot_NK: Tensor) -> NDArray[np.bool_]:
    return (scores_NK.argmax(1) == one_hot_NK.argmax(1)).numpy()


def _best(z_ND: Tensor, one_hot_NK: Tensor, crossing: Folds) -> tuple[NDArray[np.bool_], float]:
    """(which are named right held out, the ridge that names most so); every ridge from the same axes."""
    energy_N, axes_NN = torch.linalg.eigh(_gram(z_ND))
    width, held = _width(z_ND), crossing.held
    best, taken = np.zeros(len(z_ND), np.bool_), 0.0
    for times in RIDGES:
        ridge = times * width
        left_N = ridge / (energy_N.clamp_min(0) + ridge)
        scores_NK = _less_own((axes_NN * left_N) @ axes_NN.T, one_hot_NK, crossing)
        correct = _right(scores_NK, one_hot_NK) & held
        if not taken or correct.sum() > best.sum():
            best, taken = correct, ridge
    return best, taken


def _by_pictures(z_ND: Tensor, one_hot_NK: Tensor, crossing: Folds, ridge: float) -> Tensor:
    """Scores held out, from the N x N matrix of inner products."""
    gram_NN = _gram(z_ND)
    gram_NN.diagonal().add_(ridge)
    return _less_own(ridge * torch.cholesky_inverse(torch.linalg.cholesky(gram_NN)), one_hot_NK, crossing)


def _less_own(left_NN: Tensor, one_hot_NK: Tensor, crossing: Folds) -> Tensor:
    """Scores of each fold by the model without it, of one model on all pictures.

    left_NN: ridge * (centred Gram + ridge)^-1, which less the mean of the targets is I - H, H being the hat matrix
    of the model with a bias that costs nothing. Without fold S the errors are ((I - H)_SS)^-1 ((I - H) Y)_S, as with
    one picture in Allen's PRESS (1974).
    """
    rest_NN = left_NN - 1 / len(left_NN)
    error_NK = rest_NN @ one_hot_NK
    scores_NK = one_hot_NK - error_NK
    of_N = torch.from_numpy(crossing.of_N)
    for fold in range(crossing.count):
        own = torch.nonzero(of_N == fold).flatten()
        scores_NK[own] = one_hot_NK[own] - torch.linalg.solve(rest_NN[own][:, own], error_NK[own])
    return scores_NK


def _by_columns(z_ND: Tensor, one_hot_NK: Tensor, crossing: Folds, ridge: float) -> Tensor:
    """Scores held out, each fold from the D x D matrix of the others."""
    all_DD, sum_D, sums_DK = (z_ND.T @ z_ND).double(), z_ND.sum(0).double(), z_ND.double().T @ one_hot_NK
    scores_NK = one_hot_NK.clone()
    of_N = torch.from_numpy(crossing.of_N)
    for fold in range(crossing.count):
        own = torch.nonzero(of_N == fold).flatten()
        own_MD, left = z_ND[own], len(z_ND) - len(own)
        mean_D = (sum_D - own_MD.sum(0).double()) / left
        mean_K = (one_hot_NK.sum(0) - one_hot_NK[own].sum(0)) / left
        square_DD = all_DD - (own_MD.T @ own_MD).double() - left * torch.outer(mean_D, mean_D)
        square_DD.diagonal().add_(ridge)
        towards_DK = sums_DK - own_MD.double().T @ one_hot_NK[own] - left * torch.outer(mean_D, mean_K)
        weight_DK = torch.cholesky_solve(towards_DK, torch.linalg.cholesky(square_DD))
        scores_NK[own] = (own_MD.double() - mean_D) @ weight_DK + mean_K
    return scores_NK
