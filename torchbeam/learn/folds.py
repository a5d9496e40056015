"""Folds for cross-validation: stratified by class, groups kept whole, a function of labels and seed alone.

So whoever asks with the same labels and seed gets the same folds, and two results on them can be compared picture
by picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.chance import uniform
from torchbeam.errors import DataError, SettingError

# What the draws here are for, beside those that data/chance.py numbers.
FOLD, SUBSET = 200, 201


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """count: of folds; 0 where no cross-validation is possible. of_N: the fold in which each picture is held out, -1
    where it is learnt from in every fold. notes: what is not as it was asked for, in sentences."""

    count: int
    of_N: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which pictures are held out once."""
        return self.of_N >= 0


def folds_of(labels_N: NDArray[np.int64], count: int, seed: int, groups: Sequence[str] | None = None) -> Folds:
    """At most `count` folds, as many as the smallest class has pictures, but at least two.

    In every fold each class is learnt from: where a class is a single picture, or a single group, that is never held
    out. groups: the name of each picture's group, '' where it is alone; a group never parts. Where fewer than two
    classes could be held out there are no folds at all. Raises SettingError for fewer than 2 folds, DataError where
    groups and labels are not of the same pictures.
    """
    if count < 2:
        raise SettingError(f"cross-validation cannot have {count} folds", expected="2 or more")
    units_N = _units(groups, len(labels_N))
    classes, own_N = np.unique(labels_N, return_inverse=True)
    held_UK = np.zeros((int(units_N.max(initial=-1)) + 1, len(classes)), np.int64)  # pictures of a class in a unit
    np.add.at(held_UK, (units_N, own_N), 1)
    spread_K = (held_UK > 0).sum(0)
    lone_U = np.any(held_UK[:, spread_K == 1] > 0, axis=1)
    settled_K = held_UK[lone_U].any(0)  # learnt from in every fold already
    if (held_UK[~lone_U].any(0)).sum() < 2:
        return Folds(0, np.full(len(labels_N), -1), ("the classes have too few pictures for cross-validation",))
    made = min([count, *spread_K[~settled_K].tolist()])
    of_U = _dealt(held_UK, lone_U, made, seed)
    for each in np.flatnonzero(~settled_K):  # two groups of several classes may have fallen together
        holders = np.flatnonzero(held_UK[:, each])
        if len(set(of_U[holders].tolist())) == 1:
            of_U[holders[0]] = -1
    of_N = of_U[units_N]
    return Folds(made, of_N, tuple(_notes(count, made, int((of_N < 0).sum()))))


def stratified(labels_N: NDArray[np.int64], most: int, least: int, seed: int) -> NDArray[np.int64]:
    """Places of about `most` pictures, in order, of each class its share and at least `least` where it has them."""
    chance_N = uniform(seed, 0, np.arange(len(labels_N)), SUBSET)
    chosen: list[int] = []
    for label in np.unique(labels_N):
        own = np.flatnonzero(labels_N == label)
        share = max(least, round(most * len(own) / len(labels_N)))
        chosen += own[np.argsort(chance_N[own], kind="stable")][:share].tolist()
    return np.array(sorted(chosen), np.int64)


def of_part(groups: Sequence[str] | None, part: NDArray[np.int64]) -> list[str] | None:
    """The groups of some of the pictures."""
    return None if groups is None else [groups[int(at)] for at in part]


def _units(groups: Sequence[str] | None, count: int) -> NDArray[np.int64]:
    """The number of each picture's unit, those of one group being one unit."""
    if groups is None:
        return np.arange(count)
    if len(groups) != count:
        raise DataError(f"{len(groups):,} groups for {count:,} labels", expected="one for each picture")
    numbers: dict[str | int, int] = {}
    return np.array([numbers.setdefault(name or at, len(numbers)) for at, name in enumerate(groups)], np.int64)


def _dealt(held_UK: NDArray[np.int64], lone_U: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each unit: large ones first, each where there are fewest of its classes, and then fewest in all."""
    of_U = np.full(len(held_UK), -1)
    sizes_U = held_UK.sum(1)
    chance_U = uniform(seed, 0, np.arange(len(held_UK)), FOLD)
    main_U = held_UK.argmax(1)
    # By class among those of a size: else the least of a class could not be told from the least in all.
    order = np.lexsort((chance_U, main_U, -sizes_U))
    filled_FK = np.zeros((count, held_UK.shape[1]), np.int64)
    total_F = np.zeros(count, np.int64)
    for unit in order[~lone_U[order]].tolist():
        own = np.flatnonzero(held_UK[unit])
        fold = int(np.lexsort((total_F, filled_FK[:, own].sum(1)))[0])
        of_U[unit] = fold
        filled_FK[fold] += held_UK[unit]
        total_F[fold] += sizes_U[unit]
    return of_U


def _notes(asked: int, made: int, never: int) -> list[str]:
    notes = []
    if made < asked:
        notes.append(f"{made} folds instead of {asked}, as the smallest class has no more pictures to hold out")
    if never:
        notes.append(
            f"{never:,} pictures that are all there is of a class are learnt from in every fold, never held out"
        )
    return notes
