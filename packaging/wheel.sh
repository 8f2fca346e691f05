#!/bin/sh
# Builds the wheel of this commit twice, from its source distribution, in two folders: both are the
# same bytes. Then gives it the lowest tag that this system allows and runs it in an environment
# without a compiler.  sh packaging/wheel.sh PYTHON OUT [MODEL.sbn]
set -eu
python=$1 out=$2 model=${3:-}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
rm -rf "$out" && mkdir -p "$out/sdist" "$out/one" "$out/two" "$out/repaired"
"$python" -m build --sdist --no-isolation --outdir "$out/sdist" . >"$out/sdist.log"
for copy in one two; do
  mkdir "$out/source-$copy"
  tar -xzf "$out"/sdist/*.tar.gz -C "$out/source-$copy" --strip-components=1
  (cd "$out/source-$copy" && "$python" -m build --wheel --no-isolation --outdir "$out/$copy" .) \
    >"$out/$copy.log"
done
sha256sum "$out"/one/*.whl "$out"/two/*.whl
cmp "$out"/one/*.whl "$out"/two/*.whl
"$python" -m auditwheel repair --wheel-dir "$out/repaired" "$out"/one/*.whl
"$python" -m venv "$out/empty"
"$out/empty/bin/python" -m pip install --quiet "$out"/repaired/*.whl
# No compiler is to be found on the way.
env -i PATH="$out/empty/bin" "$out/empty/bin/python" packaging/run_wheel.py ${model:+"$model"}
