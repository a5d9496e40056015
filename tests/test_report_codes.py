import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from torchbeam.report.codes import Neighbour, codes_map, nearest, neighbours, principal


@pytest.mark.parametrize("shape", [(30, 50), (80, 12)])
def test_the_plane_is_that_of_the_principal_components(shape):
    torch.manual_seed(0)
    codes = torch.randn(*shape) @ torch.diag(torch.arange(1.0, shape[1] + 1))
    fitted = shape[0] - 5
    judged = PCA(2).fit(codes[:fitted].double().numpy()).transform(codes.double().numpy())
    found = principal(codes, fitted)
    assert np.allclose(np.abs(found), np.abs(judged), atol=1e-6)


def test_the_nearest_are_those_of_the_smallest_angle_about_the_mean():
    # About their mean, which is 0, the first lies at 0 degrees, the second at 90, the third at 180, the fourth at 270.
    among = torch.tensor([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])
    cosines, places = nearest(torch.tensor([[3.0, 1.0]]), among, 2)
    assert places.tolist() == [[0, 1]]
    assert cosines[0].tolist() == pytest.approx([3 / 10**0.5, 1 / 10**0.5])


def test_the_map_names_the_classes_and_rings_mistakes():
    places = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    drawn = codes_map(places, [0, 1, 1], [False, True, True], [False, False, True], ["ant", "bee"])
    assert drawn.startswith("<svg") and "ant" in drawn and "bee" in drawn and "taken for another" in drawn
    assert "taken for another" not in codes_map(places, [0, 1, 1], [False] * 3, [False] * 3, ["ant", "bee"])


def test_a_name_is_text_and_no_markup():
    made = neighbours([Neighbour(Image.new("RGB", (4, 4)), "<b>", 0.5)])
    assert "&lt;b&gt; 0.50" in made and "<b>" not in made
