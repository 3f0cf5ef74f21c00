/* Who the caller is and what it may: users, capabilities, roots, limits, policies, clocks of its own. */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* Threads that come and go may lose for good what a worker has to get back. */
#define PASSES (self >= states + THREADS)

/* Undo what the rest of a sequence has not come to. */
static void regain(void)
{
    self->changed = 0;
    if (!PASSES)
        syscall(SYS_setresuid, -1, 0, -1), syscall(SYS_setresgid, -1, 0, -1), syscall(SYS_setfsuid, 0), syscall(SYS_setfsgid, 0);
    go_home();
}

static void as_somebody(void)
{
    for (int i = below(6); i >= 0; i--)
        switch (below(6)) {
        case 0 ... 2: files(); break;
        case 3: mounts(); break;
        case 4: messages(); break;
        case 5: signals(); break;
        }
}

static void sandbox(void)
{
    struct sock_filter *code = scratch(8 * sizeof *code);
    for (int i = 0; i < 8; i++)
        code[i] = (struct sock_filter){ one_in(3) ? bits() : BPF_LD | BPF_W | BPF_ABS, below(9), below(9), below(70) };
    code[7] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
    if (one_in(2))
        code[0] = code[7];
    void *program = PLACED(struct sock_fprog, { one_in(3) ? below(70000) : code[0].code == code[7].code ? 1 : 8, place(code, 64) });
    if (!PASSES)
        return;
    CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CALL(seccomp, one_in(9) ? below(9) : SECCOMP_SET_MODE_FILTER, SOME(1, 2, 4, 8, 16), program);
    CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
}

static void limits(void)
{
    int what = below(20);
    struct rlimit limit;
    if (leaving || getrlimit(what, &limit))
        return;
    limit.rlim_cur = one_in(2) ? limit.rlim_max : one_in(4) ? wild() : what == RLIMIT_NOFILE ? below(200) : ANY(0, 1, 100, 4096, 1 << 16, 1 << 20, 64 << 20);
    if (what == RLIMIT_RTTIME || what == RLIMIT_CPU)
        limit.rlim_cur = ANY(1, 1000, 100000);
    if (limit.rlim_cur <= limit.rlim_max)
        CALL(prlimit64, 0, what, one_in(9) ? (void *)wild() : &limit, one_in(2) ? NULL : buffer());
    if (one_in(2)) {
        limit.rlim_cur = limit.rlim_max;
        CALL(prlimit64, getpid(), what, &limit, NULL);
    }
}

static void policies(void)
{
    struct { unsigned size, policy; u64 flags; int nice; unsigned priority; u64 runtime, deadline, period; unsigned least, most; } *a = scratch(sizeof *a);
    a->size = one_in(5) ? below(200) : ANY(48, 56), a->policy = one_in(9) ? below(20) : ANY(0, 1, 2, 3, 5, 6);
    a->flags = SOME(1, 2, 4, 8, 16, 32, 64), a->nice = (int)below(50) - 25, a->priority = below(102);
    a->runtime = one_in(3) ? wild() : 1 << 20, a->deadline = 1 << 21, a->period = 1 << 22, a->least = below(2000), a->most = below(2000);
    CALL(sched_setattr, one_in(2) ? 0 : a_thread(), place(a, sizeof *a), one_in(20));
    CALL(sched_getattr, a_thread(), buffer(), one_in(2) ? 48 : below(300), 0);
    CALL(sched_setparam, a_thread(), PLACED(int, (int)below(102))), CALL(sched_getparam, a_thread(), buffer());
    CALL(sched_rr_get_interval, a_thread(), buffer()), CALL(ioprio_set, below(4), a_thread(), below(40000)), CALL(ioprio_get, below(4), a_thread());
    CALL(sched_setscheduler, 0, 0, PLACED(int, 0));
}

/* Clocks that a thread or the process owns, by id (clock_getcpuclockid(3)). */
static int cpu_clock(void) { return (int)(~(one_in(3) ? 0u : (unsigned)a_thread()) << 3 | (one_in(2) ? 4 : 0) | below(4)); }

static void clocks(void)
{
    int id = -1, clock = cpu_clock();
    struct sigevent e = { .sigev_notify = ANY(SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID), .sigev_signo = a_signal() };
    e._sigev_un._tid = a_thread();
    CALL(clock_gettime, clock, buffer()), CALL(clock_getres, clock, buffer());
    CALL(timer_create, clock, &e, &id);
    for (int i = below(4); i >= 0; i--)
        CALL(timer_settime, id, below(2), PLACED(struct itimerspec, { interval(), moment() }), one_in(2) ? NULL : buffer());
    CALL(timer_gettime, id, buffer()), CALL(timer_getoverrun, id);
    if (one_in(3))
        CALL(clock_nanosleep, clock, below(2), PLACED(struct timespec, { 0, below(100000) }), buffer());
    if (!one_in(8))
        CALL(timer_delete, id);
}

static void oneself(void)
{
    switch (below(10)) {
    case 0: CALL(prctl, PR_CAPBSET_READ, below(70)), CALL(prctl, PR_CAP_AMBIENT, below(6), below(70)); break;
    case 1: if (PASSES) CALL(prctl, PR_CAPBSET_DROP, below(45)); break;
    case 2: if (PASSES) CALL(prctl, PR_SET_SECUREBITS, below(256)); CALL(prctl, PR_GET_SECUREBITS); break;
    case 3: CALL(prctl, PR_SET_KEEPCAPS, below(3)), CALL(prctl, PR_GET_KEEPCAPS); break;
    case 4: CALL(prctl, PR_SET_VMA, 0, page(), pages(), one_in(3) ? NULL : path()); break;
    case 5: CALL(prctl, PR_SET_MM, below(16), one_in(2) ? wild() : (u64)page(), buffer(), below(200)); break;
    case 6: CALL(umask, below(512)), CALL(umask, 0); break;
    case 7: CALL(setpgid, 0, one_in(2) ? 0 : a_thread()), CALL(setsid), CALL(getpgid, a_thread()), CALL(getsid, a_thread()); break;
    case 8: CALL(sethostname, path(), below(80)), CALL(setdomainname, buffer(), below(80)), CALL(uname, buffer()); break;
    case 9: CALL(personality, one_in(2) ? 0xffffffff : SOME(0x40000, 0x80000, 0x200000)), CALL(personality, 0); break;
    }
}

static void rights(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    switch (below(14)) {
    case 0 ... 1:
        self->changed = 1;
        CALL(setresuid, -1, ANY(5, 33, 1000), -1);
        as_somebody();
        break;
    case 2:
        self->changed = 1;
        CALL(setresgid, -1, ANY(5, 33, 1000), -1), CALL(setfsuid, ANY(5, 33)), CALL(setfsgid, 7);
        as_somebody();
        break;
    case 3 ... 4:
        self->changed = 1;
        CALL(chroot, one_in(3) ? path() : (void *)names[below(COUNT(names))]);
        as_somebody();
        break;
    case 5:
        CALL(capget, &header, data);
        data[below(2)].effective &= bits();
        if (PASSES)
            data[0].permitted &= bits(), data[0].effective &= data[0].permitted, data[0].inheritable &= bits();
        CALL(capset, PLACED(struct __user_cap_header_struct, { one_in(5) ? wild() : _LINUX_CAPABILITY_VERSION_3, one_in(5) ? a_thread() : 0 }), place(data, sizeof data));
        as_somebody();
        CALL(capget, &header, data);
        data[0].effective = data[0].permitted, data[1].effective = data[1].permitted;
        CALL(capset, &header, data);
        break;
    case 6:
        if (PASSES)
            CALL(setresgid, 5, 5, 5), CALL(setresuid, 5, one_in(2) ? 5 : -1, 5), as_somebody();
        break;
    case 7: sandbox(); break;
    case 8 ... 9: limits(); break;
    case 10: policies(); break;
    case 11 ... 12: clocks(); break;
    case 13: oneself(); break;
    }
    if (self->changed)
        regain();
}
