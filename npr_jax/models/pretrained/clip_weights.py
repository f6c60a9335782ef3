"""Published CLIP weights into our vision tower, and UnivFD's linear layer.

Two conventions of names hold the same numbers: Hugging Face's (``vision_model.encoder.layers.0.
self_attn.q_proj.weight``) and OpenAI's (``visual.transformer.resblocks.0.attn.in_proj_weight``,
queries, keys and values in one array, in half precision). Files of the whole model hold the text
tower too; its keys are known by name and ignored, any other unknown key is refused.
"""

import pathlib
import re
from collections.abc import Callable

import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.clip import ClipVision
from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.pretrained.torch_weights import (
    Arrays,
    KeyRule,
    KeyTable,
    Path,
    fill,
    fixed,
    same,
    transposed,
)

_HF_LAYER = r"vision_model\.encoder\.layers\.(\d+)\."
_OPENAI_LAYER = r"visual\.transformer\.resblocks\.(\d+)\."
_NORM_LEAF = {"weight": "scale", "bias": "bias"}
_HF_NAMES = {
    "self_attn.q_proj": ("attention", "query"),
    "self_attn.k_proj": ("attention", "key"),
    "self_attn.v_proj": ("attention", "value"),
    "self_attn.out_proj": ("attention", "out"),
    "mlp.fc1": ("expand",),
    "mlp.fc2": ("reduce",),
}
_OPENAI_NAMES = {
    "attn.out_proj": ("attention", "out"),
    "mlp.c_fc": ("expand",),
    "mlp.c_proj": ("reduce",),
}
_TEXT_TOWER = "|".join(
    (
        # Hugging Face's, with the counters that older files hold.
        r"text_model\..*",
        r"text_projection(\.weight)?",
        r"logit_scale",
        r"vision_model\.embeddings\.position_ids",
        # OpenAI's, with three sizes of the model.
        r"transformer\.resblocks\..*",
        r"token_embedding\.weight",
        r"positional_embedding",
        r"ln_final\.(weight|bias)",
        r"input_resolution|context_length|vocab_size",
    )
)


def _patches(array: np.ndarray) -> np.ndarray:
    """The first convolution ``[width, 3, patch, patch]`` as the matrix on a patch's pixels."""
    return array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0])


def _third(part: int) -> Callable[[np.ndarray], np.ndarray]:
    """Queries (0), keys (1) or values (2) of an array that stacks them along its first axis."""

    def take(array: np.ndarray) -> np.ndarray:
        if array.shape[0] % 3:
            raise UserError("not three arrays")
        return array.reshape(3, -1, *array.shape[1:])[part].T

    return take


def _in_block(*path: str) -> Callable[[re.Match[str]], Path]:
    return lambda match: ("blocks", int(match[1]), *path)


def _block_rules(layer: str, names: dict[str, tuple[str, ...]], norm: str) -> tuple[KeyRule, ...]:
    """A block's linear layers and its norms, whose name ends in 1 or 2."""
    rules = []
    for name, path in names.items():
        key = layer + re.escape(name)
        rules.append(KeyRule(rf"{key}\.weight", _in_block(*path, "kernel"), transposed))
        rules.append(KeyRule(rf"{key}\.bias", _in_block(*path, "bias"), same))
    for leaf, ours in _NORM_LEAF.items():
        for which in ("1", "2"):
            pattern = rf"{layer}{norm}{which}\.{leaf}"
            rules.append(KeyRule(pattern, _in_block(f"norm{which}", ours), same))
    return tuple(rules)


def _norm_rules(name: str, path: str) -> tuple[KeyRule, ...]:
    return tuple(
        KeyRule(rf"{re.escape(name)}\.{leaf}", fixed(path, ours), same)
        for leaf, ours in _NORM_LEAF.items()
    )


def _stacked_rules() -> tuple[KeyRule, ...]:
    """OpenAI's arrays of queries, keys and values in one; three rules take their part."""
    rules = []
    for part, name in enumerate(("query", "key", "value")):
        for leaf, ours in (("weight", "kernel"), ("bias", "bias")):
            pattern = rf"{_OPENAI_LAYER}attn\.in_proj_{leaf}"
            rules.append(KeyRule(pattern, _in_block("attention", name, ours), _third(part)))
    return tuple(rules)


HUGGING_FACE = KeyTable(
    title="CLIP's vision tower (Hugging Face names)",
    rules=(
        KeyRule(r"vision_model\.embeddings\.class_embedding", fixed("class_token"), same),
        KeyRule(
            r"vision_model\.embeddings\.patch_embedding\.weight",
            fixed("patches", "kernel"),
            _patches,
        ),
        KeyRule(r"vision_model\.embeddings\.position_embedding\.weight", fixed("positions"), same),
        # So spelled in the published files.
        *_norm_rules("vision_model.pre_layrnorm", "norm_before"),
        *_block_rules(_HF_LAYER, _HF_NAMES, "layer_norm"),
        *_norm_rules("vision_model.post_layernorm", "norm_after"),
        KeyRule(r"visual_projection\.weight", fixed("projection", "kernel"), transposed),
    ),
    ignored=_TEXT_TOWER,
)
OPENAI = KeyTable(
    title="CLIP's vision tower (OpenAI names)",
    rules=(
        KeyRule(r"visual\.class_embedding", fixed("class_token"), same),
        KeyRule(r"visual\.conv1\.weight", fixed("patches", "kernel"), _patches),
        KeyRule(r"visual\.positional_embedding", fixed("positions"), same),
        *_norm_rules("visual.ln_pre", "norm_before"),
        *_stacked_rules(),
        *_block_rules(_OPENAI_LAYER, _OPENAI_NAMES, "ln_"),
        *_norm_rules("visual.ln_post", "norm_after"),
        # Not transposed: OpenAI multiplies from the right.
        KeyRule(r"visual\.proj", fixed("projection", "kernel"), same),
    ),
    ignored=_TEXT_TOWER,
)
# Ojha et al., CVPR 2023 publish one linear layer, ``fc_weights.pth``.
UNIVFD_HEAD = KeyTable(
    title="UnivFD's linear layer",
    rules=(KeyRule("weight", fixed("kernel"), transposed), KeyRule("bias", fixed("bias"), same)),
)


def fill_tower(tower: ClipVision, arrays: Arrays) -> ClipVision:
    """The tower, which may be abstract, with published numbers in place of its own.

    Names are of either convention. ``UserError`` lists every unknown key, every parameter that no
    key gives, and every array whose shape does not fit, with both shapes.
    """
    openai = any(name.startswith("visual.") for name in arrays)
    return fill(tower, OPENAI if openai else HUGGING_FACE, arrays)


def load_tower(tower: ClipVision, path: str | pathlib.Path) -> ClipVision:
    """As ``fill_tower``, from a ``.safetensors`` or ``.pth`` / ``.pt`` file.

    OpenAI's own download is a TorchScript program, not a file of weights, and is refused:
    save its ``state_dict()`` with torch first.
    """
    return fill_tower(tower, load_state_dict(path))


def load_head(head: nnx.Linear, path: str | pathlib.Path) -> nnx.Linear:
    """The linear layer with UnivFD's published numbers: ``weight [1, features]``, ``bias [1]``."""
    return fill(head, UNIVFD_HEAD, load_state_dict(path))
