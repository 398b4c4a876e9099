// One step in two kernels, for a graph that is captured once and launched for every step. A graph's arguments are fixed,
// so everything that changes with the step is in memory.
#pragma once
#include "dense.cuh"
#include "update.cuh"

// The next step and the current one: the first kernel reads `next`, the second writes it. The blocks of one kernel run
// in any order, those of two kernels one after the other.
struct Cursor {
    int next, now;
};

// How the samples are cut into batches: of an epoch's steps, the last may have fewer.
#define BATCHES int steps, int batch, int last_batch

__device__ __forceinline__ float batch_size(int step, BATCHES) {
    return step % steps + 1 < steps ? batch : last_batch;
}

// Writes the shares (blocks, 2 H + 2) of the samples of this step: order (rows, groups, 32), padded with -1, has one row
// per step, and is repeated if there are more steps.
extern "C" __global__ void __launch_bounds__(THREADS) step_shares(
    const float *__restrict__ state, const float *__restrict__ x, const float *__restrict__ targets,
    const int *__restrict__ order, int rows, int groups, BATCHES, Cursor *cursor, double *__restrict__ shares) {
    const int step = cursor->next;
    if (blockIdx.x == 0 && threadIdx.x == 0) cursor->now = step;
    order += (long long)(step % rows) * groups * LANES;
    const auto sample_at = [=](long long group) { return fetch(x, targets, order[group * LANES + threadIdx.x % LANES]); };
    const Units units = load_units(state, state + HIDDEN, state + 2 * HIDDEN);
    const float scale = 2.f / batch_size(step, steps, batch, last_batch);
    write_share(
        units, state[3 * HIDDEN], groups, scale, sample_at, shares + (long long)blockIdx.x * (2 * HIDDEN + 2));
}

// Updates state (1 + MOMENTS, 3 H + 1) from the shares of all blocks, one thread per unit, and writes the step's sum of
// squares to squares (steps of all epochs,).
extern "C" __global__ void __launch_bounds__(THREADS) step_update(
    const double *__restrict__ shares, int blocks, const float2 *__restrict__ coefficients, float beta1, float rest1,
    float beta2, float rest2, float eps, Cursor *cursor, float *__restrict__ state, double *__restrict__ squares) {
    const Constants constants = {beta1, rest1, beta2, rest2, eps};
    const int j = blockIdx.x * blockDim.x + threadIdx.x, step = cursor->now;
    if (j > HIDDEN) return;
    const double2 sum = sum_of_shares(shares, blocks, j);
    const float2 row = coefficients[step];
    if (j == HIDDEN) {
        Weight b2 = load(state, 3 * HIDDEN, PARAMETERS);
        update(b2, (float)sum.x, row, constants);
        store(b2, state, 3 * HIDDEN, PARAMETERS);
        squares[step] = sum.y;
        cursor->next = step + 1;
        return;
    }
    Weight w1 = load(state, j, PARAMETERS), b1 = load(state, HIDDEN + j, PARAMETERS);
    Weight w2 = load(state, 2 * HIDDEN + j, PARAMETERS);
    const float dw1 = (float)(w2.value * sum.y), db1 = (float)(w2.value * sum.x);
    update(w2, (float)(w1.value * sum.y + b1.value * sum.x), row, constants);
    update(w1, dw1, row, constants);
    update(b1, db1, row, constants);
    store(w1, state, j, PARAMETERS);
    store(b1, state, HIDDEN + j, PARAMETERS);
    store(w2, state, 2 * HIDDEN + j, PARAMETERS);
}
