// The prover's hash (parameters: permutation.py), one state a thread, in registers; and the trees over it.
//
// All values are in Montgomery form. Digests lie element by element, (8, n), so that neighbouring threads meet
// neighbouring words. ROUND_CONSTANTS[ROUNDS][16] is written before this text by `cuda_source.source`.

#define WIDTH 16
#define DIGEST 8

INLINE u32 seventh_power(u32 x) {
  u32 square = multiply(x, x);
  return multiply(multiply(square, x), multiply(square, square));
}

// M4 with additions only (Poseidon2, section 5.1).
INLINE void mix_four(u32 *s) {
  u32 ab = add(s[0], s[1]), cd = add(s[2], s[3]);
  u32 bbcd = add(add(s[1], s[1]), cd), ddab = add(add(s[3], s[3]), ab);
  u32 ab2 = add(ab, ab), cd2 = add(cd, cd);
  u32 row_4 = add(add(cd2, cd2), ddab), row_2 = add(add(ab2, ab2), bbcd);
  s[0] = add(ddab, row_2);
  s[1] = row_2;
  s[2] = add(bbcd, row_4);
  s[3] = row_4;
}

INLINE void linear_layer(u32 *s) {
#pragma unroll
  for (int i = 0; i < WIDTH; i += 4) mix_four(s + i);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    u32 total = add(add(s[i], s[i + 4]), add(s[i + 8], s[i + 12]));
#pragma unroll
    for (int j = i; j < WIDTH; j += 4) s[j] = add(s[j], total);
  }
}

INLINE void permute(u32 *s) {
  linear_layer(s);
#pragma unroll 1  // twelve rounds unrolled outgrow the instruction cache
  for (int round = 0; round < ROUNDS; round++) {
#pragma unroll
    for (int i = 0; i < WIDTH; i++) s[i] = seventh_power(add(s[i], ROUND_CONSTANTS[round][i]));
    linear_layer(s);
  }
}

// The digest of s[0..15], left in s[0..7].
INLINE void compress(u32 *s) {
  u32 before[DIGEST];
#pragma unroll
  for (int i = 0; i < DIGEST; i++) before[i] = s[i];
  permute(s);
#pragma unroll
  for (int i = 0; i < DIGEST; i++) s[i] = add(s[i], before[i]);
}

INLINE u32 index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// The digest of each row, eight elements at a time, from (start, tag, 0, …).
extern "C" __global__ void __launch_bounds__(128)
hash_rows(const u32 *rows, u32 *digests, u32 columns, u32 count, u32 start, u32 tag) {
  u32 row = index();
  if (row >= count) return;
  const u32 *elements = rows + (u64)row * columns;
  u32 s[WIDTH] = {start, tag};
  for (u32 block = 0; block < columns; block += DIGEST) {
    if (columns % DIGEST == 0) {
      const uint4 *quads = (const uint4 *)(elements + block);
      uint4 a = quads[0], b = quads[1];
      s[8] = a.x, s[9] = a.y, s[10] = a.z, s[11] = a.w, s[12] = b.x, s[13] = b.y, s[14] = b.z, s[15] = b.w;
    } else {
#pragma unroll
      for (int i = 0; i < DIGEST; i++) s[DIGEST + i] = block + i < columns ? elements[block + i] : 0;
    }
    compress(s);
  }
#pragma unroll
  for (int i = 0; i < DIGEST; i++) digests[(u64)i * count + row] = s[i];
}

INLINE void load(u32 *s, const u32 *digests, u64 count, u64 place) {
#pragma unroll
  for (int i = 0; i < DIGEST; i++) s[i] = digests[i * count + place];
}

INLINE void store(u32 *digests, u64 count, u64 place, const u32 *s) {
#pragma unroll
  for (int i = 0; i < DIGEST; i++) digests[i * count + place] = s[i];
}

// The first two levels of a segment's tree: its leaf 4·row + k is the row's digest of the k-th of four cosets.
extern "C" __global__ void __launch_bounds__(128) fold_cosets(const u32 *leaves, u32 *nodes, u32 count) {
  u32 row = index();
  if (row >= count) return;
  u64 coset = (u64)DIGEST * count;
  u32 left[WIDTH], right[WIDTH];
  load(left, leaves, count, row);
  load(left + DIGEST, leaves + coset, count, row);
  compress(left);
  load(right, leaves + 2 * coset, count, row);
  load(right + DIGEST, leaves + 3 * coset, count, row);
  compress(right);
#pragma unroll
  for (int i = 0; i < DIGEST; i++) left[DIGEST + i] = right[i];
  compress(left);
  store(nodes, count, row, left);
}

// One level of a tree: `count` nodes from twice as many.
extern "C" __global__ void __launch_bounds__(128) fold(const u32 *below, u32 *nodes, u32 count) {
  u32 place = index();
  if (place >= count) return;
  u32 s[WIDTH];
#pragma unroll
  for (int i = 0; i < DIGEST; i++) {
    uint2 pair = ((const uint2 *)below)[(u64)i * count + place];
    s[i] = pair.x;
    s[DIGEST + i] = pair.y;
  }
  compress(s);
  store(nodes, count, place, s);
}

// Leaf i is the 16 elements of `pair` compressed after i was added to the last.
extern "C" __global__ void __launch_bounds__(128) numbered_leaves(const u32 *pair, u32 *digests, u32 count) {
  u32 place = index();
  if (place >= count) return;
  u32 s[WIDTH];
#pragma unroll
  for (int i = 0; i < WIDTH; i++) s[i] = pair[i];
  s[WIDTH - 1] = add(s[WIDTH - 1], multiply(place, MONTGOMERY_SQUARE));
  compress(s);
  store(digests, count, place, s);
}
