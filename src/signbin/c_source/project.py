"""The folder of an exported network: sources, a test of its own, and what build systems ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from signbin.c_source.literals import number
from signbin.c_source.network import Network
from signbin.c_source.sizes import kernel_text
from signbin.version import VERSION

__all__ = ["Golden", "write_project"]

_HEADERS = ("sbc.h", "sbc_ending.h")


@dataclasses.dataclass(frozen=True, eq=False)
class Golden:
    """Inputs (N, ...) and what signbin computes from them, (N, outputs), both float32."""

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]


def write_project(network: Network, golden: Golden) -> Mapping[str, str]:
    """Texts by path within the folder."""
    name = network.name
    sources = [f"{name}.c", *network.kernels]
    files = {f"src/{kernel}": kernel_text(kernel) for kernel in (*_HEADERS, *network.kernels)}
    files[f"src/{name}.h"] = network.header
    files[f"src/{name}.c"] = network.source
    files[f"test/{name}_golden.h"] = _golden_text(name, golden)
    files[f"test/test_{name}.c"] = _test_text(name, len(golden.inputs))
    files["CMakeLists.txt"] = _cmake_text(name, sources)
    files["idf_component.yml"] = _component_text(name)
    files["library.properties"] = _arduino_text(name)
    files["library.json"] = _platformio_text(name)
    return files


def _golden_text(name: str, golden: Golden) -> str:
    upper = name.upper()
    return f"""/* Inputs of {name}, and what signbin {VERSION} computes from them. */
#ifndef {upper}_GOLDEN_H
#define {upper}_GOLDEN_H

#define {upper}_GOLDEN {len(golden.inputs)}

static const float {name}_golden_inputs[{len(golden.inputs)}][{golden.inputs[0].size}] = {{
{_rows(golden.inputs)}
}};

static const float {name}_golden_outputs[{len(golden.outputs)}][{golden.outputs[0].size}] = {{
{_rows(golden.outputs)}
}};

#endif
"""


def _rows(arrays: NDArray[np.float32]) -> str:
    lines = []
    for each in arrays:
        texts = [number(float(value)) for value in each.reshape(-1)]
        parts = [", ".join(texts[at : at + 4]) for at in range(0, len(texts), 4)]
        lines.append("    {" + ",\n     ".join(parts) + "}")
    return ",\n".join(lines)


def _test_text(name: str, vectors: int) -> str:
    upper = name.upper()
    return f"""/* Runs {name} on {vectors} inputs and compares every output, bit by bit. */
#include "{name}.h"
#include "{name}_golden.h"

#include <stdio.h>

static {name}_memory memory;

int main(void) {{
    float output[{upper}_OUTPUTS];
    int wrong = 0;
    for (int i = 0; i < {upper}_GOLDEN; ++i) {{
        {name}_run(&memory, {name}_golden_inputs[i], output);
        for (int k = 0; k < {upper}_OUTPUTS; ++k)
            wrong += output[k] != {name}_golden_outputs[i][k];
    }}
    printf("{name}: %d of %d outputs differ\\n", wrong, {upper}_GOLDEN * {upper}_OUTPUTS);
    return wrong != 0;
}}
"""


def _cmake_text(name: str, sources: list[str]) -> str:
    listed = "\n".join(f"    src/{source}" for source in sources)
    return f"""# {name}: a library for CMake, and a component for ESP-IDF.
set({name}_sources
{listed})

if(ESP_PLATFORM)
    idf_component_register(SRCS ${{{name}_sources}} INCLUDE_DIRS src)
    return()
endif()

cmake_minimum_required(VERSION 3.10)
project({name} C)
add_library({name} STATIC ${{{name}_sources}})
target_include_directories({name} PUBLIC src)
set_target_properties({name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON)

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    enable_testing()
    add_executable(test_{name} test/test_{name}.c)
    target_link_libraries(test_{name} {name})
    add_test(NAME {name} COMMAND test_{name})
endif()
"""


def _component_text(name: str) -> str:
    return f"""version: "{VERSION}"
description: "{name}: a network of one-bit weights, exported by signbin"
license: "Apache-2.0"
dependencies:
  idf: ">=4.4"
"""


def _arduino_text(name: str) -> str:
    return f"""name={name}
version={VERSION}
author=signbin
maintainer=signbin
sentence={name}: a network of one-bit weights.
paragraph=Exported by signbin: C99, no heap, no libm.
category=Data Processing
url=https://pypi.org/project/signbin
architectures=*
includes={name}.h
"""


def _platformio_text(name: str) -> str:
    return f"""{{
  "name": "{name}",
  "version": "{VERSION}",
  "description": "{name}: a network of one-bit weights, exported by signbin",
  "license": "Apache-2.0",
  "frameworks": "*",
  "platforms": "*",
  "headers": "{name}.h",
  "build": {{ "srcDir": "src", "includeDir": "src" }}
}}
"""
