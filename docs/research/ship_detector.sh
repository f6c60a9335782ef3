#!/usr/bin/env bash
# From a trained run to the bundled detector, its card, and every table of docs/detector.md.
#
#     docs/research/ship_detector.sh RUN FACTS.json REALWORLD PREPARED SCRATCH
#
# From the root of a checkout whose .venv has the test dependencies, with everything committed: the
# tables name the commit, with a + once a step has changed files of the checkout. So commit the
# detector, and make edges, views and mark again in a clean clone of that commit. FACTS.json says
# what the card is to say beside what the run knows (name, version, data, licences, recipe, commit,
# date, seed, calibrated_on, probabilities_fitted_to); REALWORLD is the collection that PREPARED was
# prepared from; SCRATCH keeps the evaluations. The words around the tables are written by hand
# afterwards, and so are README's example and the table of docs/benchmarks.md in 8 bits;
# robustness.csv is docs/research/detector_robustness.py's, of parts that ran on equally many cores.
# It took 18 minutes on two cores that other work shared (2026-11-30).
set -euo pipefail
if [ $# -ne 5 ]; then
  echo "usage: docs/research/ship_detector.sh RUN FACTS.json REALWORLD PREPARED SCRATCH" >&2
  exit 2
fi
run=$1 facts=$2 realworld=$3 prepared=$4 scratch=$5
python=.venv/bin/python tables=docs/results/detector detectors=npr_jax/detectors

# Limits by the images that the run held out, probabilities by generators that it never saw.
$python main.py calibrate --workdir="$run" --data="$prepared"
cp "$run"/calibration/*.csv $tables/held_out.csv
$python main.py calibrate --workdir="$run" --data="$prepared" --split=dev --keep_limits

$python main.py export --format=detector --workdir="$run" --card="$facts" --output=$detectors
$python main.py export --format=detector --weights=$detectors --output=$detectors \
  --eight_bits="$realworld/train"

scores=()
for delivery in clean web hard; do
  $python main.py evaluate --data="$prepared" --split=dev --delivery=$delivery \
    --output="$scratch/$delivery"
  scores+=(--scores "$delivery=$(echo "$scratch/$delivery"/evaluation/*/scores.csv)")
done
$python -m docs.research.detector_figures $tables/dev.csv "${scores[@]}" --onto_card

for what in views edges mark; do
  $python -m docs.research.detector_$what "$realworld" $tables/$what.csv
done
$python -m docs.research.detector_pictures docs --realworld="$realworld"
$python -m docs.research docs
