"""Augmentation: each picture a little different each time it is learnt from.

words: text <-> Augmentation. apply: a batch, with its boxes and masks, as an epoch shows it, by places (where
pictures come to lie), resizedcrop, resample, boxes, colour and mixing. choose: what is done where nobody says.
"""
