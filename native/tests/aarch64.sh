#!/bin/sh
# Builds the C library and its test for 64-bit ARM, every warning an error, and runs the test in
# QEMU: as it is built for users, on a CPU that has every extension and on one that has none, and
# with sanitizers. Then the Python package, whose extension it builds, too, into FOLDER/python, where
# tests/arm runs it.  aarch64.sh PYTHON CMAKE FOLDER
set -eu
python=$1 cmake=$2 folder=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
libraries=/usr/aarch64-linux-gnu
for tool in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v $tool > /dev/null || { echo "error: no $tool: run 'make ci-tools'" >&2; exit 1; }
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
there=$folder/python

build() { # NAME OPTION...
  name=$1
  shift
  "$cmake" -S "$root" -B "$folder/$name" -DCMAKE_TOOLCHAIN_FILE="$root/native/aarch64.cmake" \
    -DSIGNBIN_TESTS=ON -DSIGNBIN_WERROR=ON "$@" > "$folder/$name.log" 2>&1 \
    || { cat "$folder/$name.log" >&2; exit 1; }
  "$cmake" --build "$folder/$name" --parallel 2 > "$folder/$name.log" 2>&1 \
    || { grep -E -A 8 "error|warning" "$folder/$name.log" >&2; exit 1; }
}

check() { # NAME CPU
  # Leaks cannot be looked for where processes cannot be traced.
  ASAN_OPTIONS=detect_leaks=0 qemu-aarch64 -cpu "$2" -L $libraries "$folder/$1/test_abi" \
    > "$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; echo "error: $1 on $2" >&2; exit 1; }
  echo "aarch64, $1, CPU $2: no warning, all C tests pass"
}

sh "$root/native/tests/aarch64_python.sh" "$python" "$there" "$root/constraints.txt"
version=$(cat "$there/.complete")
build release -DCMAKE_BUILD_TYPE=Release -DSIGNBIN_SYMBOLS=ON -DSIGNBIN_CHECK_KERNELS=ON -DSIGNBIN_PYTHON=ON -DPython_EXECUTABLE="$python" \
  -DPython_INCLUDE_DIR="$there/sysroot/usr/include/python$version" \
  -Dnanobind_DIR="$there/site/nanobind/cmake"
check release max
check release cortex-a72
rm -rf "$there/package"
mkdir "$there/package"
cp -r "$root/src/signbin" "$there/package/signbin"
cp "$folder/release/_signbin."*.so "$there/package/signbin/native/_signbin.so"
# What is inlined by force takes long to check at every place it is used; as functions it does the
# same.
build sanitized -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O0 -Dalways_inline=" -DSIGNBIN_SANITIZE=ON
check sanitized max
