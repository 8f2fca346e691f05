#!/bin/sh
# Builds the C library and its tests and runs them: once per tool named, of
#   address  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; with the Python extension,
#            under which a slice of the Python tests runs as well
#   thread   ThreadSanitizer
#   valgrind what the machine code of the optimised build does
# sanitize.sh PYTHON CMAKE FOLDER NAME...
set -eu
python=$1 cmake=$2 folder=$3
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# What is inlined by force takes long to check at every place it is used; as functions it does the
# same.
unoptimised="-O0 -g -Dalways_inline= -fno-omit-frame-pointer"
slice="tests/native/test_builder.py tests/native/test_codes_builder.py tests/native/test_sums.py
  tests/artifact tests/runtime"

run() { # LOG COMMAND...
  log=$1
  shift
  "$@" > "$log" 2>&1 || { cat "$log" >&2; echo "error: $log" >&2; exit 1; }
}

# The package beside the extension that was built, before any that is installed (-S: such a one may
# come first). Leaks are the C tests' matter: the interpreter keeps memory until it ends.
check_python() { # BUILD
  rm -rf "$1/package"
  mkdir "$1/package"
  cp -r "$root/src/signbin" "$1/package/signbin"
  cp "$1/_signbin."*.so "$1/package/signbin/native/"
  packages=$("$python" -c 'import sys; print(":".join(path for path in sys.path if path))')
  # shellcheck disable=SC2086 # a list of folders
  run "$folder/python.log" env PYTHONPATH="$1/package:$root:$packages" OMP_NUM_THREADS=1 \
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)" \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 ASAN_OPTIONS=detect_leaks=0 \
    PYTHONMALLOC=malloc "$python" -S -m pytest -q -p no:cacheprovider $slice
  echo "address: $(tail -n 1 "$folder/python.log" | tr -s ' ' | cut -c 1-60): a slice of the Python tests passes"
}

tools=$*
for name in $tools; do
  wrapper='' flags=$unoptimised build=$folder/$name
  set --
  case $name in
    address)
      flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=all"
      set -- -DSIGNBIN_PYTHON=ON -DPython_EXECUTABLE="$python" -DSIGNBIN_SYMBOLS=ON \
        -DCMAKE_CXX_FLAGS="$flags" -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)"
      ;;
    thread) flags="$flags -fsanitize=thread" ;;
    valgrind) flags="-O2 -g" wrapper="valgrind -q --error-exitcode=99 --leak-check=full" ;;
    *) echo "error: tool '$name'; allowed: address, thread, valgrind" >&2; exit 1 ;;
  esac
  for tool in gcc ${wrapper%% *}; do
    command -v "$tool" > /dev/null || { echo "error: no $tool: run 'make ci-tools'" >&2; exit 1; }
  done
  run "$build.log" "$cmake" -S "$root" -B "$build" -DCMAKE_C_COMPILER=gcc \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags" -DSIGNBIN_TESTS=ON "$@"
  run "$build.log" "$cmake" --build "$build" --parallel 2
  run "$build.log" $wrapper "$build/test_abi"
  echo "$name: all C tests pass"
  [ "$name" != address ] || check_python "$build"
done
