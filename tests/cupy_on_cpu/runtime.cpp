// The CUDA runtime on the CPU: one device, its memory, streams and events.
#include "emulation.h"

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

void note(const char* format, ...) {
    static FILE* log = getenv("EMU_LOG") ? fopen(getenv("EMU_LOG"), "a") : nullptr;
    if (!log) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fputc('\n', log);
    fflush(log);   // a program that counts the lines reads the file while it runs
}

// Errors and versions ----------------------------------------------------------------------------
API const char* cudaGetErrorName(cudaError_t error) {
    static char name[32];
    snprintf(name, sizeof name, "cudaError %d", int(error));
    return name;
}
API const char* cudaGetErrorString(cudaError_t) { return "from the emulated CUDA runtime"; }
API cudaError_t cudaGetLastError() { return cudaSuccess; }
API cudaError_t cudaDriverGetVersion(int* version) { *version = VERSION; return cudaSuccess; }
API cudaError_t cudaRuntimeGetVersion(int* version) { *version = VERSION; return cudaSuccess; }

// One device, of compute capability 9.0 ----------------------------------------------------------
API cudaError_t cudaGetDeviceCount(int* count) { *count = 1; return cudaSuccess; }
API cudaError_t cudaGetDevice(int* device) { *device = 0; return cudaSuccess; }
API cudaError_t cudaSetDevice(int device) {
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}
API cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { *can = 0; return cudaSuccess; }
API cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
        case cudaDevAttrMultiProcessorCount: *value = 132; break;
        case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
        case cudaDevAttrWarpSize: *value = 32; break;
        default: *value = 0;
    }
    return cudaSuccess;
}
API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
    memset(p, 0, sizeof *p);
    strcpy(p->name, "emulated on the CPU");
    p->major = 9;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->multiProcessorCount = 132;
    p->totalGlobalMem = size_t(1) << 35;
    p->sharedMemPerBlock = 49152;
    return cudaSuccess;
}
API cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int) {
    snprintf(id, length, "0000:00:00.0");
    return cudaSuccess;
}
API cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *free = size_t(1) << 34;
    *total = size_t(1) << 35;
    return cudaSuccess;
}

// Memory -----------------------------------------------------------------------------------------
static std::map<char*, size_t> allocated;   // memory of the device: address, bytes

static bool on_device(const void* p) {
    auto next = allocated.upper_bound((char*)p);
    return next != allocated.begin() && p < std::prev(next)->first + std::prev(next)->second;
}

// All bits of new memory are 1, so floats are NaN: a kernel that reads before it writes shows up.
API cudaError_t cudaMalloc(void** p, size_t bytes) {
    note("malloc %zu", bytes);
    *p = aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (!*p) return cudaErrorMemoryAllocation;
    memset(*p, 0xff, bytes);
    allocated[(char*)*p] = bytes;
    return cudaSuccess;
}
API cudaError_t cudaFree(void* p) {
    allocated.erase((char*)p);
    free(p);
    return cudaSuccess;
}
API cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t) {
    return cudaMalloc(p, bytes);
}
API cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return cudaFree(p); }
API cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
    *p = malloc(bytes);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
API cudaError_t cudaFreeHost(void* p) { free(p); return cudaSuccess; }
API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
    const bool device = on_device(p);
    memset(a, 0, sizeof *a);
    a->type = device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    (device ? a->devicePointer : a->hostPointer) = (void*)p;
    return cudaSuccess;
}

// The log has the real direction of a copy, also where the caller leaves it to CUDA.
API cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
    note("memcpy %cto%c %zu", on_device(from) ? 'D' : 'H', on_device(to) ? 'D' : 'H', bytes);
    memmove(to, from, bytes);
    return cudaSuccess;
}
API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                cudaStream_t) {
    return cudaMemcpy(to, from, bytes, kind);
}
API cudaError_t cudaMemset(void* to, int value, size_t bytes) {
    note("memset %zu", bytes);
    memset(to, value, bytes);
    return cudaSuccess;
}
API cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
    return cudaMemset(to, value, bytes);
}

// Streams ----------------------------------------------------------------------------------------
API cudaError_t cudaDeviceSynchronize() { note("synchronize device"); return cudaSuccess; }
API cudaError_t cudaStreamCreate(cudaStream_t* s) {
    *s = (cudaStream_t)malloc(1);
    return cudaSuccess;
}
API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
    return cudaStreamCreate(s);
}
API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned, int) {
    return cudaStreamCreate(s);
}
API cudaError_t cudaStreamDestroy(cudaStream_t s) { free(s); return cudaSuccess; }
API cudaError_t cudaStreamSynchronize(cudaStream_t) {
    note("synchronize stream");
    return cudaSuccess;
}
API cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
API cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
API cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    *status = cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

// Events: the CPU's time at which an event was recorded ------------------------------------------
using Clock = std::chrono::steady_clock;
API cudaError_t cudaEventCreate(cudaEvent_t* e) {
    *e = (cudaEvent_t)new Clock::time_point;
    return cudaSuccess;
}
API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return cudaEventCreate(e); }
API cudaError_t cudaEventDestroy(cudaEvent_t e) {
    delete (Clock::time_point*)e;
    return cudaSuccess;
}
API cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) {
    *(Clock::time_point*)e = Clock::now();
    return cudaSuccess;
}
API cudaError_t cudaEventSynchronize(cudaEvent_t) {
    note("synchronize event");
    return cudaSuccess;
}
API cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
API cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
    *ms = std::chrono::duration<float, std::milli>(*(Clock::time_point*)to
                                                   - *(Clock::time_point*)from).count();
    return cudaSuccess;
}
