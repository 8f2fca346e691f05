#!/bin/sh
# Builds the wheel of this commit from its source distribution, so many times, each in a new folder
# outside the repository, where there is no git: all are the same bytes. Then gives it the lowest tag
# that its libraries allow.  build.sh PYTHON OUT COPIES [OPTION of build...]
# OUT/repaired has the wheel.
set -eu
python=$1 out=$2 copies=$3
shift 3
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
[ "$copies" -eq 1 ] || export CCACHE_DISABLE=1 # or the second is compiled from the first's files
rm -rf "$out" && mkdir -p "$out/sdist" "$out/repaired"
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
run() { # LOG COMMAND...
  log=$1
  shift
  "$@" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
run "$out/sdist.log" "$python" -m build --sdist --no-isolation --outdir "$out/sdist" .
for copy in $(seq "$copies"); do
  mkdir "$away/$copy"
  tar -xzf "$out"/sdist/*.tar.gz -C "$away/$copy" --strip-components=1
  run "$out/$copy.log" "$python" -m build --wheel --no-isolation --outdir "$out/$copy" \
    -C cmake.define.SIGNBIN_WERROR=ON "$@" "$away/$copy"
  cmp "$out"/1/*.whl "$out/$copy"/*.whl
done
sha256sum "$out"/[0-9]*/*.whl
run "$out/repair.log" "$python" -m auditwheel repair --wheel-dir "$out/repaired" "$out"/1/*.whl
ls "$out/repaired"
