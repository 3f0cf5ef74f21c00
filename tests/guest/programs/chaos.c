/* Threads that call random system calls with plausible and hostile arguments, in the manner of trinity and syzkaller:
 *
 *     chaos FIRST-SEED SEEDS CALLS THREADS [fail]
 *
 * Each seed gives the sequence of each thread; what the threads do to one another is left to chance. The next seed begins by
 * execve, with what the one before left behind. With `fail`, allocations fail now and then (/proc/self/fail-nth). A kernel
 * that panics, hangs or complains is wrong; nothing is said about results. Not for the host: it changes mounts, and kills. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "split_mix.h"

typedef unsigned long u64;

#define THREADS 16    /* workers; as many slots again for threads that come and go */
#define KICK SIGUSR2  /* never blocked: takes threads out of what they wait for */
#define REPORT 900    /* descriptors from here on are the program's own */
#define FAIL 901
#define PROGRAM 902
#define ARENA (256 * 4096ul)
#define COUNT(a) (sizeof(a) / sizeof *(a))

struct state {
    volatile u64 done;
    volatile int tid;
    volatile long call[7];
    volatile int armed;
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

/* Groups of calls */

static void files(void)
{
    u64 flags = ANY(O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR) |
                SOME(O_CREAT, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_CLOEXEC,
                     O_TMPFILE, O_DIRECT, O_SYNC, O_DSYNC, O_ASYNC, O_NOATIME, O_NOCTTY);
    int n;
    void *v;
    switch (below(64)) {
    case 0 ... 7: CALL(openat, directory(), path(), flags, 0777); break;
    case 8: CALL(openat2, directory(), path(), PLACED(struct open_how, { flags, 0644, SOME(1, 2, 4, 8, 16, 32) }), one_in(5) ? length() : 24); break;
    case 9 ... 11: CALL(read, fd(), buffer(), length()); break;
    case 12 ... 14: CALL(write, fd(), buffer(), length()); break;
    case 15: CALL(pread64, fd(), buffer(), length(), offset()); break;
    case 16: CALL(pwrite64, fd(), buffer(), length(), offset()); break;
    case 17: v = vector(&n), CALL(readv, fd(), v, n); break;
    case 18: v = vector(&n), CALL(writev, fd(), v, n); break;
    case 19: v = vector(&n), CALL(preadv2, fd(), v, n, offset(), 0, SOME(1, 2, 4, 8, 16)); break;
    case 20: v = vector(&n), CALL(pwritev2, fd(), v, n, offset(), 0, SOME(1, 2, 4, 8, 16)); break;
    case 21: CALL(lseek, fd(), offset(), below(6)); break;
    case 22: CALL(ftruncate, fd(), offset()); break;
    case 23: CALL(truncate, path(), offset()); break;
    case 24: CALL(fallocate, fd(), SOME(1, 2, 3, 8, 16, 32), one_in(9) ? wild() : below(20000), one_in(9) ? wild() : below(20000)); break;
    case 25: CALL(mkdirat, directory(), path(), 0777); break;
    case 26 ... 27: CALL(unlinkat, directory(), path(), one_in(3) ? AT_REMOVEDIR : 0); break;
    case 28 ... 29: CALL(renameat2, directory(), path(), directory(), path(), one_in(2) ? 0 : SOME(1, 2, 4)); break;
    case 30: CALL(linkat, directory(), path(), directory(), path(), SOME(AT_EMPTY_PATH, AT_SYMLINK_FOLLOW)); break;
    case 31: CALL(symlinkat, path(), directory(), path()); break;
    case 32: CALL(readlinkat, directory(), path(), buffer(), length()); break;
    case 33: CALL(mknodat, directory(), path(), ANY(S_IFIFO, S_IFREG, S_IFSOCK, S_IFCHR, 0170000) | 0666, ANY(0x103, 0x105, 0x500, 0x502, 77)); break;
    case 34: CALL(newfstatat, directory(), path(), buffer(), SOME(AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW)); break;
    case 35: CALL(statx, directory(), path(), SOME(AT_EMPTY_PATH, 0x2000, 0x4000), wild(), buffer()); break;
    case 36 ... 37: CALL(getdents64, fd(), buffer(), length()); break;
    case 38: CALL(fcntl, fd(), ANY(F_DUPFD, F_DUPFD_CLOEXEC), below(100)); break;
    case 39: CALL(fcntl, fd(), ANY(F_SETFL), SOME(O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME)); break;
    case 40: CALL(fcntl, fd(), ANY(F_SETLK, F_SETLKW, F_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK),
                  PLACED(struct flock, { .l_type = below(4), .l_whence = below(3), .l_start = one_in(10) ? wild() : below(100), .l_len = one_in(10) ? wild() : below(100) })); break;
    case 41: CALL(fcntl, fd(), ANY(F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, F_SETSIG, F_GETSIG, F_SETFD, F_GETFD), ANY(0, 1, 2, 4, 8, 16, 4096, 8192, 65536, 1 << 20, -1)); break;
    case 42: CALL(fcntl, fd(), ANY(F_SETOWN, F_GETOWN), a_thread()); break;
    case 43: CALL(fcntl, fd(), ANY(F_SETOWN_EX, F_GETOWN_EX), PLACED(struct f_owner_ex, { below(3), a_thread() })); break;
    case 44: CALL(fcntl, fd(), ANY(F_SETLEASE, F_GETLEASE, F_NOTIFY, 1036, 1037, 1038, 1039), one_in(2) ? (u64)buffer() : below(3)); break;
    case 45: CALL(flock, fd(), SOME(LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB)); break;
    case 46 ... 49: CALL(close, fd()); break;
    case 50: CALL(dup2, fd(), target()); break;
    case 51: CALL(dup3, fd(), target(), one_in(2) ? O_CLOEXEC : 0); break;
    case 52: n = target(), CALL(close_range, n, n + below(8), SOME(4)); break;
    case 53: CALL(ioctl, fd(), ANY(FIONREAD, FIONBIO, FIOASYNC, TCGETS, TCSETS, TCSETSW, TIOCGWINSZ, TIOCSWINSZ, FIOCLEX, FIONCLEX, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCSTI, TCFLSH, TCSBRK, TIOCSCTTY, TIOCGSID, TIOCNOTTY, FIOQSIZE, FIGETBSZ), buffer()); break;
    case 54: CALL(setxattr, path(), attribute(), buffer(), below(300), below(3)); break;
    case 55: CALL(fsetxattr, fd(), attribute(), buffer(), below(70000), below(3)); break;
    case 56: CALL(getxattr, path(), attribute(), buffer(), length()), CALL(removexattr, path(), attribute()); break;
    case 57: CALL(listxattr, path(), buffer(), length()), CALL(fremovexattr, fd(), attribute()); break;
    case 58: CALL(fchmodat, directory(), path(), one_in(4) ? 0 : 0777), CALL(fchownat, directory(), path(), -1, one_in(2) ? 0 : 5, SOME(AT_EMPTY_PATH)); break;
    case 59: CALL(utimensat, directory(), one_in(3) ? NULL : path(), buffer(), SOME(AT_SYMLINK_NOFOLLOW)); break;
    case 60: CALL(faccessat2, directory(), path(), below(8), SOME(AT_EMPTY_PATH, AT_EACCESS)), CALL(fstatfs, fd(), buffer()), CALL(statfs, path(), buffer()); break;
    case 61: CALL(fadvise64, fd(), offset(), length(), below(8)), CALL(readahead, fd(), offset(), length()); break;
    case 62: CALL(fsync, fd()), CALL(fdatasync, fd()), CALL(sync_file_range, fd(), offset(), length(), below(8)); break;
    case 63: if (one_in(4)) CALL(chdir, path()); else if (one_in(4)) CALL(fchdir, fd()); else CALL(chdir, "/tmp/chaos"); break;
    }
}

static void mounts(void)
{
    unsigned i = below(COUNT(handles));
    switch (below(8)) {
    case 0: CALL(mount, "none", names[below(14)], one_in(8) ? "proc" : "tmpfs", SOME(1, 2, 4, 8, 32), one_in(2) ? "size=1m" : one_in(3) ? buffer() : NULL); break;
    case 1: CALL(mount, "none", "m", "tmpfs", 0, "size=1m"); break;
    case 2: CALL(umount2, "m", SOME(1, 2, 4, 8)); break;
    case 3: { char *p = path(); if (one_in(2) && strcmp(p, "/proc") && strcmp(p, "/")) CALL(umount2, "/tmp/chaos/m", MNT_DETACH); break; }
    case 4: CALL(mount, path(), names[below(14)], NULL, SOME(MS_BIND, MS_MOVE, MS_REC, MS_REMOUNT), NULL); break;
    case 5: {
        struct file_handle *h = (void *)handles[i];
        int id;
        h->handle_bytes = one_in(9) ? below(200) : 128;
        CALL(name_to_handle_at, directory(), path(), one_in(10) ? buffer() : h, place(&id, 4), SOME(AT_EMPTY_PATH));
        break;
    }
    case 6: CALL(open_by_handle_at, directory(), one_in(10) ? buffer() : handles[i], one_in(2) ? O_RDWR : O_RDONLY); break;
    case 7: handles[i][below(40)] ^= one_in(3) ? 1 : 0; break;
    }
}

static void system_files(void)
{
    int n = CALL(openat, AT_FDCWD, readable[below(COUNT(readable))], O_RDONLY | O_NONBLOCK);
    if (n < 0)
        return;
    for (int i = below(6); i >= 0; i--) {
        if (one_in(4))
            CALL(lseek, n, one_in(10) ? wild() : below(3000), 0);
        if (one_in(5))
            CALL(pread64, n, buffer(), length(), one_in(2) ? (u64)arena : offset());
        else
            CALL(read, n, buffer(), one_in(2) ? below(512) : length());
        CALL(getdents64, n, buffer(), 512);
    }
    if (!one_in(4))
        CALL(close, n);
}

static void memory(void)
{
    void *at = page(), *to = page();
    u64 prot = ANY(0, 1, 3, 3, 3, 7, 5), size = within(at);
    switch (below(18)) {
    case 0 ... 2: CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_POPULATE, MAP_NORESERVE, MAP_LOCKED, MAP_GROWSDOWN, MAP_STACK), -1, 0); break;
    case 3: CALL(mmap, at, size, prot, MAP_FIXED | ANY(MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE) | SOME(MAP_POPULATE, MAP_ANONYMOUS, MAP_NORESERVE), fd(), one_in(10) ? wild() : below(8) << 12); break;
    case 4: {
        u64 much = one_in(8) ? wild() : pages();
        long p = CALL(mmap, one_in(2) ? 0 : wild(), much, prot, ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_ANONYMOUS, MAP_NORESERVE, MAP_FIXED_NOREPLACE, MAP_32BIT), one_in(2) ? -1 : fd(), one_in(10) ? wild() : below(8) << 12);
        if (p > 0 || p < -4096)
            CALL(munmap, p, much);
        break;
    }
    case 5: CALL(munmap, at, size); break;
    case 6 ... 7: CALL(mprotect, at, size, prot); break;
    case 8 ... 9: {
        u64 more = within(to);
        CALL(mremap, at, one_in(8) ? 0 : size, more, MREMAP_MAYMOVE | MREMAP_FIXED | SOME(4), to);
        break;
    }
    case 10: CALL(mremap, at, size, size > 4096 ? size - 4096 : size, 0); break;
    case 11 ... 12: CALL(madvise, at, size, one_in(20) ? wild() : ANY(0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25)); break;
    case 13: CALL(msync, at, size, SOME(1, 2, 4)); break;
    case 14: CALL(mlock2, at, size, below(2)), CALL(munlock, at, size); break;
    case 15: CALL(mincore, at, size, buffer()); break;
    case 16: if (one_in(20)) CALL(mlockall, SOME(1, 2, 4)); CALL(munlockall); break;
    case 17: {
        struct iovec *l = scratch(32), *r = scratch(32);
        l[0] = (struct iovec){ buffer(), below(500) }, r[0] = (struct iovec){ at, size };
        if (one_in(2))
            CALL(process_vm_readv, getpid(), l, 1, r, 1, 0);
        else
            CALL(process_vm_writev, getpid(), r, 1, l, 1, 0);
    }
    }
}

static void touch(void)
{
    for (int i = below(20); i >= 0; i--) {
        volatile char *at = shared();
        if (one_in(2))
            *at = bits();
        else
            (void)*at;
    }
}

static void pipes(void)
{
    switch (below(12)) {
    case 0 ... 1: CALL(pipe2, buffer(), SOME(O_NONBLOCK, O_CLOEXEC, O_DIRECT)); break;
    case 2 ... 3: CALL(splice, fd(), offset_at(), fd(), offset_at(), length(), SOME(1, 2, 4, 8)); break;
    case 4: CALL(tee, fd(), fd(), length(), SOME(1, 2, 4, 8)); break;
    case 5: { int n; void *v = vector(&n); CALL(vmsplice, fd(), v, n, SOME(1, 2, 4, 8)); break; }
    case 6: CALL(sendfile, fd(), fd(), offset_at(), length()); break;
    case 7: CALL(copy_file_range, fd(), offset_at(), fd(), offset_at(), length(), 0); break;
    case 8: CALL(eventfd2, below(3), SOME(EFD_NONBLOCK, EFD_SEMAPHORE, EFD_CLOEXEC)); break;
    case 9: CALL(memfd_create, path(), SOME(1, 2)); break;
    case 10: CALL(signalfd4, one_in(2) ? -1 : fd(), mask(), 8, SOME(SFD_NONBLOCK)); break;
    case 11: CALL(pidfd_open, one_in(2) ? getpid() : a_thread(), SOME(O_NONBLOCK, 0x80)), CALL(pidfd_send_signal, fd(), a_signal(), NULL, 0), CALL(pidfd_getfd, fd(), fd(), 0); break;
    }
}

static void *message(void)
{
    struct msghdr *m = scratch(sizeof *m);
    int n;
    unsigned size = 0;
    memset(m, 0, sizeof *m);
    m->msg_iov = vector(&n), m->msg_iovlen = n;
    if (one_in(3))
        m->msg_name = address(&size), m->msg_namelen = size;
    if (!one_in(3)) {
        char *control = scratch(1200);
        struct cmsghdr *c = (void *)control;
        int count = one_in(10) ? below(256) : 1 + below(4);
        memset(control, 0, 1200);
        c->cmsg_level = one_in(20) ? below(300) : SOL_SOCKET;
        c->cmsg_type = one_in(5) ? below(4) : SCM_RIGHTS;
        c->cmsg_len = one_in(20) ? wild() : CMSG_LEN(4 * count);
        for (int i = 0; i < count; i++)
            ((int *)CMSG_DATA(c))[i] = one_in(20) ? fd() : 3 + (int)below(30);
        m->msg_control = place(control, 1200);
        m->msg_controllen = one_in(10) ? length() : CMSG_SPACE(4 * count);
    }
    m->msg_flags = one_in(10) ? wild() : 0;
    return place(m, sizeof *m);
}

static void sockets(void)
{
    unsigned size;
    void *a = address(&size);
    u64 flags = SOME(MSG_DONTWAIT, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, MSG_OOB, MSG_EOR, MSG_MORE);
    switch (below(24)) {
    case 0 ... 1: CALL(socket, one_in(20) ? below(50) : AF_UNIX, ANY(1, 2, 5, 3) | SOME(SOCK_NONBLOCK, SOCK_CLOEXEC), one_in(20)); break;
    case 2 ... 4: CALL(socketpair, AF_UNIX, ANY(1, 2, 5) | SOME(SOCK_NONBLOCK, SOCK_NONBLOCK, SOCK_CLOEXEC), 0, buffer()); break;
    case 5: CALL(bind, fd(), a, size); break;
    case 6: CALL(listen, fd(), ANY(0, 1, 5, -1)); break;
    case 7: CALL(connect, fd(), a, size); break;
    case 8: CALL(accept4, fd(), one_in(2) ? buffer() : NULL, PLACED(int, (int)length()), SOME(SOCK_NONBLOCK)); break;
    case 9 ... 12: CALL(sendmsg, fd(), message(), flags); break;
    case 13 ... 16: CALL(recvmsg, fd(), message(), flags); break;
    case 17: CALL(sendto, fd(), buffer(), length(), flags, one_in(2) ? a : NULL, size); break;
    case 18: CALL(recvfrom, fd(), buffer(), length(), flags, one_in(2) ? buffer() : NULL, PLACED(int, (int)length())); break;
    case 19: CALL(shutdown, fd(), below(4)); break;
    case 20: CALL(setsockopt, fd(), one_in(9) ? below(300) : SOL_SOCKET, below(80), buffer(), one_in(4) ? length() : 4); break;
    case 21: CALL(getsockopt, fd(), one_in(9) ? below(300) : SOL_SOCKET, below(80), buffer(), PLACED(int, (int)length())); break;
    case 22: CALL(getsockname, fd(), buffer(), PLACED(int, (int)length())), CALL(getpeername, fd(), buffer(), PLACED(int, (int)length())); break;
    case 23: {
        struct mmsghdr *m = scratch(3 * sizeof *m);
        memset(m, 0, 3 * sizeof *m);
        for (int i = 0; i < 3; i++) {
            struct iovec *v = scratch(sizeof *v);
            *v = (struct iovec){ buffer(), below(300) };
            m[i].msg_hdr.msg_iov = v, m[i].msg_hdr.msg_iovlen = 1;
        }
        if (one_in(2))
            CALL(sendmmsg, fd(), place(m, 3 * sizeof *m), 3, flags);
        else
            CALL(recvmmsg, fd(), place(m, 3 * sizeof *m), 3, flags, timeout());
    }
    }
}

static void events(void)
{
    switch (below(16)) {
    case 0: CALL(epoll_create1, one_in(9) ? wild() : 0); break;
    case 1 ... 4: CALL(epoll_ctl, fd(), one_in(20) ? wild() : ANY(1, 1, 1, 2, 3), fd(), PLACED(struct epoll_event, { SOME(1, 2, 4, 8, 16, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, EPOLLRDHUP), { .u64 = 1 } })); break;
    case 5: CALL(epoll_wait, fd(), buffer(), one_in(9) ? (int)wild() : 8, below(3)); break;
    case 6: CALL(epoll_pwait, fd(), buffer(), 8, one_in(9) ? -1 : below(3), one_in(2) ? NULL : mask(), 8); break;
    case 7: CALL(epoll_pwait2, fd(), buffer(), 8, timeout(), one_in(2) ? NULL : mask(), 8); break;
    case 8 ... 9: {
        struct pollfd *p = scratch(16 * sizeof *p);
        for (int i = 0; i < 16; i++)
            p[i] = (struct pollfd){ fd(), bits(), 0 };
        CALL(ppoll, place(p, 128), one_in(9) ? length() : below(16), timeout(), one_in(2) ? NULL : mask(), one_in(9) ? length() : 8);
        break;
    }
    case 10: {
        struct { void *set; u64 size; } *six = scratch(16);
        six->set = mask(), six->size = 8;
        CALL(pselect6, one_in(9) ? wild() : below(130), buffer(), buffer(), one_in(2) ? buffer() : NULL, timeout(), one_in(2) ? NULL : six);
        break;
    }
    case 11: CALL(inotify_init1, SOME(IN_NONBLOCK, IN_CLOEXEC)); break;
    case 12: CALL(inotify_add_watch, fd(), path(), one_in(2) ? IN_ALL_EVENTS : SOME(1, 2, 4, 0x100, 0x200, 0x400, 0x800, IN_ONESHOT, IN_MASK_ADD, IN_MASK_CREATE, IN_ONLYDIR, IN_EXCL_UNLINK)); break;
    case 13: CALL(inotify_rm_watch, fd(), below(8)); break;
    case 14: CALL(timerfd_create, ANY(0, 1, 7, 8, 9, 20), SOME(TFD_NONBLOCK)); break;
    case 15: CALL(timerfd_settime, fd(), below(4), PLACED(struct itimerspec, { interval(), moment() }), one_in(2) ? NULL : buffer()), CALL(timerfd_gettime, fd(), buffer()); break;
    }
}

static void signals(void)
{
    static volatile int timers;
    union sigval value = { .sival_int = 5 };
    siginfo_t *info = scratch(sizeof *info);
    memset(info, 0, sizeof *info);
    info->si_code = one_in(5) ? (int)wild() : SI_QUEUE, info->si_value = value;
    switch (below(18)) {
    case 0 ... 1: CALL(tgkill, getpid(), a_thread(), a_signal()); break;
    case 2: CALL(tkill, a_thread(), a_signal()); break;
    case 3: CALL(kill, getpid(), a_signal()); break;
    case 4: CALL(rt_sigqueueinfo, getpid(), a_signal(), place(info, sizeof *info)); break;
    case 5: CALL(rt_tgsigqueueinfo, getpid(), a_thread(), a_signal(), place(info, sizeof *info)); break;
    case 6 ... 7: CALL(rt_sigprocmask, below(4), one_in(4) ? NULL : mask(), one_in(2) ? NULL : buffer(), one_in(30) ? length() : 8); break;
    case 8: CALL(rt_sigtimedwait, mask(), one_in(2) ? NULL : buffer(), PLACED(struct timespec, moment()), 8); break;
    case 9: CALL(rt_sigsuspend, mask(), 8); break;
    case 10: CALL(rt_sigpending, buffer(), one_in(9) ? length() : 8); break;
    case 11: {
        stack_t stack = { alternates[self - states], one_in(3) ? SS_DISABLE : 0, SCRATCH };
        CALL(sigaltstack, one_in(4) ? NULL : &stack, one_in(2) ? NULL : buffer());
        break;
    }
    case 12: {
        struct sigevent e = { .sigev_notify = ANY(SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID, 77), .sigev_signo = a_signal(), .sigev_value = value };
        e._sigev_un._tid = a_thread();
        int *id = scratch(4);
        if (CALL(timer_create, ANY(0, 1, 2, 3, 7, 20), one_in(9) ? buffer() : &e, place(id, 4)) == 0)
            timers = *id;
        break;
    }
    case 13 ... 14: CALL(timer_settime, below(timers + 2), below(3), PLACED(struct itimerspec, { interval(), moment() }), one_in(2) ? NULL : buffer()); break;
    case 15: CALL(timer_gettime, below(timers + 2), buffer()), CALL(timer_getoverrun, below(timers + 2)); break;
    case 16: CALL(timer_delete, below(timers + 2)); break;
    case 17: CALL(setitimer, below(4), PLACED(struct itimerval, { { 0, below(3) * 2000 }, { 0, below(3000) } }), one_in(2) ? NULL : buffer()); break;
    }
}

static void *word(void) { return one_in(30) ? (void *)wild() : one_in(4) ? (void *)((u64)shared() & (one_in(20) ? -1ul : -4ul)) : &words[below(COUNT(words))]; }

static void futexes(void)
{
    u64 private = one_in(3) ? 0 : FUTEX_PRIVATE_FLAG, realtime = one_in(4) ? FUTEX_CLOCK_REALTIME : 0;
    int *w = word(), value = one_in(3) ? (int)below(4) : w >= words && w < words + 16 ? *(volatile int *)w : 0;
    switch (below(20)) {
    case 0 ... 2: CALL(futex, w, FUTEX_WAIT | private, value, timeout()); break;
    case 3: CALL(futex, w, FUTEX_WAIT_BITSET | private | realtime, value, one_in(4) ? NULL : absolute(realtime ? 0 : 1), 0, one_in(3) ? wild() : -1u); break;
    case 4 ... 5: CALL(futex, w, FUTEX_WAKE | private, one_in(9) ? wild() : below(4)); break;
    case 6: CALL(futex, w, FUTEX_WAKE_BITSET | private, below(4), 0, 0, one_in(3) ? wild() : -1u); break;
    case 7: CALL(futex, w, FUTEX_REQUEUE | private, below(3), below(5), word()); break;
    case 8: CALL(futex, w, FUTEX_CMP_REQUEUE | private, below(3), below(5), word(), value); break;
    case 9: CALL(futex, w, FUTEX_WAKE_OP | private, below(3), below(3), word(), one_in(3) ? wild() : FUTEX_OP(below(5), below(4), below(6), below(4))); break;
    case 10: CALL(futex, w, FUTEX_LOCK_PI | private, 0, soon(0)); break;
    case 11: CALL(futex, w, one_in(3) ? FUTEX_TRYLOCK_PI | private : FUTEX_LOCK_PI2 | private | realtime, 0, soon(realtime ? 0 : 1)); break;
    case 12 ... 13: CALL(futex, w, FUTEX_UNLOCK_PI | private); break;
    case 14: CALL(futex, w, FUTEX_WAIT_REQUEUE_PI | private | realtime, value, soon(realtime ? 0 : 1), word()); break;
    case 15: CALL(futex, w, FUTEX_CMP_REQUEUE_PI | private, one_in(5) ? below(3) : 1, below(5), word(), value); break;
    case 16: {
        struct { u64 value, address; unsigned flags, reserved; } *v = scratch(4 * 24);
        for (int i = 0; i < 4; i++) {
            int *each = word();
            v[i].value = each >= words && each < words + 16 ? *(volatile int *)each : 0, v[i].address = (u64)each;
            v[i].flags = one_in(9) ? wild() : 2 | (one_in(2) ? 128 : 0), v[i].reserved = 0;
        }
        CALL(futex_waitv, place(v, 96), one_in(9) ? wild() : 1 + below(4), 0, absolute(1), 1);
        break;
    }
    case 17: words[below(16)] = one_in(3) ? a_thread() | (one_in(2) ? 0x80000000 : 0) : (int)below(3); break;
    case 18 ... 19: if (one_in(2)) words[below(16)] = 0; else CALL(membarrier, ANY(0, 1, 2, 4, 8, 16, 32, 64, 128), SOME(1), 0); break;
    }
}

static void asynchronous(void)
{
    unsigned i = below(4);
    switch (below(6)) {
    case 0: { u64 *c = scratch(8); *c = 0; if (CALL(io_setup, one_in(9) ? wild() % 70000 : 1 + below(40), place(c, 8)) == 0) contexts[i] = *c; break; }
    case 1: CALL(io_destroy, one_in(9) ? wild() : contexts[i]); break;
    case 2 ... 3: {
        struct iocb **list = scratch(64);
        for (int k = 0; k < 8; k++) {
            struct iocb *b = scratch(sizeof *b);
            memset(b, 0, sizeof *b);
            b->aio_lio_opcode = one_in(10) ? below(20) : ANY(IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC, IOCB_CMD_POLL, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV, IOCB_CMD_NOOP);
            b->aio_fildes = fd(), b->aio_buf = (u64)buffer(), b->aio_nbytes = one_in(5) ? length() : b->aio_lio_opcode == IOCB_CMD_POLL ? 0 : below(5), b->aio_offset = offset();
            if (b->aio_lio_opcode == IOCB_CMD_POLL)
                b->aio_buf = 5, b->aio_offset = 0;
            b->aio_flags = one_in(4), b->aio_resfd = fd();
            list[k] = place(b, sizeof *b);
        }
        CALL(io_submit, contexts[i], one_in(9) ? wild() : below(9), place(list, 64));
        if (one_in(3))
            CALL(io_cancel, contexts[i], list[below(8)], buffer());
        break;
    }
    case 4: CALL(io_getevents, contexts[i], below(3), below(10), buffer(), PLACED(struct timespec, moment())); break;
    case 5: CALL(io_pgetevents, contexts[i], below(3), below(10), buffer(), PLACED(struct timespec, moment()), NULL); break;
    }
}

static void messages(void)
{
    const char *name = ANY((u64)"q1", (u64)"q2", (u64)"", (u64)"q/3") ? names[below(4)] : 0;
    int key = 100 + below(3), id = one_in(2) ? below(4) : key;
    long *m = scratch(400);
    switch (below(20)) {
    case 0: CALL(mq_open, name, O_RDWR | SOME(O_CREAT, O_CREAT, O_EXCL, O_NONBLOCK), 0600, one_in(2) ? NULL : PLACED(struct mq_attr, { 0, 1 + below(10), 1 + below(300), 0 })); break;
    case 1: CALL(mq_unlink, name); break;
    case 2: CALL(mq_timedsend, fd(), buffer(), below(300), below(4), absolute(0)); break;
    case 3: CALL(mq_timedreceive, fd(), buffer(), 8192, buffer(), absolute(0)); break;
    case 4: CALL(mq_notify, fd(), one_in(2) ? NULL : PLACED(struct sigevent, { .sigev_notify = below(3), .sigev_signo = a_signal() })); break;
    case 5: CALL(mq_getsetattr, fd(), one_in(2) ? NULL : buffer(), buffer()); break;
    case 6: CALL(shmget, one_in(3) ? 0 : key, pages(), SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 7 ... 8: CALL(shmat, id, page(), SOME(SHM_RDONLY, 0x4000, SHM_RND, 0100000)); break;
    case 9: CALL(shmdt, page()); break;
    case 10: CALL(shmctl, id, ANY(0, 0, 1, 2, 3, 11, 12, 13, 14, 15), buffer()); break;
    case 11: CALL(semget, one_in(3) ? 0 : key, one_in(20) ? wild() : 1 + below(5), SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 12 ... 13: {
        struct sembuf *s = scratch(6 * 8);
        for (int i = 0; i < 6; i++)
            s[i] = (struct sembuf){ one_in(20) ? (int)wild() : below(4), one_in(20) ? (int)wild() : (int)below(5) - 2, SOME(IPC_NOWAIT, SEM_UNDO) };
        CALL(semtimedop, id, place(s, 36), one_in(20) ? length() : 1 + below(5), PLACED(struct timespec, moment()));
        break;
    }
    case 14: CALL(semctl, id, below(5), ANY(0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19), one_in(2) ? (u64)buffer() : below(4)); break;
    case 15: CALL(msgget, one_in(3) ? 0 : key, SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 16 ... 17: m[0] = 1 + below(4), CALL(msgsnd, id, place(m, 400), one_in(20) ? length() : below(300), SOME(IPC_NOWAIT)); break;
    case 18: CALL(msgrcv, id, place(m, 400), one_in(9) ? length() : 300, (long)below(9) - 4, SOME(IPC_NOWAIT, MSG_NOERROR, MSG_EXCEPT, MSG_COPY)); break;
    case 19: CALL(msgctl, id, ANY(0, 1, 2, 3, 11, 12, 13), buffer()); break;
    }
}

static void scheduling(void)
{
    struct timespec t;
    switch (below(14)) {
    case 0: CALL(sched_setscheduler, a_thread(), below(8), PLACED(int, one_in(9) ? (int)wild() : (int)below(100))); break;
    case 1: CALL(sched_setscheduler, 0, 0, PLACED(int, 0)); break;
    case 2: CALL(sched_setaffinity, one_in(2) ? 0 : a_thread(), one_in(9) ? length() : 8, PLACED(u64, one_in(2) ? -1ul : 1 + below(15))); break;
    case 3: CALL(sched_getaffinity, a_thread(), length(), buffer()); break;
    case 4: CALL(sched_setattr, a_thread(), buffer(), 0), CALL(sched_getattr, a_thread(), buffer(), below(100), 0); break;
    case 5: CALL(setpriority, below(4), a_thread(), (long)below(60) - 30), CALL(getpriority, below(4), a_thread()); break;
    case 6: CALL(sched_yield); break;
    case 7: CALL(clock_nanosleep, ANY(0, 1, 2, 3, 7, 8, 20), 0, PLACED(struct timespec, moment()), one_in(2) ? NULL : buffer()); break;
    case 8: CALL(nanosleep, PLACED(struct timespec, moment()), one_in(2) ? NULL : buffer()); break;
    case 9: {
        int what = ANY(RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK, RLIMIT_DATA);
        struct rlimit limit;
        if (!leaving && getrlimit(what, &limit) == 0) {
            limit.rlim_cur = one_in(3) ? ANY(40, 60, 1 << 16, 64 << 20, 100 << 20) : limit.rlim_max;
            if (what == RLIMIT_NOFILE && limit.rlim_cur < limit.rlim_max)
                limit.rlim_cur = 60 + below(60);
            if (limit.rlim_cur <= limit.rlim_max)
                CALL(prlimit64, 0, what, &limit, one_in(2) ? NULL : buffer());
        }
        break;
    }
    case 10: CALL(getrusage, ANY(0, 1, -1), buffer()), CALL(times, buffer()), CALL(sysinfo, buffer()), CALL(getcpu, buffer(), buffer(), 0); break;
    case 11: CALL(prctl, ANY(PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_GET_DUMPABLE, PR_SET_VMA, PR_SET_THP_DISABLE, PR_GET_SECCOMP, 1000), buffer(), buffer(), below(3), below(3)); break;
    case 12: CALL(waitid, below(4), a_thread(), buffer(), WNOHANG | SOME(2, 4, 8), buffer()), CALL(wait4, -1, buffer(), one_in(2) ? WNOHANG : 0, NULL); break;
    case 13: clock_gettime(CLOCK_MONOTONIC, &t), CALL(clock_gettime, below(14), buffer()), CALL(clock_getres, below(14), buffer()), CALL(get_robust_list, a_thread(), buffer(), buffer()); break;
    }
}

/* What a device or a terminal is asked; what a program may say about itself. */
static void asking(void)
{
    int group[] = { 0, 1, 2, -1 };
    switch (below(10)) {
    case 0: CALL(openat, AT_FDCWD, one_in(2) ? "/dev/ptmx" : "/dev/pts/0", O_RDWR | O_NONBLOCK | O_NOCTTY); break;
    case 1 ... 2: CALL(ioctl, fd(), 0x5400 + below(0x62), one_in(2) ? (u64)buffer() : below(4)); break;
    case 3: CALL(ioctl, fd(), one_in(2) ? ANY(0x80045430, 0x40045431, 0x5441, 0x8004667e, 0x40086602, 0x80086601, 0x8901, 0x8905, 0x8910, 0x8912, 0x8933) : wild(), buffer()); break;
    case 4: {
        /* Not those that end or blind the program: its death signal, traps by the clock, filters, its memory's places. */
        int what = one_in(2) ? below(72) : wild();
        if (what != PR_SET_PDEATHSIG && what != PR_SET_TSC && what != PR_SET_SECCOMP && what != PR_SET_MM && what != PR_SET_SYSCALL_USER_DISPATCH)
            CALL(prctl, what, one_in(2) ? below(8) : wild(), one_in(2) ? buffer() : NULL, one_in(2) ? below(4) : wild(), below(2));
        break;
    }
    case 5: CALL(setgroups, one_in(4) ? length() : below(5), place(memcpy(scratch(16), group, 16), 16)), CALL(getgroups, below(9), buffer()); break;
    case 6: CALL(setresgid, -1, -1, -1), CALL(setresuid, -1, -1, -1), CALL(setfsuid, -1), CALL(setfsgid, -1); break;
    case 7: CALL(capget, buffer(), buffer()); break;
    case 8: CALL(brk, one_in(3) ? wild() : 0); break;
    case 9: CALL(arch_prctl, ANY(0x1003, 0x1004, 0x1011, 0x1021, 0x1022, 0x4001, 0x5003), buffer()), CALL(keyctl, below(32), buffer(), buffer(), length(), 0); break;
    }
}

/* Any number with anything: the calls that would end or blind the program are left out. */
static void anything(void)
{
    long number = below(470);
    switch (number) {
    case SYS_exit: case SYS_exit_group: case SYS_rt_sigreturn: case SYS_pause: case SYS_rt_sigsuspend: case SYS_fork: case SYS_vfork:
    case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_execveat: case SYS_reboot: case SYS_munmap: case SYS_mprotect: case SYS_mremap:
    case SYS_brk: case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: case SYS_close:
    case SYS_close_range: case SYS_dup2: case SYS_dup3: case SYS_arch_prctl: case SYS_madvise: case SYS_chroot: case SYS_mmap: case SYS_rt_sigaction:
    case SYS_rt_sigprocmask: case SYS_setrlimit: case SYS_prlimit64: case SYS_pkey_mprotect: case SYS_seccomp: case SYS_settimeofday:
    case SYS_clock_settime: case SYS_set_tid_address: case SYS_sigaltstack: case SYS_umount2: case SYS_setuid: case SYS_setgid: case SYS_setreuid:
    case SYS_setregid: case SYS_setresuid: case SYS_setresgid: case SYS_setfsuid: case SYS_setfsgid: case SYS_capset: case SYS_prctl: case SYS_shmat:
    case SYS_set_robust_list: case SYS_remap_file_pages: case SYS_alarm: case SYS_pidfd_send_signal: case SYS_ptrace: case SYS_pivot_root:
    case SYS_process_vm_writev: case SYS_unshare: case SYS_setns: case SYS_io_setup: case SYS_timer_create: case SYS_fcntl: case SYS_mlockall: case SYS_shmdt:
    case SYS_read: case SYS_pread64: case SYS_readv: case SYS_preadv: case SYS_process_madvise: case SYS_adjtimex: case SYS_clock_adjtime: case SYS_setgroups:
        return;
    }
#define ARGUMENT ({ u64 w_ = below(5); w_ == 0 ? wild() : w_ == 1 ? (u64)fd() : w_ == 2 ? below(20) : w_ == 3 ? (u64)buffer() : (u64)path(); })
    call(number, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT);
}

static void work(int most);
static void unblock(void);

static int passing(void *mine_)
{
    struct state *mine = mine_;
    unblock();
    struct { u64 next; long offset; u64 pending; } *head = scratch(24 + 8 * 8);
    head->next = (u64)&words[below(14)] & -8ul, head->offset = below(3) * 4, head->pending = one_in(2) ? 0 : (u64)word();
    if (one_in(2)) {
        u64 *chain = (void *)(head + 1);
        for (int i = 0; i < 4; i++)
            chain[i] = (u64)&chain[(i + 1) % 4];
        head->next = (u64)chain;
    }
    if (!one_in(3))
        CALL(set_robust_list, one_in(20) ? (void *)wild() : head, 24);
    for (int i = 0; i < 4; i++)
        if (one_in(2))
            words[below(16)] = mine->tid;
    work(below(60));
    mine->done++;
    return 0;
}

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* Without libc's threads, whose stacks would come to be where a mapping of the arena was. All share the first thread's TLS. */
static int start(int i, int (*begin)(void *), u64 seed)
{
    int none = 0;
    struct state *new = &states[i];
    if (!__atomic_compare_exchange_n(&new->tid, &none, -1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    new->random = seed;
    new->armed = 0;
    if (clone(begin, stacks[i] + STACK, THREAD, new, &new->tid, NULL, &new->tid) < 0)
        new->tid = 0;
    return 1;
}

static void spawn(void)
{
    u64 seed = bits();
    for (int i = THREADS; i < 2 * THREADS; i++)
        if (start(i, passing, seed))
            return;
}

static void work(int most)
{
    for (volatile int i = 0; i < most && !ending; i++) {
        if (sigsetjmp(self->back, 0)) {
            self->done++;
            continue;
        }
        self->armed = 1;
        self->used = 0;
        switch (below(27)) {
        case 0 ... 4: files(); break;
        case 5: mounts(); break;
        case 6: system_files(); break;
        case 7 ... 9: memory(); break;
        case 10: touch(); break;
        case 11 ... 12: pipes(); break;
        case 13 ... 15: sockets(); break;
        case 16 ... 17: events(); break;
        case 18 ... 19: signals(); break;
        case 20 ... 21: futexes(); break;
        case 22: asynchronous(); break;
        case 23: messages(); break;
        case 24: scheduling(); break;
        case 25: if (one_in(3)) spawn(); else anything(); break;
        case 26: asking(); break;
        }
        self->armed = 0;
    }
}

static void caught(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)info;
    if (number == SIGSEGV || number == SIGBUS) {
        if (self && self->armed)
            siglongjmp(self->back, 1);
        signal(number, SIG_DFL);
        return;
    }
    u->uc_mcontext.gregs[REG_EFL] &= ~0x100ul;
    if (self && self->armed && number != KICK && one_in(30)) {
        /* A frame that lies; registers that the program needs stay. */
        switch (below(40) ? 1 + below(4) : 0) {
        case 0: u->uc_mcontext.fpregs = (void *)wild(); break;
        case 1: u->uc_mcontext.gregs[REG_EFL] ^= bits() & ~0x40500ul; break;
        case 2: u->uc_mcontext.gregs[REG_CSGSFS] = bits(); break;
        case 3: ((u64 *)u->uc_mcontext.fpregs)[58 + below(16)] = bits(); break;
        case 4: u->uc_flags = bits(); break;
        }
    }
}

static void unblock(void)
{
    u64 none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

static int worker(void *mine)
{
    (void)mine;
    unblock();
    work(calls);
    return 0;
}

static int say(const char *form, ...)
{
    char text[1000];
    va_list list;
    va_start(list, form);
    int n = vsnprintf(text, sizeof text, form, list);
    va_end(list);
    return syscall(SYS_write, REPORT, text, n);
}

static void lift_limits(void)
{
    for (int what = 0; what < RLIM_NLIMITS; what++) {
        struct rlimit limit;
        getrlimit(what, &limit), limit.rlim_cur = limit.rlim_max, setrlimit(what, &limit);
    }
}

int main(int argc, char **argv)
{
    u64 seed = strtoul(argc > 1 ? argv[1] : "1", NULL, 0);
    long seeds = atol(argc > 2 ? argv[2] : "1"), threads = atol(argc > 4 ? argv[4] : "4");
    calls = atoi(argc > 3 ? argv[3] : "1000"), failing = argc > 5;
    if (fcntl(REPORT, F_GETFD) < 0) {
        dup2(1, REPORT);
        int null = open("/proc/self/exe", O_RDONLY);
        dup2(null, PROGRAM), close(null);
        null = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; i++)
            dup2(null, i);
        mkdir("/tmp/chaos", 0777), mkdir("/tmp/over", 0777);
        mount("none", "/tmp/chaos", "tmpfs", 0, "size=6m");
        mkdir("/tmp/chaos/m", 0777);
        int fail = open("/proc/self/fail-nth", O_RDWR);
        if (fail >= 0)
            dup2(fail, FAIL), close(fail);
    }
    chdir("/tmp/chaos");
    lift_limits();
    sigset_t none;
    sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number <= 64; number++) {
        struct sigaction how = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER | (number % 2 ? SA_RESTART : 0) | (number % 3 ? 0 : SA_ONSTACK) };
        /* One upon the other they would need a stack without end. */
        sigfillset(&how.sa_mask), sigdelset(&how.sa_mask, KICK), sigdelset(&how.sa_mask, SIGSEGV), sigdelset(&how.sa_mask, SIGBUS);
        if (number == KICK || number == SIGSEGV || number == SIGBUS)
            how.sa_flags = SA_SIGINFO | SA_NODEFER;
        if (number == SIGABRT || number == SIGILL)
            signal(number, SIG_DFL);
        else if (number != SIGSTOP && number != SIGKILL && number != 32 && number != 33)
            sigaction(number, &how, NULL);
    }
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ 99 });
    read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(read_only + 4096, 4096, PROT_NONE);
    arena = mmap(NULL, ARENA + (1 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arena = (char *)(((u64)arena + 65535) & -65536ul);
    mprotect(arena, ARENA, PROT_READ | PROT_WRITE);
    sigset_t all;
    sigfillset(&all), sigprocmask(SIG_SETMASK, &all, NULL); /* this thread only watches */
    say("seed %lu\n", seed);

    if (threads > THREADS)
        threads = THREADS;
    for (int i = 0; i < 2 * THREADS; i++) {
        states[i].scratch = mmap(NULL, SCRATCH + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(states[i].scratch + SCRATCH, 4096, PROT_NONE);
        mprotect(stacks[i], 4096, PROT_NONE);
    }
    for (int i = 0; i < threads; i++)
        start(i, worker, seed * 1000 + i);
    u64 seen[2 * THREADS] = { 0 };
    int since[2 * THREADS] = { 0 };
    for (int alive = 1; alive;) {
        nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
        alive = 0;
        for (int i = 0; i < 2 * THREADS; i++) {
            int tid = states[i].tid;
            alive += i < threads ? tid != 0 : 0;
            if (tid <= 0 || states[i].done != seen[i]) {
                seen[i] = states[i].done, since[i] = 0;
                continue;
            }
            if (++since[i] % 3 == 1)
                syscall(SYS_tgkill, getpid(), tid, KICK);
            if (since[i] == 4000) {
                say("STUCK seed %lu thread %d tid %d call %ld(%lx, %lx, %lx, %lx, %lx, %lx)\n", seed, i, tid, states[i].call[0], states[i].call[1],
                    states[i].call[2], states[i].call[3], states[i].call[4], states[i].call[5], states[i].call[6]);
                char name[64], status[2000];
                sprintf(name, "/proc/self/task/%d/status", tid);
                int file = open(name, O_RDONLY);
                long n = read(file, status, sizeof status - 1);
                status[n > 0 ? n : 0] = 0;
                say("%.300s%s\n", status, strstr(status, "SigQ") ? strstr(status, "SigQ") : "");
                _exit(3);
            }
        }
    }
    u64 total = 0;
    for (int i = 0; i < 2 * THREADS; i++)
        total += states[i].done;
    say("seed %lu: %lu calls\n", seed, total);
    if (seeds > 1) {
        char next[30], rest[30];
        sprintf(next, "%lu", seed + 1), sprintf(rest, "%ld", seeds - 1);
        char *again[] = { argv[0], next, rest, argv[3], argv[4], failing ? argv[5] : NULL, NULL };
        leaving = 1;
        lift_limits();
        for (int number = 1; number <= 64; number++)
            if (number != SIGSEGV && number != SIGBUS)
                signal(number, SIG_IGN); /* those to come meet no handler */
        for (int i = 0; i < 100; i++) {
            if (failing)
                syscall(SYS_write, FAIL, "0", 1);
            fchmod(PROGRAM, 0755);
            execveat(PROGRAM, "", again, environ, AT_EMPTY_PATH);
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        }
        say("exec: %s\n", strerror(errno));
        _exit(4);
    }
    _exit(0);
}
