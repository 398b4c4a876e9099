// One update of one parameter, by the formulas of relufit/network/optim.py.
#pragma once

#define SGD 0
#define MOMENTUM 1
#define ADAM 2

#ifndef RULE
#define RULE ADAM
#endif

constexpr int MOMENTS = RULE;  // kept for each parameter: none, the velocity, the first and the second

struct Constants {  // of Adam; the differences are taken in float64, see Adam.coefficients
    float beta1, rest1, beta2, rest2, eps;
};

// A parameter and its moments; moments that the rule does not have are never used, and need no register.
struct Weight {
    float value, first, second;
};

// `row` is the step's row of Optimizer.coefficients: the rate, and the momentum or Adam's scale of the root.
__device__ __forceinline__ void update(Weight &weight, float gradient, float2 row, const Constants &constants) {
    if (RULE == SGD) {
        weight.value = fmaf(-row.x, gradient, weight.value);
    } else if (RULE == MOMENTUM) {
        weight.first = fmaf(row.y, weight.first, gradient);
        weight.value = fmaf(-row.x, weight.first, weight.value);
    } else {
        weight.first = fmaf(constants.rest1, gradient, constants.beta1 * weight.first);
        weight.second = fmaf(constants.rest2, gradient * gradient, constants.beta2 * weight.second);
        const float root = fmaf(sqrtf(weight.second), row.y, constants.eps);
        weight.value -= row.x * weight.first / root;
    }
}

// A network's state in memory is (1 + MOMENTS, PARAMETERS): the parameters, then each moment.
__device__ __forceinline__ Weight load(const float *state, int at, int parameters) {
    Weight weight = {state[at], 0.f, 0.f};
    if (MOMENTS > 0) weight.first = state[parameters + at];
    if (MOMENTS > 1) weight.second = state[2 * parameters + at];
    return weight;
}

__device__ __forceinline__ void store(const Weight &weight, float *state, int at, int parameters) {
    state[at] = weight.value;
    if (MOMENTS > 0) state[parameters + at] = weight.first;
    if (MOMENTS > 1) state[2 * parameters + at] = weight.second;
}
