/* Threads that call random system calls with plausible and hostile arguments, in the manner of trinity and syzkaller:
 *
 *     chaos FIRST-SEED SEEDS CALLS THREADS [fail] [clean]
 *
 * Each seed gives the sequence of each thread; what the threads do to one another is left to chance. The next seed begins by
 * execve, with what the one before left behind. With `fail`, allocations fail now and then (/proc/self/fail-nth); with `clean`,
 * each seed begins by giving back what the one before left behind and says how much memory is in use then. A kernel that panics, hangs or
 * complains is wrong; nothing is said about results. Not for the host: it changes mounts, and kills. */
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

#include "chaos_arguments.h"
#include "chaos_calls.h"
#include "chaos_kinds.h"
#include "chaos_ranges.h"
#include "chaos_rights.h"
#include "chaos_frames.h"

static int say(const char *form, ...)
{
    char text[1000];
    va_list list;
    va_start(list, form);
    int n = vsnprintf(text, sizeof text, form, list);
    va_end(list);
    return syscall(SYS_write, REPORT, text, n);
}

#include "chaos_clean.h"

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
    new->changed = 0;
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

static void caught(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    if (number == SIGSEGV || number == SIGBUS) {
        if (self && self->armed)
            siglongjmp(self->back, 1);
        say("fault outside of a call: thread %ld address %p rip %lx rsp %lx\n", syscall(SYS_gettid), info->si_addr, (u64)u->uc_mcontext.gregs[REG_RIP], (u64)u->uc_mcontext.gregs[REG_RSP]);
        signal(number, SIG_DFL);
        return;
    }
    u->uc_mcontext.gregs[REG_EFL] &= ~0x100ul;
    if (u->uc_mcontext.fpregs)
        vector_size = ((unsigned *)u->uc_mcontext.fpregs)[120]; /* sw_reserved: the state's own size */
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

static void lift_limits(void)
{
    for (int what = 0; what < RLIM_NLIMITS; what++) {
        struct rlimit limit;
        getrlimit(what, &limit), limit.rlim_cur = limit.rlim_max, setrlimit(what, &limit);
    }
}

static char **arguments;
static u64 seed;
static long seeds;

static void handle_signals(void)
{
    for (int number = 1; number <= 64; number++) {
        struct sigaction how = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER | (number % 2 ? SA_RESTART : 0) | (number % 3 ? 0 : SA_ONSTACK) };
        /* One upon the other they would need a stack without end. */
        sigfillset(&how.sa_mask), sigdelset(&how.sa_mask, KICK), sigdelset(&how.sa_mask, SIGSEGV), sigdelset(&how.sa_mask, SIGBUS);
        if (number == KICK || number == SIGSEGV || number == SIGBUS)
            how.sa_flags = SA_SIGINFO | SA_NODEFER | (number == KICK ? 0 : SA_ONSTACK);
        if (number == SIGABRT || number == SIGILL)
            signal(number, SIG_DFL);
        else if (number != SIGSTOP && number != SIGKILL && number != 32 && number != 33)
            sigaction(number, &how, NULL);
    }
}

/* The next seed, from the first thread when all have ended or from another one while they are at work. */
static void exec_next(void)
{
    char next[30], rest[30];
    if (seeds < 2)
        return;
    sprintf(next, "%lu", seed + 1), sprintf(rest, "%ld", seeds - 1);
    char *again[] = { arguments[0], next, rest, arguments[3], arguments[4], arguments[5], arguments[5] ? arguments[6] : NULL, NULL };
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
    leaving = 0;
    handle_signals();
}

static void work(int most)
{
    for (volatile int i = 0; i < most && !ending; i++) {
        if (sigsetjmp(self->back, 0)) {
            self->done++;
            continue;
        }
        if (self->changed)
            regain();
        self->armed = 1;
        self->used = 0;
        switch (below(34)) {
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
        case 27 ... 28: kinds(); break;
        case 29 ... 30: ranges(); break;
        case 31: rights(); break;
        case 32: frames(passing); break;
        case 33: if (!PASSES && one_in(600)) exec_next(); else touch(); break;
        }
        self->armed = 0;
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

int main(int argc, char **argv)
{
    if (argc < 5)
        return fprintf(stderr, "usage: chaos FIRST-SEED SEEDS CALLS THREADS [fail] [clean]\n"), 2;
    arguments = argv, seed = strtoul(argv[1], NULL, 0), seeds = atol(argv[2]), calls = atoi(argv[3]);
    long threads = atol(argv[4]);
    int cleaning = 0;
    for (int i = 5; i < argc; i++)
        failing |= !strcmp(argv[i], "fail"), cleaning |= !strcmp(argv[i], "clean");
    if (fcntl(REPORT, F_GETFD) < 0) {
        dup2(1, REPORT);
        int null = open("/proc/self/exe", O_RDONLY);
        dup2(null, PROGRAM), close(null);
        null = open("/", O_RDONLY | O_DIRECTORY);
        dup2(null, ROOT), close(null);
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
    lift_limits();
    go_home();
    if (cleaning)
        give_back(), count();
    chdir("/tmp/chaos");
    sigset_t none;
    sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
    handle_signals();
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ 99 });
    read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(read_only + 4096, 4096, PROT_NONE);
    arena = mmap(NULL, ARENA + (1 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arena = (char *)(((u64)arena + 65535) & -65536ul);
    mprotect(arena, ARENA, PROT_READ | PROT_WRITE);
    large = mmap(NULL, LARGE + (4 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    large = (char *)(((u64)large + (2 << 20)) & -(2ul << 20));
    mprotect(large, LARGE, PROT_READ | PROT_WRITE);
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
    exec_next();
    if (seeds > 1)
        say("exec: %s\n", strerror(errno)), _exit(4);
    _exit(0);
}
