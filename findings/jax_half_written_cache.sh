#!/usr/bin/env bash
# JAX: a compiled program that was half written stays in the cache for good, and is compiled anew
# by every process.
#
# A good guess: the persistent compilation cache writes beside and renames, so that a program is
# there whole or not at all; or it writes a program anew that it could not read.
# What happens: it writes in place. Where the disk is full, or the process is killed, half a program
# is left. Each later process warns that it cannot read it, compiles, and writes nothing, since a
# file of that name is there. Another process that reads while one writes warns, too.
#
# Source: jax/_src/lru_cache.py; JAX's page on the cache does not speak of it.
# Seen on 2026-11-29 with jax 0.10.2, Python 3.11:
#   with room for 1,000 bytes a file: 1000 bytes Error writing persistent
#   first process after it: 1000 bytes Error reading persistent
#   second process after it: 1000 bytes Error reading persistent
#   in an empty cache: 2926 bytes
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  jax==0.10.2 jaxlib==0.10.2
cd "$scratch"
cat > compute.py <<'PY'
import pathlib
import resource
import sys
import warnings

import jax
import numpy as np

folder, most = sys.argv[1], int(sys.argv[2])
jax.config.update("jax_compilation_cache_dir", folder)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
x = np.ones((4, 4), np.float32)
lowered = jax.jit(lambda x: (x @ x).sum()).lower(x)
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert lowered.compile()(x) == 64
said = [str(one.message)[:24] for one in caught if "cache entry" in str(one.message)]
sizes = [path.stat().st_size for path in pathlib.Path(folder).glob("*-cache")]
print(f"{max(sizes)} bytes", *sorted(set(said)))
PY
compute() { JAX_PLATFORMS=cpu venv/bin/python -I compute.py "$@"; }
full=$(compute cache 1000)
first=$(compute cache 0)
second=$(compute cache 0)
whole=$(compute other 0)
echo "with room for 1,000 bytes a file: $full"
echo "first process after it: $first"
echo "second process after it: $second"
echo "in an empty cache: $whole"
[ "$full" = "1000 bytes Error writing persistent" ] || { echo "nothing is left half-written now"; exit 1; }
[ "$first" = "1000 bytes Error reading persistent" ] || { echo "it is mended now"; exit 1; }
[ "$second" = "$first" ] || { echo "it is mended now"; exit 1; }
case $whole in *Error*) echo "the cache does not work here"; exit 1 ;; esac
