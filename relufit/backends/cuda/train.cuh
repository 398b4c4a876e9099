// A whole slice of training in one launch: every step of every epoch, by minibatches, for one network per block.
//
// All parameters and their moments stay in registers from the first step to the last. What changes with the step comes
// from tables made on the host: the samples of each batch, and the optimizer's coefficients. README.md draws a step.
#pragma once
#include "group.cuh"
#include "update.cuh"

#ifndef BLOCKS_PER_PROCESSOR
#define BLOCKS_PER_PROCESSOR 1
#endif

struct Network {
    Weight w1[UNITS], b1[UNITS], w2[UNITS], b2;  // every thread holds b2, and updates it alike
};

__device__ __forceinline__ Network load_network(const float *state) {
    Network network;
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        const int j = threadIdx.x + k * THREADS;
        const Weight none = {0.f, 0.f, 0.f};
        network.w1[k] = j < HIDDEN ? load(state, j, PARAMETERS) : none;
        network.b1[k] = j < HIDDEN ? load(state, HIDDEN + j, PARAMETERS) : none;
        network.w2[k] = j < HIDDEN ? load(state, 2 * HIDDEN + j, PARAMETERS) : none;
    }
    network.b2 = load(state, 3 * HIDDEN, PARAMETERS);
    return network;
}

__device__ __forceinline__ void store_network(const Network &network, float *state) {
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        const int j = threadIdx.x + k * THREADS;
        if (j < HIDDEN) {
            store(network.w1[k], state, j, PARAMETERS);
            store(network.b1[k], state, HIDDEN + j, PARAMETERS);
            store(network.w2[k], state, 2 * HIDDEN + j, PARAMETERS);
        }
    }
    if (threadIdx.x == 0) store(network.b2, state, 3 * HIDDEN, PARAMETERS);
}

// The weights alone, as the forward pass takes them.
__device__ __forceinline__ Units weights_of(const Network &network) {
    Units units;
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        units.w1[k] = network.w1[k].value;
        units.b1[k] = network.b1[k].value;
        units.w2[k] = network.w2[k].value;
    }
    return units;
}

// The gradients from the masked sums (relufit/network/dense.py, loss_and_grads_one_output), and the update.
__device__ __forceinline__ void step(
    Network &network, const Units &units, const MaskedSums &sums, float db2, float2 row, const Constants &constants) {
    #pragma unroll
    for (int k = 0; k < UNITS; k++) {
        update(network.w1[k], units.w2[k] * sums.s1[k], row, constants);
        update(network.b1[k], units.w2[k] * sums.s0[k], row, constants);
        update(network.w2[k], fmaf(units.w1[k], sums.s1[k], units.b1[k] * sums.s0[k]), row, constants);
    }
    update(network.b2, db2, row, constants);
}

// The order of samples, read 32 at a time, and from the start again when it ends.
struct Walk {
    const int *order;
    int groups, at;

    // This lane's index of the next group.
    __device__ __forceinline__ int next() {
        const int index = order[(long long)at * LANES + threadIdx.x % LANES];
        at = at + 1 == groups ? 0 : at + 1;
        return index;
    }
};

// order (rows, groups, 32): the samples of each step's batch, padded with -1; repeated if there are more steps;
// x (n,), targets (nets or 1, n);
// coefficients (epochs * steps,), whose learning rate is multiplied by the network's of `rates` (nets,);
// state (nets, 1 + MOMENTS, 3 H + 1);
// losses (nets, epochs): the mean over the epoch's samples of the squared residual before each batch's update.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_PROCESSOR) train(
    const float *__restrict__ x, const float *__restrict__ targets, long long target_stride,
    const int *__restrict__ order, int rows, int groups, int steps, int batch, int last_batch, int n, int epochs,
    const float2 *__restrict__ coefficients, const float *__restrict__ rates, float beta1, float rest1, float beta2,
    float rest2, float eps, float *__restrict__ state, double *__restrict__ losses) {
    const Constants constants = {beta1, rest1, beta2, rest2, eps};
    __shared__ Shared shared;
    targets += blockIdx.x * target_stride;
    const float rate = rates[blockIdx.x];
    state += (long long)blockIdx.x * (1 + MOMENTS) * PARAMETERS;
    losses += (long long)blockIdx.x * epochs;
    Network network = load_network(state);
    // Samples are loaded one group ahead, and their indices two, so that no thread waits for memory.
    Walk walk = {order, rows * groups, 0};
    Sample sample = fetch(x, targets, walk.next());
    int index = walk.next(), turn = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        double squares = 0.0;
        for (int s = 0; s < steps; s++) {
            float2 row = coefficients[epoch * steps + s];
            row.x *= rate;
            const float scale = 2.f / (s + 1 < steps ? batch : last_batch);
            const Units units = weights_of(network);
            MaskedSums sums = {};
            float sum_of_dy = 0.f;
            for (int g = 0; g < groups; g++, turn ^= 1) {
                const Sample next = fetch(x, targets, index);
                index = walk.next();
                const float residual = add_group(units, network.b2.value, sample, scale, turn, shared, sums);
                sum_of_dy += scale * residual;
                squares += (double)residual * residual;
                sample = next;
            }
            step(network, units, sums, sum_over_lanes(sum_of_dy), row, constants);
        }
        squares = sum_over_lanes(squares);
        if (threadIdx.x == 0) losses[epoch] = squares / n;
    }
    store_network(network, state);
}
