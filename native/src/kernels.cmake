# The kernels. Every row of kernels.def is a C file of the kernel's name, made from the template of
# the row's macro, SB_KERNEL from kernels/kernel.c.in, and compiled for the row's instruction set.
#
# Without a build, this file is a script that makes them all:
#   cmake -D folder=FOLDER -P kernels.cmake
cmake_minimum_required(VERSION 3.20)

# Makes all files in a folder and lists them.
function(signbin_make_kernels folder list_of_files)
  set(room ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  set(files)
  file(STRINGS ${room}/kernels.def rows REGEX "^SB_KERNEL")
  foreach(row IN LISTS rows)
    string(REGEX MATCH "^SB_(KERNEL[A-Z_]*)\\((.*)\\)$" matched "${row}")
    string(TOLOWER "${CMAKE_MATCH_1}" template)
    string(REPLACE ", " ";" columns "${CMAKE_MATCH_2}")
    list(POP_FRONT columns act strategy op tile isa filters vectors lanes)
    string(COMPARE EQUAL "${act}" u8 SB_CODES)
    set(name sb_${act}_${strategy}_${op}_${tile}__${isa})
    configure_file(${room}/kernels/${template}.c.in ${folder}/${name}.c @ONLY)
    list(APPEND files ${folder}/${name}.c)
  endforeach()
  # The passes of training over vectors of floats.
  foreach(row portable:4 avx2:8 avx512:16)
    string(REPLACE ":" ";" columns ${row})
    list(POP_FRONT columns isa lanes)
    configure_file(${room}/training/passes.c.in ${folder}/passes__${isa}.c @ONLY)
    list(APPEND files ${folder}/passes__${isa}.c)
  endforeach()
  set(${list_of_files} ${files} PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  signbin_make_kernels(${folder} files)
  return()
endif()

# The instruction sets of this processor that kernels are compiled for, and what the compiler must
# be told. The CPU is asked before they run.
set(signbin_isas scalar portable)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64|i.86" AND NOT SIGNBIN_BYTE_CODES)
  list(APPEND signbin_isas avx2 avx512 avx512vnni)
  set(signbin_flags_avx2 -mavx2 -mfma)
  set(signbin_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
    -mprefer-vector-width=512)
  set(signbin_flags_avx512vnni ${signbin_flags_avx512} -mavx512vnni)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  list(APPEND signbin_isas neon neon_dot neon_i8mm)
  set(signbin_flags_neon -march=armv8-a)
  set(signbin_flags_neon_dot -march=armv8.2-a+dotprod)
  set(signbin_flags_neon_i8mm -march=armv8.2-a+dotprod+i8mm)
endif()

# Adds the kernels of this processor to a library. Products of float32 matrices may fuse a product
# and its sum: they promise an error bound, not bits.
function(signbin_add_kernels library)
  signbin_make_kernels(${CMAKE_CURRENT_BINARY_DIR}/kernels files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels.def)
  foreach(file IN LISTS files)
    string(REGEX REPLACE ".*__([a-z0-9_]+)\\.c$" "\\1" isa ${file})
    if(NOT isa IN_LIST signbin_isas)
      continue()
    endif()
    set(flags ${signbin_flags_${isa}})
    if(flags AND file MATCHES "/sb_f32_(dense_|direct_matmul)[^/]*$")
      list(APPEND flags -ffp-contract=fast)
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
    target_sources(${library} PRIVATE ${file})
  endforeach()
endfunction()
