"""LeNet-5, the network that read cheques."""

from torchbeam.design.zoo.network import Network

# The paper connects each map of its third layer C3 to some of the six maps below and has 60,000
# parameters; here, as in every later implementation, C3 is a full convolution: 61,706 parameters.
# Its subsampling is an average; the digits are 28x28 laid in the middle of 32x32.
LENET_5 = Network(
    name="lenet-5",
    year=1998,
    paper="LeCun, Bottou, Bengio & Haffner, 'Gradient-Based Learning Applied to Document Recognition'",
    introduced="convolution, subsampling and full connection trained as one by back-propagation",
    text="""
INPUT 32x32x1
-> CONV 6 5x5 pad 0 -> TANH -> POOL avg 2x2
-> CONV 16 5x5 pad 0 -> TANH -> POOL avg 2x2
-> CONV 120 5x5 pad 0 -> TANH
-> FC 84 -> TANH -> FC classes
where
classes = 10
""",
    parameters=61_706,
    published="60,000 parameters; 0.95 % test error on MNIST, 0.8 % with distorted training images",
)
