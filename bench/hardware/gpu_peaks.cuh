// The mixes of bench/hardware/cpu_peaks.py on a GPU: chains in registers, no memory but what keeps the compiler from dropping them.
// A link is what one unit does with one sample.

#ifndef NUMBER
#define NUMBER float
#endif
#ifndef CHAINS
#define CHAINS 4
#endif

__device__ __forceinline__ NUMBER multiply_add(NUMBER a, NUMBER b, NUMBER c) {
    return sizeof(NUMBER) == 4 ? (NUMBER)fmaf(a, b, c) : (NUMBER)fma(a, b, c);
}

struct Chain {
    NUMBER z, output, s0, s1;
};

enum Mix { MULTIPLY_ADDS, FORWARD, GRADIENT };

template <Mix MIX>
__device__ __forceinline__ void link(Chain &chain, NUMBER factor, NUMBER shift) {
    chain.z = multiply_add(chain.z, factor, shift);
    if (MIX == MULTIPLY_ADDS) return;
    const NUMBER hidden = chain.z > 0 ? chain.z : (NUMBER)0;
    chain.output = multiply_add(hidden, factor, chain.output);
    if (MIX == FORWARD) return;
    chain.z = multiply_add(chain.output, factor, shift);  // computed again: hidden values are not kept
    if (chain.z > 0) {
        chain.s0 += factor;
        chain.s1 += shift;
    }
}

template <Mix MIX>
__device__ __forceinline__ void run(NUMBER factor, NUMBER shift, int links, NUMBER *sink) {
    Chain chains[CHAINS];
    #pragma unroll
    for (int c = 0; c < CHAINS; c++) chains[c] = {(NUMBER)(threadIdx.x + c), (NUMBER)c, (NUMBER)0, (NUMBER)0};
    #pragma unroll 8
    for (int i = 0; i < links; i++) {
        #pragma unroll
        for (int c = 0; c < CHAINS; c++) link<MIX>(chains[c], factor, shift);
    }
    NUMBER total = 0;
    #pragma unroll
    for (int c = 0; c < CHAINS; c++) total += chains[c].z + chains[c].output + chains[c].s0 + chains[c].s1;
    if (total == (NUMBER)12345.678) *sink = total;  // never, but the compiler cannot know
}

extern "C" __global__ void multiply_adds(NUMBER factor, NUMBER shift, int links, NUMBER *sink) {
    run<MULTIPLY_ADDS>(factor, shift, links, sink);
}

extern "C" __global__ void forward_instructions(NUMBER factor, NUMBER shift, int links, NUMBER *sink) {
    run<FORWARD>(factor, shift, links, sink);
}

extern "C" __global__ void gradient_instructions(NUMBER factor, NUMBER shift, int links, NUMBER *sink) {
    run<GRADIENT>(factor, shift, links, sink);
}

extern "C" __global__ void nothing() {}
