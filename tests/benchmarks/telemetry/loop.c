/* The floor: what the sampler asks of NVML, asked by a plain C loop: most at each tick, what changes slowly at each
 * tenth, as the sampler does at ten ticks a second. Prints CPU seconds a tick. Arguments: how many ticks, and the
 * microseconds to sleep before each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef void *card_t;
struct field { unsigned id, scope; long long timestamp, latency; unsigned type; int code; unsigned long long value; };
extern int nvmlInit_v2(void), nvmlDeviceGetCount_v2(unsigned *), nvmlDeviceGetHandleByIndex_v2(unsigned, card_t *);
extern int nvmlDeviceGetUtilizationRates(card_t, unsigned *), nvmlDeviceGetPowerUsage(card_t, unsigned *);
extern int nvmlDeviceGetEnforcedPowerLimit(card_t, unsigned *), nvmlDeviceGetTemperatureV(card_t, void *);
extern int nvmlDeviceGetMemoryInfo_v2(card_t, void *), nvmlDeviceGetClockInfo(card_t, int, unsigned *);
extern int nvmlDeviceGetCurrentClocksEventReasons(card_t, unsigned long long *);
extern int nvmlDeviceGetCurrPcieLinkGeneration(card_t, unsigned *), nvmlDeviceGetCurrPcieLinkWidth(card_t, unsigned *);
extern int nvmlDeviceGetViolationStatus(card_t, int, void *), nvmlDeviceGetFieldValues(card_t, int, struct field *);

int main(int argc, char **argv) {
  int ticks = argc > 1 ? atoi(argv[1]) : 1000, pause = argc > 2 ? atoi(argv[2]) : 0;
  static const unsigned ids[] = {197, 198, 138, 139}, slow_ids[] = {3, 4, 82, 94};
  static const int policies[] = {0, 1, 2, 3, 5};
  unsigned count = 0, word[4];
  unsigned long long wide[8];
  card_t cards[16];
  if (nvmlInit_v2() || nvmlDeviceGetCount_v2(&count)) return 1;
  for (unsigned c = 0; c < count; c++) nvmlDeviceGetHandleByIndex_v2(c, &cards[c]);
  struct timespec from, to;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
  for (int tick = 0; tick < ticks; tick++) {
    if (pause) usleep(pause);
    for (unsigned c = 0; c < count; c++) {
      struct field fields[4];
      memset(fields, 0, sizeof fields);
      memset(wide, 0, sizeof wide);
      memset(word, 0, sizeof word);
      nvmlDeviceGetUtilizationRates(cards[c], word);
      nvmlDeviceGetMemoryInfo_v2(cards[c], wide);
      nvmlDeviceGetPowerUsage(cards[c], word);
      nvmlDeviceGetClockInfo(cards[c], 1, word);
      nvmlDeviceGetCurrentClocksEventReasons(cards[c], wide);
      if (tick % 10 == 0) {
        memset(word, 0, sizeof word);
        nvmlDeviceGetTemperatureV(cards[c], word);
        nvmlDeviceGetEnforcedPowerLimit(cards[c], word);
        nvmlDeviceGetClockInfo(cards[c], 2, word);
        nvmlDeviceGetCurrPcieLinkGeneration(cards[c], word);
        nvmlDeviceGetCurrPcieLinkWidth(cards[c], word);
        for (int p = 0; p < 5; p++) nvmlDeviceGetViolationStatus(cards[c], policies[p], wide);
        for (int f = 0; f < 4; f++) fields[f].id = slow_ids[f];
        nvmlDeviceGetFieldValues(cards[c], 4, fields);
        memset(fields, 0, sizeof fields);
      }
      for (int f = 0; f < 4; f++) fields[f].id = ids[f];
      nvmlDeviceGetFieldValues(cards[c], 4, fields);
    }
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
  printf("%.9f\n", ((double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec)) / ticks);
  return 0;
}
