"""Small detectors for pages, and what is read off a page in a browser."""

import dataclasses
import pathlib
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
from flax import nnx

from benchmarks.web_pictures import scene
from configs import multiscale_attention, npr
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.images.transforms import decode
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.detector import Detector
from npr_jax.models.systems.registry import build_model

RECIPES = {"npr": npr, "multiscale_attention": multiscale_attention}
SCENES = 3
LOADED = "document.getElementById('state').textContent.includes('is loaded')"


def make_detector(
    system="npr", backbone="light_resnet", calibrated=True, **preprocessing
) -> Detector:
    """An untrained detector; its running statistics are no longer 0 and 1, as after training.

    Calibrated, it gives the first ``SCENES`` embedded scenes the three verdicts.
    """
    config = RECIPES[system].get_config().model
    config.backbone = backbone
    # Drawn here, which takes a tenth of the time of the initialisers.
    shapes = nnx.eval_shape(lambda: build_model(config, nnx.Rngs(params=0)))
    graphdef, state = nnx.split(shapes)
    drawn = np.random.default_rng(0)
    model = nnx.merge(graphdef, jax.tree_util.tree_map_with_path(partial(draw, drawn), state))
    model.eval()
    settings = {"source": "tests", "system": config.name}
    way = Preprocessing(**preprocessing)
    if calibrated:
        plain = Detector(model, way, **settings)
        settings["calibration"] = spread_out(plain.logits([scene(i) for i in range(SCENES)]))
    return Detector(model, way, **settings)


def draw(drawn: np.random.Generator, path, x) -> jax.Array:
    """A variable: kernels of He et al., scales and variances about 1, the rest about 0."""
    name = jax.tree_util.keystr(path)
    noise = drawn.standard_normal(x.shape)
    if "kernel" in name:
        values = noise * np.sqrt(2 / np.prod(x.shape[:-1]))
    else:
        values = 0.1 * noise + ("scale" in name or "var" in name)
    return jnp.asarray(values, x.dtype)


def spread_out(logits: np.ndarray) -> Calibration:
    """A calibration by which three logits get the three verdicts and scores far apart."""
    low, middle, high = sorted(map(float, logits))
    temperature = (high - low) / 6
    bounds = (middle + high) / 2, (low + middle) / 2
    return Calibration(temperature, -middle / temperature, 0.05, *bounds)


def python_probability(folder: pathlib.Path, pixels: np.ndarray) -> float:
    """By ONNX Runtime in Python, of uint8 ``[h, w, 3]``."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    return float(session.run(["probability"], {"images": pixels[None]})[0][0])


def read_pixels(path: pathlib.Path) -> np.ndarray:
    return decode(path.read_bytes())


@dataclasses.dataclass
class Visit:
    """A tab with the page, and what is read off it."""

    tab: object
    address: str

    def wait_until(self, expression: str, seconds: float = 300):
        """Playwright's own wait would break the page's content security policy."""
        end = time.monotonic() + seconds
        while not self.tab.evaluate(expression):
            assert time.monotonic() < end, f"{expression}: {self.state()}"
            self.tab.wait_for_timeout(50)

    def state(self) -> str:
        return self.tab.locator("#state").inner_text()

    def give(self, *paths, seconds: float = 300) -> list[dict]:
        """Chooses files and waits for the last; returns what each card says."""
        before = self.tab.locator(".card").count()
        self.tab.set_input_files("#files", list(map(str, paths)))
        return self.results(before + len(paths), seconds)

    def results(self, count: int, seconds: float = 300) -> list[dict]:
        done = "document.querySelectorAll('.card .facts, .card .refusal').length"
        self.wait_until(f"{done} === {count}", seconds)
        return [self._read(card) for card in self.tab.locator(".card").all()]

    @staticmethod
    def _read(card) -> dict:
        found = {"name": card.locator("h3").inner_text(), "text": card.inner_text()}
        if card.locator(".trouble").count():
            return found | {"error": card.locator(".trouble").inner_text()}
        score = float(card.locator("data.score").get_attribute("value"))
        return found | {"score": score, "verdict": card.get_attribute("data-verdict")}
