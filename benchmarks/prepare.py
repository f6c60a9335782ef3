"""Files per second of `prepare` beside a plain loop of Pillow, and the memory it takes.

    python benchmarks/prepare.py [--files=4000] [--json=FILE]

The source holds PNG files of 256 x 256 pixels, copies of 64 different photograph-like images (the
copies are other files to every reader, and all in the page cache). The peer opens, decodes and
converts each to RGB in one process, which is the least that any conversion does. Ours converts
with one worker per core, to encoded and to decoded storage, for the number of files given and for
four times as many; every run is a process of its own whose highest memory, all its children
included, is read at the end.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.pipeline import describe_machine
from benchmarks.pipeline_data import photograph_like
from input_pipeline.storage.atomic_files import write_json

DIFFERENT = 64

RUN = """
import sys, time
from input_pipeline.prepare.prepare import prepare
from input_pipeline.prepare.sources import find_source
if __name__ == "__main__":
    start = time.perf_counter()
    prepare(find_source(sys.argv[1]), sys.argv[2], storage=sys.argv[3])
    print(time.perf_counter() - start)
"""


def make_source(root: Path, files: int) -> None:
    """Writes the files of one generator, half of them photographs."""
    originals = []
    for index in range(DIFFERENT):
        path = root.parent / f"original{index}.png"
        if not path.exists():
            Image.fromarray(photograph_like(index)).save(path)
        originals.append(path.read_bytes())
    for index in range(files):
        folder = root / "gan" / ("0_real", "1_fake")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index:06d}.png").write_bytes(originals[index % DIFFERENT])


def ours(root: Path, output: Path, storage: str) -> dict[str, float]:
    """Converts in a process of its own; returns seconds and the sum of its processes' memory."""
    script = output.with_suffix(".py")
    script.write_text(RUN)
    command = [sys.executable, str(script), str(root), str(output), storage]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(0.05)
        text = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"prepare failed: {command}")
    return {"seconds": float(text), "megabytes": peak / 1e6}


def _resident(pid: int) -> int:
    """Returns the resident bytes of a process and its children; shared pages count in each."""
    total = 0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [pid, *map(int, children)]:
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            total += pages * resource.getpagesize()
    except (OSError, IndexError):
        pass  # it has just ended
    return total


def peer(root: Path) -> float:
    """Decodes every file with Pillow in this process; returns seconds."""
    start = time.perf_counter()
    for path in sorted(root.rglob("*.png")):
        Image.open(path).convert("RGB")
    return time.perf_counter() - start


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=4000, help="files of the smaller source")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for files in (options.files, 4 * options.files):
            root = folder / f"in{files}"
            make_source(root, files)
            rows.append({"what": "Pillow, one process", "files": files, "seconds": peer(root)})
            for storage in ("encoded", "decoded"):
                figures = ours(root, folder / f"{storage}{files}", storage)
                rows.append({"what": f"prepare, {storage}", "files": files, **figures})
    print(f"{'':<24}{'files':>8}{'files/s':>10}{'x Pillow':>10}{'MB at most':>12}")
    for row in rows:
        base = next(r for r in rows if r["files"] == row["files"])
        memory = f"{row['megabytes']:.0f}" if "megabytes" in row else ""
        print(
            f"{row['what']:<24}{row['files']:>8}{row['files'] / row['seconds']:>10,.0f}"
            f"{base['seconds'] / row['seconds']:>10.2f}{memory:>12}"
        )
    if options.json:
        write_json(options.json, {"rows": rows, "machine": describe_machine()})


if __name__ == "__main__":
    main()
