// Operations over the 32 lanes of a warp, and relu and unfused multiply-add.
#pragma once

constexpr int LANES = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

// max(z, 0); of nan it is nan, because fmaxf would hide that training diverged.
__device__ __forceinline__ float relu(float z) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800  // one instruction from Ampere on
    float h;
    asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(h) : "f"(z));
    return h;
#else
    return z < 0.f ? 0.f : z;
#endif
}

// x w + b, rounded twice as numpy rounds: a fused multiply-add would see the rounding error of a knot put on a sample.
__device__ __forceinline__ float preactivation(float x, float w, float b) { return __fadd_rn(__fmul_rn(x, w), b); }

// The sum of all lanes' values, in every lane.
template <class Number>
__device__ __forceinline__ Number sum_over_lanes(Number value) {
    #pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(ALL_LANES, value, offset);
    return value;
}

// The sum of the values of all lanes up to this one.
template <class Number>
__device__ __forceinline__ Number sum_up_to_lane(Number value, int lane) {
    #pragma unroll
    for (int offset = 1; offset < LANES; offset *= 2) {
        Number other = __shfl_up_sync(ALL_LANES, value, offset);
        if (lane >= offset) value += other;
    }
    return value;
}

// Each lane has its part of 32 sums; lane l gets sum l. Halving the number of parts takes 31 shuffles, not 32 times 5.
__device__ __forceinline__ float sum_by_lane(float (&parts)[LANES], int lane) {
    #pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) {
        const bool upper = lane & offset;
        #pragma unroll
        for (int i = 0; i < LANES / 2; i++) {  // of known length, or the parts would not stay in registers
            if (i >= offset) continue;
            const float kept = upper ? parts[i + offset] : parts[i], sent = upper ? parts[i] : parts[i + offset];
            parts[i] = kept + __shfl_xor_sync(ALL_LANES, sent, offset);
        }
    }
    return parts[0];
}
