/* Calls every system call with arguments that lie, and checks that a bad pointer never succeeds where it must be used.
 * The kernel must answer each with an errno: a panic ends the virtual machine and the test sees that. */
#include "show.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

#define KERNEL 0xffffffff80100000ul
#define DIRECT 0xffff800000001000ul
#define HOLE 0x0000800000000000ul
#define NOWHERE 0x0000123456789000ul

static const unsigned long values[] = {
    0, 1, 2, 7, 16, 4096, 0x7fffffff, 0x80000000ul, 0xffffffff, KERNEL, DIRECT, HOLE - 8, HOLE, NOWHERE,
    0x7ffffffff000ul, 0x8000000000000000ul, 0xfffffffffffff000ul, 0xffffffffffffffffull,
};
#define VALUES (sizeof values / sizeof *values)

/* Calls that end or stop the program, or wait for good, when they do what they are asked. */
static int is_left_out(long number)
{
    switch (number) {
    case SYS_exit: case SYS_exit_group: case SYS_rt_sigreturn: case SYS_pause: case SYS_rt_sigsuspend:
    case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_execve: case SYS_execveat: case SYS_reboot:
    case SYS_munmap: case SYS_mprotect: case SYS_mremap: case SYS_brk: case SYS_kill: case SYS_tkill:
    case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: case SYS_alarm: case SYS_setitimer:
    case SYS_close: case SYS_close_range: case SYS_dup2: case SYS_dup3: case SYS_arch_prctl: case SYS_madvise:
    case SYS_chroot: case SYS_mmap: case SYS_rt_sigaction: case SYS_rt_sigprocmask: case SYS_setrlimit:
    case SYS_prlimit64: case SYS_select: case SYS_pselect6: case SYS_poll: case SYS_ppoll: case SYS_epoll_wait:
    case SYS_epoll_pwait: case SYS_epoll_pwait2: case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_futex:
    case SYS_rt_sigtimedwait: case SYS_read: case SYS_readv: case SYS_pkey_mprotect: case SYS_clone3:
    case SYS_timer_settime: case SYS_timer_create: case SYS_seccomp: case SYS_prctl: case SYS_settimeofday:
    case SYS_clock_settime: case SYS_set_tid_address: case SYS_sigaltstack: case SYS_restart_syscall:
        return 1;
    }
    return 0;
}

static unsigned long seed = 12345;

static unsigned long pick(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return values[(seed >> 33) % VALUES];
}

static void check(const char *name, long result, int wanted)
{
    if (result != -1 || errno != wanted)
        printf("WRONG %s: %ld %s\n", name, result, result < 0 ? strerrorname_np(errno) : "");
}

#define WANT(error, ...) check(#__VA_ARGS__, syscall(__VA_ARGS__), error)

static void exact(void)
{
    int epoll = syscall(SYS_epoll_create1, 0);
    int fd = open("/tmp/krait-hostile", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
    pipe(p);
    write(fd, "0123456789", 10);
    write(p[1], "0123456789", 10);
    lseek(fd, 0, SEEK_SET);
    const unsigned long bad[] = { KERNEL, DIRECT, HOLE, NOWHERE, 0x8000000000000000ul };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        WANT(EFAULT, SYS_read, fd, bad[i], 4);
        WANT(EFAULT, SYS_read, p[0], bad[i], 4);
        WANT(EFAULT, SYS_write, fd, bad[i], 4);
        WANT(EFAULT, SYS_write, p[1], bad[i], 4);
        WANT(EFAULT, SYS_write, 1, bad[i], 4);
        WANT(EFAULT, SYS_pread64, fd, bad[i], 4, 0);
        WANT(EFAULT, SYS_readv, fd, bad[i], 2);
        WANT(EFAULT, SYS_open, bad[i], 0);
        WANT(EFAULT, SYS_stat, "/", bad[i]);
        WANT(EFAULT, SYS_stat, bad[i], bad[i]);
        WANT(EFAULT, SYS_fstat, fd, bad[i]);
        WANT(EFAULT, SYS_getcwd, bad[i], 4096);
        WANT(EFAULT, SYS_readlink, "/proc/self/exe", bad[i], 100);
        WANT(EFAULT, SYS_getdents64, open("/", O_RDONLY), bad[i], 4096);
        WANT(EFAULT, SYS_pipe, bad[i]);
        WANT(EFAULT, SYS_uname, bad[i]);
        WANT(EFAULT, SYS_getrandom, bad[i], 16, 0);
        WANT(EFAULT, SYS_clock_gettime, 0, bad[i]);
        WANT(EFAULT, SYS_nanosleep, bad[i], 0);
        WANT(EFAULT, SYS_sysinfo, bad[i]);
        WANT(EFAULT, SYS_getrlimit, 0, bad[i]);
        WANT(EFAULT, SYS_getrusage, 0, bad[i]);
        WANT(EFAULT, SYS_rt_sigaction, 10, bad[i], 0, 8);
        WANT(EFAULT, SYS_rt_sigprocmask, 0, bad[i], 0, 8);
        WANT(EFAULT, SYS_sigaltstack, bad[i], 0);
        WANT(EFAULT, SYS_socketpair, 1, 1, 0, bad[i]);
        WANT(EFAULT, SYS_poll, bad[i], 1, 0);
        WANT(EFAULT, SYS_epoll_ctl, epoll, 1, p[0], bad[i]);
        WANT(EFAULT, SYS_statfs, "/", bad[i]);
        WANT(EFAULT, SYS_utimensat, fd, 0, bad[i], 0);
    }
    const long numbers[] = { SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_ioctl, SYS_dup, SYS_fsync, SYS_ftruncate,
                             SYS_fchmod, SYS_fchdir, SYS_getdents64, SYS_flock, SYS_fcntl, SYS_fstatfs };
    const long descriptors[] = { -1, 500, 0x7fffffff, 1l << 31 };
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (unsigned j = 0; j < sizeof descriptors / sizeof *descriptors; j++)
            WANT(EBADF, numbers[i], descriptors[j], 1, 0, 0);
    WANT(EINVAL, SYS_lseek, fd, 0, 50);
    WANT(EINVAL, SYS_readv, fd, values, -1);
    WANT(EINVAL, SYS_mmap, 0, 0, 1, 0x22, -1, 0);
    WANT(EINVAL, SYS_munmap, 1, 4096);
    WANT(EINVAL, SYS_munmap, 0, -4096l);
    WANT(ENOMEM, SYS_mprotect, 0x10000, 4096, 1);
    WANT(EINVAL, SYS_clock_gettime, 55, 0);
    WANT(EINVAL, SYS_rt_sigaction, 10, 0, 0, 4);
    WANT(EINVAL, SYS_futex, 1, 0, 0, 0, 0, 0);
}

static void flood(long most, int rounds)
{
    for (long number = 0; number < most; number++) {
        if (is_left_out(number))
            continue;
        for (int round = 0; round < rounds; round++)
            syscall(number, pick(), pick(), pick(), pick(), pick(), pick());
    }
}

static void interrupted(int number) { }

int main(void)
{
    struct utsname system;
    if (uname(&system) || !strstr(system.release, "krait")) {
        fputs("not on this system: some of these calls would change its clock\n", stderr);
        return 2;
    }
    struct rlimit files = { 1024, 1024 };
    setrlimit(RLIMIT_NOFILE, &files);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_IGN);
    signal(SIGSEGV, SIG_DFL);
    /* Ends calls that wait for good: a queue or a socket that a call before has made. */
    struct sigaction interrupt = { .sa_handler = interrupted };
    struct itimerval often = { { 0, 10000 }, { 0, 10000 } };
    sigaction(SIGALRM, &interrupt, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    exact();
    int out = dup(1);
    flood(460, 40);
    dup2(out, 1);
    signal(SIGALRM, SIG_IGN);
    printf("survived\n");
    return 0;
}
