#!/bin/sh
# Builds the C library and its test for 64-bit ARM, every warning an error, and runs the test in QEMU
# on a CPU that has every extension and on one that has none: as it is built for users ("release"),
# and with sanitizers ("sanitized").  aarch64.sh CMAKE FOLDER NAME...
set -eu
cmake=$1 folder=$2
shift 2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
  command -v $tool > /dev/null || { echo "error: no $tool: run 'make ci-tools'" >&2; exit 1; }
done
for name in "$@"; do
  build=$folder/$name
  case $name in
    release) options=-DCMAKE_BUILD_TYPE=Release ;;
    sanitized) options="-DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O1 -DSIGNBIN_SANITIZE=ON" ;;
    *) echo "error: '$name' is no build; there are: release, sanitized" >&2; exit 1 ;;
  esac
  # shellcheck disable=SC2086 # options are words
  "$cmake" -S "$root" -B "$build" -DCMAKE_TOOLCHAIN_FILE="$root/native/aarch64.cmake" $options \
    -DSIGNBIN_TESTS=ON -DSIGNBIN_WERROR=ON > "$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
  "$cmake" --build "$build" --parallel 2 > "$build.log" 2>&1 || { grep -E "error|warning" "$build.log" >&2; exit 1; }
  for cpu in max cortex-a72; do
    # Leaks cannot be looked for where there is no tracing of processes.
    ASAN_OPTIONS=detect_leaks=0 qemu-aarch64 -cpu $cpu -L /usr/aarch64-linux-gnu "$build/test_abi" \
      > "$build.log" 2>&1 || { cat "$build.log" >&2; echo "error: $name on $cpu" >&2; exit 1; }
    echo "aarch64 $name, CPU $cpu: no warning, all C tests pass"
  done
done
