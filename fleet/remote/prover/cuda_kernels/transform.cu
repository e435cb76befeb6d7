// Number-theoretic transforms of every column of a row-major matrix: 2^po2 rows, `columns` columns.
//
// A pass does K stages at once on tiles of 2^K rows × 16 columns: 64 bytes of a row are one coalesced access of half a
// warp. A thread holds 2^K1 rows of one column in registers for the first half of the stages; one exchange through
// shared memory; then the second half. So 2^20 rows are two passes over global memory, the fewest that shared memory
// allows on every card from sm_75 on (64 KiB a block).
//
// `down`: natural order in, bit-reversed out (Cooley–Tukey); `up`: bit-reversed in, natural out (Gentleman–Sande).
// twiddles[b] is root^bitreverse(b), one factor for the whole b-th block of every stage. `stage` is the number of the
// pass's first stage counted from the longest half; `up` runs the same passes and stages in opposite order.

#define LANES 16

// `down` leaves its sums below 2p, so that each of them is reduced once and not twice.
INLINE void butterfly_down(u32 &low, u32 &high, uint2 twiddle) {
  u32 turned = reduced(turn(high, twiddle)), kept = reduced(low);
  low = kept + turned;
  high = kept - turned + P;
}

INLINE void butterfly_up(u32 &low, u32 &high, uint2 twiddle) {
  u32 first = low, second = high;
  low = add(first, second);
  high = reduced(turn(first - second + P, twiddle));
}

// Stage T of the K stages of 2^K values in registers, whose block at the first of them is `block`. Templates and not
// loops over T: the values stay in registers only where every index is known to the compiler.
template <int K, int T, bool DOWN> INLINE void stage(u32 *v, const uint2 *twiddles, u32 block) {
  const uint2 *first = twiddles + ((u64)block << T);  // one address for all: the rest are offsets in the instructions
#pragma unroll
  for (int q = 0; q < 1 << T; q++) {
    uint2 twiddle = first[q];
#pragma unroll
    for (int r = 0; r < 1 << (K - 1 - T); r++) {
      u32 &low = v[(q << (K - T)) + r], &high = v[(q << (K - T)) + r + (1 << (K - 1 - T))];
      if (DOWN) butterfly_down(low, high, twiddle);
      else butterfly_up(low, high, twiddle);
    }
  }
}

template <int K, int T = 0> INLINE void stages_down(u32 *v, const uint2 *twiddles, u32 block) {
  if constexpr (T < K) {
    stage<K, T, true>(v, twiddles, block);
    stages_down<K, T + 1>(v, twiddles, block);
  }
}

template <int K, int T = K - 1> INLINE void stages_up(u32 *v, const uint2 *twiddles, u32 block) {
  if constexpr (T >= 0) {
    stage<K, T, false>(v, twiddles, block);
    stages_up<K, T - 1>(v, twiddles, block);
  }
}

// Where a block's tile lies. `stride`: rows between two of the tile's, all of one block of the pass's first stage.
// Threads beyond the last column are not `inside`: they read what the last one reads, and write nothing.
struct Tile {
  u32 block, first, stride, column;
  bool inside;
};

template <int K> INLINE Tile tile_of(u32 columns, u32 po2, u32 stage) {
  u32 across = (columns + LANES - 1) / LANES;
  u32 number = blockIdx.x / across, shift = po2 - stage - K;
  Tile tile;
  tile.stride = 1u << shift;
  tile.block = number >> shift;
  tile.first = (tile.block << (po2 - stage)) + (number & (tile.stride - 1));
  u32 column = blockIdx.x % across * LANES + threadIdx.x % LANES;
  tile.inside = column < columns;
  tile.column = tile.inside ? column : columns - 1;
  return tile;
}

// Elements up to the tile's row `row`, and from it to the next.
INLINE u64 at(const Tile &tile, u32 columns, u32 row) {
  return (u64)(tile.first + row * tile.stride) * columns + tile.column;
}

template <int COUNT> INLINE void gather(u32 *v, const u32 *in, const Tile &tile, u32 columns, u32 row, u32 apart) {
  u64 step = (u64)apart * tile.stride * columns;
  const u32 *from = in + at(tile, columns, row);
#pragma unroll
  for (int r = 0; r < COUNT; r++, from += step) v[r] = *from;
}

template <int COUNT> INLINE void scatter(const u32 *v, u32 *out, const Tile &tile, u32 columns, u32 row, u32 apart) {
  u64 step = (u64)apart * tile.stride * columns;
  u32 *to = out + at(tile, columns, row);
  if (!tile.inside) return;
#pragma unroll
  for (int r = 0; r < COUNT; r++, to += step) *to = v[r];
}

extern __shared__ u32 shared_tile[];

// A thread's column of the tile in shared memory: `apart`, its rows slot, slot + 2^K2, …; `close`, a group's rows one
// after the other. Neighbours change places in every other 2^K2 rows, so that both halves of a warp meet different
// banks either way. Written so that all but a few addresses are offsets in the instructions.
template <int K2> INLINE u32 &apart(u32 *column, u32 slot, int r) {
  u32 *first = column + (slot ^ (K2 ? r & 1 : 0)) * LANES;
  return first[(r << K2) * LANES];
}

template <int K2> INLINE u32 &close(u32 *column, u32 slot, int group, int r) {
  u32 *first = column + (slot << K2) * LANES, *swapped = first + (K2 ? slot & 1 : 0) * LANES;
  return (r & 1 ? first - (swapped - first) : swapped)[((group << 2 * K2) + r) * LANES];
}

template <int K1, int K2>
INLINE void pass_down(const u32 *in, u32 *out, const uint2 *twiddles, u32 columns, u32 po2, u32 stage) {
  Tile tile = tile_of<K1 + K2>(columns, po2, stage);
  u32 slot = threadIdx.x / LANES;
  u32 *column = shared_tile + threadIdx.x % LANES;
  u32 v[1 << K1];
  gather<1 << K1>(v, in, tile, columns, slot, 1 << K2);
  stages_down<K1>(v, twiddles, tile.block);
#pragma unroll
  for (int r = 0; r < 1 << K1; r++) apart<K2>(column, slot, r) = v[r];
  __syncthreads();
#pragma unroll
  for (int group = 0; group < 1 << (K1 - K2); group++) {
    u32 top = (group << K2) + slot;
#pragma unroll
    for (int r = 0; r < 1 << K2; r++) v[r] = close<K2>(column, slot, group, r);
    stages_down<K2>(v, twiddles, (tile.block << K1) + top);
#pragma unroll
    for (int r = 0; r < 1 << K2; r++) v[r] = reduced(v[r]);
    scatter<1 << K2>(v, out, tile, columns, top << K2, 1);
  }
}

// `scales`: where given, a factor for each row before the first stage, by the row's place in `in`. Only the first pass
// has them, the one whose tiles are rows side by side.
template <int K1, int K2>
INLINE void pass_up(const u32 *in, u32 *out, const uint2 *twiddles, const uint2 *scales, u32 columns, u32 po2,
                    u32 stage) {
  Tile tile = tile_of<K1 + K2>(columns, po2, stage);
  u32 slot = threadIdx.x / LANES;
  u32 *column = shared_tile + threadIdx.x % LANES;
  u32 v[1 << K1];
#pragma unroll
  for (int group = 0; group < 1 << (K1 - K2); group++) {
    u32 top = (group << K2) + slot;
    gather<1 << K2>(v, in, tile, columns, top << K2, 1);
    if (scales) {
      const uint2 *first = scales + tile.first + (top << K2);
#pragma unroll
      for (int r = 0; r < 1 << K2; r++) v[r] = reduced(turn(v[r], first[r]));
    }
    stages_up<K2>(v, twiddles, (tile.block << K1) + top);
#pragma unroll
    for (int r = 0; r < 1 << K2; r++) close<K2>(column, slot, group, r) = v[r];
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 1 << K1; r++) v[r] = apart<K2>(column, slot, r);
  stages_up<K1>(v, twiddles, tile.block);
  scatter<1 << K1>(v, out, tile, columns, slot, 1 << K2);
}

// Threads that a multiprocessor is to hold: 1024 leave 64 registers a thread. Where its shared memory has room for one
// of the largest tiles only (64 KiB of 64 or 100), those may have 128.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 750 || __CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200)
#define AT_ONCE(K2) ((K2) < 2 ? 16 : 32 >> (K2))
#else
#define AT_ONCE(K2) ((K2) < 2 ? 16 : 64 >> (K2))
#endif
#define PASS(K, K1, K2)                                                                                              \
  extern "C" __global__ void __launch_bounds__(LANES << K2, AT_ONCE(K2))                                                       \
      down_##K(const u32 *in, u32 *out, const uint2 *twiddles, u32 columns, u32 po2, u32 stage) {                     \
    pass_down<K1, K2>(in, out, twiddles, columns, po2, stage);                                                        \
  }                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(LANES << K2, AT_ONCE(K2))                                                       \
      up_##K(const u32 *in, u32 *out, const uint2 *twiddles, const uint2 *scales, u32 columns, u32 po2, u32 stage) {  \
    pass_up<K1, K2>(in, out, twiddles, scales, columns, po2, stage);                                                  \
  }

PASS(1, 1, 0)
PASS(2, 1, 1)
PASS(3, 2, 1)
PASS(4, 2, 2)
PASS(5, 3, 2)
PASS(6, 3, 3)
PASS(7, 4, 3)
PASS(8, 4, 4)
PASS(9, 5, 4)
PASS(10, 5, 5)
