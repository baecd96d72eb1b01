#!/usr/bin/env bash
# gpu.sh [FOLDER]: everything that needs a GPU, in at most ten minutes, for a GPU that is lent for a
# short time.  Figures and tables go to FOLDER (benchmarks/gpu):
#
#   1. the device tests on CuPy                                          tests.txt
#   2. a training step in minibn and in PyTorch, batch 5 and 128         steps.json, steps.md
#   3. an epoch of the paper, batch 128 and 5, or a timed part of it     epochs.json, epochs.md
#   4. one `compare --device gpu`                          compare.txt, compare-….json and .png
#
# It needs CuPy, pytest, hypothesis and minibn's own libraries; no network, no data set, and minibn
# need not be installed.  PyTorch is compared if it is installed; with pytest-xdist the tests run in
# 8 processes.  A part that fails or takes too long is reported, the other parts still run, and the
# exit status is then 1.
#
# PYTHON names another Python than python3; QUICK=1 makes every part small, to try the script.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=${1:-benchmarks/gpu}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PYTHONPATH="$PWD" PYTHONUNBUFFERED=1 MPLCONFIGDIR="$scratch" TQDM_MININTERVAL=5

# The reason why there is no GPU, in one line, and nothing else
"$python" -c "
import sys
from minibn.backend import device_module
try:
    device_module('gpu')
except RuntimeError as error:
    sys.exit(f'gpu.sh: {error}')
" || exit 1

mkdir -p "$out"
width=96 tests=(-k "not stand-in")
steps="--seconds 10 --patience 1" epochs="--seconds 30" compare="--seeds 1 --epochs 4"
if [ "${QUICK:-0}" = 1 ]; then
    width=4 tests=(-k "real and relu")
    steps="--quick" epochs="--seconds 1 --batch 5" compare="--seeds 1 --epochs 1 --limit-train 50 --limit-test 20"
fi
"$python" -c "import xdist" 2> /dev/null && tests+=(-n 8)

failed=()
# part SECONDS FILE COMMAND…: run the command, for so long at most, with its output in FILE, too.
part() {
    local seconds=$1 file=$2 start=$SECONDS status
    shift 2
    printf '\n== %s\n' "$file"
    timeout "$seconds" "$@" | tee "$out/$file"
    status=${PIPESTATUS[0]}
    printf '== %s: %d s, exit status %d\n' "$file" $((SECONDS - start)) "$status"
    [ "$status" = 0 ] || failed+=("$file")
}

part 200 tests.txt "$python" -m pytest tests/test_device*.py -p no:cacheprovider "${tests[@]}"
part 150 steps.md "$python" benchmarks/train_step.py --device gpu --batch 5 128 --width $width \
    $steps --json "$out/steps.json"
part 100 epochs.md "$python" benchmarks/epoch.py --device gpu --width $width $epochs \
    --json "$out/epochs.json"
part 80 compare.txt "$python" -m minibn compare --device gpu --width $width $compare --out "$out"

printf '\n%d s in all; failed: %s\n' $SECONDS "${failed[*]:-nothing}"
[ ${#failed[@]} = 0 ]
