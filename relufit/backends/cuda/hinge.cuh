// The exact full-batch gradient for one input without touching every sample: relufit/network/sorted/hinge.py, in one block.
//
// The samples are sorted, with the table of their moments (relufit/network/sorted/moments.py). Thread j owns unit j, and position j of
// the sorted knots: the segment that begins at knot j, and thread 0 also the one before all knots. All computation
// between the weights and their gradients is in float64, as in relufit/network/sorted/hinge.py, with the same names.
#pragma once
#include "update.cuh"
#include "warp.cuh"

#ifndef HIDDEN
#define HIDDEN 512
#endif

constexpr int BLOCK = (HIDDEN + LANES - 1) / LANES * LANES;  // threads; those from HIDDEN on pad the last warp
constexpr int BLOCK_WARPS = BLOCK / LANES;
constexpr int UNIT_BITS = 10;
constexpr int LEAF = 16, FAN = 16;          // of relufit/network/sorted/moments.py
constexpr int OWN = 0, UP_TO = 1, FROM = 2;  // the rows of a node there
constexpr int RUN_COLUMNS = 5, NODE = 3 * RUN_COLUMNS;
static_assert(HIDDEN <= 1 << UNIT_BITS, "one thread a unit, 1024 threads a block");

typedef unsigned int Rank;       // up to 2^31 samples: sums of two ranks fit
typedef unsigned long long Key;  // rank and unit in one number, so that knots are sorted by comparing numbers

struct Table {
    const float *x, *y;           // (N,) sorted by x
    const double *nodes;          // (rows, 3, 5): mean x, sum of squares of x, mean y, of x y, of y y
    const long long *offsets;     // (levels + 1,)
    Rank n;
};

struct Sums {  // over some samples, of the residual e = output - y
    double e, ex, edx, squares;
};

struct Weights {  // of one unit
    float w1, b1, w2;
};

struct Gradients {
    float w1, b1, w2, b2;
    double loss;
};

struct HingeShared {
    Key keys[HIDDEN];                // sorted: rank and unit of each knot
    double start[HIDDEN + 1];        // x at the knot of each place, the last sample's at the end
    union { double bend[HIDDEN], s0[HIDDEN]; };  // by unit: the change of slope at its knot; later its masked sum
    union { double jump[HIDDEN], s1[HIDDEN]; };  // by unit: the change of value at its knot; later its masked sum
    double s2[HIDDEN];
    Rank ranks[HIDDEN];              // by unit
    bool rising[HIDDEN];             // by unit: on to the right of its knot
    double warps[6][BLOCK_WARPS];
};
static_assert(sizeof(HingeShared) <= 48 * 1024, "what a block has without asking for more");

__device__ __forceinline__ bool is_left(float x, const Weights &unit) {
    return (preactivation(x, unit.w1, unit.b1) > 0.f) != (unit.w1 > 0.f);
}

// The number of samples left of the knot, by the predicate of the dense form: a search in growing steps from `guess`.
__device__ Rank find_rank(const Table &table, const Weights &unit, Rank guess) {
    Rank low = 0, high = table.n, reach = 1;
    if (guess < table.n && is_left(table.x[guess], unit)) {
        low = guess + 1;
        while (low + reach <= table.n && is_left(table.x[low + reach - 1], unit)) {
            low += reach;
            reach *= 2;
        }
        if (low + reach <= table.n) high = low + reach - 1;
    } else {
        high = guess;
        while (high >= reach && !is_left(table.x[high - reach], unit)) {
            high -= reach;
            reach *= 2;
        }
        if (high >= reach) low = high - reach + 1;
    }
    while (low < high) {
        const Rank middle = (low + high) / 2;
        if (is_left(table.x[middle], unit)) low = middle + 1;
        else high = middle;
    }
    return low;
}

// Sorts the keys, which are nearly sorted from the step before: swaps neighbours until all are in order.
__device__ void sort_keys(Key *keys) {
    bool moved = true;
    while (__syncthreads_or(moved)) {
        moved = false;
        for (int parity = 0; parity < 2; parity++) {
            const int p = threadIdx.x;
            if (p % 2 == parity && p + 1 < HIDDEN && keys[p] > keys[p + 1]) {
                const Key larger = keys[p];
                keys[p] = keys[p + 1];
                keys[p + 1] = larger;
                moved = true;
            }
            if (parity == 0) __syncthreads();
        }
    }
}

// The sum of the values of all threads up to this one. `warps` is shared, and free again after two barriers.
__device__ __forceinline__ double sum_up_to(double value, double *warps) {
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    double sum = sum_up_to_lane(value, lane);
    if (lane == LANES - 1) warps[warp] = sum;
    __syncthreads();
    for (int w = 0; w < warp; w++) sum += warps[w];
    return sum;
}

// The sum of the values of all threads from this one on.
__device__ __forceinline__ double sum_from(double value, double *warps) {
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    double sum = value;
    #pragma unroll
    for (int offset = 1; offset < LANES; offset *= 2) {
        const double other = __shfl_down_sync(ALL_LANES, sum, offset);
        if (lane + offset < LANES) sum += other;
    }
    if (lane == 0) warps[warp] = sum;
    __syncthreads();
    for (int w = BLOCK_WARPS - 1; w > warp; w--) sum += warps[w];
    return sum;
}

__device__ __forceinline__ double sum_over_block(double value, double *warps) {
    const double sum = sum_over_lanes(value);
    if (threadIdx.x % LANES == 0) warps[threadIdx.x / LANES] = sum;
    __syncthreads();
    double total = 0.0;
    for (int w = 0; w < BLOCK_WARPS; w++) total += warps[w];
    return total;
}

__device__ __forceinline__ void add_samples(
    const Table &table, Rank first, Rank last, double start, double value, double slope, Sums &sums) {
    for (Rank i = first; i < last; i++) {
        const double x = table.x[i], dx = x - start, e = value + slope * dx - table.y[i];
        sums.e += e;
        sums.ex += e * x;
        sums.edx += e * dx;
        sums.squares += e * e;
    }
}

__device__ __forceinline__ void add_run(
    const double *run, double size, double start, double value, double slope, Sums &sums) {
    const double mean_x = run[0], sxx = run[1], mean_y = run[2], sxy = run[3], syy = run[4];
    const double dx = mean_x - start, e = value + slope * dx - mean_y, spread = slope * sxx - sxy, total = size * e;
    sums.e += total;
    sums.ex += spread + mean_x * total;
    sums.edx += spread + dx * total;
    sums.squares += total * e + slope * spread + (syy - slope * sxy);
}

// Sums over the samples from `first` up to `last`: both ends sample by sample, the rest by the largest runs inside.
__device__ Sums sums_of_segment(
    const Table &table, Rank first, Rank last, double start, double value, double slope) {
    Sums sums = {0.0, 0.0, 0.0, 0.0};
    Rank low = (first + LEAF - 1) / LEAF, high = last / LEAF;
    if (low >= high) {
        add_samples(table, first, last, start, value, slope, sums);
        return sums;
    }
    add_samples(table, first, low * LEAF, start, value, slope, sums);
    add_samples(table, high * LEAF, last, start, value, slope, sums);
    double size = LEAF;
    for (int level = 0; low < high; level++, size *= FAN) {
        const double *nodes = table.nodes + table.offsets[level] * NODE;
        const Rank begins = (low + FAN - 1) / FAN, ends = high / FAN;
        if (begins > ends) {  // within one parent: node by node
            for (Rank i = low; i < high; i++)
                add_run(nodes + (size_t)i * NODE + OWN * RUN_COLUMNS, size, start, value, slope, sums);
            break;
        }
        if (low % FAN)
            add_run(nodes + (size_t)low * NODE + FROM * RUN_COLUMNS, size * (FAN - low % FAN), start, value, slope, sums);
        if (high % FAN)
            add_run(nodes + (size_t)(high - 1) * NODE + UP_TO * RUN_COLUMNS, size * (high % FAN), start, value, slope, sums);
        low = begins;
        high = ends;
    }
    return sums;
}

// Loss and gradients over all samples. `rank` is that of this thread's unit: on entry from the step before, or any number
// from 0 to n; it is updated. shared.keys hold the units in any order, and are sorted.
__device__ Gradients full_batch_gradient(
    const Table &table, const Weights &unit, float b2, Rank &rank, HingeShared &shared) {
    const int j = threadIdx.x;
    const bool real = j < HIDDEN;
    const double x0 = table.x[0], w1 = unit.w1, b1 = unit.b1, w2 = unit.w2;
    const bool rising = unit.w1 > 0.f;
    if (real) {
        rank = find_rank(table, unit, rank);
        shared.ranks[j] = rank;
    }
    __syncthreads();
    if (real) {
        const int owner = shared.keys[j] & ((1 << UNIT_BITS) - 1);
        shared.keys[j] = (Key)shared.ranks[owner] << UNIT_BITS | owner;
    }
    sort_keys(shared.keys);

    // The lines: bends and jumps by unit, then in the order of the knots.
    const bool falling_on = real && !rising && rank > 0;  // on to the left of the first sample
    const double at = table.x[rank < table.n ? rank : table.n - 1], scale = 2.0 / table.n;
    if (real) {
        const double turn = (rising ? 1.0 : 0.0) - (falling_on ? 1.0 : 0.0);
        shared.rising[j] = rising;
        shared.bend[j] = turn * w1 * w2;
        shared.jump[j] = turn * (w1 * at + b1) * w2;
    }
    // Sum over all units, times 0 or 1, so that a weight that is not finite always shows in the loss.
    const double first_slope = sum_over_block(real ? w1 * w2 * falling_on : 0.0, shared.warps[0]);
    const double first_value = sum_over_block(real ? (w1 * x0 + b1) * w2 * falling_on : 0.0, shared.warps[1]) + b2;
    const int owner = real ? shared.keys[j] & ((1 << UNIT_BITS) - 1) : 0;
    const Rank begin = real ? shared.keys[j] >> UNIT_BITS : table.n;
    const Rank end = j + 1 < HIDDEN ? shared.keys[j + 1] >> UNIT_BITS : table.n;
    const double start = table.x[begin < table.n ? begin : table.n - 1];
    if (real) shared.start[j] = start;
    if (j == 0) shared.start[HIDDEN] = table.x[table.n - 1];
    const double slope = first_slope + sum_up_to(real ? shared.bend[owner] : 0.0, shared.warps[2]);
    const double left_slope = real ? slope - shared.bend[owner] : 0.0;
    const double before = j == 0 ? x0 : real ? shared.start[j - 1] : 0.0;
    const double rise = real ? left_slope * (start - before) + shared.jump[owner] : 0.0;
    const double value = first_value + sum_up_to(rise, shared.warps[3]);

    Sums sums = {0.0, 0.0, 0.0, 0.0}, head = {0.0, 0.0, 0.0, 0.0};  // head: the segment before all knots
    if (real) sums = sums_of_segment(table, begin, end, start, value, slope);
    if (j == 0) head = sums_of_segment(table, 0, begin, x0, first_value, first_slope);
    const double after = real ? shared.start[j + 1] : start, step = after - start, head_step = start - x0;

    // Running sums up to each knot from the left, and from it on to the right.
    const double left_e = sum_up_to(sums.e + head.e, shared.warps[4]) - sums.e;
    const double left_ex = sum_up_to(sums.ex + head.ex, shared.warps[5]) - sums.ex;
    const double right_e = sum_from(sums.e, shared.warps[0]), right_ex = sum_from(sums.ex, shared.warps[1]);
    // The third sum is moved from knot to knot together with its centre.
    const double moved_left = sums.edx - step * (left_e + sums.e), moved_head = head.edx - head_step * head.e;
    const double left_edx = sum_up_to(moved_left + (j == 0 ? moved_head : 0.0), shared.warps[2]) - moved_left;
    const double right_edx = sum_from(sums.edx + step * (right_e - sums.e), shared.warps[3]);
    const double squares = sum_over_block(sums.squares + head.squares, shared.warps[4]);
    const double all_e = sum_over_block(sums.e + head.e, shared.warps[5]);
    if (real) {
        const bool on_right = shared.rising[owner];
        shared.s0[owner] = on_right ? right_e : left_e;
        shared.s1[owner] = on_right ? right_ex : left_ex;
        shared.s2[owner] = on_right ? right_edx : left_edx;
    }
    __syncthreads();
    Gradients found = {0.f, 0.f, 0.f, (float)(scale * all_e), squares / table.n};
    if (real) {
        const double s0 = shared.s0[j], z = w1 * at + b1;
        found.w1 = (float)(scale * w2 * shared.s1[j]);
        found.b1 = (float)(scale * w2 * s0);
        found.w2 = (float)(scale * (w1 * shared.s2[j] + z * s0));
    }
    return found;
}

__device__ __forceinline__ void number_keys(Key *keys) {
    if (threadIdx.x < HIDDEN) keys[threadIdx.x] = threadIdx.x;
}

// Loss (1,) and flat gradient (3 H + 1,) of a network w1 (1, H), b1 (H,), w2 (H, 1), b2 (1,).
extern "C" __global__ void __launch_bounds__(BLOCK, 1) hinge_gradient(
    const float *w1, const float *b1, const float *w2, const float *b2, const float *x, const float *y,
    const double *nodes, const long long *offsets, Rank n, float *loss, float *grads) {
    __shared__ HingeShared shared;
    const Table table = {x, y, nodes, offsets, n};
    const int j = threadIdx.x;
    const Weights unit = j < HIDDEN ? Weights{w1[j], b1[j], w2[j]} : Weights{0.f, 0.f, 0.f};
    Rank rank = n / 2;
    number_keys(shared.keys);
    const Gradients found = full_batch_gradient(table, unit, b2[0], rank, shared);
    if (j < HIDDEN) {
        grads[j] = found.w1;
        grads[HIDDEN + j] = found.b1;
        grads[2 * HIDDEN + j] = found.w2;
    }
    if (j == 0) {
        grads[3 * HIDDEN] = found.b2;
        loss[0] = (float)found.loss;
    }
}

// Steps of full batches in one launch, for one network: state (1 + MOMENTS, 3 H + 1), coefficients and losses (steps,).
extern "C" __global__ void __launch_bounds__(BLOCK, 1) hinge_train(
    const float *x, const float *y, const double *nodes, const long long *offsets, Rank n, int steps,
    const float2 *coefficients, float beta1, float rest1, float beta2, float rest2, float eps, float *state,
    double *losses) {
    __shared__ HingeShared shared;
    const Table table = {x, y, nodes, offsets, n};
    const Constants constants = {beta1, rest1, beta2, rest2, eps};
    const int j = threadIdx.x, parameters = 3 * HIDDEN + 1;
    Weight w1 = {0.f, 0.f, 0.f}, b1 = w1, w2 = w1, b2 = load(state, 3 * HIDDEN, parameters);
    if (j < HIDDEN) {
        w1 = load(state, j, parameters);
        b1 = load(state, HIDDEN + j, parameters);
        w2 = load(state, 2 * HIDDEN + j, parameters);
    }
    Rank rank = n / 2;
    number_keys(shared.keys);
    for (int s = 0; s < steps; s++) {
        const float2 row = coefficients[s];
        const Weights unit = {w1.value, b1.value, w2.value};
        const Gradients found = full_batch_gradient(table, unit, b2.value, rank, shared);
        if (j == 0) losses[s] = found.loss;
        update(w1, found.w1, row, constants);
        update(b1, found.b1, row, constants);
        update(w2, found.w2, row, constants);
        update(b2, found.b2, row, constants);
    }
    if (j < HIDDEN) {
        store(w1, state, j, parameters);
        store(b1, state, HIDDEN + j, parameters);
        store(w2, state, 2 * HIDDEN + j, parameters);
    }
    if (j == 0) store(b2, state, 3 * HIDDEN, parameters);
}
