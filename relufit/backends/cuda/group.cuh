// Forward and masked sums of 32 samples by one block, for training and gradients (D = O = 1).
//
// Thread t owns the units t, t + THREADS, ...; their weights live in its registers, and hidden values never leave them.
// Each warp evaluates its own units at all 32 samples; the warps' shares of the outputs are added in shared memory, at
// the only barrier. Then each lane has one sample's residual, and each unit needs two sums over the samples
// (relufit/network/dense.py): S0 = sum of dy and S1 = sum of dy x where it is on.
#pragma once
#include "warp.cuh"

#ifndef HIDDEN
#define HIDDEN 512
#endif
#ifndef THREADS
#define THREADS 128
#endif
#ifndef KEEP_HIDDEN
#define KEEP_HIDDEN 1
#endif

constexpr int WARPS = THREADS / LANES;
constexpr int UNITS = (HIDDEN + THREADS - 1) / THREADS;  // of a thread; those beyond HIDDEN have weights of 0
constexpr int PARAMETERS = 3 * HIDDEN + 1;               // w1, b1, w2, b2 in turn

struct Units {
    float w1[UNITS], b1[UNITS], w2[UNITS];
};

struct MaskedSums {
    float s0[UNITS], s1[UNITS];
};

struct Shared {
    float x[WARPS][LANES];           // each warp keeps its own copy: then a warp's own order suffices
    float2 dy[WARPS][LANES];         // dy and dy x
    float outputs[2][WARPS][LANES];  // of each warp's units; used alternately, so that one barrier per group suffices
};

// 32 samples, one per lane; a lane without a sample is empty.
struct Sample {
    float x, target;
    bool empty;
};

// The sample of this lane; `index` is -1 for a lane without a sample.
__device__ __forceinline__ Sample fetch(const float *x, const float *targets, int index) {
    return index < 0 ? Sample{0.f, 0.f, true} : Sample{x[index], targets[index], false};
}

// Each lane's part of the 32 outputs: `parts` are those of this thread's units, `hidden` what they pass on.
__device__ __forceinline__ void add_outputs(
    const Units &units, const float *x, float (&parts)[LANES], float (&hidden)[UNITS][LANES]) {
    float broken = 0.f;  // nan if a weight is not finite, so that it shows in the loss also if its unit is off
    #pragma unroll
    for (int k = 0; k < UNITS; k++) broken += 0.f * (units.w1[k] + units.b1[k]);
    #pragma unroll
    for (int i = 0; i < LANES; i++) {
        parts[i] = broken;
        #pragma unroll
        for (int k = 0; k < UNITS; k++) {
            const float h = relu(preactivation(x[i], units.w1[k], units.b1[k]));
            if (KEEP_HIDDEN) hidden[k][i] = h;
            parts[i] = fmaf(units.w2[k], h, parts[i]);
        }
    }
}

// Adds dy and dy x of the samples for which each unit is on.
__device__ __forceinline__ void add_masked_sums(
    const Units &units, const float *x, const float2 *dy, const float (&hidden)[UNITS][LANES], MaskedSums &sums) {
    #pragma unroll
    for (int i = 0; i < LANES; i++) {
        const float2 d = dy[i];
        #pragma unroll
        for (int k = 0; k < UNITS; k++) {
            const bool on = KEEP_HIDDEN ? hidden[k][i] > 0.f : preactivation(x[i], units.w1[k], units.b1[k]) > 0.f;
            if (on) {
                sums.s0[k] += d.x;
                sums.s1[k] += d.y;
            }
        }
    }
}

// Adds the group's share to `sums`, with dy = scale * residual; returns this lane's residual, 0 where it is empty.
// Every thread of the block calls it, `turn` alternating between 0 and 1.
__device__ __forceinline__ float add_group(
    const Units &units, float b2, const Sample &sample, float scale, int turn, Shared &shared, MaskedSums &sums) {
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    float parts[LANES], hidden[UNITS][LANES];
    shared.x[warp][lane] = sample.x;
    __syncwarp();
    add_outputs(units, shared.x[warp], parts, hidden);
    shared.outputs[turn][warp][lane] = sum_by_lane(parts, lane);
    __syncthreads();
    float y = b2;
    #pragma unroll
    for (int other = 0; other < WARPS; other++) y += shared.outputs[turn][other][lane];
    const float residual = sample.empty ? 0.f : y - sample.target, dy = scale * residual;
    shared.dy[warp][lane] = make_float2(dy, dy * sample.x);
    __syncwarp();
    add_masked_sums(units, shared.x[warp], shared.dy[warp], hidden, sums);
    __syncwarp();  // the next group overwrites x and dy
    return residual;
}
