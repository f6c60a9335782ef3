"""NPR with another residual: mode, factor, reference pixel, colour space, or a learned factor.

    python main.py --config=configs/residuals.py:mode=area,factor=1/3,color=ycbcr --workdir=DIR
    python main.py --config=configs/residuals.py:phase=1-0 --workdir=DIR
    python main.py --config=configs/residuals.py:learn,factor=0.5 --workdir=DIR

After the colon, separated by commas, any of: mode=nearest|bilinear|bicubic|area|hh|none,
factor=0.25 or 1/3, phase=ROW-COLUMN (nearest only), color=rgb|ycbcr|lab|differences, learn
(mode bilinear; the factor is where it starts). What is not given is as published.

Paper: Tan et al., CVPR 2024, whose table 7 compares the reference pixels (mean accuracy of Table 1
92.5 to 87.5); `hh` is the input of SAFE (KDD 2025). The others are ablations of this project
without published numbers. Cost: that of configs/npr.py. What each residual can and cannot carry:
docs/residuals.md.
"""

from configs import default

_SETTINGS = {"mode": "modes", "factor": "factors", "phase": "phases", "color": "colors"}


def get_config(choices: str = "mode=nearest"):
    """The recipe with the residual that the text after the colon describes.

    Raises:
        ValueError: for a choice that there is none of, or that cannot be read.
    """
    config = default.get_config()
    for choice in choices.split(","):
        name, _, value = choice.partition("=")
        if choice == "learn":
            config.model.learn_factors = (True,)
            config.model.modes = ("bilinear",)
        elif name in _SETTINGS and value:
            config.model[_SETTINGS[name]] = (_parse(name, value),)
        else:
            raise ValueError(
                f"residual choice {choice!r}; expected learn or one of "
                f"{', '.join(f'{known}=...' for known in _SETTINGS)}, separated by commas"
            )
    return config


def _parse(name: str, value: str):
    if name == "factor":
        return default.parse_factor(value)
    if name != "phase":
        return value
    try:
        row, column = map(int, value.split("-"))
    except ValueError:
        raise ValueError(f"phase {value!r} is no ROW-COLUMN; write 1-0") from None
    return row, column
