"""MobileNetV2: wide where it filters channel by channel, narrow where it adds."""

from torchbeam.design.zoo.network import Network

# The paper's table 2. A bottleneck of stride 1 and unchanged depth is added to its input.
MOBILENET_V2 = Network(
    name="mobilenet-v2",
    year=2018,
    paper="Sandler, Howard, Zhu, Zhmoginov & Chen, 'MobileNetV2: Inverted Residuals and Linear Bottlenecks'",
    introduced="inverted residuals: expand, filter each channel alone, project back without an activation",
    text="""
INPUT 224x224x3 fit crop
-> unit 32 3x3 2
-> stage1: filter 1 16
-> stage2: [wide 96 2 24 -> keep 144 24]
-> stage3: [wide 144 2 32 -> [keep 192 32]*2]
-> stage4: [wide 192 2 64 -> [keep 384 64]*3]
-> stage5: [wide 384 1 96 -> [keep 576 96]*2]
-> stage6: [wide 576 2 160 -> [keep 960 160]*2]
-> stage7: wide 960 1 320
-> unit 1280 1x1 1 -> POOL avg global -> DROPOUT 0.2 -> FC classes
where
classes = 1000;
unit n f s = CONV n f stride s bias no -> BN -> RELU6;
filter s m = CONV depthwise 3x3 stride s bias no -> BN -> RELU6 -> CONV m 1x1 bias no -> BN;
wide e s m = unit e 1x1 1 -> filter s m;
keep e m = ( wide e 1 m + SKIP )
""",
    parameters=3_504_872,
    published="3.4 million parameters, 300 million multiply-accumulates; 28.0 % top-1 validation error",
)
