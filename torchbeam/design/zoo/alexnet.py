"""AlexNet as it won in 2012, its later one-tower form, and ZFNet, which looked inside and mended it."""

from torchbeam.design.zoo.network import Network

# Two towers on two GPUs: groups 2 in the layers that see their own tower alone. The paper says 224, its arithmetic
# (55x55 behind an 11x11 with stride 4 and no pad) says 227. Its response normalisation does not divide alpha by
# the five channels; LRN does, hence 5e-4 for the paper's 1e-4.
ALEXNET_2012 = Network(
    name="alexnet-2012",
    year=2012,
    paper="Krizhevsky, Sutskever & Hinton, 'ImageNet Classification with Deep Convolutional Neural Networks'",
    introduced="a deep ConvNet on two GPUs with ReLU and dropout, which won ImageNet by ten points",
    text="""
INPUT 227x227x3
-> CONV 96 11x11 stride 4 pad 0 -> RELU -> norm -> halve
-> CONV 256 5x5 groups 2 -> RELU -> norm -> halve
-> CONV 384 3x3 -> RELU
-> CONV 384 3x3 groups 2 -> RELU
-> CONV 256 3x3 groups 2 -> RELU -> halve
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC classes
where
classes = 1000;
norm = LRN 5 alpha 5e-4 beta 0.75 k 2;
halve = POOL max 3x3 stride 2
""",
    parameters=60_965_224,
    published="60 million parameters, 650,000 neurons; 40.7 % top-1 and 18.2 % top-5 validation error, one network",
)

# As torchvision has it. The adaptive pool is there for pictures of other sizes; at 224 it changes nothing.
ALEXNET = Network(
    name="alexnet",
    year=2014,
    paper="Krizhevsky, 'One weird trick for parallelizing convolutional neural networks'",
    introduced="AlexNet in one tower, its fully connected layers split by model and the rest by data",
    text="""
INPUT 224x224x3 fit crop
-> CONV 64 11x11 stride 4 pad 2 -> RELU -> halve
-> CONV 192 5x5 -> RELU -> halve
-> CONV 384 3x3 -> RELU
-> CONV 256 3x3 -> RELU
-> CONV 256 3x3 -> RELU -> halve
-> POOL avg to 6x6
-> DROPOUT 0.5 -> FC 4096 -> RELU
-> DROPOUT 0.5 -> FC 4096 -> RELU
-> FC classes
where
classes = 1000;
halve = POOL max 3x3 stride 2
""",
    parameters=61_100_840,
    published="43.48 % top-1 and 20.93 % top-5 validation error with torchvision's weights, one crop",
)

_ZF_TEXT = """
INPUT 224x224x3 fit crop
-> CONV 96 7x7 stride 2 pad 1 -> RELU -> POOL max 3x3 stride 2 pad 1 -> norm
-> CONV 256 5x5 stride 2 pad 0 -> RELU -> POOL max 3x3 stride 2 pad 1 -> norm
-> CONV {third} 3x3 -> RELU -> CONV {fourth} 3x3 -> RELU -> CONV {fifth} 3x3 -> RELU
-> POOL max 3x3 stride 2
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC classes
where
classes = 1000;
norm = LRN 5 alpha 5e-4 beta 0.75 k 2
"""

# The paper's figure 3; its sizes 110, 55, 26, 13 and 6 are rounded down. 'Contrast normalised across maps' is read
# as AlexNet's response normalisation.
ZFNET = Network(
    name="zfnet",
    year=2013,
    paper="Zeiler & Fergus, 'Visualizing and Understanding Convolutional Networks'",
    introduced="deconvolution to look inside, and from it a finer first layer: 7x7 with stride 2",
    text=_ZF_TEXT.format(third=384, fourth=384, fifth=256),
    parameters=62_357_608,
    published="38.4 % top-1 and 16.5 % top-5 validation error, one network",
)

ZFNET_WIDE = Network(
    name="zfnet-wide",
    year=2013,
    paper="Zeiler & Fergus, 'Visualizing and Understanding Convolutional Networks'",
    introduced="ZFNet with wider middle layers, 512, 1024 and 512 maps: its best single network",
    text=_ZF_TEXT.format(third=512, fourth=1024, fifth=512),
    parameters=107_627_624,
    published="37.5 % top-1 and 16.0 % top-5 validation error, one network",
)
