// The BabyBear field, p = 15·2^27 + 1, in 32-bit registers. Every value is kept below p unless a comment says otherwise.
//
// Of x and x − p (or x + p) the right one is the smaller as unsigned numbers: one VIADDMNMX on cards that have it.
// Comes first in the one translation unit that the files of this folder make up; nothing is included, so that NVRTC
// needs no headers and a host compiler only the shim of tests/unit/test_cuda_arithmetic.py.

typedef unsigned int u32;
typedef unsigned long long u64;

#define P 0x78000001u
#define P_INVERSE 0x88000001u  // 1 / p mod 2^32
#define MONTGOMERY_SQUARE 0x45dddde3u  // 2^64 mod p
#define INLINE static __device__ __forceinline__

INLINE u32 smaller(u32 a, u32 b) { return a < b ? a : b; }
INLINE u32 reduced(u32 x) { return smaller(x, x - P); }  // x below 2p
INLINE u32 add(u32 a, u32 b) { return reduced(a + b); }

// Montgomery's product a·b / 2^32 (1985), with the sign of the correction turned round: no 64-bit sum is needed.
INLINE u32 multiply(u32 a, u32 b) {
  u64 product = (u64)a * b;
  u32 quotient = (u32)product * P_INVERSE;
  u32 difference = (u32)(product >> 32) - __umulhi(quotient, P);
  return smaller(difference, difference + P);
}

// x·w for a fixed w, whose `ratio` floor(w·2^32 / p) is known (Shoup): three multiplications, any x, below 2p.
INLINE u32 turn(u32 x, uint2 factor) { return x * factor.x - __umulhi(x, factor.y) * P; }

INLINE uint2 with_ratio(u32 w) {
  uint2 pair;
  pair.x = w;
  pair.y = (u32)(((u64)w << 32) / P);
  return pair;
}

INLINE u32 slow_product(u32 a, u32 b) { return (u32)((u64)a * b % P); }

// factors[j] = first·base^bitreverse(j) with its ratio, plain values, for j below 2^bits.
extern "C" __global__ void reversed_powers(uint2 *factors, u32 bits, u32 first, u32 base) {
  u32 j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >> bits) return;
  u32 exponent = bits ? __brev(j) >> (32 - bits) : 0;
  u32 power = first;
  for (u32 square = base; exponent; exponent >>= 1, square = slow_product(square, square))
    if (exponent & 1) power = slow_product(power, square);
  factors[j] = with_ratio(power);
}

// Set *flag where an element is not below p. Four elements a thread and step, in loads of 16 bytes; the rest one by one.
extern "C" __global__ void check_range(const u32 *values, u64 count, u32 *flag) {
  u64 first = (u64)blockIdx.x * blockDim.x + threadIdx.x, step = (u64)gridDim.x * blockDim.x;
  for (u64 i = first; i < count / 4; i += step) {
    uint4 v = ((const uint4 *)values)[i];
    if (v.x >= P || v.y >= P || v.z >= P || v.w >= P) *flag = 1;
  }
  if (first < count % 4 && values[count - 1 - first] >= P) *flag = 1;
}
