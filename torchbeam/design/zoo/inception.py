"""Inception-v4: inception modules with windows factorised into rows and columns."""

from torchbeam.design.zoo.network import Network

# The paper's figures 3 to 9, without padding where they say V. The papers write height x width: their 1x7 is 7x1 here.
# Figure 4's stem joins its last two branches the other way round than figure 3 draws them; as in timm.
INCEPTION_V4 = Network(
    name="inception-v4",
    year=2016,
    paper="Szegedy, Ioffe, Vanhoucke & Alemi, 'Inception-v4, Inception-ResNet and the Impact of Residual Connections'",
    introduced="one uniform inception design, with 1x7 and 7x1 windows, as good as its residual sisters",
    text="""
INPUT 299x299x3 fit crop
-> stem: [
     shrink 32 -> inner 32 -> unit 64 3x3
     -> ( POOL max 3x3 stride 2 | shrink 96 )
     -> ( unit 64 1x1 -> inner 96 | unit 64 1x1 -> unit 64 7x1 -> unit 64 1x7 -> inner 96 )
     -> ( shrink 192 | POOL max 3x3 stride 2 ) ]
-> stage1: [a]*4 -> reduce1: ( shrink 384 | unit 192 1x1 -> unit 224 3x3 -> shrink 256 | POOL max 3x3 stride 2 )
-> stage2: [b]*7 -> reduce2: (
     unit 192 1x1 -> shrink 192
   | unit 256 1x1 -> unit 256 7x1 -> unit 320 1x7 -> shrink 320
   | POOL max 3x3 stride 2 )
-> stage3: [c]*3
-> POOL avg global -> DROPOUT 0.2 -> FC classes
where
classes = 1000;
norm = BN eps 1e-3 -> RELU;
unit n f = CONV n f bias no -> norm;
inner n = CONV n 3x3 pad 0 bias no -> norm;
shrink n = CONV n 3x3 stride 2 pad 0 bias no -> norm;
around n = POOL avg 3x3 stride 1 pad 1 count valid -> unit n 1x1;
a = (
    unit 96 1x1
  | unit 64 1x1 -> unit 96 3x3
  | unit 64 1x1 -> unit 96 3x3 -> unit 96 3x3
  | around 96 );
b = (
    unit 384 1x1
  | unit 192 1x1 -> unit 224 7x1 -> unit 256 1x7
  | unit 192 1x1 -> unit 192 1x7 -> unit 224 7x1 -> unit 224 1x7 -> unit 256 7x1
  | around 128 );
c = (
    unit 256 1x1
  | unit 384 1x1 -> ( unit 256 3x1 | unit 256 1x3 )
  | unit 384 1x1 -> unit 448 1x3 -> unit 512 3x1 -> ( unit 256 3x1 | unit 256 1x3 )
  | around 256 )
""",
    parameters=42_679_816,
    published="20.0 % top-1 and 5.0 % top-5 validation error, one network and one crop",
)
