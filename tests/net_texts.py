"""The networks that the pictures' tests draw, from the textbooks and from the edges."""

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.zoo import NETWORKS

ALEXNET = """INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0 -> RELU -> POOL max 3x3 stride 2 -> LRN 5
-> CONV 256 5x5 pad 2 groups 2 -> RELU -> POOL max 3x3 stride 2 -> LRN 5 -> CONV 384 3x3 -> RELU
-> CONV 384 3x3 groups 2 -> RELU -> CONV 256 3x3 groups 2 -> RELU -> POOL max 3x3 stride 2
-> [FC 4096 -> RELU -> DROPOUT 0.5]*2 -> FC 1000 -> SOFTMAX"""
VGG = """INPUT 224x224x3 -> [CONV 64 3x3 -> RELU]*2 -> POOL -> [CONV 128 3x3 -> RELU]*2 -> POOL
-> [[CONV 256 3x3 -> RELU]*3 -> POOL] -> [[CONV 512 3x3 -> RELU]*3 -> POOL]*2
-> [FC 4096 -> RELU -> DROPOUT]*2 -> FC 1000"""
RESNET = """INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> RELU -> POOL max 3x3 stride 2 pad 1
-> stage1: [first 64 256 1   -> [block 64 256]*2]
-> stage2: [first 128 512 2  -> [block 128 512]*{}]
-> stage3: [first 256 1024 2 -> [block 256 1024]*{}]
-> stage4: [first 512 2048 2 -> [block 512 2048]*2]
-> POOL avg global -> FC classes
where classes = 1000;
unit n f s  = CONV n f stride s bias no -> BN;
main n m s  = unit n 1x1 1 -> RELU -> unit n 3x3 s -> RELU -> unit m 1x1 1;
first n m s = ( main n m s + unit m 1x1 s ) -> RELU;
block n m   = ( main n m 1 + SKIP ) -> RELU"""
INCEPTION = """INPUT 224x224x3 fit crop -> CONV 64 7x7 stride 2 -> RELU -> POOL max 3x3 stride 2 pad 1 -> LRN 5
-> CONV 64 1x1 -> RELU -> CONV 192 3x3 -> RELU -> LRN 5 -> half
-> a3: [mixed 64 96 128 16 32 32] -> b3: [mixed 128 128 192 32 96 64] -> half
-> a4: [mixed 192 96 208 16 48 64] -> side -> b4: [mixed 160 112 224 24 64 64]
-> c4: [mixed 128 128 256 24 64 64] -> d4: [mixed 112 144 288 32 64 64] -> side
-> e4: [mixed 256 160 320 32 128 128] -> half
-> a5: [mixed 256 160 320 32 128 128] -> b5: [mixed 384 192 384 48 128 128]
-> POOL avg global -> DROPOUT 0.4 -> FC 1000
where half = POOL max 3x3 stride 2 pad 1;
mixed a b c d e f = ( CONV a 1x1 -> RELU | CONV b 1x1 -> RELU -> CONV c 3x3 -> RELU
  | CONV d 1x1 -> RELU -> CONV e 5x5 -> RELU | POOL max 3x3 stride 1 pad 1 -> CONV f 1x1 -> RELU );
side = AUX 0.3 [POOL avg 5x5 stride 3 -> CONV 128 1x1 -> RELU -> FC 1024 -> RELU -> FC 1000]"""
MOBILENET = """INPUT 224x224x3 fit crop -> unit 32 3x3 2 -> deep 1 -> flat 16
-> down 96 24 2 -> same 144 24 -> down 144 32 2 -> [same 192 32]*2 -> down 192 64 2 -> [same 384 64]*3
-> down 384 96 1 -> [same 576 96]*2 -> down 576 160 2 -> [same 960 160]*2 -> down 960 320 1
-> unit 1280 1x1 1 -> POOL avg global -> DROPOUT 0.2 -> FC 1000
where unit n f s = CONV n f stride s bias no -> BN -> RELU6;
deep s = CONV depthwise 3x3 stride s bias no -> BN -> RELU6;
flat n = CONV n 1x1 bias no -> BN;
down t n s = unit t 1x1 1 -> deep s -> flat n;
same t n = ( down t n 1 + SKIP )"""
UNET = """INPUT 128x128x3 -> two 32 -> ( POOL -> two 64 -> ( POOL -> two 128 -> ( POOL -> two 256 -> UP 2 | SKIP )
-> two 128 -> UP 2 | SKIP ) -> two 64 -> UP 2 | SKIP ) -> two 32 -> CONV 2 1x1
where two n = CONV n 3x3 -> RELU -> CONV n 3x3 -> RELU"""
LONG = "first_convolution_with_a_quite_unreasonably_long_name_that_says_everything"

TEXT_OF = {
    "lenet-5": NETWORKS["lenet-5"].text,
    "alexnet": ALEXNET,
    "vgg-16": VGG,
    "resnet-50": RESNET.format(3, 5),
    "resnet-152": RESNET.format(7, 35),
    "inception": INCEPTION,
    "mobilenet": MOBILENET,
    "u-net": UNET,
    "lecture": "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC",
    "one layer": "INPUT -> FC",
    "one pixel": "INPUT 1x1x20 -> FC 64 -> RELU -> FC 10",
    "rectangle": "INPUT 640x480x3 -> [CONV -> RELU -> POOL]*4 -> CONV 64 7x1 -> RELU -> POOL avg global -> FC 20",
    "wide": "INPUT 1000x8x1 -> [CONV 16 9x1 stride 2x1 pad 4 fit crop -> RELU]*3 -> POOL avg global -> FC 5",
    "tall": "INPUT 8x1000x1 -> [CONV 16 1x9 stride 1x2 pad 0 fit crop -> RELU]*3 -> POOL avg global -> FC 5",
    "chain": "INPUT 32x32x3 -> [CONV 16 3x3 -> RELU]*300 -> POOL avg global -> FC 10",
    "zigzag": "INPUT 64x64x3 fit crop -> [CONV 24 3x3 stride 2 -> UP 2 -> CONV 48 3x3]*60 -> FC 10",
    "growing": f"INPUT -> {' -> '.join(f's{n}: [[CONV {n} 3x3 -> RELU]*2]' for n in range(8, 68))} -> FC",
    "shrinking": f"INPUT 99x99x1 -> {' -> '.join(['CONV 4 3x3 pad 0'] * 40)} -> FC",
    "heads": f"INPUT -> {' -> '.join(['CONV 32 3x3 stride 2 fit crop -> AUX 0.3 [FC 10]'] * 4)} -> FC 10",
    "nested": "INPUT -> RELU -> ( CONV 8 -> ( CONV 8 | CONV 16 1x1 ) + CONV 24 1x1 ) "
    "-> AUX 1 [FC -> AUX 1 [FC] -> FC] -> FC",
    "many branches": f"INPUT -> ( {' | '.join(['CONV 2 1x1 -> ' * 6 + 'CONV 2'] * 40)} ) -> FC",
    "names": f"INPUT -> {LONG}: CONV 16 3x3 -> stage: [inner_{LONG}: [[CONV 16 3x3 -> RELU]*2]] -> FC",
    "huge": "INPUT -> FC 1000000 -> FC 2",
}


def book_of(text):
    return ledger(complete(parse(text)))
