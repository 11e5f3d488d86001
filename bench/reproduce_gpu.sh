#!/usr/bin/env bash
# Table 5, the best options and GAM beside VTM on one GPU at the size `small`: 50,000 clips of 112 px rendered as they are
# read, a gallery of 1,000 unseen combinations, three seeds; the controls and Table 7 with one. It is meant to end within 25
# minutes on a large GPU. That is an estimate and not measured: by the count of FLOPs it is about 40 PFLOP with 200 steps
# of 512 clips, in TF32, beside some 27 starts of 14 reading processes. Stopped earlier, the same command goes on.
# Needs the python3 in PYTHON with torch, numpy, einops, jaxtyping, safetensors, tokenizers, typer, rich, matplotlib and
# scikit-learn; nothing is downloaded. Tables and pictures end up in RESULTS.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-runs/gpu-tables}
RESULTS=${RESULTS:-docs/results/gpu}
BUDGET_STEPS=${BUDGET_STEPS:-200}
SEEDS=${SEEDS:-3}
export PYTHONPATH=$PWD OMP_NUM_THREADS=1 TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1
"$PYTHON" -c 'import torch; assert torch.cuda.is_available(), "no GPU: vlsa reproduce runs on the processor too"'
common=(--recipe small --out "$OUT" --budget-steps "$BUDGET_STEPS" --batch-size 256
    --data world:train=50000,test=1000,px=112 --finetune-data world:train=2048,test=0,first=100000,px=112)
mkdir -p "$RESULTS"
make_table() {
    "$PYTHON" -m vlsa.cli reproduce "$1" "${common[@]}" --seeds "$2"
    cp "$OUT/$1"*.{md,json,png} "$RESULTS/"
}
make_table table5 "$SEEDS"
make_table beyond "$SEEDS"
make_table figure5 "$SEEDS"
make_table controls 1
"$PYTHON" -m vlsa.cli reproduce table7 --recipe paper --batch-size 64 --out "$OUT"
cp "$OUT"/table7.{md,json} "$RESULTS/"
