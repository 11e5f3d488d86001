#!/usr/bin/env bash
# All that has to be measured on a GPU, within BUDGET_SECONDS (20 minutes) on a large one: the tests that need one, the
# ladder of the training step, and the same step written with transformers. Cut off, the same command goes on: what
# RESULTS holds of the same code and GPU is not measured again. Parts may be named: bench/gpu.sh step peer.
# Needs the python3 in PYTHON with torch, numpy, einops, jaxtyping, safetensors, tokenizers, pillow and transformers;
# pytest for the tests. Nothing is downloaded and no media library is needed. FLAGS are handed to the benches.
#
# bench/gpu.sh --small tries the benches at a tiny size in a minute, on a processor too; its times say nothing. Without
# a GPU nothing is compiled there, unless COMPILE=1.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
PYTHON=${PYTHON:-python3}
RESULTS=${RESULTS:-bench/results}
RECIPE=${RECIPE:-paper}
BUDGET_SECONDS=${BUDGET_SECONDS:-1140}
STOP=$(($(date +%s) + BUDGET_SECONDS))
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE NVIDIA_TF32_OVERRIDE

size=(--recipe "$RECIPE")
parts=(tests step peer)
if [ "${1:-}" = --small ]; then
    size=(--small)
    parts=(step peer)
    RESULTS=${SMALL_RESULTS:-$(mktemp -d)}
    [ "${COMPILE:-0}" = 1 ] || export TORCHDYNAMO_DISABLE=1
    shift
elif ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "bench/gpu.sh: torch of $PYTHON sees no GPU, and its times are what is asked for. Try bench/gpu.sh --small." >&2
    exit 1
fi
[ $# -eq 0 ] || parts=("$@")

left() { # seconds that a part may use: its share, in percent, of what is left
    local seconds=$(((STOP - $(date +%s)) * $1 / 100))
    echo $((seconds > 0 ? seconds : 0))
}

tests() {
    if ! "$PYTHON" -c 'import pytest' 2>/dev/null; then
        echo "no pytest on this machine: the tests in tests/gpu did not run" >&2
        return 0
    fi
    # pyproject.toml's options ask for libraries of the full set-up; other versions than the tested ones may warn.
    VLSA_REQUIRE_GPU=1 timeout --kill-after=10 "$(left 25)" "$PYTHON" -m pytest -q -o addopts= -o filterwarnings=default \
        --import-mode=importlib -p no:cacheprovider -m gpu tests/gpu
}

bench() { # name, share of the time
    # shellcheck disable=SC2086
    "$PYTHON" "bench/$1.py" "${size[@]}" --seconds "$(left "$2")" --out "$RESULTS/$1.jsonl" ${FLAGS:-}
}

status=0
for part in "${parts[@]}"; do
    printf '\n== %s\n' "$part"
    case $part in
        tests) tests ;;
        step) bench train_step 70 ;;
        peer) bench peer_step 100 ;;
        *) echo "bench/gpu.sh: no part named $part. Known: tests, step, peer." >&2; false ;;
    esac || { status=1; echo "bench/gpu.sh: $part did not pass" >&2; }
done
printf '\nresults: %s\n' "$RESULTS"
exit $status
