#!/bin/sh
# Builds the wheel of this commit, and runs it in an environment that has numpy alone and no
# compiler.  wheel.sh PYTHON OUT [COPIES [MODEL.sbn...]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=$1 copies=${3:-2}
mkdir -p "$2"
out=$(cd "$2" && pwd)
[ $# -lt 3 ] && shift 2 || shift 3
sh "$here/build.sh" "$python" "$out" "$copies"
"$python" -m venv "$out/empty"
"$out/empty/bin/python" -m pip install --quiet "$out"/repaired/*.whl
# No compiler is to be found on the way.
env -i PATH="$out/empty/bin" "$out/empty/bin/python" "$here/run_wheel.py" "$@"
