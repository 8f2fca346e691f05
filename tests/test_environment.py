"""environment: plain data about the machine, and nothing that identifies it."""

from __future__ import annotations

import datetime
import getpass
import json
import platform
import subprocess
import sys

import numpy as np

from signbin.environment import environment


def test_it_is_json_and_names_what_influences_a_result():
    document = json.loads(json.dumps(environment()))
    assert document["versions"]["numpy"] == np.__version__
    assert document["versions"]["python"] == platform.python_version()
    assert document["cpu"]["architecture"] == platform.machine()
    assert 1 <= document["cpu"]["cores_allowed"] <= document["cpu"]["cores_online"]
    assert document["memory_bytes"] > 2**20
    assert all(size > 0 for size in document["cpu"]["caches_bytes"].values())


def test_it_is_stamped_with_the_time_in_utc():
    stamp = datetime.datetime.fromisoformat(environment()["time_utc"])
    assert stamp.utcoffset() == datetime.timedelta(0)
    assert abs(datetime.datetime.now(datetime.UTC) - stamp) < datetime.timedelta(seconds=10)


def test_what_the_native_library_says_is_kept():
    assert environment({"compiler": "gcc 12"})["native"] == {"compiler": "gcc 12"}


def test_it_names_no_host_user_or_path():
    text = json.dumps(environment())
    assert platform.node() not in text
    assert f'"{getpass.getuser()}"' not in text
    assert "/home" not in text
    assert sys.prefix not in text


def test_it_does_not_import_torch():
    code = "import sys; from signbin.environment import environment; environment();"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
