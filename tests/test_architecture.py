"""The rooms of docs/architecture.md: imports run down, and none form a circle."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# From the top of the house to the ground; rooms of one line do not import each other. A file
# imports from its own room and from those below.
FLOORS = (
    ("main.py", "npr_jax/__init__.py"),
    ("npr_jax/cli",),
    ("npr_jax/serving", "npr_jax/export", "npr_jax/cluster"),
    ("npr_jax/analysis",),
    ("npr_jax/sweep",),
    ("npr_jax/evaluation",),
    ("npr_jax/training",),
    ("npr_jax/inference",),
    ("npr_jax/detectors",),
    ("npr_jax/config.py",),
    ("npr_jax/models",),
    ("npr_jax/residuals",),
    ("input_pipeline/prepare", "input_pipeline/simulation"),
    ("input_pipeline/loading",),
    ("input_pipeline/storage",),
    ("input_pipeline/provenance",),
    ("input_pipeline/images",),
    ("input_pipeline/cores.py", "input_pipeline/errors.py", "input_pipeline/__init__.py"),
)
OURS = ("npr_jax", "input_pipeline", "configs")


def files() -> dict[str, str]:
    """Module name to path, of the packages and main.py."""
    paths = [ROOT / "main.py", *(p for top in OURS for p in (ROOT / top).rglob("*.py"))]
    names = {path.relative_to(ROOT).as_posix() for path in paths}
    return {n.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): n for n in names}


def imports(path: str, modules: dict[str, str]) -> set[str]:
    """What a file imports of ours, inside functions and for type checking included."""
    tree = ast.parse((ROOT / path).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import; name the whole module"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & modules.keys()


MODULES = files()
ARROWS = {module: imports(path, MODULES) - {module} for module, path in MODULES.items()}


def floor(path: str) -> int | None:
    for number, rooms in enumerate(FLOORS):
        if any(path == room or path.startswith(room + "/") for room in rooms):
            return number
    return None


def room(path: str) -> str:
    return next(r for rooms in FLOORS for r in rooms if path == r or path.startswith(r + "/"))


def test_every_file_has_a_room():
    homeless = [p for p in MODULES.values() if not p.startswith("configs/") and floor(p) is None]
    assert not homeless


def test_arrows_run_down():
    up = []
    for module, targets in ARROWS.items():
        path = MODULES[module]
        if path.startswith("configs/"):
            continue
        for target in targets:
            other = MODULES[target]
            if other.startswith("configs/"):
                if not path.startswith("npr_jax/cli/"):
                    up.append(f"{path} -> {other}")
            elif room(path) != room(other) and floor(other) <= floor(path):
                up.append(f"{path} -> {other}")
    assert sorted(up) == []


def test_recipes_import_recipes_only():
    foreign = [
        f"{module} -> {target}"
        for module, targets in ARROWS.items()
        for target in targets
        if module.partition(".")[0] == "configs" and target.partition(".")[0] != "configs"
    ]
    assert foreign == []


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected groups of more than one module."""
    reach = {}

    def reached(start):
        if start not in reach:
            seen, waiting = set(), [start]
            while waiting:
                for target in arrows[waiting.pop()] - seen:
                    seen.add(target)
                    waiting.append(target)
            reach[start] = seen
        return reach[start]

    groups = {frozenset(b for b in reached(a) if a in reached(b)) for a in arrows}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def test_no_imports_form_a_circle():
    assert circles(ARROWS) == []


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_networks_import_no_weights():
    wrong = [
        f"{module} -> {target}"
        for module, targets in ARROWS.items()
        for target in targets
        if module.startswith("npr_jax.models.")
        and not module.startswith(("npr_jax.models.systems", "npr_jax.models.pretrained"))
        and target.startswith("npr_jax.models.pretrained")
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["npr_jax"])
def test_the_package_has_few_entries(package):
    entries = [p for p in (ROOT / package).iterdir() if p.name != "__pycache__"]
    assert len(entries) <= 14


def test_no_file_is_long():
    long = {p: n for p in MODULES.values() if (n := len((ROOT / p).read_text().splitlines())) > 400}
    assert long == {}


def test_the_page_names_files_that_exist():
    page = (ROOT / "docs/architecture.md").read_text()
    links = re.findall(r"\]\(\.\./([^)#]+)", page)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []
    rooms = {part.strip("/") for part in re.findall(r"^ {6}(\w+)/", page, re.MULTILINE)}
    packages = ("npr_jax", "input_pipeline")
    folders = {p.parent.name for top in packages for p in (ROOT / top).glob("*/__init__.py")}
    assert rooms <= folders
