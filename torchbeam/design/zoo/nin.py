"""Network in Network: a small network slid over the picture, and no fully connected layer at all."""

from torchbeam.design.zoo.network import Network

_PAPER = "Lin, Chen & Yan, 'Network In Network'"
_INTRODUCED = "1x1 convolutions, and global average pooling in place of fully connected layers"

# The layers of the authors' published Caffe models; Caffe's pools round up, hence fit pad.
NIN_CIFAR = Network(
    name="nin-cifar",
    year=2013,
    paper=_PAPER,
    introduced=_INTRODUCED,
    text="""
INPUT 32x32x3
-> mlp 192 5x5 160 96 -> POOL max 3x3 stride 2 fit pad -> DROPOUT 0.5
-> mlp 192 5x5 192 192 -> POOL avg 3x3 stride 2 fit pad -> DROPOUT 0.5
-> mlp 192 3x3 192 classes -> POOL avg global -> FLATTEN
where
classes = 10;
mlp n f a b = CONV n f -> RELU -> CONV a 1x1 -> RELU -> CONV b 1x1 -> RELU
""",
    parameters=966_986,
    published="10.41 % test error on CIFAR-10, 8.81 % with shifted and mirrored pictures",
)

NIN_IMAGENET = Network(
    name="nin-imagenet",
    year=2013,
    paper=_PAPER,
    introduced=_INTRODUCED,
    text="""
INPUT 224x224x3 fit crop
-> CONV 96 11x11 stride 4 pad 0 -> RELU -> small 96 96 -> halve
-> CONV 256 5x5 -> RELU -> small 256 256 -> halve
-> CONV 384 3x3 -> RELU -> small 384 384 -> halve -> DROPOUT 0.5
-> CONV 1024 3x3 -> RELU -> small 1024 classes
-> POOL avg global -> FLATTEN
where
classes = 1000;
small a b = CONV a 1x1 -> RELU -> CONV b 1x1 -> RELU;
halve = POOL max 3x3 stride 2 fit pad
""",
    parameters=7_595_176,
    published="7.6 million parameters (29 MB), an eighth of AlexNet's at its accuracy",
)
