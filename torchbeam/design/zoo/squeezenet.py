"""SqueezeNet: AlexNet's accuracy in a fiftieth of its parameters."""

from torchbeam.design.zoo.network import Network

_PAPER = "Iandola et al., 'SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size'"
_WHERE = """
where
classes = 1000;
fire s e = CONV s 1x1 -> RELU -> ( CONV e 1x1 -> RELU | CONV e 3x3 -> RELU );
halve = POOL max 3x3 stride 2 fit pad
"""

# The paper's table 1. Its pools round up, as in Caffe.
SQUEEZENET_1_0 = Network(
    name="squeezenet-1.0",
    year=2016,
    paper=_PAPER,
    introduced="fire modules: a 1x1 layer squeezes, 1x1 and 3x3 side by side expand",
    text="""
INPUT 224x224x3 fit crop
-> CONV 96 7x7 stride 2 pad 0 -> RELU -> halve
-> fire2: fire 16 64 -> fire3: fire 16 64 -> fire4: fire 32 128 -> halve
-> fire5: fire 32 128 -> fire6: fire 48 192 -> fire7: fire 48 192 -> fire8: fire 64 256 -> halve
-> fire9: fire 64 256 -> DROPOUT 0.5 -> CONV classes 1x1 -> RELU -> POOL avg global -> FLATTEN
"""
    + _WHERE.lstrip(),
    parameters=1_248_424,
    published="1.25 million parameters (4.8 MB); 42.5 % top-1 and 19.7 % top-5 validation error",
)

# The authors' later version: pools earlier, and costs 2.4 times less at the same accuracy.
SQUEEZENET_1_1 = Network(
    name="squeezenet-1.1",
    year=2016,
    paper=_PAPER + "; the authors' version 1.1",
    introduced="SqueezeNet with smaller first filters and earlier pools, for 2.4 times less computation",
    text="""
INPUT 224x224x3 fit crop
-> CONV 64 3x3 stride 2 pad 0 -> RELU -> halve
-> fire2: fire 16 64 -> fire3: fire 16 64 -> halve
-> fire4: fire 32 128 -> fire5: fire 32 128 -> halve
-> fire6: fire 48 192 -> fire7: fire 48 192 -> fire8: fire 64 256 -> fire9: fire 64 256
-> DROPOUT 0.5 -> CONV classes 1x1 -> RELU -> POOL avg global -> FLATTEN
"""
    + _WHERE.lstrip(),
    parameters=1_235_496,
    published="2.4 times less computation than version 1.0 at its accuracy",
)
