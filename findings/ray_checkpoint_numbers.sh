#!/usr/bin/env bash
# Ray Data: after a kill, clearing up for block 100000 deletes the finished results of block 1000001.
#
# A good guess: with CheckpointConfig, rows whose checkpoint is committed are done, and their file
# stays. Recovery deletes the files of blocks whose checkpoint is still pending, and no others.
# What happens: results are named PREFIX_NNNNNN-N.parquet, with at least six digits. A pending
# checkpoint PREFIX_100000.pending.parquet deletes every file that begins with PREFIX_100000, and
# from the millionth block on there are ten more of these. Their checkpoints stay: their rows count as
# done, and are in no file.
# What it costs: silently lost results of runs with more than a million blocks, which a billion rows
# in blocks of a thousand are.
#
# Source: measured, with the function that recovery runs as a task, called without a cluster.
# Seen on 2026-11-28 with ray 2.60.0, pyarrow 26.0.1, Python 3.11, Linux:
#   cleared up: 1 pending; left of 3 files of results: ['run_000007-0.parquet']
#   checkpoint of block 1000001 is still there: True
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  'ray[data]==2.60.0' pyarrow==26.0.1
cd "$scratch"
RAY_USAGE_STATS_ENABLED=0 venv/bin/python -I -W ignore - <<'PY'
import pathlib

from pyarrow import fs
from ray.data.checkpoint import checkpoint_filter
from ray.data.datasource.filename_provider import FilenameProvider

noted, results = pathlib.Path("checkpoint"), pathlib.Path("results")
noted.mkdir()
results.mkdir()
for block in (7, 1000001):
    (noted / f"run_{block:06}.parquet").touch()
    (results / f"run_{block:06}-0.parquet").touch()
(noted / "run_100000.pending.parquet").touch()
(results / "run_100000-0.parquet").touch()
local = fs.LocalFileSystem()
clean = checkpoint_filter._clean_pending_checkpoints_task._function
count = clean(str(noted.absolute()), local, str(results.absolute()), local)
left = sorted(file.name for file in results.iterdir())
print(f"cleared up: {count} pending; left of 3 files of results: {left}")
kept = (noted / "run_1000001.parquet").exists()
print(f"checkpoint of block 1000001 is still there: {kept}")
names = FilenameProvider(dataset_uuid="run", file_format="parquet")
assert names.get_filename_for_task("id", 7) == "run_id_000007.parquet"
assert names.get_filename_for_task("id", 1000001) == "run_id_1000001.parquet"
assert left == ["run_000007-0.parquet"] and kept, "Ray clears up otherwise now"
PY
