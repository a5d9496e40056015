from torchbeam.jobs.learning import Story, story_of
from torchbeam.learn.loop import Epoch


def epoch(number: int, score: float, loss: float) -> Epoch:
    return Epoch(number, 9, 1.0, loss, score, 0.1, 2.0, 3.0)


def test_the_best_epoch_has_the_highest_score_and_among_equals_the_lowest_loss():
    story = Story()
    told = [(0.5, 1.0), (0.7, 0.8), (0.7, 0.9), (0.7, 0.6), (0.6, 0.1)]
    assert [story.add(epoch(n, *each)) for n, each in enumerate(told, 1)] == [True, True, False, True, False]
    assert story.best is not None and story.best.epoch == 4


def test_it_comes_back_from_json():
    story = Story()
    for number, each in enumerate([(0.5, 1.0), (0.4, 0.8)], 1):
        story.add(epoch(number, *each))
    assert story_of(story.to_json()) == story
