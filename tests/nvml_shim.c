/* A world of GPUs in a text file, spoken of as libnvidia-ml and libcuda do. The file, named by
 * NVML_WORLD, is read again at every call, so that a test can change the world under whoever looks
 * at it.
 *
 *   driver init=0 version=550.54.15 hang=0 [wake=MS] [build=1] [offset=N] [hidden=1] [cuda=802]
 *       [events=15] [lock=600] [checkpoint=801] [restore=304] [unlock=401] [stall.checkpoint=1]
 *       [crash.checkpoint=1] [stall.init=1]
 *   gpu uuid=GPU-a name=NVIDIA_A100 total=80 used=1 reserved=1 util=0 temp=30 power=60 limit=400
 *       [mode=0] [mig=0] [error=15] [handle=4] [hang=1] [crash=1] [no.util=3] [no.memory=3] ...
 *       [stall=1] [stall.power=1] [delay=MS] [delay.p2p=MS] [wake=MS] [xid=79] [throttle=8]
 *   mig gpu=0 uuid=MIG-a total=10 used=0
 *   process gpu=0 pid=12 memory=100 [kind=C|G|M] [mig=0] [live=1] [hidden=1] [listed=0]
 *   link a=0 b=1 [level=10] [nvlink=1]
 *   users stall=1
 *
 * Processes with live=1 are there, and add to the memory used, as long as they live; programs
 * append themselves to a second file, NVML_WORLD.live. Memory is in MiB, power in W; -1 is NVML's
 * word for "not available". With -DOLD_DRIVER the calls that came with driver 510 are missing.
 *
 * hang: the call never returns. stall: it returns once the world has no such key. delay: each call
 * takes so long. wake: the first call of a process takes so long. offset: processes are listed by
 * the numbers of another pid namespace, so much higher. hidden: they are not listed, as those
 * outside a container. listed: the memory that is listed for it, as 0 by driver 560.35. build: the
 * driver's; a process that has met another one gets error 18. lock, checkpoint, restore, unlock: the
 * errors of the driver's checkpoint calls, which may stall or crash; what they did to a process is
 * appended to a third file, NVML_WORLD.cuda. users: look-ups of user names, for
 * programs that have this library in LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned int uint;
typedef unsigned long long u64;
typedef struct { char kind[16], text[480]; } Line;
typedef struct { uint pid; u64 memory; uint gi, ci; } Process;

enum { OK = 0, BAD_ARGUMENT = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { LINES = 512, MIGS = 1000 };

/* of each thread, as the library may be called on several at once */
static __thread Line lines[LINES];
static __thread int count;

static void read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (count < LINES && fscanf(file, "%15s %479[^\n]", lines[count].kind, lines[count].text) == 2)
        count++;
    fclose(file);
}

static void look(void) {
    const char *path = getenv("NVML_WORLD");
    char live[512];
    count = 0;
    if (!path) return;
    read_file(path);
    snprintf(live, sizeof live, "%s.live", path);
    read_file(live);
    snprintf(live, sizeof live, "%s.cuda", path);
    read_file(live);
}

static Line *nth(const char *kind, int n) {
    for (int i = 0; i < count; i++)
        if (!strcmp(lines[i].kind, kind) && n-- == 0) return &lines[i];
    return NULL;
}

static const char *value(const Line *line, const char *key) {
    static __thread char text[128];
    char wanted[40];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *found = strncmp(line->text, wanted + 1, strlen(wanted + 1)) ? strstr(line->text, wanted) : line->text - 1;
    if (!found || sscanf(found + strlen(wanted), "%127s", text) != 1) return NULL;
    return text;
}

static long long number(const Line *line, const char *key, long long otherwise) {
    const char *found = line ? value(line, key) : NULL;
    return found ? atoll(found) : otherwise;
}

static u64 mib(const Line *line, const char *key) {
    long long found = number(line, key, 0);
    return found < 0 ? (u64)-1 : (u64)found << 20;
}

static int is_mig(void *device) { return (long)device >= MIGS; }

static void sleep_ms(long long ms) {
    if (ms > 0) usleep((useconds_t)(ms * 1000));
}

/* Wait while the nth line of this kind has this key. */
static void stall(const char *kind, int n, const char *key) {
    while (number(nth(kind, n), key, 0)) {
        sleep_ms(10);
        look();
    }
}

/* The error of a process that has loaded another driver than there is now. */
static int mismatch(void) {
    static long long loaded = -1;
    long long build = number(nth("driver", 0), "build", 0);
    if (loaded < 0) loaded = build;
    return loaded == build ? OK : 18;
}

/* What a call to the nth GPU meets: stalls, delays. */
static void meet(int gpu, const char *call) {
    static char awake[LINES];
    char key[48];
    Line *whole = nth("gpu", gpu);
    if (!awake[gpu]) {
        awake[gpu] = 1;
        sleep_ms(number(whole, "wake", 0));
    }
    sleep_ms(number(whole, "delay", 0));
    snprintf(key, sizeof key, "delay.%s", call);
    sleep_ms(number(whole, key, 0));
    stall("gpu", gpu, "stall");
    snprintf(key, sizeof key, "stall.%s", call);
    stall("gpu", gpu, key);
}

/* The line of a device, or the error that the world has for this call. */
static int find(void *device, const char *call, Line **line) {
    look();
    if (mismatch()) return 18;
    int gpu = is_mig(device) ? (int)number(nth("mig", (long)device - MIGS), "gpu", 0) : (int)(long)device - 1;
    if (nth("gpu", gpu)) meet(gpu, call);
    *line = is_mig(device) ? nth("mig", (long)device - MIGS) : nth("gpu", (long)device - 1);
    if (!*line) return BAD_ARGUMENT;
    Line *whole = nth("gpu", gpu);
    char key[40];
    snprintf(key, sizeof key, "no.%s", call);
    if (number(whole, "hang", 0)) for (;;) pause();
    if (number(whole, "crash", 0)) raise(SIGSEGV);
    long long error = number(whole, "error", 0);
    return error ? error : number(*line, key, 0);
}

static int spell(const Line *line, const char *key, char *into, uint size) {
    const char *found = value(line, key);
    if (!found) return NOT_FOUND;
    snprintf(into, size, "%s", found);
    for (char *c = into; *c; c++) if (*c == '_') *c = ' ';
    return OK;
}

int nvmlInitWithFlags(uint flags) {
    (void)flags;
    look();
    Line *driver = nth("driver", 0);
    if (number(driver, "hang", 0)) for (;;) pause();
    sleep_ms(number(driver, "wake", 0));
    if (mismatch()) return 18;
    return number(nth("driver", 0), "init", 0);
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "some error"; }

int nvmlSystemGetDriverVersion(char *into, uint size) {
    look();
    Line *driver = nth("driver", 0);
    return driver ? spell(driver, "version", into, size) : NOT_FOUND;
}

/* Each reading of all GPUs begins here: its process is appended to NVML_WORLD.readings. */
static void note_reading(void) {
    const char *path = getenv("NVML_WORLD");
    char name[512];
    if (!path) return;
    snprintf(name, sizeof name, "%s.readings", path);
    FILE *file = fopen(name, "a");
    if (!file) return;
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
}

int nvmlDeviceGetCount_v2(uint *devices) {
    look();
    note_reading();
    for (*devices = 0; nth("gpu", *devices); ++*devices) {}
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(uint index, void **device) {
    look();
    if (mismatch()) return 18;
    if (nth("gpu", index)) meet((int)index, "handle");
    Line *line = nth("gpu", index);
    *device = (void *)(long)(index + 1);
    return line ? number(line, "handle", 0) : BAD_ARGUMENT;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    Line *line;
    look();
    for (uint i = 0; (line = nth("gpu", i)); i++) {
        const char *found = value(line, "uuid");
        if (found && !strcmp(found, uuid)) return nvmlDeviceGetHandleByIndex_v2(i, device);
    }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(void *device, char *into, uint size) {
    Line *line;
    int error = find(device, "uuid", &line);
    return error ? error : spell(line, "uuid", into, size);
}

int nvmlDeviceGetName(void *device, char *into, uint size) {
    Line *line;
    int error = find(device, "name", &line);
    return error ? error : spell(line, "name", into, size);
}

static u64 held(void *device);

typedef struct { u64 total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    Line *line;
    int error = find(device, "memory", &line);
    if (error) return error;
    memory->total = mib(line, "total");
    memory->used = mib(line, "used") + held(device) + mib(line, "reserved");
    memory->free = memory->total - memory->used;
    return OK;
}

#define WHOLE_NUMBER(function, call, key, scale)            \
    int function(void *device, uint *into) {                \
        Line *line;                                         \
        int error = find(device, call, &line);              \
        if (error) return error;                            \
        long long found = number(line, key, 0);             \
        *into = found < 0 ? (uint)-1 : (uint)(found * scale); \
        return OK;                                          \
    }
WHOLE_NUMBER(nvmlDeviceGetPowerUsage, "power", "power", 1000)
WHOLE_NUMBER(nvmlDeviceGetEnforcedPowerLimit, "limit", "limit", 1000)
WHOLE_NUMBER(nvmlDeviceGetComputeMode, "mode", "mode", 1)

#define WHOLE_NUMBER_64(function, call, key)                \
    int function(void *device, u64 *into) {                 \
        Line *line;                                         \
        int error = find(device, call, &line);              \
        if (!error) *into = (u64)number(line, key, 0);      \
        return error;                                       \
    }
WHOLE_NUMBER_64(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle", "throttle")

int nvmlDeviceGetTotalEnergyConsumption(void *device, u64 *into) {
    Line *line;
    int error = find(device, "energy", &line);
    if (error) return error;
    long long found = number(line, "energy", -1);
    *into = (u64)found;
    return found < 0 ? UNSUPPORTED : OK;
}

int nvmlDeviceGetTemperature(void *device, int sensor, uint *into) {
    (void)sensor;
    Line *line;
    int error = find(device, "temp", &line);
    if (!error) *into = (uint)number(line, "temp", 0);
    return error;
}

typedef struct { uint gpu, memory; } Utilisation;
int nvmlDeviceGetUtilizationRates(void *device, Utilisation *into) {
    Line *line;
    int error = is_mig(device) ? UNSUPPORTED : find(device, "util", &line);
    if (error) return error;
    if (number(line, "mig", 0)) return UNSUPPORTED;
    into->gpu = (uint)number(line, "util", 0);
    into->memory = 0;
    return OK;
}

int nvmlDeviceGetMigMode(void *device, uint *now, uint *pending) {
    Line *line;
    int error = find(device, "mig", &line);
    if (error) return error;
    if (number(line, "mig", -1) < 0) return UNSUPPORTED;
    *now = *pending = (uint)number(line, "mig", 0);
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, uint *most) {
    (void)device;
    *most = 7;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, uint index, void **mig) {
    look();
    for (int i = 0, n = 0; nth("mig", i); i++)
        if (number(nth("mig", i), "gpu", 0) == (long)device - 1 && n++ == (int)index) {
            *mig = (void *)(long)(MIGS + i);
            return OK;
        }
    return NOT_FOUND;
}

/* The newest line about the CUDA state of a process; NULL if it was never checkpointed. */
static Line *cuda_state(long long pid) {
    Line *line, *newest = NULL;
    for (int i = 0; (line = nth("cuda", i)); i++)
        if (number(line, "pid", 0) == pid) newest = line;
    return newest;
}

/* The GPU that a process computes on: another one than it began on, if it was restored there. */
static long long gpu_of(const Line *process) {
    Line *state = cuda_state(number(process, "pid", 0));
    return number(state, "gpu", number(process, "gpu", -1));
}

static int is_there(const Line *process) {
    long long pid = number(process, "pid", 0);
    if (number(cuda_state(pid), "state", 0) == 2) return 0; /* its memory is the host's */
    return !number(process, "live", 0) || kill((pid_t)pid, 0) == 0;
}

static u64 held(void *device) {
    u64 sum = 0;
    Line *process;
    for (int i = 0; (process = nth("process", i)); i++)
        if (number(process, "live", 0) && is_there(process) &&
            gpu_of(process) == (long)device - 1)
            sum += mib(process, "memory");
    return sum;
}

static int belongs(const Line *process, void *device, char kind) {
    if (!is_there(process) || number(process, "hidden", 0)) return 0;
    if (number(nth("driver", 0), "hidden", 0)) return 0;
    const char *found = value(process, "kind");
    if ((found ? *found : 'C') != kind) return 0;
    if (is_mig(device)) return number(process, "mig", -1) == (long)device - MIGS;
    return gpu_of(process) == (long)device - 1;
}

#define PROCESSES(function, call, kind)                                                \
    int function(void *device, uint *size, Process *into) {                               \
        Line *line, *process;                                                          \
        int error = find(device, call, &line);                                         \
        uint room = into ? *size : 0, found = 0;                                       \
        if (error) return error;                                                       \
        for (int i = 0; (process = nth("process", i)); i++) {                          \
            if (!belongs(process, device, kind)) continue;                             \
            if (found < room) {                                                        \
                memset(&into[found], 0, sizeof *into);                                 \
                into[found].pid = (uint)number(process, "pid", 0) +                    \
                    (uint)number(nth("driver", 0), "offset", 0);                       \
                into[found].memory = number(process, "listed", -2) == -2               \
                    ? mib(process, "memory") : mib(process, "listed");                 \
            }                                                                          \
            found++;                                                                   \
        }                                                                              \
        *size = found;                                                                 \
        return found > room ? TOO_SMALL : OK;                                          \
    }
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, "processes", 'C')

int nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, int *level) {
    Line *line;
    int error = find(one, "topology", &line);
    if (error) return error;
    *level = 50;
    for (int i = 0; (line = nth("link", i)); i++) {
        long a = number(line, "a", -1) + 1, b = number(line, "b", -1) + 1;
        if ((a == (long)one && b == (long)other) || (b == (long)one && a == (long)other))
            *level = (int)number(line, "level", 10);
    }
    return OK;
}

int nvmlDeviceGetP2PStatus(void *one, void *other, int what, int *status) {
    Line *line;
    int error = find(one, "p2p", &line);
    if (error) return error;
    *status = 5;
    for (int i = 0; (line = nth("link", i)); i++) {
        long a = number(line, "a", -1) + 1, b = number(line, "b", -1) + 1;
        if (((a == (long)one && b == (long)other) || (b == (long)one && a == (long)other)) && what == 2)
            *status = (int)number(line, "nvlink", 0) ? 0 : 5;
    }
    return OK;
}

#ifndef OLD_DRIVER
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "processes", 'C')
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "processes", 'M')
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "processes", 'G')
WHOLE_NUMBER_64(nvmlDeviceGetCurrentClocksEventReasons, "throttle", "throttle")

typedef struct { uint version; u64 total, reserved, free, used; } Memory2;
int nvmlDeviceGetMemoryInfo_v2(void *device, Memory2 *memory) {
    Line *line;
    int error = find(device, "memory", &line);
    if (!error) error = (int)number(line, "no.memory_v2", 0);
    if (error) return error;
    memory->total = mib(line, "total");
    memory->reserved = mib(line, "reserved");
    memory->used = mib(line, "used") + (number(line, "used", 0) < 0 ? 0 : held(device));
    memory->free = memory->total - memory->reserved - memory->used;
    return OK;
}

typedef struct { uint version; int sensor, temperature; } Temperature;
int nvmlDeviceGetTemperatureV(void *device, Temperature *into) {
    Line *line;
    int error = find(device, "temp", &line);
    if (!error) into->temperature = (int)number(line, "temp", 0);
    return error;
}
#endif

/* --- events: a GPU's xid is told once to each set, and again when it has changed --------------- */

typedef struct { void *device; u64 type, data; uint gi, ci; } Event;
static long long told[LINES];

int nvmlEventSetCreate(void **set) {
    *set = (void *)1;
    return OK;
}
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(void *device, u64 types, void *set) {
    (void)types, (void)set;
    Line *line;
    return find(device, "events", &line);
}
int nvmlEventSetWait_v2(void *set, Event *event, uint ms) {
    (void)set, (void)ms;
    look();
    if (number(nth("driver", 0), "events", 0)) return (int)number(nth("driver", 0), "events", 0);
    for (int i = 0; nth("gpu", i); i++) {
        long long xid = number(nth("gpu", i), "xid", 0);
        if (xid == told[i]) continue;
        told[i] = xid;
        if (!xid) continue;
        memset(event, 0, sizeof *event);
        event->device = (void *)(long)(i + 1);
        event->type = 8, event->data = (u64)xid;
        return OK;
    }
    return 10; /* a timeout */
}

/* --- libcuda: what cuInit says of the driver, and the GPUs of the world ------------------------ */

static int initialised;

int cuInit(uint flags) {
    (void)flags;
    look();
    stall("driver", 0, "stall.init");
    int error = (int)number(nth("driver", 0), "cuda", 0);
    if (!error) initialised = 1;
    return error;
}

int cuDeviceGetCount(int *devices) {
    if (!initialised) return 3;
    look();
    for (*devices = 0; nth("gpu", *devices); ++*devices) {}
    return OK;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return OK;
}

int cuDeviceGetName(char *into, int size, int device) {
    look();
    return spell(nth("gpu", device), "name", into, (uint)size);
}

/* The last digits of the world's UUID, as 16 bytes. */
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    look();
    const char *found = value(nth("gpu", device), "uuid");
    int digits = 31;
    memset(uuid, 0, 16);
    for (int i = found ? (int)strlen(found) - 1 : -1; i > 3 && digits >= 0; i--) {
        const char *all = "0123456789abcdef", *digit = strchr(all, found[i]);
        if (!digit) continue;
        uuid[digits / 2] |= (unsigned char)((digit - all) << (digits % 2 ? 0 : 4));
        digits--;
    }
    return OK;
}

/* --- libcuda: checkpoints of processes, as of driver 570 and newer ------------------------------ */

#ifndef OLD_DRIVER
enum { RUNNING = 0, LOCKED = 1, CHECKPOINTED = 2 };
enum { OUT_OF_MEMORY = 2, NOT_INITIALISED = 3, SYSTEM = 304, ILLEGAL = 401, INVALID = 1 };

/* The GPU that this process has memory on, with how much; -1 if it has none. */
static long long used_by(int pid, u64 *memory) {
    long long gpu = -1;
    Line *process;
    *memory = 0;
    for (int i = 0; (process = nth("process", i)); i++)
        if (number(process, "pid", 0) == pid) gpu = gpu_of(process), *memory += mib(process, "memory");
    return kill(pid, 0) == 0 ? gpu : -1;
}

static void note_state(int pid, int state, long long gpu, int broken) {
    char name[512];
    snprintf(name, sizeof name, "%s.cuda", getenv("NVML_WORLD"));
    FILE *file = fopen(name, "a");
    if (!file) return;
    fprintf(file, "cuda pid=%d state=%d gpu=%lld broken=%d\n", pid, state, gpu, broken);
    fclose(file);
}

/* The error that the world has for this call, after its stall or crash. */
static int met(const char *call) {
    char key[48];
    look();
    snprintf(key, sizeof key, "stall.%s", call);
    stall("driver", 0, key);
    snprintf(key, sizeof key, "crash.%s", call);
    if (number(nth("driver", 0), key, 0)) raise(SIGSEGV);
    return (int)number(nth("driver", 0), call, 0);
}

int cuCheckpointProcessGetState(int pid, int *state) {
    u64 memory;
    int error = met("state");
    if (error) return error;
    if (!initialised) return NOT_INITIALISED;
    if (used_by(pid, &memory) < 0) return INVALID;
    *state = (int)number(cuda_state(pid), "state", RUNNING);
    return OK;
}

/* From one state to the next; a call in another state is refused. */
static int change(int pid, const char *call, int from, int to) {
    u64 memory;
    int error = met(call);
    if (error) return error;
    if (!initialised) return NOT_INITIALISED;
    long long gpu = used_by(pid, &memory);
    if (gpu < 0) return INVALID;
    if (number(cuda_state(pid), "state", RUNNING) != from) return ILLEGAL;
    note_state(pid, to, gpu, 0);
    return OK;
}

int cuCheckpointProcessLock(int pid, void *arguments) {
    return arguments ? change(pid, "lock", RUNNING, LOCKED) : INVALID;
}
int cuCheckpointProcessCheckpoint(int pid, void *arguments) {
    (void)arguments;
    return change(pid, "checkpoint", LOCKED, CHECKPOINTED);
}
int cuCheckpointProcessUnlock(int pid, void *arguments) {
    (void)arguments;
    return change(pid, "unlock", LOCKED, RUNNING);
}

typedef struct { unsigned char old[16], new[16]; } Pair;
typedef struct { Pair *pairs; uint count; char zeros[52]; } RestoreArguments;

static long long with_uuid(const unsigned char *wanted) {
    unsigned char uuid[16];
    for (int i = 0; nth("gpu", i); i++) {
        cuDeviceGetUuid_v2(uuid, i);
        if (!memcmp(uuid, wanted, 16)) return i;
    }
    return -1;
}

/* One that lacks memory leaves the process where it is, and no later one succeeds. */
int cuCheckpointProcessRestore(int pid, RestoreArguments *arguments) {
    u64 memory, used;
    int error = met("restore");
    if (error) return error;
    if (!initialised) return NOT_INITIALISED;
    long long gpu = used_by(pid, &memory), to = gpu;
    Line *state = cuda_state(pid);
    if (gpu < 0) return INVALID;
    if (number(state, "state", RUNNING) != CHECKPOINTED) return ILLEGAL;
    if (number(state, "broken", 0)) return SYSTEM;
    if (arguments && arguments->count) to = with_uuid(arguments->pairs[0].new);
    look();
    if (to < 0) return INVALID;
    Line *device = nth("gpu", (int)to);
    used = mib(device, "used") + held((void *)(long)(to + 1)) + mib(device, "reserved");
    if (used + memory > mib(device, "total")) {
        note_state(pid, CHECKPOINTED, gpu, 1);
        return OUT_OF_MEMORY;
    }
    note_state(pid, LOCKED, to, 0);
    return OK;
}
#endif

/* --- names of users ----------------------------------------------------------------------------- */

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found) {
    typedef int Real(uid_t, struct passwd *, char *, size_t, struct passwd **);
    look();
    stall("users", 0, "stall");
    return ((Real *)dlsym(RTLD_NEXT, "getpwuid_r"))(uid, entry, buffer, size, found);
}
