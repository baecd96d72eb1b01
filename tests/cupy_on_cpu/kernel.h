// The part of the CUDA language that CuPy's kernels use, for g++ on x86-64.
//
// compiler.cpp puts this header in front of each source.  One thread of the CPU runs a whole grid:
// one block after another.  The threads of a block run one after another too if the source has no
// barrier.  With barriers they are fibers: each runs up to its next barrier, then the next one runs.
// EMU_ORDER=1 reverses the order of blocks and of threads.
#pragma once
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <math.h>
#include <type_traits>
#include <utility>

// The words of the language ----------------------------------------------------------------------
#define __global__
#define __device__
#define __host__
#define __shared__ static      // blocks run one after another, so one copy is enough
#define __constant__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct emu_dim3 { unsigned x, y, z; };
static emu_dim3 threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

// Fibers -----------------------------------------------------------------------------------------

// Push the registers that a callee must preserve, store the top of the stack in *save, and continue
// on the stack `to`.
extern "C" void emu_swap(void** save, void* to);
asm(R"(
.text
.local emu_swap
.type emu_swap, @function
emu_swap:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace emu {

enum State { READY, AT_WARP_BARRIER, AT_BLOCK_BARRIER, DONE };
struct Fiber {
    emu_dim3 thread;
    State state;
    char* stack;
    void* top;
};
static const size_t STACK = 65536, SAVED_REGISTERS = 6;

static void (*body)(void**);   // the kernel, and where its arguments lie
static void** arguments;
static Fiber* fibers;          // reused by the next launch
static unsigned room, current;
static void* scheduler;        // top of the stack of `launch`
static bool in_fibers;

static void enter() {
    body(arguments);
    fibers[current].state = DONE;
    emu_swap(&fibers[current].top, scheduler);
    abort();                   // a finished fiber never continues
}

static void prepare(Fiber& fiber, emu_dim3 thread) {
    if (!fiber.stack) fiber.stack = (char*)aligned_alloc(64, STACK);
    void** top = (void**)(fiber.stack + STACK - 64);
    *--top = nullptr;          // aligns the stack as if `enter` had been called
    *--top = (void*)enter;     // where emu_swap returns to
    for (size_t i = 0; i < SAVED_REGISTERS; i++) *--top = nullptr;
    fiber.top = top;
    fiber.thread = thread;
    fiber.state = READY;
}

static void barrier(State kind) {
    if (!in_fibers) {
        fprintf(stderr, "kernel.h: a barrier in a kernel that compiler.cpp took for one without barriers\n");
        abort();
    }
    fibers[current].state = kind;
    emu_swap(&fibers[current].top, scheduler);
}

// Call a kernel with the arguments that p[0], p[1], ... point to.
template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** p, std::index_sequence<I...>) {
    kernel(*(std::remove_reference_t<A>*)p[I]...);
}
template <class... A> static void call(void (*kernel)(A...), void** p) {
    call(kernel, p, std::index_sequence_for<A...>());
}

static void launch(void (*kernel)(void**), bool barriers, const unsigned* grid,
                   const unsigned* block, void** p) {
    static const char* order = getenv("EMU_ORDER");
    static const bool reverse = order && atoi(order);
    const unsigned threads = block[0] * block[1] * block[2];
    const size_t blocks = (size_t)grid[0] * grid[1] * grid[2];
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = kernel;
    arguments = p;
    if (barriers && room < threads) {
        fibers = (Fiber*)realloc(fibers, threads * sizeof(Fiber));
        memset(fibers + room, 0, (threads - room) * sizeof(Fiber));
        room = threads;
    }
    auto nth_thread = [&](unsigned i) { return reverse ? threads - 1 - i : i; };
    auto index = [&](unsigned t) {
        return emu_dim3{t % block[0], t / block[0] % block[1], t / block[0] / block[1]};
    };
    for (size_t i = 0; i < blocks; i++) {
        const size_t b = reverse ? blocks - 1 - i : i;
        blockIdx = {unsigned(b % grid[0]), unsigned(b / grid[0] % grid[1]),
                    unsigned(b / grid[0] / grid[1])};
        if (!barriers) {
            for (unsigned j = 0; j < threads; j++) {
                threadIdx = index(nth_thread(j));
                kernel(p);
            }
            continue;
        }
        for (unsigned t = 0; t < threads; t++) prepare(fibers[t], index(t));
        in_fibers = true;
        for (bool alive = true; alive;) {
            alive = false;
            bool in_warps = false;
            for (unsigned j = 0; j < threads; j++) {
                Fiber& fiber = fibers[current = nth_thread(j)];
                if (fiber.state == READY) {
                    threadIdx = fiber.thread;
                    emu_swap(&scheduler, fiber.top);
                }
                alive |= fiber.state != DONE;
                in_warps |= fiber.state == AT_WARP_BARRIER;
            }
            // Now every thread waits or is done.  Threads that wait for their warp continue first.
            // The block's barrier opens when every thread that is not done waits at it.
            const State opened = in_warps ? AT_WARP_BARRIER : AT_BLOCK_BARRIER;
            for (unsigned t = 0; t < threads; t++)
                if (fibers[t].state == opened) fibers[t].state = READY;
        }
        in_fibers = false;
    }
}

// v of another lane of the warp.  A lane outside the group of `width` lanes gives the own v.
template <class T> static T shuffle(T v, int lane, int from, int width) {
    static uint64_t sent[1024];
    static_assert(sizeof v <= sizeof *sent, "at most 8 bytes");
    const int first = lane / width * width;
    if (from < first || from >= first + width) from = lane;
    memcpy(&sent[current], &v, sizeof v);
    barrier(AT_WARP_BARRIER);
    memcpy(&v, &sent[current - lane + from], sizeof v);
    barrier(AT_WARP_BARRIER);   // every lane has read
    return v;
}
static int lane() { return current % warpSize; }

}  // namespace emu

static inline void __syncthreads() { emu::barrier(emu::AT_BLOCK_BARRIER); }
static inline void __syncwarp(unsigned = ~0u) { emu::barrier(emu::AT_WARP_BARRIER); }
#define EMU_SHUFFLE(NAME, FROM)                                                             \
    template <class T> static inline T NAME(unsigned, T v, int n, int width = warpSize) {   \
        const int lane = emu::lane();                                                       \
        return emu::shuffle(v, lane, FROM, width);                                          \
    }
EMU_SHUFFLE(__shfl_sync, lane / width * width + n % width)
EMU_SHUFFLE(__shfl_up_sync, lane - n)
EMU_SHUFFLE(__shfl_down_sync, lane + n)
EMU_SHUFFLE(__shfl_xor_sync, lane ^ n)
static inline void __threadfence() {}
static inline void __threadfence_block() {}

// Functions of the device ------------------------------------------------------------------------
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }

template <class To, class From> static inline To emu_bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}
static inline int __float_as_int(float x) { return emu_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return emu_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return emu_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return emu_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emu_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emu_bits<double>(x); }
static inline int __double2hiint(double x) { return int(emu_bits<unsigned long long>(x) >> 32); }
static inline int __double2loint(double x) { return int(emu_bits<unsigned long long>(x)); }
static inline double __hiloint2double(int high, int low) {
    return emu_bits<double>((unsigned long long)(unsigned)high << 32 | (unsigned)low);
}

static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
template <class T> static inline T __ldg(const T* p) { return *p; }

#define EMU_MIN_MAX(T)                                          \
    static inline T max(T a, T b) { return a > b ? a : b; }     \
    static inline T min(T a, T b) { return a < b ? a : b; }
EMU_MIN_MAX(int)
EMU_MIN_MAX(unsigned)
EMU_MIN_MAX(long)
EMU_MIN_MAX(unsigned long)
EMU_MIN_MAX(long long)
EMU_MIN_MAX(unsigned long long)
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline float min(float a, float b) { return fminf(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }

// One thread of the CPU runs all fibers and switches only at barriers, so plain code is atomic.
#define EMU_ATOMIC(NAME, T, NEW)                                \
    static inline T NAME(T* a, T v) { T old = *a; *a = NEW; return old; }
#define EMU_ATOMIC_NUMBER(T)                                    \
    EMU_ATOMIC(atomicAdd, T, old + v)                           \
    EMU_ATOMIC(atomicExch, T, v)
#define EMU_ATOMIC_INTEGER(T)                                   \
    EMU_ATOMIC_NUMBER(T)                                        \
    EMU_ATOMIC(atomicMax, T, old > v ? old : v)                 \
    EMU_ATOMIC(atomicMin, T, old < v ? old : v)                 \
    EMU_ATOMIC(atomicAnd, T, old & v)                           \
    EMU_ATOMIC(atomicOr, T, old | v)                            \
    EMU_ATOMIC(atomicXor, T, old ^ v)
EMU_ATOMIC_INTEGER(int)
EMU_ATOMIC_INTEGER(unsigned)
EMU_ATOMIC_INTEGER(unsigned long long)
EMU_ATOMIC_NUMBER(float)
EMU_ATOMIC_NUMBER(double)
#define EMU_ATOMIC_CAS(T)                                       \
    static inline T atomicCAS(T* a, T compare, T v) {           \
        T old = *a;                                             \
        if (old == compare) *a = v;                             \
        return old;                                             \
    }
EMU_ATOMIC_CAS(unsigned short)
EMU_ATOMIC_CAS(int)
EMU_ATOMIC_CAS(unsigned)
EMU_ATOMIC_CAS(unsigned long long)
