#!/usr/bin/env bash
# Everything that a GPU must answer, in one call of at most 8 minutes; see docs/benchmarks.md.
#
#     benchmarks/gpu.sh [OUT] [--rehearsal]
#
# OUT gets gpu.json, gpu.txt (the table, printed too) and gpu.log; the default is a new temporary
# folder. Missing packages are installed from the folder wheels/, where there is one (WHEELS names
# another), into a temporary one: nothing is downloaded. PYTHON names another interpreter.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
out=
if [ $# -gt 0 ] && [[ $1 != --* ]]; then
  out=$1
  shift
fi
out=${out:-$(mktemp -d)}
out=$(mkdir -p "$out" && cd "$out" && pwd)

wheels=${WHEELS:-$root/wheels}
if compgen -G "$wheels/*.whl" > /dev/null; then
  packages=$(mktemp -d)
  trap 'rm -rf "$packages"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$packages" \
    "$wheels"/*.whl
  export PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH}
fi
echo "results: $out"
# SECONDS is bash's count since the script began.
cd "$root"
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "$python" -m benchmarks.gpu.runner "$out" \
  --seconds=$((465 - SECONDS)) "$@"
