#!/bin/sh
# The main job, end to end: train signed-binary, binary and ternary networks on handwritten
# digits (three seeds each), compile, compare with PyTorch, classify images, report.
set -eu
bin=$1
out=${2:-demo}
say() { printf '\n$ %s\n' "$*" >&2; "$@"; }

mkdir -p "$out"
for weights in signed_binary binary ternary; do
    say "$bin/signbin" train digits --weights "$weights" --seeds 0,1,2 \
        -o "$out/$weights" --force
done
say "$bin/signbin" compile "$out/signed_binary" -o "$out/digits.sbn" --force
say "$bin/signbin" compare "$out/signed_binary" "$out/digits.sbn"
"$bin/signbin" compare "$out/signed_binary" "$out/digits.sbn" --json > "$out/compare.json"
"$bin/python" - "$out/images" <<'EOF'
import sys
from pathlib import Path
from signbin.train import load_dataset, write_test_images

write_test_images(Path(sys.argv[1]), 5, load_dataset("digits"))
EOF
say "$bin/signbin" run "$out/digits.sbn" "$out"/images/*.png
say "$bin/signbin" report "$out/signed_binary" "$out/binary" "$out/ternary" \
    --model "$out/digits.sbn" --comparison "$out/compare.json" --measure \
    -o report.html --force
