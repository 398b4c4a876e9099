// Runs CUDA kernels on the host, unmodified and one block at a time: every thread of a block is a fiber.
//
// A fiber runs until it waits: at a barrier for its block, at a shuffle or __syncwarp for its warp. Fibers run in a
// seeded order, so that a missing barrier gives other bits with another seed; shared memory begins as nan; where some
// threads wait for others that never come, the process says so and ends.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))  // one section, so that it can be poisoned

struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline float __fmul_rn(float a, float b) { return a * b; }  // compiled with -ffp-contract=off
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }

extern char __start_cuda_shared[] __attribute__((weak)), __stop_cuda_shared[] __attribute__((weak));

namespace host {

struct Index { int x, y, z; };
enum Waits { READY, FOR_WARP, FOR_BLOCK, DONE };
constexpr int WARP_SIZE = 32, STACK_BYTES = 1 << 17;

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    Waits waits;
    Index thread;
    uint64_t given[2];  // to the other lanes; two in turn, because a fast lane may give again before all have read
    int turn;
};

struct Block {
    std::vector<Fiber> fibers;
    ucontext_t scheduler;
    int current;
    Index index, threads, blocks;
    std::function<void()> kernel;
    int counted[2], arrived, phase;  // of __syncthreads_or and its kin
};

inline Block &block() {
    static Block only;
    return only;
}

inline Fiber &self() { return block().fibers[block().current]; }

inline void wait(Waits what) {
    self().waits = what;
    swapcontext(&self().context, &block().scheduler);
}

inline void begin() {
    block().kernel();
    wait(DONE);
}

inline bool all_wait(int first, int last, Waits what) {
    bool any = false;
    for (int i = first; i < last; i++) {
        if (block().fibers[i].waits != what && block().fibers[i].waits != DONE) return false;
        any |= block().fibers[i].waits == what;
    }
    return any;
}

inline void release(int first, int last, Waits what) {
    for (int i = first; i < last; i++)
        if (block().fibers[i].waits == what) block().fibers[i].waits = READY;
}

// Runs the fibers of a block to their end, in an order drawn from `seed` anew each round; 0 keeps them in order.
inline void run(unsigned seed) {
    Block &b = block();
    const int count = (int)b.fibers.size();
    std::vector<int> order(count);
    for (int i = 0; i < count; i++) order[i] = i;
    for (;;) {
        for (int i = count - 1; seed && i > 0; i--) {
            seed = seed * 1664525u + 1013904223u;  // a linear congruential generator (Knuth, TAOCP 2, 3.3.4)
            std::swap(order[i], order[(seed >> 8) % (i + 1)]);
        }
        bool ran = false;
        for (int i : order) {
            if (b.fibers[i].waits != READY) continue;
            ran = true;
            b.current = i;
            swapcontext(&b.scheduler, &b.fibers[i].context);
        }
        for (int first = 0; first < count; first += WARP_SIZE) {
            const int last = std::min(count, first + WARP_SIZE);
            if (all_wait(first, last, FOR_WARP)) release(first, last, FOR_WARP);
        }
        if (all_wait(0, count, FOR_BLOCK)) release(0, count, FOR_BLOCK);
        if (std::all_of(b.fibers.begin(), b.fibers.end(), [](const Fiber &f) { return f.waits == DONE; })) return;
        if (!ran && std::none_of(b.fibers.begin(), b.fibers.end(), [](const Fiber &f) { return f.waits == READY; })) {
            std::fprintf(stderr, "deadlock: threads of block %d wait for others that never come\n", b.index.x);
            std::exit(86);
        }
    }
}

template <class... Parameters, size_t... Place>
std::function<void()> with_arguments(void (*kernel)(Parameters...), void **arguments, std::index_sequence<Place...>) {
    return [=] { kernel(*(std::remove_reference_t<Parameters> *)arguments[Place]...); };
}

// Arguments as cuLaunchKernel takes them: a pointer to each.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), int blocks, int threads, unsigned seed, void **arguments) {
    Block &b = block();
    b.kernel = with_arguments(kernel, arguments, std::index_sequence_for<Parameters...>());
    b.threads = {threads, 1, 1};
    b.blocks = {blocks, 1, 1};
    b.fibers.resize(threads);
    for (int index = 0; index < blocks; index++) {
        b.index = {index, 0, 0};
        b.arrived = b.phase = b.counted[0] = b.counted[1] = 0;
        if (__start_cuda_shared) std::memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
        for (int i = 0; i < threads; i++) {
            Fiber &fiber = b.fibers[i];
            fiber.stack.resize(STACK_BYTES);
            fiber.waits = READY;
            fiber.thread = {i, 0, 0};
            fiber.turn = 0;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data();
            fiber.context.uc_stack.ss_size = fiber.stack.size();
            fiber.context.uc_link = &b.scheduler;
            makecontext(&fiber.context, begin, 0);
        }
        run(seed);
    }
}

// The value that the lane `source` of this warp gives.
template <class Number>
Number exchange(Number value, int source) {
    Fiber &own = self();
    const int turn = own.turn, first = block().current / WARP_SIZE * WARP_SIZE;
    static_assert(sizeof(Number) <= sizeof(uint64_t));
    std::memcpy(&own.given[turn], &value, sizeof(Number));
    own.turn ^= 1;
    wait(FOR_WARP);
    Number found;
    std::memcpy(&found, &block().fibers[first + source].given[turn], sizeof(Number));
    return found;
}

inline int lane() { return block().current % WARP_SIZE; }

// The sum over the block of what each thread counts, once all have come.
inline int count_over_block(int value) {
    Block &b = block();
    const int phase = b.phase;
    if (b.arrived == 0) b.counted[phase] = 0;
    b.counted[phase] += value;
    if (++b.arrived == b.threads.x) {
        b.arrived = 0;
        b.phase ^= 1;
    }
    wait(FOR_BLOCK);
    return b.counted[phase];
}

}  // namespace host

#define threadIdx (host::self().thread)
#define blockIdx (host::block().index)
#define blockDim (host::block().threads)
#define gridDim (host::block().blocks)

inline void __syncthreads() { host::wait(host::FOR_BLOCK); }
inline int __syncthreads_or(int value) { return host::count_over_block(value != 0) > 0; }
inline int __syncthreads_count(int value) { return host::count_over_block(value != 0); }
inline void __syncwarp(unsigned = ~0u) { host::wait(host::FOR_WARP); }
template <class Number>
Number __shfl_sync(unsigned, Number value, int source) { return host::exchange(value, source & 31); }
template <class Number>
Number __shfl_xor_sync(unsigned, Number value, int mask) { return host::exchange(value, host::lane() ^ mask); }
template <class Number>
Number __shfl_up_sync(unsigned, Number value, int by) {
    return host::exchange(value, host::lane() >= by ? host::lane() - by : host::lane());
}
template <class Number>
Number __shfl_down_sync(unsigned, Number value, int by) {
    return host::exchange(value, host::lane() + by < 32 ? host::lane() + by : host::lane());
}
template <class Number>
Number __ldg(const Number *address) { return *address; }

// Makes a kernel callable from outside, as host_<name>.
#define HOST_KERNEL(name) \
    extern "C" void host_##name(int blocks, int threads, unsigned seed, void **arguments) { \
        host::launch(name, blocks, threads, seed, arguments); \
    }
