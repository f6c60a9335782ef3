#!/usr/bin/env bash
# Ray Data: a pool of one to two actors never gets its second one, though a core is idle all the time.
#
# A good guess: ActorPoolStrategy(min_size=1, max_size=2) on three cores grows to two actors as soon as
# one cannot keep up: reading is done in a moment, and writing needs next to nothing.
# What happens: one actor does all the work, and the second core idles to the end. Ray Data reserves
# a part of all resources (op_resource_reservation_ratio, by itself 0.5) for the operators of a
# pipeline; with op_resource_reservation_enabled=False the pool grows. On 17 cores (logical ones, which
# is all that Ray counts) a pool of at most 16 worked with 11.
# What it costs: half of the machine for as long as the job takes, without a word.
#
# Source: measured. The documentation of DataContext says that resources are reserved "to prevent
# resource contention"; what that does to the size of a pool is not there.
# Seen on 2026-11-29 with ray 2.60.0, pyarrow 26.0.1, Python 3.11, Linux, 20 blocks of 2 seconds each:
#   as it comes: processes that worked: 1
#   without reservation: processes that worked: 2
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  'ray[data]==2.60.0' pyarrow==26.0.1
cd "$scratch"
RAY_USAGE_STATS_ENABLED=0 venv/bin/python -I -W ignore - 2> log.txt <<'PY' || { cat log.txt; exit 1; }
import os
import time

import pyarrow as pa
import ray
from pyarrow import parquet

BLOCKS, ROWS, SECONDS = 20, 10, 2.0


class Worker:
    def __call__(self, rows):
        time.sleep(SECONDS)
        return rows.append_column("process", pa.array([os.getpid()] * len(rows)))


def workers(reserved, output):
    context = ray.data.DataContext.get_current()
    context.op_resource_reservation_enabled = reserved
    rows = ray.data.read_parquet("rows.parquet").repartition(target_num_rows_per_block=ROWS)
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=2)
    done = rows.map_batches(
        Worker, batch_format="pyarrow", batch_size=None, compute=pool, num_cpus=1
    )
    done.write_parquet(os.path.abspath(output))
    return len(set(parquet.read_table(output)["process"].to_pylist()))


parquet.write_table(pa.table({"row": list(range(BLOCKS * ROWS))}), "rows.parquet")
ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
found = workers(True, "reserved"), workers(False, "free")
print("as it comes: processes that worked:", found[0])
print("without reservation: processes that worked:", found[1])
assert found == (1, 2), found
PY
