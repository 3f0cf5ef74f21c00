/* Signals, timers and time, as far as one thread sees them. */
#include "show.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>

static volatile int hits, last, last_code;
static volatile long last_value;
static volatile void *handler_stack;

static void on_signal(int number) { hits++; last = number; }

static void on_info(int number, siginfo_t *info, void *context)
{
    int here;
    hits++;
    last = number;
    last_code = info->si_code;
    last_value = info->si_value.sival_int;
    handler_stack = &here;
    ucontext_t *u = context;
    if (number == SIGTRAP || number == SIGSEGV)
        u->uc_mcontext.gregs[REG_RIP] += number == SIGSEGV ? 3 : 0;
}

static void on_vector(int number)
{
    on_signal(number);
    __asm__ volatile("pxor %%xmm3, %%xmm3; pcmpeqd %%xmm7, %%xmm7" ::: "xmm3", "xmm7");
}

static void handlers(void)
{
    struct sigaction action = { .sa_handler = on_signal }, old;
    VALUE(sigaction(SIGUSR1, &action, NULL));
    VALUE(sigaction(SIGUSR1, NULL, &old));
    printf("kept %d\n", old.sa_handler == on_signal);
    VALUE(sigaction(SIGKILL, &action, NULL));
    VALUE(sigaction(70, &action, NULL));
    VALUE(raise(SIGUSR1));
    VALUE(kill(getpid(), SIGUSR1));
    VALUE(kill(getpid(), 0));
    VALUE(kill(getpid(), 99));
    VALUE(kill(999999, SIGUSR1));
    VALUE(syscall(SYS_tgkill, getpid(), 12345, SIGUSR1));
    printf("hits %d\n", hits);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &before);
    raise(SIGUSR1);
    raise(SIGUSR1);
    printf("blocked %d\n", hits);
    sigset_t pending;
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_SETMASK, &before, NULL);
    printf("delivered %d\n", hits);
    struct sigaction info = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
    sigaction(SIGRTMIN, &info, NULL);
    sigset_t real;
    sigemptyset(&real);
    sigaddset(&real, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &real, NULL);
    hits = 0;
    for (int i = 0; i < 3; i++) {
        union sigval v = { .sival_int = i + 40 };
        sigqueue(getpid(), SIGRTMIN, v);
    }
    siginfo_t got;
    VALUE(sigtimedwait(&real, &got, &(struct timespec){ 0, 0 }) == SIGRTMIN);
    printf("value %d code %d\n", got.si_value.sival_int, got.si_code);
    sigprocmask(SIG_SETMASK, &before, NULL);
    printf("queued %d value %ld code %d\n", hits, last_value, last_code);
    VALUE(sigtimedwait(&real, &got, &(struct timespec){ 0, 1000000 }));
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &old);
    printf("reset %d\n", old.sa_handler == SIG_DFL);
    raise(SIGCHLD);
    raise(SIGURG);
    raise(SIGWINCH);
    signal(SIGTERM, SIG_IGN);
    raise(SIGTERM);
    puts("ignored");
}

static void stacks(void)
{
    static char room[65536];
    stack_t stack = { .ss_sp = room, .ss_size = sizeof room }, old;
    VALUE(sigaltstack(&stack, NULL));
    VALUE(sigaltstack(NULL, &old));
    printf("flags %d size %ld\n", old.ss_flags, (long)old.ss_size);
    stack.ss_size = 100;
    VALUE(sigaltstack(&stack, NULL));
    struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("on it %d code %d\n", (char *)handler_stack > room && (char *)handler_stack < room + sizeof room, last_code);
    stack.ss_flags = SS_DISABLE;
    VALUE(sigaltstack(&stack, NULL));
    hits = 0;
    sigaction(SIGSEGV, &action, NULL);
    __asm__ volatile("xor %%eax, %%eax; movb $1, (%%rax)" ::: "rax", "memory");
    printf("repaired %d code %d\n", hits, last_code);
    sigaction(SIGTRAP, &action, NULL);
    __asm__ volatile("int3");
    printf("trap %d\n", last);
}

static void registers(void)
{
    signal(SIGUSR1, on_vector);
    uint64_t in[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, a[2], b[2];
    long pid = getpid();
    __asm__ volatile("movdqu %2, %%xmm3\n\tmovdqu %2, %%xmm7\n\t"
                     "mov $62, %%eax\n\tmov %3, %%rdi\n\tmov $10, %%esi\n\tsyscall\n\t"
                     "movdqu %%xmm3, %0\n\tmovdqu %%xmm7, %1"
                     : "=m"(a), "=m"(b) : "m"(in), "r"(pid) : "rax", "rcx", "rdx", "rdi", "rsi", "r11", "xmm3", "xmm7", "memory");
    printf("xmm %d %d\n", !memcmp(a, in, 16), !memcmp(b, in, 16));
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void clocks(void)
{
    struct timespec t;
    for (int c = 0; c < 8; c++) {
        printf("clock %d: ", c);
        VALUE(clock_gettime(c, &t) || t.tv_nsec < 0 || t.tv_nsec > 999999999);
    }
    VALUE(clock_gettime(99, &t));
    VALUE(clock_getres(CLOCK_MONOTONIC, &t));
    printf("resolution %ld\n", t.tv_nsec);
    double a = seconds(CLOCK_MONOTONIC);
    int wrong = 0;
    for (int i = 0; i < 200000; i++) {
        double b = seconds(CLOCK_MONOTONIC);
        wrong += b < a;
        a = b;
    }
    printf("backwards %d\n", wrong);
    a = seconds(CLOCK_MONOTONIC);
    VALUE(nanosleep(&(struct timespec){ 0, 20000000 }, NULL));
    double slept = seconds(CLOCK_MONOTONIC) - a;
    printf("slept %d\n", slept >= 0.02 && slept < 1);
    VALUE(nanosleep(&(struct timespec){ 0, 1000000000 }, NULL));
    VALUE(nanosleep(&(struct timespec){ -1, 0 }, NULL));
    VALUE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){ 1, 0 }, NULL));
    struct itimerval timer = { { 0, 0 }, { 0, 10000 } };
    signal(SIGALRM, on_signal);
    hits = 0;
    VALUE(setitimer(ITIMER_REAL, &timer, NULL));
    struct timespec left = { 0, 0 };
    errno = 0;
    VALUE(nanosleep(&(struct timespec){ 5, 0 }, &left));
    printf("left %d hits %d\n", left.tv_sec == 4, hits);
    VALUE(alarm(100));
    VALUE(alarm(0) >= 99);
    struct tms tms;
    VALUE(times(&tms) > 0);
    struct rusage usage;
    VALUE(getrusage(RUSAGE_SELF, &usage));
    VALUE(getrusage(77, &usage));
    VALUE(usage.ru_maxrss > 0);
    timer.it_value.tv_usec = 2000000;
    VALUE(setitimer(ITIMER_REAL, &timer, NULL));
}

static void restarts(void)
{
    int p[2];
    char c;
    pipe(p);
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = { { 0, 0 }, { 0, 10000 } };
    setitimer(ITIMER_REAL, &timer, NULL);
    VALUE(read(p[0], &c, 1));
    sigset_t none;
    sigemptyset(&none);
    setitimer(ITIMER_REAL, &timer, NULL);
    VALUE(sigsuspend(&none));
    setitimer(ITIMER_REAL, &timer, NULL);
    VALUE(pause());
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    hits = 0;
    timer.it_interval.tv_usec = 5000;
    setitimer(ITIMER_REAL, &timer, NULL);
    struct timespec nap = { 0, 100000000 };
    VALUE(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL));
    timer.it_value.tv_usec = timer.it_interval.tv_usec = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("hits %d\n", hits > 0);
}

static void identity(void)
{
    struct utsname u;
    VALUE(uname(&u));
    printf("%s %s\n", u.sysname, u.machine);
    VALUE(getuid() == geteuid());
    VALUE(setuid(getuid()));
    VALUE(getpgrp() > 0);
    VALUE(getpgid(0) == getpgrp());
    VALUE(getpriority(PRIO_PROCESS, 0) >= 0);
    VALUE(syscall(SYS_gettid) == getpid());
    VALUE(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    VALUE(sysconf(_SC_PAGESIZE));
    char random[32] = "", zero[32] = "";
    VALUE(syscall(SYS_getrandom, random, 32, 0));
    VALUE(memcmp(random, zero, 32) != 0);
    VALUE(syscall(SYS_getrandom, random, 32, 77));
    VALUE(syscall(SYS_getrandom, 16, 32, 0));
    VALUE(syscall(9999));
    VALUE(syscall(SYS_uname, 8));
}

static volatile int alarms;

static void on_alarm(int signo) { alarms++; }

/* Up to 256 random bytes come whole, on two pages and whatever signals come (random(7)). */
static void random_whole(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int brief = 0;
    pages[0] = pages[4096] = 1;
    sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 200 }, { 0, 200 } }, NULL);
    while (alarms < 300)
        brief += getrandom(pages + 4096 - 100, 256, 0) != 256;
    setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
    signal(SIGALRM, SIG_DFL);
    printf("short %d times\n", brief);
}

static void counts(int number) { printf("caught %d\n", number); }

/* What ppoll's mask lets in is not delivered if there is something to return. */
static void found_before_the_signal(void)
{
    sigset_t set, none;
    sigemptyset(&none), sigemptyset(&set), sigaddset(&set, SIGUSR2);
    signal(SIGUSR2, counts), sigprocmask(SIG_BLOCK, &set, NULL), raise(SIGUSR2);
    int ends[2];
    pipe(ends);
    struct pollfd writable = { ends[1], POLLOUT };
    printf("found %d\n", ppoll(&writable, 1, NULL, &none));
    sigpending(&set);
    printf("waits on %d\n", sigismember(&set, SIGUSR2));
    sigprocmask(SIG_SETMASK, &none, NULL), signal(SIGUSR2, SIG_DFL);
    close(ends[0]), close(ends[1]);
}

int main(void)
{
    found_before_the_signal();
    handlers();
    stacks();
    registers();
    clocks();
    restarts();
    identity();
    random_whole();
    return 0;
}
