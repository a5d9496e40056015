"""look: what is inside a network, for any network: one call each, `f(network, picture, ...) -> Look`.

The functions are imported here, all at once, and before anybody imports their files: several files are named for the
function that they hold, and the function is what `look.occlusion` is to mean.
"""

from torchbeam.look.activations import activations as activations
from torchbeam.look.activations import dead_units as dead_units
from torchbeam.look.arithmetic import arithmetic as arithmetic
from torchbeam.look.filters import before_after as before_after
from torchbeam.look.filters import filters as filters
from torchbeam.look.gradcam import gradcam as gradcam
from torchbeam.look.gradcam import gradcams as gradcams
from torchbeam.look.look import Look as Look
from torchbeam.look.neuron import neuron as neuron
from torchbeam.look.occlusion import occlusion as occlusion
from torchbeam.look.saliency import saliency as saliency
from torchbeam.look.scorecard import scorecard as scorecard
from torchbeam.look.sweep import sweep as sweep
