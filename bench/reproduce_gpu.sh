#!/usr/bin/env bash
# Table 5, GAM beside VTM, the options and the controls on one GPU at the size `small`: 50,000 clips of 112 px rendered as
# they are read, a gallery of 1,000 unseen combinations, three seeds. Meant to end within 25 minutes on a large GPU (an
# estimate: 15 GFLOPs a clip and step, 512 clips, BUDGET_STEPS steps); stopped earlier, the same command goes on.
# Needs the python3 in PYTHON with torch, numpy, einops, jaxtyping, safetensors, tokenizers, typer, rich, matplotlib and
# scikit-learn; nothing is downloaded. Tables and pictures end up in RESULTS.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-runs/gpu-tables}
RESULTS=${RESULTS:-docs/results/gpu}
BUDGET_STEPS=${BUDGET_STEPS:-250}
SEEDS=${SEEDS:-3}
export PYTHONPATH=$PWD OMP_NUM_THREADS=1
"$PYTHON" -c 'import torch; assert torch.cuda.is_available(), "no GPU: vlsa reproduce runs on the processor too"'
common=(--recipe small --out "$OUT" --budget-steps "$BUDGET_STEPS" --batch-size 256
    --data world:train=50000,test=1000,px=112 --finetune-data world:train=2048,test=0,first=100000,px=112)
mkdir -p "$RESULTS"
for table in table5 beyond figure5 controls; do
    "$PYTHON" -m vlsa.cli reproduce "$table" "${common[@]}" --seeds "$SEEDS"
    cp "$OUT/$table"*.{md,json,png} "$RESULTS/"
done
"$PYTHON" -m vlsa.cli reproduce options "${common[@]}" --seeds 1
"$PYTHON" -m vlsa.cli reproduce table7 --recipe paper --batch-size 64 --out "$OUT"
cp "$OUT"/options.{md,json,png} "$OUT"/table7.{md,json} "$RESULTS/"
