// Microbenchmarks: what the card reaches with nothing in its way. The prover's own figures are held against these.

#define CHAINS 8

// A copy: 16 bytes a thread and step, coalesced.
extern "C" __global__ void copy_quads(const uint4 *in, uint4 *out, u64 quads) {
  u64 step = (u64)gridDim.x * blockDim.x;
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += step) out[i] = in[i];
}

// `rounds`·8 chains·16 operations a thread, all in registers; the sums are stored so that nothing is optimised away.
#define PEAK(NAME, STEP)                                                                        \
  extern "C" __global__ void __launch_bounds__(256) NAME(u32 *sums, u32 rounds, u32 factor) {   \
    u32 x[CHAINS];                                                                              \
    _Pragma("unroll") for (int i = 0; i < CHAINS; i++) x[i] = reduced((index() + i) & P >> 1);  \
    for (u32 round = 0; round < rounds; round++) {                                              \
      _Pragma("unroll") for (int step = 0; step < 16; step++) {                                 \
        _Pragma("unroll") for (int i = 0; i < CHAINS; i++) x[i] = STEP;                         \
      }                                                                                         \
    }                                                                                           \
    u32 sum = 0;                                                                                \
    _Pragma("unroll") for (int i = 0; i < CHAINS; i++) sum ^= x[i];                             \
    sums[index()] = sum;                                                                        \
  }

PEAK(peak_integers, x[i] * factor + x[i])
// Field operations in the hash's proportion, three products to five sums. Compilers leave sums with a constant to the
// units that add, and give half of a sum of two variables to those that multiply: which is faster, the card says.
PEAK(peak_field, step % 8 < 3 ? multiply(x[i], factor) : add(x[i], factor))
PEAK(peak_field_spread, step % 8 < 3 ? multiply(x[i], factor) : add(x[i], x[(i + 1) % CHAINS]))
