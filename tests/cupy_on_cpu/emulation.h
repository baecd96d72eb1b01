// What the emulated libraries share.  Each of them is one file: runtime.cpp, compiler.cpp (NVRTC and
// the driver) and blas.cpp.  build.sh links the three into one library.
//
// The emulation is synchronous: every call finishes its work before it returns.  Streams and events
// order nothing.  Statuses of the driver, NVRTC and cuBLAS are plain numbers, and a handle whose
// struct does not matter is a void*.
#pragma once

#define API extern "C"   // exports.map says which of these the library exports

static const int VERSION = 13000;   // CUDA 13.0, as in versions.sh

// Append a line to the file that the environment variable EMU_LOG names; without it do nothing.
__attribute__((format(printf, 1, 2))) void note(const char* format, ...);
