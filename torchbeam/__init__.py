"""torchbeam: write a ConvNet as the textbooks do, train it on your pictures, see what it learnt.

Names are resolved on first use, so that importing torchbeam runs nothing and is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torchbeam.version import __version__ as __version__

if TYPE_CHECKING:
    from torchbeam import errors as errors
    from torchbeam import look as look
    from torchbeam.data.load import load_data as load_data
    from torchbeam.design.notation import parse as parse
    from torchbeam.design.notation import write as write
    from torchbeam.jobs.check import check_data as check_data
    from torchbeam.jobs.convert import convert as convert
    from torchbeam.jobs.describe import describe as describe
    from torchbeam.jobs.describe import lint as lint
    from torchbeam.jobs.evaluate import evaluate as evaluate
    from torchbeam.jobs.look import look_into as look_into
    from torchbeam.jobs.predict import Model as Model
    from torchbeam.jobs.predict import load_model as load_model
    from torchbeam.jobs.predict import predict as predict
    from torchbeam.jobs.predict import save_model as save_model
    from torchbeam.jobs.preview import preview as preview
    from torchbeam.jobs.resume import resume as resume
    from torchbeam.jobs.train import train as train
    from torchbeam.jobs.transfer import transfer as transfer
    from torchbeam.jobs.zoo import zoo as zoo
    from torchbeam.network.build import build as build

# Every public name and the module it is in; the same names as above, which type checkers read.
PUBLIC = {
    "Model": "torchbeam.jobs.predict",
    "build": "torchbeam.network.build",
    "check_data": "torchbeam.jobs.check",
    "convert": "torchbeam.jobs.convert",
    "describe": "torchbeam.jobs.describe",
    "errors": "torchbeam.errors",
    "evaluate": "torchbeam.jobs.evaluate",
    "lint": "torchbeam.jobs.describe",
    "look": "torchbeam.look",
    "look_into": "torchbeam.jobs.look",
    "load_data": "torchbeam.data.load",
    "load_model": "torchbeam.jobs.predict",
    "parse": "torchbeam.design.notation",
    "predict": "torchbeam.jobs.predict",
    "preview": "torchbeam.jobs.preview",
    "resume": "torchbeam.jobs.resume",
    "save_model": "torchbeam.jobs.predict",
    "train": "torchbeam.jobs.train",
    "transfer": "torchbeam.jobs.transfer",
    "write": "torchbeam.design.notation",
    "zoo": "torchbeam.jobs.zoo",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'torchbeam' has no attribute {name!r}")
    module = import_module(PUBLIC[name])
    value = module if name in ("errors", "look") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(PUBLIC)
