"""Which residuals are linear functions of which others, at a given image size.

    python -m docs.research.residual_identities --docs=docs/residuals.md

A front end is a matrix A over all pixels of an image (the Kronecker form of its two axis
operators, float64). Another one, B, is a function ``B = M A`` of it exactly if everything A cannot
see, B cannot see either: if the null space of A lies inside that of B. The rank of B on A's null
space is the number of dimensions that B adds to A; 0 means none. That M exists does not say that a
network would find it: its norm tells how much it amplifies rounding.
"""

import argparse
import dataclasses
import functools
import pathlib

import numpy as np

from docs.research.scripts import run_script
from npr_jax.residuals.residual import axis_operator

FACTORS = {"1/2": 1 / 2, "1/4": 1 / 4, "3/4": 3 / 4, "1/3": 1 / 3, "1/8": 1 / 8}
SIZES = (8, 9, 10, 12, 15, 16, 24)  # pixels per side: of several kinds modulo 24
TOLERANCE = 1e-9  # of a singular value that counts as zero, as a share of the largest
NORM_SIZES = (12, 16, 24)  # of the table of norms: sizes divisible by 4
BEGIN, END = "<!-- begin: residual_identities -->", "<!-- end: residual_identities -->"


@dataclasses.dataclass(frozen=True)
class View:
    """One front end of the table: ``factor`` is a key of ``FACTORS``."""

    mode: str
    factor: str = "1/2"
    phase: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """As the table calls it."""
        if self.mode in ("hh", "none"):
            return self.mode
        phase = f" phase {self.phase[0]}-{self.phase[1]}" if any(self.phase) else ""
        return f"{self.mode} {self.factor}{phase}"


VIEWS = (
    View("none"),
    *(View(mode, f) for mode in ("nearest", "bilinear", "bicubic", "area") for f in FACTORS),
    *(View("nearest", "1/2", phase) for phase in ((0, 1), (1, 0), (1, 1))),
    View("nearest", "1/3", (1, 1)),
    View("hh"),
)
# (known, function of it): the pairs of the table of norms.
CONNECTED = (
    (View("nearest", "1/4"), View("nearest", "1/2")),
    (View("nearest", "1/4"), View("nearest", "3/4")),
    (View("nearest", "1/2"), View("nearest", "1/2", (1, 1))),
    (View("nearest", "1/2"), View("area", "1/2")),
    (View("nearest", "1/2"), View("hh")),
    (View("bilinear", "1/2"), View("nearest", "1/2")),
    (View("bilinear", "1/2"), View("nearest", "1/4")),
    (View("bicubic", "1/2"), View("nearest", "1/4")),
)


@functools.lru_cache(maxsize=256)
def matrix(view: View, size: int) -> np.ndarray:
    """The front end over a square image, ``float64 [size**2, size**2]``."""
    if view.mode == "none":
        return np.eye(size * size)
    rows, columns = (
        _dense(axis_operator(size, FACTORS[view.factor], view.mode, phase=p, dtype=np.float64))
        for p in view.phase
    )
    product = np.kron(rows, columns)
    return product if view.mode == "hh" else np.eye(size * size) - product


def _dense(operator: np.ndarray) -> np.ndarray:
    return np.eye(len(operator))[operator] if operator.ndim == 1 else operator


@functools.lru_cache(maxsize=256)
def null_space(view: View, size: int) -> np.ndarray:
    """An orthonormal basis of the images that the front end turns to zero, ``[size**2, k]``."""
    _, values, basis = np.linalg.svd(matrix(view, size))
    return basis[values <= TOLERANCE * values[0]].T


def added_rank(known: View, other: View, size: int) -> int:
    """Dimensions that ``other`` sees and ``known`` does not; 0: ``other`` is a function of it."""
    unseen = null_space(known, size)
    if not unseen.shape[1]:
        return 0
    values = np.linalg.svd(matrix(other, size) @ unseen, compute_uv=False)
    return int((values > TOLERANCE).sum())


def connecting_map(known: View, other: View, size: int) -> np.ndarray:
    """The least-squares M of ``other = M known``, ``float64 [size**2, size**2]``."""
    return matrix(other, size) @ np.linalg.pinv(matrix(known, size), rcond=TOLERANCE)


def classes(size: int) -> list[list[View]]:
    """Groups of front ends that are functions of one another, those that see most first."""
    groups: list[list[View]] = []
    for view in VIEWS:
        for group in groups:
            if not added_rank(group[0], view, size) and not added_rank(view, group[0], size):
                group.append(view)
                break
        else:
            groups.append([view])
    return sorted(groups, key=lambda group: null_space(group[0], size).shape[1])


def table(size: int) -> str:
    """A Markdown table: the classes, their rank, and what each would add to each other."""
    groups = classes(size)
    letters = [chr(ord("A") + i) for i in range(len(groups))]
    lines = [
        f"Images of {size}×{size} pixels ({size * size} dimensions per channel):",
        "",
        f"| | front ends | rank | {' | '.join(f'+{letter}' for letter in letters)} |",
        f"|---|---|---:|{'---:|' * len(groups)}",
    ]
    for letter, group in zip(letters, groups, strict=True):
        rank = size * size - null_space(group[0], size).shape[1]
        added = [
            "·" if other is group else str(added_rank(group[0], other[0], size)) for other in groups
        ]
        names = ", ".join(view.name for view in group)
        lines.append(f"| {letter} | {names} | {rank} | {' | '.join(added)} |")
    return "\n".join(lines) + "\n"


def norm_table() -> str:
    """A Markdown table: how much the maps of ``CONNECTED`` amplify, the largest singular value."""
    sizes = ", ".join(f"{size}×{size}" for size in NORM_SIZES)
    lines = [f"| from | to | norm of the map at {sizes} |", "|---|---|---:|"]
    for known, other in CONNECTED:
        maps = (connecting_map(known, other, size) for size in NORM_SIZES)
        norms = ", ".join(f"{np.linalg.norm(m, 2):.2g}" for m in maps)
        lines.append(f"| {known.name} | {other.name} | {norms} |")
    return "\n".join(lines) + "\n"


def section() -> str:
    """All tables, as they stand in docs/residuals.md between the two marks."""
    return "\n".join([BEGIN, *map(table, SIZES), norm_table(), END])


def main() -> None:
    """Writes the tables into the page, or prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=pathlib.Path, help="page to write into; default: print")
    docs = parser.parse_args().docs
    if docs is None:
        print(section())
        return
    text = docs.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    docs.write_text(before + section() + after)


if __name__ == "__main__":
    run_script(main)
