"""GoogLeNet: windows of three sizes side by side, narrowed by 1x1 convolutions first."""

from torchbeam.design.zoo.network import Network

_PAPER = "Szegedy et al., 'Going Deeper with Convolutions'"

# As torchvision has it: batch norm behind every convolution, and 3x3 where the paper has 5x5. The pools round up, as
# in Caffe. The side heads are trained with 0.3 of their loss and then taken off.
GOOGLENET = Network(
    name="googlenet",
    year=2014,
    paper=_PAPER + "; batch norm as in Ioffe & Szegedy 2015",
    introduced="inception modules, with batch norm and 3x3 in place of 5x5 as in torchvision",
    text="""
INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> POOL max 3x3 stride 2 fit pad
-> unit 64 1x1 1 -> unit 192 3x3 1 -> POOL max 3x3 stride 2 fit pad
-> inception3a: module 64 96 128 16 32 32
-> inception3b: module 128 128 192 32 96 64 -> POOL max 3x3 stride 2 fit pad
-> inception4a: module 192 96 208 16 48 64 -> aux1: AUX 0.3 [side]
-> inception4b: module 160 112 224 24 64 64
-> inception4c: module 128 128 256 24 64 64
-> inception4d: module 112 144 288 32 64 64 -> aux2: AUX 0.3 [side]
-> inception4e: module 256 160 320 32 128 128 -> POOL max 2x2 stride 2 fit pad
-> inception5a: module 256 160 320 32 128 128
-> inception5b: module 384 192 384 48 128 128
-> POOL avg global -> DROPOUT 0.2 -> FC classes
where
classes = 1000;
unit n f s = CONV n f stride s bias no -> BN eps 1e-3 -> RELU;
module a b c d e p = (
    unit a 1x1 1
  | unit b 1x1 1 -> unit c 3x3 1
  | unit d 1x1 1 -> unit e 3x3 1
  | POOL max 3x3 stride 1 pad 1 -> unit p 1x1 1
);
side = POOL avg to 4x4 -> unit 128 1x1 1 -> FC 1024 -> RELU -> DROPOUT 0.7 -> FC classes
""",
    parameters=6_624_904,
    published="30.22 % top-1 and 10.47 % top-5 validation error with torchvision's weights, one crop",
)

# The paper's table 1 and its figure 3; response normalisation as in the authors' Caffe model, with k 1.
GOOGLENET_PAPER = Network(
    name="googlenet-paper",
    year=2014,
    paper=_PAPER,
    introduced="inception modules, side heads in training, 12 times fewer parameters than AlexNet; won ImageNet 2014",
    text="""
INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> halve -> norm
-> unit 64 1x1 1 -> unit 192 3x3 1 -> norm -> halve
-> inception3a: module 64 96 128 16 32 32
-> inception3b: module 128 128 192 32 96 64 -> halve
-> inception4a: module 192 96 208 16 48 64 -> aux1: AUX 0.3 [side]
-> inception4b: module 160 112 224 24 64 64
-> inception4c: module 128 128 256 24 64 64
-> inception4d: module 112 144 288 32 64 64 -> aux2: AUX 0.3 [side]
-> inception4e: module 256 160 320 32 128 128 -> halve
-> inception5a: module 256 160 320 32 128 128
-> inception5b: module 384 192 384 48 128 128
-> POOL avg global -> DROPOUT 0.4 -> FC classes
where
classes = 1000;
unit n f s = CONV n f stride s -> RELU;
halve = POOL max 3x3 stride 2 fit pad;
norm = LRN 5 alpha 1e-4 beta 0.75 k 1;
module a b c d e p = (
    unit a 1x1 1
  | unit b 1x1 1 -> unit c 3x3 1
  | unit d 1x1 1 -> unit e 5x5 1
  | POOL max 3x3 stride 1 pad 1 -> unit p 1x1 1
);
side = POOL avg 5x5 stride 3 -> unit 128 1x1 1 -> FC 1024 -> RELU -> DROPOUT 0.7 -> FC classes
""",
    parameters=6_998_552,
    published="10.07 % top-5 validation error with one network and one crop, 6.67 % with seven and 144",
)
