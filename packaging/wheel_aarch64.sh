#!/bin/sh
# Builds the wheel of this commit for 64-bit ARM with the compiler of native/aarch64.cmake, and runs
# it in QEMU, in a Python that has numpy alone, on a CPU with every extension and on one with none.
#   wheel_aarch64.sh PYTHON OUT [COPIES [MODEL.sbn...]]
# build/aarch64/python has the Python, see native/tests/aarch64_python.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
python=$1 copies=${3:-2}
mkdir -p "$2"
out=$(cd "$2" && pwd)
[ $# -lt 3 ] && shift 2 || shift 3
there=$root/build/aarch64/python
sh "$root/native/tests/aarch64_python.sh" "$python" "$there" "$root/constraints.txt"
version=$(cat "$there/.complete")
[ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$version" ] \
  || { echo "error: the Python for ARM is $version: build its wheel with python$version" >&2; exit 1; }
suffix=cpython-$(echo "$version" | tr -d .)-aarch64-linux-gnu.so
# What the Python that builds would say of itself, and Python for ARM says of itself.
_PYTHON_HOST_PLATFORM=linux-aarch64 sh "$here/build.sh" "$python" "$out" "$copies" \
  -C cmake.define.CMAKE_TOOLCHAIN_FILE="$root/native/aarch64.cmake" \
  -C cmake.define.Python_INCLUDE_DIR="$there/sysroot/usr/include/python$version" \
  -C cmake.define.NB_SUFFIX=".$suffix" -C cmake.define.NB_SUFFIX_S=".abi3.so"
wheel=$(ls "$out"/repaired/*.whl)
platform=${wheel##*-}
"$python" -m pip install --quiet --target "$out/installed" --only-binary :all: \
  --platform "$(echo "${platform%.whl}" | sed 's/\..*//')" --platform manylinux_2_28_aarch64 \
  --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
  --python-version "$version" --implementation cp -c "$root/constraints.txt" "$wheel"
for cpu in max cortex-a72; do
  env -i PYTHONPATH="$out/installed" OPENBLAS_NUM_THREADS=1 "$(command -v qemu-aarch64)" -cpu $cpu \
    -L "$there/sysroot" "$there/sysroot/usr/bin/python3" "$here/run_wheel.py" "$@"
done
