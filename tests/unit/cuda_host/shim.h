// What of CUDA the kernels use, for a host compiler: the same source text runs here, thread by thread.
//
// Each thread of a block is a fiber. A barrier hands over to the next one, so that a block goes from barrier to barrier
// in whole phases. In which order threads run within a phase is up to the caller: results must not depend on it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __constant__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct Place { unsigned x; };

static Place blockIdx, blockDim, gridDim, threadIdx;
unsigned shared_tile[64 * 1024 / 4];

static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
static inline unsigned __brev(unsigned x) {
  unsigned result = 0;
  for (int i = 0; i < 32; i++, x >>= 1) result = result << 1 | (x & 1);
  return result;
}

typedef void (*Kernel)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
static ucontext_t scheduler;
static std::vector<ucontext_t> fibers;
static std::vector<bool> ended;
static unsigned running;
static Kernel kernel;
static const uint64_t *arguments;

static void call() {
  kernel(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6]);
}
static void fiber() {
  call();
  ended[running] = true;
}
static inline void __syncthreads() {
  unsigned mine = running;
  if (swapcontext(&fibers[mine], &scheduler)) abort();
  threadIdx.x = mine;
}

// Run a grid. `barriers`: whether the kernel has any; without, threads are plain calls. `shift`: threads and blocks start
// at another one, and run backwards where it is odd.
extern "C" void run_grid(void *entry, unsigned blocks, unsigned threads, const uint64_t *given, int barriers,
                         unsigned shift) {
  const size_t stack = 32 * 1024;
  static std::vector<char> stacks;
  if (stacks.size() < stack * threads) stacks.resize(stack * threads);
  kernel = (Kernel)entry, arguments = given;
  gridDim.x = blocks, blockDim.x = threads;
  for (unsigned b = 0; b < blocks; b++) {
    blockIdx.x = (b + shift) % blocks;
    for (auto &word : shared_tile) word = 0xdeadbeef;
    auto nth = [&](unsigned t) { return (shift & 1 ? threads - 1 - t : t + shift) % threads; };
    if (!barriers) {
      for (unsigned t = 0; t < threads; t++) threadIdx.x = nth(t), call();
      continue;
    }
    fibers.assign(threads, ucontext_t());
    ended.assign(threads, false);
    for (unsigned t = 0; t < threads; t++) {
      getcontext(&fibers[t]);
      fibers[t].uc_stack.ss_sp = stacks.data() + stack * t, fibers[t].uc_stack.ss_size = stack;
      fibers[t].uc_link = &scheduler;
      makecontext(&fibers[t], fiber, 0);
    }
    for (unsigned left = threads; left;) {
      unsigned before = left;
      for (unsigned t = 0; t < threads; t++) {
        running = nth(t);
        if (ended[running]) continue;
        threadIdx.x = running;
        if (swapcontext(&scheduler, &fibers[running])) abort();
        left -= ended[running];
      }
      if (left && left != before) { fprintf(stderr, "a barrier that not all threads reach\n"); abort(); }
    }
  }
}
