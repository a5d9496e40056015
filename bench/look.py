"""Looking inside, beside Captum: `python -m bench.look occlusion`.

occlusion: ResNet-18, a patch of 16 pixels every 8 over 224, 729 positions, in process CPU time within one run. Captum's
Occlusion at its defaults gives one class; torchbeam keeps all, so that five classes stand against five sweeps. Then the
first map of 7 x 7 against the only one of Captum, another class of a sweep that is done, and bf16: its time, and how
its maps are ordered like those of fp32, by Spearman's correlation, on photos with published weights.

--positions N: N a square, on a picture that is as much smaller. The real data and weights lie in the folder named by
TORCHBEAM_SHARED, or in ../shared. Captum comes with the group `dev`.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from math import isqrt
from pathlib import Path
from statistics import median
from typing import Any

import torch
from captum.attr import Occlusion
from torch import nn

from bench.machine import keep, machine
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.zoo import find
from torchbeam.look.occlusion import SCORES, nested, occluded
from torchbeam.look.ranks import spearman
from torchbeam.look.subject import Subject, subject_of
from torchbeam.look.variants import LAID
from torchbeam.network.build import build
from torchbeam.network.pretrained import load_weights

SHARED = Path(os.environ.get("TORCHBEAM_SHARED", Path(__file__).parents[2] / "shared"))
WEIGHTS = {"mobilenet-v2": "mobilenet_v2_from_int8_fp16.pth", "squeezenet-1.1": "squeezenet1_1_deepscale_fp16.pth"}
PATCH, STRIDE, CLASSES = 16, 8, 5
HALF = replace(LAID, precision="bf16")
WANTED = {"five classes": 6.0, "five classes, bf16": 11.0, "first map": 16.0, "another class, ms": 50.0, "alike": 0.97}


def network_of(name: str, side: int) -> nn.Module:
    known = find(name)
    if known is None:
        raise SystemExit(f"no network {name}")
    torch.manual_seed(0)
    network = build(parse(known.text.replace("INPUT 224x224", f"INPUT {side}x{side}"))).eval()
    if name in WEIGHTS:
        load_weights(network, known.name, SHARED / "weights" / WEIGHTS[name])
    return network


def cpu_seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def speed(side: int) -> dict[str, float]:
    """CPU seconds of each, on random weights: they make no difference to speed."""
    subject = subject_of(network_of("resnet-18", side), torch.randn(3, side, side))
    judge, label = Occlusion(subject.network), subject.label(None)

    def captum() -> None:
        with torch.no_grad():
            judge.attribute(subject.x_1CHW, (3, PATCH, PATCH), strides=(3, STRIDE, STRIDE), target=label)

    def first() -> None:
        next(nested(subject, (4 * STRIDE, 2 * STRIDE, STRIDE), patch=PATCH))

    for way in (LAID, HALF):
        occluded(subject, PATCH, 4 * STRIDE, way=way)  # what a first run costs is no part of it
    made = occluded(subject, PATCH, STRIDE)
    picked = made.before_K.argsort()[-CLASSES:].tolist()
    another = max(cpu_seconds(lambda at=at, s=s: made.pixels(at, s)) for at in picked for s in SCORES)
    return {
        "positions": made.grid.count,
        "captum, one class": cpu_seconds(captum),
        "torchbeam, all classes": cpu_seconds(lambda: occluded(subject, PATCH, STRIDE)),
        "torchbeam, all classes, bf16": cpu_seconds(lambda: occluded(subject, PATCH, STRIDE, way=HALF)),
        "torchbeam, first map": cpu_seconds(first),
        "torchbeam, another class": another,
    }


def alike(name: str, side: int, pictures: int) -> list[float]:
    """Spearman's correlation of the likeliest class's maps in bf16 and fp32, for each photo."""
    prepared = Preprocessing(side, side, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short=round(side * 256 / 224))
    network = network_of(name, side)
    photos = sorted((SHARED / "data" / "imagenet-samples").glob("*.JPEG"))
    found: list[float] = []
    for photo in photos[:: max(1, len(photos) // pictures)][:pictures]:
        subject: Subject = subject_of(network, photo, preprocessing=prepared)
        label = subject.label(None)
        exact, near = (occluded(subject, PATCH, STRIDE, way=way) for way in (LAID, HALF))
        found.append(spearman(exact.map(label), near.map(label)))
    return found


def occlusion(positions: int, pictures: int) -> dict[str, Any]:
    side = PATCH + STRIDE * (isqrt(positions) - 1)
    times = speed(side)
    captum = times["captum, one class"]
    ratios = {
        "five classes": CLASSES * captum / times["torchbeam, all classes"],
        "five classes, bf16": CLASSES * captum / times["torchbeam, all classes, bf16"],
        "first map": captum / times["torchbeam, first map"],
        "another class, ms": 1000 * times["torchbeam, another class"],
    }
    orders = {name: alike(name, side, pictures) for name in WEIGHTS}
    ratios["alike"] = median(each for found in orders.values() for each in found)
    for name, value in times.items():
        print(f"{name:<30} {value:9.3f}{'' if name == 'positions' else ' s'}")
    for name, value in ratios.items():
        print(f"{name:<30} {value:9.3f}   wanted {WANTED[name]:g}")
    for name, found in orders.items():
        print(f"alike, {name:<23} {median(found):9.3f}   least {min(found):.3f}")
    return {"seconds": times, "ratios": ratios, "alike": orders}


def main() -> None:
    told = argparse.ArgumentParser(prog="python -m bench.look", description=(__doc__ or "").partition("\n")[0])
    told.add_argument("stage", choices=["occlusion"])
    told.add_argument("--positions", type=int, default=729, help="a square number")
    told.add_argument("--pictures", type=int, default=10)
    given = told.parse_args()
    torch.set_num_threads(1)  # the count of threads is no part of CPU time, but waiting for one another is
    figures = occlusion(given.positions, given.pictures)
    if given.positions == 729:
        keep("look-occlusion", figures)
    print(json.dumps(figures["ratios"]))
    print(f"on {machine()}, torch {torch.__version__}, 1 thread")


if __name__ == "__main__":
    main()
