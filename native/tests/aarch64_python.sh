#!/bin/sh
# Unpacks a Python for 64-bit ARM with numpy and what the tests of kernels need into a folder, where
# QEMU runs it; nothing is installed on this machine.  aarch64_python.sh PYTHON FOLDER CONSTRAINTS
# FOLDER/sysroot: packages of the distribution. FOLDER/site: packages of Python.
set -eu
python=$1 folder=$2 constraints=$3
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ ! -e "$folder/.complete" ] || exit 0
for tool in apt-get dpkg-deb; do
  command -v $tool > /dev/null || { echo "error: no $tool: packages of Debian hold the Python" >&2; exit 1; }
done
rm -rf "$folder/apt" "$folder/sysroot" "$folder/site"
mkdir -p "$folder/apt/state/lists/partial" "$folder/apt/cache/archives/partial" "$folder/sysroot"
packages() {
  apt-get -qq -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
    -o Acquire::Languages=none -o Dir::State="$folder/apt/state" -o Dir::Cache="$folder/apt/cache" \
    -o Dir::State::status=/dev/null -o Debug::NoLocking=1 "$@" > "$folder/log" 2>&1 \
    || { cat "$folder/log" >&2; exit 1; }
}
packages update
packages --no-install-recommends --download-only install \
  python3-minimal libpython3-stdlib libpython3-dev libstdc++6
for package in "$folder"/apt/cache/archives/*.deb; do
  dpkg-deb -x "$package" "$folder/sysroot"
done
rm -rf "$folder/apt"
version=$(basename "$(readlink -f "$folder/sysroot/usr/bin/python3")" | sed 's/python//')
# Python's headers name their own folder by the architecture.
ln -s ../aarch64-linux-gnu "$folder/sysroot/usr/include/python$version/aarch64-linux-gnu"
"$python" -m pip install --quiet --target "$folder/site" --platform manylinux2014_aarch64 \
  --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 --only-binary :all: \
  --python-version "$version" --implementation cp -c "$constraints" \
  numpy pytest pytest-timeout hypothesis nanobind > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
echo "$version" > "$folder/.complete"
