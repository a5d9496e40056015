"""Linear classifiers on codes: many at once, for every fold and strength, made as small as they can be.

Codes are standardised and rotated into their principal axes, in which models with an L2 penalty are the same models
(the penalty does not feel a rotation) with as many numbers as there are pictures. There the curvature of the losses
has a diagonal bound, so that steps of the size 1 / bound (Boehning & Lindsay 1988) with Nesterov's momentum and
O'Donoghue & Candes' restarts (2012) need some dozens of passes, and all problems share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Sides up to which the axes are found exactly; beyond, those that so many of the pictures span.
MOST_AXES = 3000
WIDE = 50_000_000  # numbers up to which the rotation is computed in double precision
FLAT = 1e-6  # a column that varies by less than this share of its mean is one number, but for rounding
NEAR, MOST_STEPS = 1e-6, 5000  # a fit is done when its step is this share of its first one
NEAR_ENOUGH = 1e-4  # where it is only asked which classes its scores name
HELD = 20_000_000  # scores of all problems at once
KINDS = ("softmax", "svm")


@dataclass(frozen=True, slots=True, eq=False)
class Rotated:
    """Codes N x D in R axes, float64. a_NR: centred, its columns orthogonal. energy_R: their sums of squares.

    back_DR: what turns weights in the axes into weights on the raw codes. mean_D: of the raw codes. columns: how many
    vary. exact: whether the axes span all the codes.
    """

    a_NR: Tensor
    energy_R: Tensor
    back_DR: Tensor
    mean_D: Tensor
    columns: int
    exact: bool

    def raw(self, fitted_RK: Tensor) -> tuple[Tensor, Tensor]:
        """(weight K x D, bias K) for raw codes, of weights in the axes with the bias in the last row."""
        weight_KD = (self.back_DR @ fitted_RK[:-1]).T
        return weight_KD, fitted_RK[-1] - weight_KD @ self.mean_D


def rotated(codes_ND: Tensor, most: int = MOST_AXES) -> Rotated:
    """Codes N x D, each column standardised by its own mean and standard deviation, in their principal axes.

    A column that does not vary is only centred, which makes it 0.
    """
    x_ND = codes_ND.detach().cpu().to(torch.float64 if codes_ND.numel() <= WIDE else torch.float32)
    mean_D, std_D = x_ND.mean(0), x_ND.std(0, correction=0)
    varies_D = std_D > FLAT * mean_D.abs()
    z_ND = (x_ND - mean_D) * varies_D / torch.where(varies_D, std_D, 1)
    exact = min(z_ND.shape) <= most
    basis_DR: Tensor | None = None
    if not exact:
        some_MD = z_ND[torch.linspace(0, len(z_ND) - 1, most).long()]
        u_MR, energy_R = _eigen(some_MD @ some_MD.T)
        basis_DR = some_MD.T @ (u_MR / energy_R.sqrt()).to(some_MD.dtype)
        z_ND = z_ND @ basis_DR
    if z_ND.shape[0] <= z_ND.shape[1]:
        u_NR, energy_R = _eigen(z_ND @ z_ND.T)
        a_NR = u_NR * energy_R.sqrt()
        axes_DR = z_ND.T.double() @ (u_NR / energy_R.sqrt())
    else:
        axes_DR, energy_R = _eigen(z_ND.T @ z_ND)
        a_NR = z_ND.double() @ axes_DR
    axes_DR = axes_DR if basis_DR is None else basis_DR.double() @ axes_DR
    back_DR = axes_DR / torch.where(varies_D, std_D, 1).double()[:, None]
    return Rotated(a_NR, energy_R, back_DR, mean_D.double(), int(varies_D.sum()), exact)


def _eigen(square: Tensor) -> tuple[Tensor, Tensor]:
    """Axes and energies of a symmetric matrix, less those that are nothing but rounding."""
    values, vectors = torch.linalg.eigh(square.double())
    cut = 1e-12 if square.dtype == torch.float64 else 1e-6
    keep = values > cut * values[-1].clamp_min(1e-300)
    return vectors[:, keep], values[keep]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """weight_RPK: for each of P problems the weights in the axes and, in the last row, the bias; K is 1 for two
    classes, the score of the second. converged: whether every fit came to its end."""

    weight_RPK: Tensor
    converged: bool


def fit(
    codes: Rotated,
    labels_N: Tensor,
    classes: int,
    kind: str,
    strengths: Sequence[float],
    weights_NP: Tensor,
    near: float = NEAR,
) -> Fitted:
    """The weights that make strength * (sum of weighted losses) + |weight|^2 / 2 least, problem by problem.

    kind: 'softmax' (cross-entropy; of two classes the logistic loss, as scikit-learn's LogisticRegression has it) or
    'svm' (the squared hinge of each class against the rest, as LinearSVC has it, but with a bias that costs nothing).
    weights_NP: how much each picture counts in each problem, 0 where it is held out. near: how small a share of its
    first step a fit's last one is.
    """
    targets_NK = _targets(labels_N, classes, kind)
    a_NR = torch.cat([codes.a_NR, torch.ones(len(codes.a_NR), 1, dtype=torch.float64)], 1)
    energy_R = torch.cat([codes.energy_R, torch.full((1,), float(len(a_NR)), dtype=torch.float64)])
    at_once = max(1, HELD // targets_NK.numel())
    done = []
    for first in range(0, len(strengths), at_once):
        part = slice(first, first + at_once)
        strength_P = torch.tensor(strengths[part], dtype=torch.float64)
        done.append(_descended(a_NR, energy_R, targets_NK, kind, strength_P, weights_NP[:, part].double(), near))
    return Fitted(torch.cat([each for each, _ in done], 1), all(well for _, well in done))


def scores(codes: Rotated, weight_RPK: Tensor) -> Tensor:
    """N x P x K: the scores of every picture in every problem."""
    flat = codes.a_NR @ weight_RPK[:-1].flatten(1) + weight_RPK[-1].flatten()
    return flat.view(len(flat), *weight_RPK.shape[1:])


def _targets(labels_N: Tensor, classes: int, kind: str) -> Tensor:
    """N x K: 1 for the class that is, else 0, or -1 for the SVM."""
    ones_NK = torch.nn.functional.one_hot(labels_N, classes).double()
    ones_NK = ones_NK[:, 1:] if classes == 2 else ones_NK
    return ones_NK if kind == "softmax" else 2 * ones_NK - 1


def _slope(scores_NPK: Tensor, targets_N1K: Tensor, kind: str) -> Tensor:
    """The loss's derivative by each score."""
    if kind == "svm":
        return -2 * targets_N1K * (1 - targets_N1K * scores_NPK).clamp_min_(0)
    alone = scores_NPK.shape[2] == 1
    return (scores_NPK.sigmoid() if alone else scores_NPK.softmax(2)) - targets_N1K


def _descended(
    a_NR: Tensor, energy_R: Tensor, targets_NK: Tensor, kind: str, strength_P: Tensor, weights_NP: Tensor, near: float
) -> tuple[Tensor, bool]:
    """The weights (R, P, K) with the bias last, and whether all came to rest. Objectives are divided by the strength
    and the sum of the pictures' weights."""
    count_P = weights_NP.sum(0)
    share_NP1 = (weights_NP / count_P)[:, :, None]
    penalty_RP = (1 / (strength_P * count_P)).repeat(len(energy_R), 1)
    penalty_RP[-1] = 0  # the bias
    steepest = 2.0 if kind == "svm" else 0.25 if targets_NK.shape[1] == 1 else 0.5  # of the loss by its score
    heaviest_P = weights_NP.amax(0) / count_P
    bound_RP1 = (penalty_RP + steepest * heaviest_P * energy_R[:, None])[:, :, None]
    penalty_RP1, targets_N1K = penalty_RP[:, :, None], targets_NK[:, None, :]
    found = torch.zeros(len(energy_R), len(strength_P), targets_NK.shape[1], dtype=torch.float64)
    live = torch.arange(len(strength_P))
    now, ahead, pace_P, first_P = found.clone(), found.clone(), torch.ones(len(live)), None
    for _ in range(MOST_STEPS):
        seen = (a_NR @ ahead.flatten(1)).view(len(a_NR), *ahead.shape[1:])
        pull = (_slope(seen, targets_N1K, kind) * share_NP1).flatten(1)
        slope = (a_NR.T @ pull).view_as(ahead) + penalty_RP1 * ahead
        step = slope / bound_RP1
        drop_P = (slope * step).sum((0, 2)).sqrt()
        new = ahead - step
        first_P = drop_P if first_P is None else first_P
        rests_P = drop_P <= near * first_P
        if rests_P.any():
            found[:, live[rests_P]] = new[:, rests_P]
            go = ~rests_P
            live, first_P, pace_P = live[go], first_P[go], pace_P[go]
            if not len(live):
                return found, True
            now, new, slope = now[:, go], new[:, go], slope[:, go]
            share_NP1, penalty_RP1, bound_RP1 = share_NP1[:, go], penalty_RP1[:, go], bound_RP1[:, go]
        # Momentum that points uphill is dropped.
        pace_P = torch.where((slope * (new - now)).sum((0, 2)) > 0, 1.0, pace_P)
        next_P = (1 + (1 + 4 * pace_P.square()).sqrt()) / 2
        ahead = new + ((pace_P - 1) / next_P)[None, :, None].double() * (new - now)
        now, pace_P = new, next_P
    found[:, live] = now
    return found, False
