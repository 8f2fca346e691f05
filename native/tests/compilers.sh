#!/bin/sh
# Builds the C library and its test, every warning an error, and runs the test: once per compiler and
# level of optimisation named, as "gcc-O2 clang-O0".  compilers.sh CMAKE FOLDER NAME...
# Without the optimiser nothing is inlined or kept in registers: what relies on it shows.
set -eu
cmake=$1 folder=$2
shift 2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"
for name in "$@"; do
  compiler=${name%-*} level=${name##*-} build=$folder/$name
  command -v "$compiler" > /dev/null || { echo "error: no $compiler: run 'make ci-tools'" >&2; exit 1; }
  "$cmake" -S "$root" -B "$build" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_FLAGS="-$level -Wconversion -Wno-sign-conversion" \
    -DSIGNBIN_TESTS=ON -DSIGNBIN_WERROR=ON > "$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
  "$cmake" --build "$build" --parallel 2 > "$build.log" 2>&1 || { grep -E "error|warning" "$build.log" >&2; exit 1; }
  "$build/test_abi" > "$build.log" 2>&1 || { cat "$build.log" >&2; echo "error: $name" >&2; exit 1; }
  echo "$name: no warning, all C tests pass"
done
