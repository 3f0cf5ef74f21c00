/* What chaos.c gives system calls: random numbers, places that lie, names, descriptors, signals, times. */
#include "split_mix.h"

typedef unsigned long u64;

#define THREADS 16    /* workers; as many slots again for threads that come and go */
#define KICK SIGUSR2  /* never blocked: takes threads out of what they wait for */
#define REPORT 900    /* descriptors from here on are the program's own */
#define FAIL 901
#define PROGRAM 902
#define ROOT 903
#define ARENA (256 * 4096ul)
#define COUNT(a) (sizeof(a) / sizeof *(a))

struct state {
    volatile u64 done;
    volatile int tid;
    volatile long call[7];
    volatile int armed;
    volatile int changed; /* its user or the root: chaos_rights.h */
    u64 random;
    unsigned used;
    sigjmp_buf back;
    char *scratch; /* with nothing behind: a length that lies must not reach what the program needs */
};

#define SCRATCH 32768ul
#define STACK 131072ul

static char stacks[2 * THREADS][STACK] __attribute__((aligned(4096))), alternates[2 * THREADS][SCRATCH];

static struct state states[2 * THREADS];
static char *arena, *read_only;
static int words[16] __attribute__((aligned(64)));
static int calls, failing;
static volatile int ending, leaving;
static volatile u64 contexts[4];
static char handles[4][160];

/* The state of the thread, by its stack. */
static struct state *me(void)
{
    char *at = __builtin_frame_address(0);
    if (at >= stacks[0] && at < stacks[2 * THREADS])
        return &states[(at - stacks[0]) / STACK];
    return at >= alternates[0] && at < alternates[2 * THREADS] ? &states[(at - alternates[0]) / SCRATCH] : NULL;
}
#define self me()

static u64 bits(void) { return split_mix(&self->random); }
static u64 below(u64 n) { return bits() % n; }
static int one_in(u64 n) { return below(n) == 0; }
#define ANY(...) ({ static const u64 list_[] = { __VA_ARGS__ }; list_[below(COUNT(list_))]; })
#define SOME(...) ({ static const u64 list_[] = { __VA_ARGS__ }; some(list_, COUNT(list_)); })
static u64 some(const u64 *list, int n)
{
    u64 value = 0;
    for (int k = below(4); k > 0; k--)
        value |= list[below(n)];
    return one_in(40) ? value | 1ul << below(64) : value;
}

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    self->call[1] = a, self->call[2] = b, self->call[3] = c, self->call[4] = d, self->call[5] = e, self->call[6] = f;
    self->call[0] = number;
    if (failing && one_in(12)) {
        char text[] = "1";
        text[0] += below(9);
        syscall(SYS_write, FAIL, text, 1);
    }
    long result = syscall(number, a, b, c, d, e, f);
    self->done++;
    return result;
}
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(n, a, b, c, d, e, f, ...) call(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Arguments */

static u64 wild(void)
{
    switch (below(4)) {
    case 0: return bits();
    case 1: return bits() >> below(64);
    case 2: return 1ul << below(64);
    }
    return ANY(0, 1, -1ul, 7, 4095, 4096, 0x7fffffff, 0x80000000ul, 0xffffffff, 0xffffffff80100000ul, 0xffff800000001000ul,
               0x0000800000000000ul, 0x00007ffffffff000ul, 0x0000123456789000ul, 0x8000000000000000ul, 0x7ffffffffffffffful);
}
static u64 length(void)
{
    if (!one_in(4))
        return below(300);
    return ANY(0, 1, 8, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 1 << 20, 0x7fffffff, 0x7ffff000, -1ul, 1ul << 63);
}
static void *scratch(unsigned size)
{
    size = (size + 15) & -16;
    if (self->used + size > SCRATCH)
        self->used = 0;
    void *at = self->scratch + self->used;
    self->used += size;
    return at;
}
static char *shared(void)
{
    char *at = arena + below(ARENA / 4096) * 4096;
    return one_in(3) ? at : one_in(2) ? at + below(4096) : at + 4096 - below(64);
}
/* Where a structure is told to be: in memory that is there, that others change or take away, or that was never there. */
static void *place(void *good, unsigned size)
{
    u64 way = below(24);
    if (way == 0)
        return (void *)wild();
    if (way == 1)
        return read_only + 4096 - size;
    if (way == 2)
        return shared();
    if (way < 5 && size < 4096) {
        char *at = shared();
        for (unsigned i = 0; i < size; i++)
            ((volatile char *)at)[i] = ((char *)good)[i]; /* may fault */
        return at;
    }
    return good;
}
#define PLACED(type, ...) ({ type *p_ = scratch(sizeof(type)); *p_ = (type)__VA_ARGS__; place(p_, sizeof(type)); })

static void *buffer(void)
{
    char *at = scratch(512);
    for (int i = 0; i < 512; i += 8)
        *(u64 *)(at + i) = one_in(2) ? 0 : bits() >> below(64);
    return one_in(3) ? shared() : place(at, 512);
}
static int fd(void) { return one_in(50) ? (int)wild() % 800 : one_in(20) ? -100 : 3 + (int)below(one_in(3) ? 100 : 30); }
static int target(void) { return 3 + below(60); }
static u64 offset(void) { return one_in(8) ? wild() : one_in(2) ? below(20000) : below(64) << 12; }
static void *offset_at(void) { return one_in(3) ? NULL : PLACED(u64, offset()); }

static const char *const names[] = {
    "a", "b", "c", "d", "a/b", "a/b/c", "d/a", "d/b", "l", "l/a", "fifo", "sock", "sock2", "m", "m/a", "m/b", ".", "..", "", "/",
    "a/../b", "./a", "d/", "/tmp/over/a", "/tmp/over/b", "/tmp/over/d", "/tmp/over/d/c", "/tmp/over/l", "/tmp/over", "/dev/shm/x",
};
static const char *const readable[] = {
    "/proc/self/maps", "/proc/self/smaps", "/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/mountinfo",
    "/proc/self/mounts", "/proc/self/limits", "/proc/self/auxv", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/fd",
    "/proc/self/fdinfo", "/proc/self/task", "/proc/thread-self/status", "/proc/thread-self/comm", "/proc/self/comm",
    "/proc/self/oom_score_adj", "/proc/self/pagemap", "/proc/self/mem", "/proc/self/exe", "/proc/self/cwd/a", "/proc/self/fd/3",
    "/proc/self/fd/5", "/proc/self/fd/9", "/proc/self/fdinfo/4", "/proc/self/fdinfo/7", "/proc/stat", "/proc/meminfo", "/proc/slabinfo",
    "/proc/loadavg", "/proc/uptime", "/proc/version", "/proc/filesystems", "/proc/cpuinfo", "/proc/sys/kernel/random/uuid",
    "/proc/sys/kernel/hostname", "/proc/sys/kernel/pid_max", "/proc/sys/vm/max_map_count", "/proc/sys/fs/mqueue/msg_max",
    "/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/net/unix", "/proc/locks", "/proc/interrupts", "/proc/self/io",
    "/proc/self/sched", "/proc/self/wchan", "/proc/self/stack", "/proc/self/syscall", "/proc/self/timers", "/proc/self/ns", "/proc/self/attr",
    "/proc", "/sys", "/sys/devices/system/cpu", "/sys/devices/system/cpu/online", "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/fs/cgroup", "/sys/fs/cgroup/memory.current", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random", "/dev/tty",
    "/dev/console", "/dev/ptmx", "/dev", "/dev/shm", "/dev/mqueue", "/dev/fd/3", "/proc/self/task/1/status", "/proc/1/maps",
    "/proc/sys/kernel/pty/nr", "/proc/sys", "/proc/swaps", "/proc/partitions", "/proc/mounts", "/proc/vmstat", "/proc/zoneinfo",
};
static void *path(void)
{
    const char *name = one_in(5) ? readable[below(COUNT(readable))] : names[below(one_in(2) ? 10 : COUNT(names))];
    char *at = scratch(64);
    strcpy(at, name);
    if (one_in(100)) {
        at = scratch(5000);
        memset(at, 'x', 4999);
        at[below(2) ? 255 : 256] = '/';
        at[one_in(2) ? 4999 : 300] = 0;
        return at;
    }
    return place(at, strlen(name) + 1);
}
static int directory(void) { return one_in(3) ? fd() : AT_FDCWD; }
static void *attribute(void) { return place(strcpy(scratch(32), one_in(2) ? "user.a" : one_in(2) ? "user.b" : "trusted.x"), 10); }
static void *mask(void)
{
    if (one_in(30))
        return (void *)wild();
    u64 *at = scratch(8);
    *at = one_in(2) ? 0 : bits() & bits();
    *at &= ~(1ul << (KICK - 1) | 1ul << (SIGSEGV - 1) | 1ul << (SIGBUS - 1));
    return at;
}
static int a_signal(void)
{
    static const char list[] = { SIGHUP, SIGINT, SIGQUIT, SIGTRAP, SIGFPE, SIGUSR1, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGURG,
                                 SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGSYS, 34, 35, 36, 50, 63, 64, 0 };
    return one_in(60) ? 65 + (int)below(200) : list[below(sizeof list)];
}
/* A `struct sigevent` of anything but a signal that ends or stops the program. */
static void *noise(void)
{
    struct sigevent *e = scratch(512);
    for (int i = 0; i < 512; i += 8)
        *(u64 *)((char *)e + i) = one_in(2) ? 0 : bits() >> below(64);
    e->sigev_signo = a_signal();
    return one_in(9) ? (void *)wild() : e;
}
static int a_thread(void)
{
    int tid = states[below(2 * THREADS)].tid;
    return one_in(20) ? (int)wild() : tid ? tid : (int)getpid();
}
static struct timespec moment(void)
{
    struct timespec t = { 0, below(one_in(4) ? 5000000 : 200000) };
    if (one_in(30))
        t.tv_nsec = wild();
    if (one_in(60))
        t.tv_sec = wild();
    return t;
}
/* Not so short that a thread does nothing but handle what comes of it. */
static struct timespec interval(void) { return (struct timespec){ 0, one_in(2) ? 0 : 2000000 + below(5000000) }; }
static void *timeout(void) { return one_in(8) ? NULL : PLACED(struct timespec, moment()); }
static void *absolute(int clock)
{
    struct timespec now, more = moment();
    clock_gettime(clock, &now);
    now.tv_nsec += more.tv_nsec;
    if (now.tv_nsec > 999999999)
        now.tv_nsec -= 1000000000, now.tv_sec++;
    return PLACED(struct timespec, now);
}
/* For what begins anew after each signal: nothing but the clock ends it. */
static void *soon(int clock)
{
    struct timespec *at = scratch(sizeof *at);
    clock_gettime(clock, at);
    at->tv_nsec += below(3000000);
    if (at->tv_nsec > 999999999)
        at->tv_nsec -= 1000000000, at->tv_sec++;
    return at;
}
static void *vector(int *n)
{
    *n = one_in(40) ? (int)ANY(0, 1024, 1025, -1, 0x7fffffff) : 1 + (int)below(6);
    struct iovec *v = scratch(8 * sizeof *v);
    for (int i = 0; i < 8; i++)
        v[i] = (struct iovec){ buffer(), one_in(8) ? length() : below(512) };
    return place(v, 8 * sizeof *v);
}
static void *address(unsigned *size)
{
    struct sockaddr_un *a = scratch(sizeof *a);
    memset(a, 0, sizeof *a);
    a->sun_family = one_in(30) ? below(50) : AF_UNIX;
    switch (below(5)) {
    case 0: strcpy(a->sun_path, "sock"); break;
    case 1: strcpy(a->sun_path, "sock2"); break;
    case 2: memcpy(a->sun_path, "\0one", 4); break;
    case 3: memcpy(a->sun_path, "\0two", 4); break;
    default: a->sun_path[0] = bits(), a->sun_path[1] = bits();
    }
    *size = one_in(20) ? wild() : one_in(3) ? 2 + below(109) : a->sun_path[0] ? 2 + strlen(a->sun_path) + 1 : 6;
    return place(a, sizeof *a);
}
static void *page(void) { return arena + below(ARENA / 4096) * 4096; }
static u64 pages(void) { return one_in(30) ? below(ARENA) : (1 + below(one_in(4) ? 100 : 8)) * 4096; }
/* A range in the arena: calls that take memory away must not take the program's own. */
static u64 within(void *at)
{
    u64 size = pages(), most = arena + ARENA - (char *)at;
    return size < most ? size : most;
}

/* Out of a root that somebody else has set. */
static void go_home(void)
{
    if (!syscall(SYS_fchdir, ROOT))
        syscall(SYS_chroot, ".");
    syscall(SYS_chdir, "/tmp/chaos");
}
