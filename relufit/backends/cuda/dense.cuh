// One pass over many samples with hidden values in registers: the output, or loss and gradients (D = O = 1).
#pragma once
#include "group.cuh"

constexpr int GROUPS_IN_FLOAT = 8;     // 256 samples are summed in float32, then added up in float64

struct Totals {
    double s0[UNITS], s1[UNITS];
};

// A network's arrays: w1 (1, H), b1 (H,), w2 (H, 1), b2 (1,).
#define NETWORK const float *__restrict__ w1, const float *__restrict__ b1, const float *__restrict__ w2, \
    const float *__restrict__ b2

__device__ __forceinline__ Units load_units(const float *w1, const float *b1, const float *w2) {
    Units units;
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        const int j = threadIdx.x + k * THREADS;
        units.w1[k] = j < HIDDEN ? w1[j] : 0.f;
        units.b1[k] = j < HIDDEN ? b1[j] : 0.f;
        units.w2[k] = j < HIDDEN ? w2[j] : 0.f;
    }
    return units;
}

// Writes y (n,) for x (n,). All threads read the same unit at a time; the samples of a thread share the load.
template <int SAMPLES>
__device__ __forceinline__ void write_outputs(
    NETWORK, const float *__restrict__ x, long long n, float *__restrict__ y) {
    __shared__ float4 units[HIDDEN];
    for (int j = threadIdx.x; j < HIDDEN; j += blockDim.x)
        units[j] = make_float4(w1[j], b1[j], w2[j], 0.f);
    __syncthreads();
    const long long threads = (long long)gridDim.x * blockDim.x;
    const long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (long long start = first; start < n; start += threads * SAMPLES) {
        float in[SAMPLES], out[SAMPLES];
        #pragma unroll
        for (int k = 0; k < SAMPLES; k++) {
            const long long i = start + k * threads;
            in[k] = i < n ? x[i] : 0.f;
            out[k] = b2[0];
        }
        #pragma unroll 4
        for (int j = 0; j < HIDDEN; j++) {
            const float4 unit = units[j];
            #pragma unroll
            for (int k = 0; k < SAMPLES; k++)
                out[k] = fmaf(unit.z, relu(preactivation(in[k], unit.x, unit.y)), out[k]);
        }
        #pragma unroll
        for (int k = 0; k < SAMPLES; k++) {
            const long long i = start + k * threads;
            if (i < n) y[i] = out[k];
        }
    }
}

// For at most one sample per thread.
extern "C" __global__ void __launch_bounds__(256) forward_small(
    NETWORK, const float *__restrict__ x, long long n, float *__restrict__ y) {
    write_outputs<1>(w1, b1, w2, b2, x, n, y);
}

extern "C" __global__ void __launch_bounds__(256) forward_large(
    NETWORK, const float *__restrict__ x, long long n, float *__restrict__ y) {
    write_outputs<8>(w1, b1, w2, b2, x, n, y);
}

// Writes the block's share (2 H + 2,): S0 (H,), S1 (H,), the sum of dy and that of squares, over every gridDim-th group.
// `sample_at(group)` is this lane's sample of a group; dy = scale * residual.
template <class SampleAt>
__device__ __forceinline__ void write_share(
    const Units &units, float b2, long long groups, float scale, SampleAt sample_at, double *__restrict__ share) {
    __shared__ Shared shared;
    Totals totals = {};
    double sum_of_dy = 0.0, squares = 0.0;
    int turn = 0;
    for (long long group = blockIdx.x; group < groups;) {
        MaskedSums sums = {};
        for (int g = 0; g < GROUPS_IN_FLOAT && group < groups; g++, group += gridDim.x, turn ^= 1) {
            const float residual = add_group(units, b2, sample_at(group), scale, turn, shared, sums);
            sum_of_dy += (double)(scale * residual);
            squares += (double)residual * residual;
        }
        #pragma unroll
        for (int k = 0; k < UNITS; k++) {
            totals.s0[k] += (double)sums.s0[k];
            totals.s1[k] += (double)sums.s1[k];
        }
    }
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        const int j = threadIdx.x + k * THREADS;
        if (j < HIDDEN) {
            share[j] = totals.s0[k];
            share[HIDDEN + j] = totals.s1[k];
        }
    }
    sum_of_dy = sum_over_lanes(sum_of_dy);
    squares = sum_over_lanes(squares);
    if (threadIdx.x == 0) {
        share[2 * HIDDEN] = sum_of_dy;
        share[2 * HIDDEN + 1] = squares;
    }
}

// S0 and S1 of unit j, over all blocks in order; for j = H the sum of dy and that of squares.
__device__ __forceinline__ double2 sum_of_shares(const double *__restrict__ shares, int blocks, int j) {
    double2 sum = {0.0, 0.0};
    #pragma unroll 8  // loads wait for memory together, additions keep their order
    for (int b = 0; b < blocks; b++, shares += 2 * HIDDEN + 2) {
        sum.x += shares[j < HIDDEN ? j : 2 * HIDDEN];
        sum.y += shares[j < HIDDEN ? HIDDEN + j : 2 * HIDDEN + 1];
    }
    return sum;
}

// Writes the shares (blocks, 2 H + 2) of x (n,) and targets (n,).
extern "C" __global__ void __launch_bounds__(THREADS) gradient_shares(
    NETWORK, const float *__restrict__ x, const float *__restrict__ targets, long long n,
    double *__restrict__ shares) {
    const auto sample_at = [=](long long group) {
        const long long i = group * LANES + threadIdx.x % LANES;
        return i < n ? Sample{x[i], targets[i], false} : Sample{0.f, 0.f, true};
    };
    const Units units = load_units(w1, b1, w2);
    const long long groups = (n + LANES - 1) / LANES;
    write_share(units, b2[0], groups, (float)(2.0 / n), sample_at, shares + (long long)blockIdx.x * (2 * HIDDEN + 2));
}

// Adds the shares of all blocks and writes loss (1,) and the flat gradient (3 H + 1,); one thread per unit.
extern "C" __global__ void __launch_bounds__(THREADS) gradient_from_shares(
    NETWORK, const double *__restrict__ shares, int blocks, long long n, float *__restrict__ loss,
    float *__restrict__ grads) {
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j > HIDDEN) return;
    const double2 sum = sum_of_shares(shares, blocks, j);
    if (j == HIDDEN) {
        grads[3 * HIDDEN] = (float)sum.x;
        loss[0] = (float)(sum.y / n);
        return;
    }
    grads[j] = (float)(w2[j] * sum.y);
    grads[HIDDEN + j] = (float)(w2[j] * sum.x);
    grads[2 * HIDDEN + j] = (float)(w1[j] * sum.y + b1[j] * sum.x);
}
