#!/bin/sh
# Builds the C library and its tests and runs them: once per tool named, of
#   address  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; with the Python extension,
#            under which a slice of the Python tests runs as well
#   thread   ThreadSanitizer; with the Python extension, under which tests of threads run as well
#   valgrind what the machine code of the optimised build does
# Of each first the faults that it is there for are made on purpose and must be reported; then the C
# tests and the inputs that fuzzers kept. What was done is said in one line a tool.
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

run() { # LOG COMMAND...
  log=$1
  shift
  "$@" > "$log" 2>&1 || { cat "$log" >&2; echo "error: $log" >&2; exit 1; }
}

find_planted() { # NAME WORDS, a pattern
  log=$folder/$name-planted-$1.log
  if $wrapper "$build/test_abi" planted "$1" > "$log" 2>&1 || ! grep -q "$2" "$log"; then
    cat "$log" >&2
    echo "error: $name does not report the planted fault '$1'" >&2
    exit 1
  fi
  planted=$((planted + 1))
}

replay() { # TARGET of a fuzzer
  rm -rf "$build/corpus"
  "$python" -m zipfile -e "$root/reliability/corpus/$1.zip" "$build/corpus"
  run "$build-$1.log" $wrapper "$build/test_abi" "$1" "$build/corpus/"*
  inputs=$((inputs + $(ls "$build/corpus" | wc -l)))
}

# The package beside the extension that was built, before any that is installed (-S: such a one may
# come first). Leaks are the C tests' matter: the interpreter keeps memory until it ends. What asks
# for more memory than there is gets none, as everywhere: tests do so. -s: reports stand in the log.
check_python() { # LIBRARY TEST...
  library=$1
  shift
  rm -rf "$build/package"
  mkdir "$build/package"
  cp -r "$root/src/signbin" "$build/package/signbin"
  cp "$build/_signbin."*.so "$build/package/signbin/native/"
  packages=$("$python" -c 'import sys; print(":".join(path for path in sys.path if path))')
  run "$build-python.log" env PYTHONPATH="$build/package:$root:$packages" OMP_NUM_THREADS=1 \
    LD_PRELOAD="$(gcc -print-file-name="$library") $(gcc -print-file-name=libstdc++.so)" \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:allocator_may_return_null=1 \
    PYTHONMALLOC=malloc "$python" -S -m pytest -s -p no:cacheprovider "$@"
  echo "$name: $(tail -n 1 "$build-python.log" | tr -s ' ' | cut -c 1-60): a slice of the Python tests passes"
}

tools=$*
for name in $tools; do
  wrapper='' flags=$unoptimised build=$folder/$name inputs=0 planted=0
  case $name in
    address) flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=all" ;;
    thread) flags="$flags -fsanitize=thread" ;;
    valgrind) flags="-O2 -g" wrapper="valgrind -q --error-exitcode=99 --leak-check=full" ;;
    *) echo "error: tool '$name'; allowed: address, thread, valgrind" >&2; exit 1 ;;
  esac
  for tool in gcc ${wrapper%% *}; do
    command -v "$tool" > /dev/null || { echo "error: no $tool: run 'make ci-tools'" >&2; exit 1; }
  done
  set --
  [ "$name" = valgrind ] || set -- -DSIGNBIN_PYTHON=ON -DPython_EXECUTABLE="$python" \
    -DSIGNBIN_SYMBOLS=ON -DCMAKE_CXX_FLAGS="$flags" \
    -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)"
  run "$build.log" "$cmake" -S "$root" -B "$build" -DCMAKE_C_COMPILER=gcc \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags" -DSIGNBIN_TESTS=ON "$@"
  run "$build.log" "$cmake" --build "$build" --parallel 2
  case $name in
    address)
      find_planted read-behind heap-buffer-overflow
      find_planted overflow 'signed integer overflow'
      find_planted leak 'LeakSanitizer: detected'
      ;;
    thread) find_planted race 'data race' ;;
    valgrind)
      find_planted read-behind 'Invalid read'
      find_planted unset 'depends on uninitialised'
      find_planted leak 'definitely lost'
      ;;
  esac
  run "$build-tests.log" $wrapper "$build/test_abi"
  replay builder
  replay sharing
  # Results are compared there, and valgrind does not see that a byte times a weight of 0 is 0.
  [ "$name" = valgrind ] || replay executor
  echo "$name: $planted planted faults reported; $(cat "$build-tests.log"); $inputs inputs of fuzzers: all C tests pass"
  case $name in
    address)
      check_python libasan.so tests/native/test_builder.py tests/native/test_codes_builder.py \
        tests/native/test_sums.py tests/artifact tests/runtime
      ;;
    thread)
      check_python libtsan.so tests/runtime/test_threads.py tests/runtime/test_sizes.py \
        tests/runtime/test_shared_sums.py tests/sums
      ;;
  esac
done
