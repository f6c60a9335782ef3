"""What ``predict --engine=ray`` refuses before any work; tests/cluster has what it does."""

import pytest

from input_pipeline.errors import UserError
from npr_jax.cli.main import run
from npr_jax.cluster.predict import predict_on_ray


@pytest.mark.parametrize(
    ("flag", "refused"),
    [
        ("--format=jsonl", "--format is not of --engine=ray"),
        ("--heat_map=occlusion", "--heat_map is not of --engine=ray"),
        ("--resume", "--resume is not of --engine=ray"),
        ("--output=", "give --output=FOLDER"),
        ("--engine=auto", "--workers is of --engine=ray"),
    ],
)
def test_what_would_be_passed_over_is_refused(flag, refused, capsys):
    given = ["predict", "a.png", "--engine=ray", "--output=scores", "--workers=1", flag]
    assert run(given) == 2
    assert refused in capsys.readouterr().err


@pytest.mark.parametrize("confidence", [0.4, 1.0, float("nan")])
def test_a_confidence_is_that_of_plain_predict(confidence, tmp_path):
    with pytest.raises(UserError, match=r"expected at least 0\.5 and below 1"):
        predict_on_ray(None, ["a.png"], str(tmp_path / "scores"), confidence=confidence)
    assert not any(tmp_path.iterdir())
