"""Batch norms held still and taken anew. Judges: nn.BatchNorm in evaluation, torchvision's MobileNet, NumPy."""

import copy

import numpy as np
import pytest
import torch
from data_makers import shared
from PIL import Image
from test_fold import lived, norms
from torch import nn
from torchvision.models import mobilenet_v2

from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import find
from torchbeam.errors import SettingError
from torchbeam.network.build import build
from torchbeam.network.fold import folded
from torchbeam.network.norms import FixedNorm, fix_norms_, identity_norms, re_estimate_
from torchbeam.network.pretrained import load_weights
from torchbeam.network.read import read

torch.set_num_threads(1)
# A chain of brackets, branches and a side head, with a norm of rows.
TEXT = """INPUT 16x16x3 -> CONV 8 3x3 bias no -> BN -> RELU
-> a: (CONV 8 3x3 bias no -> BN -> RELU -> CONV 8 3x3 bias no -> BN + SKIP) -> RELU -> POOL
-> side: AUX 0.3 [POOL avg global -> BN -> FC 5]
-> b: [CONV 12 3x3 bias no -> BN eps 1e-3 momentum 0.2 -> RELU] -> POOL avg global -> FC 16 -> BN -> RELU -> FC 5"""


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return lived(build(parse(TEXT)), seed)


def pictures(n: int = 24, size: int = 16) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(n))


def scores(of: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        out = of(x)
    return out if isinstance(out, torch.Tensor) else out.scores


@pytest.mark.parametrize(("kind", "shape"), [(nn.BatchNorm2d, (6, 5, 4, 3)), (nn.BatchNorm1d, (6, 5))])
def test_it_is_torchs_norm_in_evaluation_with_its_gradients_and_never_moves(kind, shape):
    judge = lived(nn.Sequential(kind(5, eps=1e-3)))[0].eval()
    fixed = FixedNorm(copy.deepcopy(judge)).train()
    before = {name: tensor.clone() for name, tensor in fixed.state_dict().items()}
    given = [torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2)]
    for module, x in zip((judge, fixed), given, strict=True):
        module(x).square().sum().backward()
    assert torch.equal(fixed(given[1]), judge(given[0]))
    assert torch.equal(given[0].grad, given[1].grad)
    assert torch.equal(fixed.weight.grad, judge.weight.grad) and torch.equal(fixed.bias.grad, judge.bias.grad)
    assert all(torch.equal(tensor, before[name]) for name, tensor in fixed.state_dict().items())


def test_its_state_dict_is_torchs_own_both_ways():
    theirs = lived(nn.Sequential(nn.BatchNorm2d(4)))[0]
    fixed = FixedNorm(theirs)
    assert list(fixed.state_dict()) == list(theirs.state_dict())
    other = nn.BatchNorm2d(4)
    other.load_state_dict(fixed.state_dict())
    assert torch.equal(other.running_var, theirs.running_var)
    FixedNorm(nn.BatchNorm2d(4)).load_state_dict(theirs.state_dict())
    assert fixed.weight is theirs.weight and fixed.running_mean is theirs.running_mean


def test_all_norms_of_a_network_are_fixed_wherever_they_stand():
    live, judge = network(), network().eval()
    names, parameters = list(live.state_dict()), list(live.parameters())
    assert fix_norms_(live) == 6
    assert norms(live) == 0 and list(live.state_dict()) == names
    assert all(one is other for one, other in zip(live.parameters(), parameters, strict=True))
    live.train()
    assert torch.equal(scores(live, pictures()), scores(judge, pictures()))
    assert fix_norms_(live) == 0
    judge.load_state_dict(live.state_dict())  # a network of the notation takes what was trained


def test_some_norms_may_be_chosen_by_name_and_one_in_two_places_is_one():
    live = network()
    assert fix_norms_(live, lambda name: name.startswith("a.")) == 2
    assert isinstance(live.get_submodule("a.bn1"), FixedNorm) and isinstance(live.get_submodule("bn1"), nn.BatchNorm2d)
    shared_norm = nn.BatchNorm2d(3)
    twice = nn.Sequential(shared_norm, nn.Conv2d(3, 3, 1), shared_norm)
    assert fix_norms_(twice) == 1 and twice[0] is twice[2]


def test_a_norm_without_statistics_stays():
    assert fix_norms_(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))) == 0
    with pytest.raises(TypeError, match="without running statistics"):
        FixedNorm(nn.BatchNorm2d(3, track_running_stats=False))


def test_the_ledger_reads_it_as_the_norm_it_was():
    live = network()
    before = read(live, Volume(3, 16, 16)).layers
    fix_norms_(live)
    assert read(live, Volume(3, 16, 16)).layers == before
    chain = build(parse("INPUT 8x8x3 -> CONV 4 -> BN momentum 0.2 -> RELU -> FC 3"))
    before = read(chain, Volume(3, 8, 8)).design
    fix_norms_(chain)
    assert read(chain, Volume(3, 8, 8)).design == before


def test_fixed_norms_are_folded_like_others():
    live = network().double()
    judge = folded(live)
    fix_norms_(live.train())
    found = folded(live)
    given = pictures().double()
    gone, expected = (
        {name for name, module in one.named_modules() if isinstance(module, nn.Identity)} for one in (found, judge)
    )
    assert gone == expected and len(gone) == 5
    torch.testing.assert_close(scores(found, given), scores(judge, given), rtol=1e-12, atol=1e-12)
    assert sum(isinstance(module, FixedNorm) for module in found.modules()) == 1  # the side head's, which does not run


def test_torchvisions_mobilenet_in_evaluation_is_ours_fixed_in_training():
    torch.manual_seed(3)
    theirs = lived(mobilenet_v2(num_classes=7), 3).eval()
    ours = build(parse(find("mobilenet-v2").text.replace("classes = 1000", "classes = 7")))
    load_weights(ours, "mobilenet-v2", theirs.state_dict())
    assert fix_norms_(ours) == 52
    ours.train().get_submodule("dropout1").eval()
    given = pictures(2, 64)
    torch.testing.assert_close(scores(ours, given), scores(theirs, given), rtol=1e-3, atol=1e-4)


# Identities


def folded_away(seed: int = 1) -> nn.Module:
    """A network as published with its norms folded: identities but for a shift, and filters of any length."""
    torch.manual_seed(seed)
    made = build(parse(TEXT))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0.5, 2)
        elif isinstance(module, nn.Conv2d):
            module.weight.data *= 3
    return made


def test_identities_are_told_from_norms_that_were_trained():
    assert identity_norms(folded_away())
    assert not identity_norms(network())
    assert not identity_norms(build(parse("INPUT 8x8x3 -> CONV 4 -> RELU -> FC 3")))
    one = folded_away()
    one.get_submodule("a.bn2").running_var[3] = 1.5
    assert not identity_norms(one)
    half = folded_away().half().float()
    fix_norms_(half)
    assert identity_norms(half)


@pytest.mark.parametrize("make", [folded_away, network])
def test_new_statistics_leave_the_function_and_bring_training_to_it(make):
    live = make().eval()
    live.get_submodule("fc1").train()  # whatever mode each part is in, it stays in it
    given, modes = pictures(40), [module.training for module in live.modules()]
    before = scores(live, given)
    heard: dict[str, list[np.ndarray]] = {}
    for name, module in live.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda _, taken, name=name: heard.setdefault(name, []).append(taken[0].double().numpy())
            )
    scores(live.eval(), given)
    for module in live.modules():
        module._forward_pre_hooks.clear()
    live.get_submodule("fc1").train()
    assert re_estimate_(live, given.split(15)) == 5  # all but the side head's; the last batch is smaller
    assert [module.training for module in live.modules()] == modes
    assert not any(module._forward_pre_hooks for module in live.modules())
    after = scores(live.eval(), given)
    assert (after - before).abs().max() <= 1e-4 * before.abs().max()
    for name, taken in heard.items():
        norm, beside = live.get_submodule(name), (0, 2, 3)[: 1 + 2 * (taken[0].ndim == 4)]
        assert np.allclose(norm.running_mean.numpy(), taken[0].mean(beside), rtol=1e-4, atol=1e-5)
        assert np.allclose(norm.running_var.numpy(), taken[0].var(beside), rtol=1e-3, atol=1e-5)
    live.train()
    live.get_submodule("side").eval()
    trained = scores(live, given)
    assert (trained - before).abs().max() <= 1e-3 * before.abs().max()  # all pictures are one batch
    if make is folded_away:
        blind = scores(folded_away().train(), given)
        assert (blind - before).abs().max() > 0.3 * before.abs().max()


def test_fixed_norms_may_be_taken_anew_too():
    live = folded_away().eval()
    before = scores(live, pictures())
    fix_norms_(live)
    assert re_estimate_(live, [pictures()]) == 5
    assert (scores(live, pictures()) - before).abs().max() <= 1e-4 * before.abs().max()
    assert not identity_norms(live)


def test_without_pictures_there_are_no_statistics():
    live = network().train()
    with pytest.raises(SettingError, match="no pictures to take the statistics of batch norms from"):
        re_estimate_(live, [])
    assert live.training and live.get_submodule("a.bn1").training


@pytest.mark.shared
def test_published_identities_give_their_scores_and_can_be_trained_afterwards():
    """A MobileNet whose norms were folded: in training it is blind; with statistics from its pictures it is not."""
    path, folder = shared("weights", "mobilenet_v2_from_int8_fp16.pth"), shared("data", "imagenet-samples")
    ours = build(parse(find("mobilenet-v2").text))
    load_weights(ours, "mobilenet-v2", path)
    assert identity_norms(ours)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    shrunk = [Image.open(file).convert("RGB").resize((64, 64)) for file in sorted(folder.rglob("*.JPEG"))[:24]]
    x = (
        torch.from_numpy(np.stack([(np.asarray(each) / 255 - mean) / std for each in shrunk]))
        .permute(0, 3, 1, 2)
        .float()
    )
    before = scores(ours.eval(), x)
    blind = scores(_trained(ours), x)
    assert re_estimate_(ours, x.split(12)) == 52 and not identity_norms(ours)
    after = scores(ours.eval(), x)
    assert (after - before).abs().max() <= 1e-4 * before.abs().max()
    seeing = scores(_trained(ours), x)
    called = before.argmax(1)
    assert (seeing.argmax(1) == called).float().mean() > 0.9
    assert (blind.argmax(1) == called).float().mean() < 0.3


def _trained(network: nn.Module) -> nn.Module:
    """A copy in training, but for dropout."""
    made = copy.deepcopy(network).train()
    made.get_submodule("dropout1").eval()
    return made
