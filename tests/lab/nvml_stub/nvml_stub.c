/* A libnvidia-ml.so.1 without a card: plays what a script says, so that the truth behind every sample is known.
 *
 * NVML_STUB_SCRIPT names the script, read at nvmlInit. NVML_STUB_CLOCK names a file of one double, mapped: the seconds
 * that have passed. Without it they pass as they do, from the first nvmlInit on. A line of the script is one of
 *
 *   driver VERSION                                 what the driver calls itself
 *   init CODE                                      nvmlInit fails with this error
 *   window SECONDS                                 over which utilisation is averaged (0.2)
 *   takes CALL MICROSECONDS                        how long a call computes (no time at all); CALL `*` is all others
 *   card NAME UUID PCI-ADDRESS                     one more card; the lines after it are about it
 *   is KEY VALUE                                   a value that stays
 *   wave KEY LOW HIGH PERIOD DUTY                  a square wave, high for the first DUTY (0-1) of each period
 *   grow KEY START PER-SECOND BITS                 a counter of 32 or 64 bits that wraps as such
 *   fail CALL CODE FROM TO                         a call (or a key of a field value) fails between these seconds
 *   lost FROM                                      every call of the card says that it is lost
 *   xid CODE AT                                    the driver reports an error
 *   process PID BYTES compute|graphics|mps NAME    what runs on the card
 *
 * A key that the script does not set is not supported by that card. Built with -DOLD_DRIVER, functions of newer drivers
 * are not there at all. The declarations are written after NVIDIA's published interface; nothing of its code is here.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10,
       LOST = 15 };

/* Every key, in one place: its name in scripts, and the field id by which nvmlDeviceGetFieldValues asks for it. */
#define KEYS(X)                                                                                                   \
  X(busy, 0) X(memory_busy, 0) X(memory_total, 0) X(memory_used, 0) X(power, 0) X(power_limit, 0)                 \
  X(power_default, 0) X(temperature, 0) X(memory_temperature, 82) X(sm_clock, 0) X(memory_clock, 0)               \
  X(sm_clock_max, 0) X(memory_clock_max, 0) X(app_clock, 0) X(app_clock_default, 0) X(throttle, 0)                \
  X(violation_power, 0) X(violation_thermal, 0) X(violation_sync, 0) X(violation_board, 0)                        \
  X(violation_reliability, 0) X(pcie_generation, 0) X(pcie_width, 0) X(pcie_generation_max, 0)                    \
  X(pcie_width_max, 0) X(pcie_sent, 197) X(pcie_received, 198) X(throughput_sent, 0) X(throughput_received, 0)    \
  X(replays, 94) X(nvlinks, 91) X(nvlink_sent, 138) X(nvlink_received, 139) X(ecc_on, 0) X(ecc_corrected, 3)       \
  X(ecc_uncorrected, 4) X(retired, 0) X(remapped, 0) X(remap_pending, 0) X(mig, 0) X(compute_mode, 0)             \
  X(persistence, 0) X(events, 0)

enum key {
#define X(name, id) K_##name,
  KEYS(X)
#undef X
  KEY_COUNT
};
static const char *const key_names[] = {
#define X(name, id) #name,
    KEYS(X)
#undef X
};
static const uint32_t key_fields[] = {
#define X(name, id) id,
    KEYS(X)
#undef X
};

enum shape { UNSET, CONSTANT, WAVE, COUNTER };
struct series { enum shape shape; double a, b, c, d; };
struct failure { char call[64]; int code; double from, to; };
struct xid { uint64_t code; double at; int told; };
struct process { unsigned pid; unsigned long long bytes; char kind[12]; char name[96]; };
struct card {
  char name[96], uuid[96], address[20];
  struct series series[KEY_COUNT];
  struct failure failures[32];
  struct xid xids[32];
  struct process processes[32];
  int failure_count, xid_count, process_count, watched;
  double lost;
};

enum { MOST_CARDS = 16, MOST_OF_ANYTHING = 32 };
static struct card cards[MOST_CARDS];
static int card_count, ready, init_code;
static char driver[80];
static double window_seconds, begun;
static const volatile double *clock_page;

static double now(void) {
  if (clock_page) return *clock_page;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec - begun;
}

static struct { char call[96]; double seconds; } paces[32];
static int pace_count;

static enum key key_of(const char *name) {
  for (int k = 0; k < KEY_COUNT; k++)
    if (!strcmp(key_names[k], name)) return (enum key)k;
  fprintf(stderr, "nvml stub: no such key: %s\n", name);
  abort();
}

/* The part of [0, t] in which a wave was high, in seconds. */
static double high_until(const struct series *s, double t) {
  if (t <= 0) return 0;
  double whole = floor(t / s->c);
  return whole * s->c * s->d + fmin(t - whole * s->c, s->c * s->d);
}

static double value_of(const struct series *s, double t) {
  switch (s->shape) {
    case CONSTANT: return s->a;
    case WAVE: return fmod(t, s->c) < s->c * s->d ? s->b : s->a;
    case COUNTER: return s->a + s->b * t;
    default: return 0;
  }
}

/* What a driver says of a share: its mean over the last window. */
static double mean_of(const struct series *s, double t) {
  if (s->shape != WAVE) return value_of(s, t);
  double share = (high_until(s, t) - high_until(s, t - window_seconds)) / window_seconds;
  return s->a + (s->b - s->a) * share;
}

static uint64_t count_of(const struct series *s, double t) {
  uint64_t whole = (uint64_t)value_of(s, t);
  return s->shape == COUNTER && s->c <= 32 ? whole & UINT32_MAX : whole;
}

static void compute(const char *call) {
  double seconds = 0;
  for (int i = 0; i < pace_count; i++)
    if (!strcmp(paces[i].call, call) || (!seconds && !strcmp(paces[i].call, "*"))) seconds = paces[i].seconds;
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do clock_gettime(CLOCK_MONOTONIC, &to);
  while ((double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec) < seconds);
}

static int failing(const struct card *card, const char *call) {
  if (pace_count && !strncmp(call, "nvml", 4)) compute(call);
  double t = now();
  if (t >= card->lost) return LOST;
  for (int i = 0; i < card->failure_count; i++) {
    const struct failure *f = &card->failures[i];
    if (!strcmp(f->call, call) && t >= f->from && t < f->to) return f->code;
  }
  return OK;
}

static int get(const struct card *card, const char *call, enum key key, double *out) {
  if (!ready) return UNINITIALIZED;
  int code = failing(card, call);
  if (code) return code;
  if (card->series[key].shape == UNSET) return NOT_SUPPORTED;
  *out = value_of(&card->series[key], now());
  return OK;
}

static void no_room(int count) {
  if (count >= MOST_OF_ANYTHING) { fprintf(stderr, "nvml stub: too long a script\n"); abort(); }
}

static void play(char *line) {
  char word[16], name[96], kind[96];
  struct card *card = card_count ? &cards[card_count - 1] : NULL;
  double a, b, c, d;
  if (sscanf(line, "%15s", word) != 1 || word[0] == '#') return;
  if (!strcmp(word, "driver")) sscanf(line, "%*s %79s", driver);
  else if (!strcmp(word, "init")) sscanf(line, "%*s %d", &init_code);
  else if (!strcmp(word, "window")) sscanf(line, "%*s %lf", &window_seconds);
  else if (!strcmp(word, "takes") && pace_count < 32 && sscanf(line, "%*s %95s %lf", paces[pace_count].call, &a) == 2)
    paces[pace_count++].seconds = a / 1e6;
  else if (!strcmp(word, "card") && card_count < MOST_CARDS) {
    card = &cards[card_count++];
    memset(card, 0, sizeof *card);
    card->lost = INFINITY;
    sscanf(line, "%*s %95s %95s %19s", card->name, card->uuid, card->address);
    for (char *p = card->name; *p; p++) if (*p == '_') *p = ' ';
  } else if (!card) abort();
  else if (!strcmp(word, "is") && sscanf(line, "%*s %95s %lf", name, &a) == 2)
    card->series[key_of(name)] = (struct series){CONSTANT, a, 0, 0, 0};
  else if (!strcmp(word, "wave") && sscanf(line, "%*s %95s %lf %lf %lf %lf", name, &a, &b, &c, &d) == 5)
    card->series[key_of(name)] = (struct series){WAVE, a, b, c, d};
  else if (!strcmp(word, "grow") && sscanf(line, "%*s %95s %lf %lf %lf", name, &a, &b, &c) == 4)
    card->series[key_of(name)] = (struct series){COUNTER, a, b, c, 0};
  else if (!strcmp(word, "fail") && sscanf(line, "%*s %95s %lf %lf %lf", name, &a, &b, &c) == 4) {
    no_room(card->failure_count);
    struct failure *f = &card->failures[card->failure_count++];
    snprintf(f->call, sizeof f->call, "%.63s", name);
    f->code = (int)a; f->from = b; f->to = c;
  } else if (!strcmp(word, "lost") && sscanf(line, "%*s %lf", &a) == 1) card->lost = a;
  else if (!strcmp(word, "xid") && sscanf(line, "%*s %lf %lf", &a, &b) == 2) {
    no_room(card->xid_count);
    card->xids[card->xid_count++] = (struct xid){(uint64_t)a, b, 0};
  } else if (!strcmp(word, "process") && sscanf(line, "%*s %lf %lf %95s %95s", &a, &b, kind, name) == 4) {
    no_room(card->process_count);
    struct process *p = &card->processes[card->process_count++];
    p->pid = (unsigned)a; p->bytes = (unsigned long long)b;
    snprintf(p->kind, sizeof p->kind, "%.11s", kind);
    snprintf(p->name, sizeof p->name, "%.95s", name);
  } else { fprintf(stderr, "nvml stub: cannot read: %s", line); abort(); }
}

/* The library itself. */

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  const char *script = getenv("NVML_STUB_SCRIPT"), *page = getenv("NVML_STUB_CLOCK");
  card_count = init_code = 0;
  window_seconds = 0.2;
  pace_count = 0;
  strcpy(driver, "580.65.06");
  begun = 0; clock_page = NULL;
  begun = now();
  if (page) {
    int fd = open(page, O_RDONLY | O_CLOEXEC);
    clock_page = fd < 0 ? NULL : mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, fd, 0);
    if (fd < 0 || clock_page == MAP_FAILED) abort();
    close(fd);
  }
  FILE *file = script ? fopen(script, "re") : NULL;
  if (!file) return 9; /* driver not loaded */
  char line[512];
  while (fgets(line, sizeof line, file)) play(line);
  fclose(file);
  ready = !init_code;
  return init_code;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { ready = 0; return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "an error of the stub"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "%s", driver); return OK; }
int nvmlSystemGetNVMLVersion(char *out, unsigned size) { snprintf(out, size, "13.%s", driver); return OK; }
int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned size) {
  for (int c = 0; c < card_count; c++)
    for (int i = 0; i < cards[c].process_count; i++)
      if (cards[c].processes[i].pid == pid) { snprintf(out, size, "%s", cards[c].processes[i].name); return OK; }
  return NOT_FOUND;
}
int nvmlDeviceGetCount_v2(unsigned *out) { *out = (unsigned)card_count; return ready ? OK : UNINITIALIZED; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct card **out) {
  if (index >= (unsigned)card_count) return BAD_ARGUMENT;
  *out = &cards[index];
  return failing(*out, "nvmlDeviceGetHandleByIndex_v2");
}

/* Texts. */

#define TEXT(call, field)                                                            \
  int call(struct card *card, char *out, unsigned size) {                            \
    int code = failing(card, #call);                                                 \
    if (!code) snprintf(out, size, "%s", card->field);                               \
    return code;                                                                     \
  }
TEXT(nvmlDeviceGetName, name)
TEXT(nvmlDeviceGetUUID, uuid)

struct pci { char old[16]; unsigned domain, bus, device, id, subsystem; char address[32]; };
int nvmlDeviceGetPciInfo_v3(struct card *card, struct pci *out) {
  memset(out, 0, sizeof *out);
  sscanf(card->address, "%x:%x:%x", &out->domain, &out->bus, &out->device);
  snprintf(out->address, sizeof out->address, "0000%s", card->address);
  return failing(card, "nvmlDeviceGetPciInfo_v3");
}

/* One number each. */

#define NUMBER(call, key)                                                            \
  int call(struct card *card, unsigned *out) {                                       \
    double value;                                                                    \
    int code = get(card, #call, K_##key, &value);                                    \
    if (!code) *out = (unsigned)value;                                               \
    return code;                                                                     \
  }
NUMBER(nvmlDeviceGetPowerUsage, power)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, power_limit)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, power_default)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, pcie_generation)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, pcie_width)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, pcie_generation_max)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, pcie_width_max)
NUMBER(nvmlDeviceGetPcieReplayCounter, replays)
NUMBER(nvmlDeviceGetComputeMode, compute_mode)
NUMBER(nvmlDeviceGetPersistenceMode, persistence)

int nvmlDeviceGetTemperature(struct card *card, int sensor, unsigned *out) {
  double value;
  int code = sensor ? BAD_ARGUMENT : get(card, "nvmlDeviceGetTemperature", K_temperature, &value);
  if (!code) *out = (unsigned)value;
  return code;
}
static int clock_at(struct card *card, const char *call, int kind, enum key sm, enum key memory, unsigned *out) {
  double value;
  int code = kind == 1 ? get(card, call, sm, &value) : kind == 2 ? get(card, call, memory, &value) : BAD_ARGUMENT;
  if (!code) *out = (unsigned)value;
  return code;
}
int nvmlDeviceGetClockInfo(struct card *card, int kind, unsigned *out) {
  return clock_at(card, "nvmlDeviceGetClockInfo", kind, K_sm_clock, K_memory_clock, out);
}
int nvmlDeviceGetMaxClockInfo(struct card *card, int kind, unsigned *out) {
  return clock_at(card, "nvmlDeviceGetMaxClockInfo", kind, K_sm_clock_max, K_memory_clock_max, out);
}
int nvmlDeviceGetApplicationsClock(struct card *card, int kind, unsigned *out) {
  return clock_at(card, "nvmlDeviceGetApplicationsClock", kind, K_app_clock, K_memory_clock_max, out);
}
int nvmlDeviceGetDefaultApplicationsClock(struct card *card, int kind, unsigned *out) {
  return clock_at(card, "nvmlDeviceGetDefaultApplicationsClock", kind, K_app_clock_default, K_memory_clock_max, out);
}
int nvmlDeviceGetPcieThroughput(struct card *card, int counter, unsigned *out) {
  double value;
  int code = get(card, "nvmlDeviceGetPcieThroughput", counter ? K_throughput_received : K_throughput_sent, &value);
  if (!code) *out = (unsigned)value;
  return code;
}

/* Several numbers at once. */

int nvmlDeviceGetUtilizationRates(struct card *card, unsigned out[2]) {
  double unused;
  int code = get(card, "nvmlDeviceGetUtilizationRates", K_busy, &unused);
  if (code) return code;
  out[0] = (unsigned)lround(mean_of(&card->series[K_busy], now()));
  out[1] = (unsigned)lround(mean_of(&card->series[K_memory_busy], now()));
  return OK;
}
int nvmlDeviceGetMemoryInfo(struct card *card, unsigned long long out[3]) {
  double total, used;
  int code = get(card, "nvmlDeviceGetMemoryInfo", K_memory_total, &total);
  if (!code) code = get(card, "nvmlDeviceGetMemoryInfo", K_memory_used, &used);
  if (code) return code;
  out[0] = (unsigned long long)total;
  out[1] = (unsigned long long)(total - used);
  out[2] = (unsigned long long)used;
  return OK;
}
struct violation { unsigned long long at, time; };
int nvmlDeviceGetViolationStatus(struct card *card, int policy, struct violation *out) {
  static const int keys[] = {K_violation_power, K_violation_thermal, K_violation_sync, K_violation_board, -1,
                             K_violation_reliability};
  if (policy < 0 || policy > 5 || keys[policy] < 0) return NOT_SUPPORTED;
  double seconds;
  int code = get(card, "nvmlDeviceGetViolationStatus", (enum key)keys[policy], &seconds);
  if (code) return code;
  out->at = (unsigned long long)(now() * 1e6);
  out->time = (unsigned long long)(seconds * 1e9);
  return OK;
}
int nvmlDeviceGetEccMode(struct card *card, unsigned *current, unsigned *pending) {
  double value;
  int code = get(card, "nvmlDeviceGetEccMode", K_ecc_on, &value);
  if (!code) *current = *pending = (unsigned)value;
  return code;
}
int nvmlDeviceGetTotalEccErrors(struct card *card, int kind, int counter, unsigned long long *out) {
  double value;
  int code = get(card, "nvmlDeviceGetTotalEccErrors", kind ? K_ecc_uncorrected : K_ecc_corrected, &value);
  if (!code) *out = (unsigned long long)value;
  return counter ? NOT_SUPPORTED : code;
}
int nvmlDeviceGetRetiredPages(struct card *card, int cause, unsigned *count, unsigned long long *pages) {
  double value;
  int code = get(card, "nvmlDeviceGetRetiredPages", K_retired, &value);
  if (code) return code;
  unsigned there = cause ? 0 : (unsigned)value; /* all of them for one cause */
  if (*count < there || !pages) { *count = there; return there ? TOO_SMALL : OK; }
  *count = there;
  for (unsigned i = 0; i < there; i++) pages[i] = 4096ULL * i;
  return OK;
}
int nvmlDeviceGetMigMode(struct card *card, unsigned *current, unsigned *pending) {
  double value;
  int code = get(card, "nvmlDeviceGetMigMode", K_mig, &value);
  if (!code) *current = *pending = (unsigned)value;
  return code;
}
int nvmlDeviceGetNvLinkState(struct card *card, unsigned link, unsigned *out) {
  double links;
  int code = get(card, "nvmlDeviceGetNvLinkState", K_nvlinks, &links);
  if (code) return code;
  if (link >= (unsigned)links) return BAD_ARGUMENT;
  *out = 1;
  return OK;
}
int nvmlDeviceGetTopologyCommonAncestor(struct card *one, struct card *other, unsigned *out) {
  int code = failing(one, "nvmlDeviceGetTopologyCommonAncestor");
  *out = strncmp(one->address, other->address, 7) ? 40 : 20; /* one NUMA node, or several bridges */
  return code;
}

/* Processes: how many first, then they themselves. */

struct shown { unsigned pid; unsigned long long bytes; unsigned instance, compute_instance; };
static int list(struct card *card, const char *call, const char *kind, unsigned *count, struct shown *out) {
  int code = failing(card, call);
  if (code) return code;
  unsigned room = *count, found = 0;
  for (int i = 0; i < card->process_count; i++) {
    const struct process *p = &card->processes[i];
    if (strcmp(p->kind, kind)) continue;
    if (out && found < room) out[found] = (struct shown){p->pid, p->bytes, ~0u, ~0u};
    found++;
  }
  *count = found;
  return found > room ? TOO_SMALL : OK;
}
#define PROCESSES(call, kind) \
  int call(struct card *card, unsigned *count, struct shown *out) { return list(card, #call, kind, count, out); }
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps")

/* Events. One set is enough. */

struct event { struct card *card; unsigned long long type, data; unsigned instance, compute_instance; };
static int event_set;
int nvmlEventSetCreate(void **out) { *out = &event_set; return OK; }
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceGetSupportedEventTypes(struct card *card, unsigned long long *out) {
  double value;
  int code = get(card, "nvmlDeviceGetSupportedEventTypes", K_events, &value);
  if (!code) *out = (unsigned long long)value;
  return code;
}
int nvmlDeviceRegisterEvents(struct card *card, unsigned long long types, void *set) {
  (void)types; (void)set;
  double value;
  int code = get(card, "nvmlDeviceRegisterEvents", K_events, &value);
  if (!code) card->watched = 1;
  return code;
}
int nvmlEventSetWait_v2(void *set, struct event *out, unsigned milliseconds) {
  (void)set; (void)milliseconds;
  for (int c = 0; c < card_count; c++)
    for (int i = 0; i < cards[c].xid_count; i++) {
      struct xid *x = &cards[c].xids[i];
      if (!cards[c].watched || x->told || now() < x->at) continue;
      x->told = 1;
      *out = (struct event){&cards[c], 8, x->code, ~0u, ~0u};
      return OK;
    }
  return TIMEOUT;
}

#ifdef OLD_DRIVER
int nvmlDeviceGetCurrentClocksThrottleReasons(struct card *card, unsigned long long *out) {
  double value;
  int code = get(card, "nvmlDeviceGetCurrentClocksThrottleReasons", K_throttle, &value);
  if (!code) *out = (unsigned long long)value;
  return code;
}
#else
int nvmlDeviceGetCurrentClocksEventReasons(struct card *card, unsigned long long *out) {
  double value;
  int code = get(card, "nvmlDeviceGetCurrentClocksEventReasons", K_throttle, &value);
  if (!code) *out = (unsigned long long)value;
  return code;
}
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(struct card *card, struct memory_v2 *out) {
  double total, used;
  int code = get(card, "nvmlDeviceGetMemoryInfo_v2", K_memory_total, &total);
  if (!code) code = get(card, "nvmlDeviceGetMemoryInfo_v2", K_memory_used, &used);
  if (code) return code;
  out->total = (unsigned long long)total;
  out->used = (unsigned long long)used;
  out->free = out->total - out->used;
  out->reserved = 0;
  return OK;
}
struct temperature { unsigned version; int sensor; int degrees; };
int nvmlDeviceGetTemperatureV(struct card *card, struct temperature *out) {
  double value;
  int code = out->sensor ? BAD_ARGUMENT : get(card, "nvmlDeviceGetTemperatureV", K_temperature, &value);
  if (!code) out->degrees = (int)value;
  return code;
}
int nvmlDeviceGetRemappedRows(struct card *card, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
  double rows, waiting = 0;
  int code = get(card, "nvmlDeviceGetRemappedRows", K_remapped, &rows);
  if (code) return code;
  if (card->series[K_remap_pending].shape) waiting = value_of(&card->series[K_remap_pending], now());
  *corrected = (unsigned)rows; *uncorrected = 0; *pending = (unsigned)waiting; *failed = 0;
  return OK;
}
#endif

/* Field values: the one call that answers many questions. */

struct field { unsigned id, scope; long long timestamp, latency; unsigned type; int code; union { double real;
               unsigned word; unsigned long long wide; long long whole; } value; };
int nvmlDeviceGetFieldValues(struct card *card, int count, struct field *fields) {
  int code = failing(card, "nvmlDeviceGetFieldValues");
  if (code) return code;
  for (int i = 0; i < count; i++) {
    struct field *f = &fields[i];
    f->code = NOT_SUPPORTED;
    for (int k = 0; k < KEY_COUNT; k++) {
      if (!key_fields[k] || key_fields[k] != f->id) continue;
      const struct series *s = &card->series[k];
      if (s->shape == UNSET) break;
      f->code = failing(card, key_names[k]);
      f->timestamp = (long long)(now() * 1e6);
      int narrow = s->shape == COUNTER && s->c <= 32;
      f->type = narrow ? 1 : 3; /* unsigned int, unsigned long long */
      if (narrow) f->value.word = (unsigned)count_of(s, now());
      else f->value.wide = count_of(s, now());
      break;
    }
  }
  return OK;
}
