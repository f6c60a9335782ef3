#!/usr/bin/env bash
# Ray Data: in an object store, a kill while a checkpoint is committed takes rows out of the result.
#
# A good guess: rows whose checkpoint is committed have their results in the output, and the next
# run goes over the others. Ray's source calls the commit, a rename, "the atomic point".
# What happens: BatchBasedCheckpointWriter.commit_checkpoint calls pyarrow's move, which in S3 is a
# copy and then a removal. Killed between the two, both the pending and the committed checkpoint are
# there. _clean_pending_checkpoints_task of the next run deletes the results of the pending one, then
# this itself; load_checkpoint reads the committed one: its rows count as done, and are in no file.
# With checkpoints below the output the committed one goes too, as its name begins as those of the
# results do, and its rows are done anew.
# What it costs: lost rows in a run that ends well and then deletes its checkpoints, the only trace.
# The kill has to come within the time of one request.
#
# Source: measured; a store on this machine makes the copy and withholds its answer until the kill.
# ray-project/ray pull request 61821, which brought the commit, says "exactly-once write semantics".
# Seen on 2026-11-29 with ray 2.60.0, pyarrow 26.0.1, moto 5.2.5, Python 3.11, Linux:
#   beside/checkpoint: at the kill 3 files, 3 committed, 1 of them also pending
#     the next run ends with 0: 30 of 40 rows in 3 files; rows twice: 0, checkpoints left: 0
#   below/output/_checkpoint: at the kill 3 files, 3 committed, 1 of them also pending
#     the next run ends with 0: 40 of 40 rows in 4 files; rows twice: 0, checkpoints left: 0
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  'ray[data]==2.60.0' pyarrow==26.0.1 moto==5.2.5 flask==3.1.3 flask-cors==6.0.5
cd "$scratch"
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true RAY_USAGE_STATS_ENABLED=0
cat > driver.py <<'PY'
import sys

import ray
from pyarrow import fs

output, checkpoint, address = sys.argv[1:]
store = fs.S3FileSystem(scheme="http", endpoint_override=address)
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().checkpoint_config = ray.data.checkpoint.CheckpointConfig(
    "id", checkpoint, override_filesystem=store
)
rows = ray.data.range(40, override_num_blocks=4)
rows.write_parquet(output, filesystem=store, concurrency=1)
PY
venv/bin/python -I -W ignore - 2> log.txt <<'PY' || { tail -n 50 log.txt; exit 1; }
import subprocess
import sys
import threading
import time

from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import dataset, fs
from werkzeug import serving

moto, third_copied = DomainDispatcherApplication(create_backend_app), threading.Event()


def slow_store(environ, start_response):
    answer = moto(environ, start_response)
    copies_third = "HTTP_X_AMZ_COPY_SOURCE" in environ and "_000002." in environ["PATH_INFO"]
    if copies_third and not third_copied.is_set():
        third_copied.set()
        time.sleep(600)
    return answer


server = serving.make_server("127.0.0.1", 0, slow_store, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
at = f"127.0.0.1:{server.server_port}"
store = fs.S3FileSystem(scheme="http", endpoint_override=at, allow_bucket_creation=True)


def names(folder):
    there = store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return {file.base_name for file in there if file.is_file}


def killed_and_run_again(output, checkpoint):
    store.create_dir(output)
    third_copied.clear()
    command = [sys.executable, "-I", "-W", "ignore", "driver.py", output, checkpoint, at]
    with subprocess.Popen(command) as driver:
        reached = third_copied.wait(300)
        driver.kill()
    time.sleep(5)  # Ray's other processes end with their driver
    done = {name for name in names(checkpoint) if not name.endswith(".pending.parquet")}
    both = {name.replace(".parquet", ".pending.parquet") for name in done} & names(checkpoint)
    state = len(names(output)), len(done), len(both)
    print(checkpoint + ": at the kill {} files, {} committed, {} of them also pending".format(*state))
    assert reached and state == (3, 3, 1), "it was killed elsewhere"
    status = subprocess.run(command).returncode
    found = dataset.dataset(output, filesystem=store).to_table()["id"].to_pylist()
    once, left = len(set(found)), len(names(checkpoint))
    print(f"  the next run ends with {status}: {once} of 40 rows in {len(names(output))} files;", end="")
    print(f" rows twice: {len(found) - once}, checkpoints left: {left}")
    return status, once, len(found) - once, left


beside = killed_and_run_again("beside/output", "beside/checkpoint")
below = killed_and_run_again("below/output", "below/output/_checkpoint")
assert (beside, below) == ((0, 30, 0, 0), (0, 40, 0, 0)), "Ray commits or clears up otherwise now"
PY
