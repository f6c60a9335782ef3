#!/usr/bin/env bash
# ONNX Runtime: the Linux package gives the machine a number and a queue of events for Microsoft.
#
# A good guess: telemetry is a matter of Windows builds, or begins when a program asks for it; a
# program that scores pictures with ONNX Runtime and opens no connection says nothing to anybody.
# What happens: the import alone writes an identifier of this machine and a database of events into
# the user's cache, and Privacy.md in the package says that events go to Microsoft over HTTPS by
# default. `disable_telemetry_events()` comes after the first of them; the variable
# ORT_DISABLE_TELEMETRY=1, set before the import, prevents all of it.
# What it costs: who examines confidential pictures with a tool built on it tells a third party that
# and when they do, unless the tool sets the variable.
#
# Source: measured, and Privacy.md of the package. What is sent was not looked at.
# Seen on 2026-11-28 with onnxruntime 1.32.0, Python 3.11, Linux x86-64; files after an import:
#   by default: .onnxruntime/deviceid, .onnxruntime/onnxruntime.db
#   with ORT_DISABLE_TELEMETRY=1: none
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  onnxruntime==1.32.0 numpy==2.4.6

files_after_import() { # files_after_import NAME [VARIABLE=VALUE]
  mkdir -p "$scratch/$1"
  env -u XDG_CACHE_HOME -u ORT_DISABLE_TELEMETRY HOME="$scratch/$1" TMPDIR="$scratch/$1" "${@:2}" \
    "$scratch/venv/bin/python" -I -c "import onnxruntime"
  (cd "$scratch/$1" && find . -type f -path "*.onnxruntime*" ! -name "*-wal" ! -name "*-shm" |
    sed "s|.*/\(.onnxruntime/\)|\1|" | sort | paste -sd " ")
}

found=$(files_after_import default)
echo "by default: ${found:-none}"
[ "$found" = ".onnxruntime/deviceid .onnxruntime/onnxruntime.db" ] || { echo "otherwise now"; exit 1; }
found=$(files_after_import silent ORT_DISABLE_TELEMETRY=1)
echo "with ORT_DISABLE_TELEMETRY=1: ${found:-none}"
[ -z "$found" ] || { echo "otherwise now"; exit 1; }
