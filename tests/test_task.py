from torchbeam.tasks.classify import Classify
from torchbeam.tasks.task import Task


def test_classification_answers_what_every_task_must():
    task: Task = Classify(("a", "b"))
    asked = {name for name in vars(Task) if not name.startswith("_")}
    assert asked == {"name", "loss", "mixed", "plain_loss", "score"}
    assert all(hasattr(task, name) for name in asked)
    assert task.name == "classify"
