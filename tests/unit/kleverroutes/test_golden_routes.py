"""Each feature of routes as objects of each data plane, for review.

`pytest tests/unit/kleverroutes/test_golden_routes.py --update-golden` rewrites the files after a deliberate change.
"""

import pytest
import yaml

from support.kubernetes_routes import FEATURES
from support.rendered_routes import DATA_PLANES, GOLDEN, is_rendered, rendered


@pytest.mark.parametrize("data_plane", DATA_PLANES)
@pytest.mark.parametrize("feature", FEATURES)
def test_objects_are_the_golden_ones(data_plane: str, feature: str, request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / data_plane / f"{feature}.yaml"
    if not is_rendered(data_plane, feature):
        assert not golden.exists(), "what is refused has no objects"
        return
    text = yaml.safe_dump_all(rendered(data_plane, feature), sort_keys=False, width=120)
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_each_golden_file_shows_a_feature() -> None:
    assert {path.stem for path in GOLDEN.glob("*/*.yaml")} <= set(FEATURES)
