"""What travels to a machine without a network has the versions that everything is tested with."""


def names(text: str) -> set[str]:
    lines = [
        line.partition("==")[0].strip().lower().replace("-", "_") for line in text.splitlines()
    ]
    return {line for line in lines if line and not line.startswith("#")}


def test_every_wheel_is_pinned(root):
    wanted = names((root / "benchmarks" / "gpu" / "wheels.txt").read_text())
    pinned = names((root / "constraints.txt").read_text())
    assert wanted
    assert wanted <= pinned
