/* Signals beyond the first steps: stopping, stacks, queues, vector state in frames, repairs, execve by any thread. */
#include "show.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <ucontext.h>
#include <cpuid.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static volatile int hits, last, last_code, order[64], value;
static volatile long going, counter;
static volatile unsigned flags_seen;
static char room[65536], small[4096];

static void on_signal(int signo) { order[hits++ & 63] = signo; last = signo; }

static void *count(void *argument)
{
    while (going)
        counter++;
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* A stopped process goes on when its own timer sends SIGCONT. */
static void stopping(void)
{
    pthread_t thread;
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
    struct itimerspec soon = { { 0, 0 }, { 0, 200000000 } };
    going = 1;
    pthread_create(&thread, NULL, count, NULL);
    while (!counter)
        ;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    double start = now();
    timer_settime(timer, 0, &soon, NULL);
    kill(getpid(), SIGSTOP);
    long at_once = counter;
    double stopped = now() - start;
    printf("stopped %d\n", stopped > 0.15 && stopped < 5);
    signal(SIGCONT, on_signal);
    hits = 0;
    timer_settime(timer, 0, &soon, NULL);
    raise(SIGSTOP);
    printf("continued %d with a handler %d\n", now() - start > 0.35, hits);
    going = 0;
    pthread_join(thread, NULL);
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTSTP);
    kill(getpid(), SIGCONT);
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    kill(getpid(), SIGTSTP);
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    signal(SIGTSTP, SIG_IGN);
    signal(SIGCONT, SIG_IGN);
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGKILL, SIG_IGN);
    timer_delete(timer);
}

static void on_stack(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    stack_t old;
    char here;
    sigaltstack(NULL, &old);
    flags_seen = old.ss_flags;
    hits++;
    if (hits == 1)
        printf("on it %d, told %x, saved %x %d\n", &here > room && &here < room + sizeof room, flags_seen,
               u->uc_stack.ss_flags, u->uc_stack.ss_size == sizeof room);
    if (hits == 1 && !(old.ss_flags & SS_DISABLE)) {
        stack_t other = { .ss_sp = small, .ss_size = sizeof small };
        VALUE(sigaltstack(&other, NULL));
        raise(SIGUSR2);
    }
}

static int deeper(int n)
{
    volatile char page[4096];
    page[0] = n;
    return n > 1000000 ? 0 : deeper(n + 1) + page[0];
}

static sigjmp_buf out;

static void escape(int signo, siginfo_t *info, void *context)
{
    last = signo;
    last_code = info->si_code;
    siglongjmp(out, 1);
}

static void stacks(void)
{
    struct sigaction action = { .sa_sigaction = on_stack, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_sp = room, .ss_size = sizeof room }, old;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaltstack(&stack, NULL);
    hits = 0;
    raise(SIGUSR1);
    printf("nested %d\n", hits);
    stack.ss_flags = SS_AUTODISARM;
    VALUE(sigaltstack(&stack, NULL));
    hits = 0;
    raise(SIGUSR1);
    sigaltstack(NULL, &old);
    printf("armed again %x %d\n", old.ss_flags, old.ss_sp == room);
    stack.ss_flags = 77;
    VALUE(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_ONSTACK;
    VALUE(sigaltstack(&stack, NULL));
    stack.ss_flags = 0;
    sigaltstack(&stack, NULL);

    action.sa_sigaction = escape;
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 3; i++)
        if (!sigsetjmp(out, 1))
            deeper(0);
    printf("overflow %d code %d\n", last, last_code);
}

static volatile char *protected;
static volatile long repaired;

static void repair(int signo, siginfo_t *info, void *context)
{
    repaired++;
    mprotect((void *)protected, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    u->uc_mcontext.gregs[REG_RIP] += 2;
    u->uc_mcontext.gregs[REG_RAX] = 42;
    repaired++;
}

/* What the JVM and collectors do: a page that is unprotected by the handler, an instruction that is left out. */
static void repairs(void)
{
    struct sigaction action = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    protected = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 1000; i++) {
        protected[i] = i;
        mprotect((void *)protected, 4096, i % 2 ? PROT_READ : PROT_NONE);
    }
    printf("repaired %ld\n", repaired);
    action.sa_sigaction = skip;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    repaired = 0;
    long result;
    __asm__ volatile("xor %%eax, %%eax; mov (%%rax), %%eax" : "=a"(result));
    printf("null %ld\n", result);
    __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" : "=a"(result)::"rcx", "rdx");
    printf("divide %ld\n", result);
    __asm__ volatile("ud2" : "=a"(result));
    printf("illegal %ld, all %ld\n", result, repaired);
}

static void in_order(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    action.sa_mask = all;
    const int sent[] = { SIGRTMIN + 3, SIGUSR2, SIGRTMIN, SIGTERM, SIGRTMIN, SIGHUP, SIGUSR2, SIGRTMIN + 3 };
    for (unsigned i = 0; i < 8; i++)
        sigaction(sent[i], &action, NULL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (unsigned i = 0; i < 8; i++)
        kill(getpid(), sent[i]);
    hits = 0;
    sigprocmask(SIG_SETMASK, &none, NULL);
    printf("%d in order:", hits);
    for (int i = 0; i < hits; i++)
        printf(" %d", order[i]);
    puts("");

    struct rlimit limit, before; /* it counts all processes of a user */
    getrlimit(RLIMIT_SIGPENDING, &before);
    limit.rlim_cur = 1500;
    limit.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_SIGPENDING, &limit);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int queued = 0;
    while (queued < 5000 && !sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = queued }))
        queued++;
    printf("queued %d %s\n", queued > 10 && queued <= 1500, strerrorname_np(errno));
    VALUE(kill(getpid(), SIGRTMIN));
    VALUE(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 9 }));
    siginfo_t info;
    VALUE(sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }));
    int right = 1, taken = 0;
    while (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) > 0)
        right &= info.si_value.sival_int == taken++ || info.si_code != SI_QUEUE;
    printf("taken %d right %d\n", taken >= queued, right);
    setrlimit(RLIMIT_SIGPENDING, &before);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void *take(void *argument)
{
    siginfo_t info;
    sigset_t *set = argument;
    going++;
    int signo = sigwaitinfo(set, &info);
    printf("thread took %d code %d value %d\n", signo, info.si_code, info.si_value.sival_int);
    return NULL;
}

static void to_threads(void)
{
    sigset_t set, old;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    going = 0;
    pthread_create(&thread, NULL, take, &set);
    while (!going)
        usleep(1000);
    usleep(20000);
    int sent = pthread_sigqueue(thread, SIGUSR1, (union sigval){ .sival_int = 31 });
    pthread_join(thread, NULL);
    printf("sent %d\n", sent);
    siginfo_t info = { .si_code = SI_QUEUE };
    VALUE(syscall(SYS_rt_tgsigqueueinfo, getpid(), 99999, SIGUSR1, &info));
    VALUE(syscall(SYS_rt_tgsigqueueinfo, 0, 1, SIGUSR1, &info));
    VALUE(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 99, &info));
    VALUE(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info));
    VALUE(syscall(SYS_tgkill, getpid(), getpid(), 0));
    VALUE(syscall(SYS_tkill, -1, 9));
    VALUE(syscall(SYS_tgkill, getpid() + 1, getpid(), 0));
    int file = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo found;
    pthread_kill(pthread_self(), SIGUSR1);
    VALUE(read(file, &found, sizeof found));
    printf("read %u code %d\n", found.ssi_signo, found.ssi_code);
    close(file);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    VALUE(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    VALUE(syscall(SYS_rt_sigprocmask, 9, &set, NULL, 8));
    VALUE(syscall(SYS_rt_sigprocmask, 9, NULL, NULL, 8));
    VALUE(syscall(SYS_rt_sigsuspend, &set, 4));
    VALUE(syscall(SYS_rt_sigtimedwait, &set, NULL, &(struct timespec){ 0, -1 }, 8));
}

/* Signals that are ignored are taken nevertheless by who waits for them, having blocked them. */
static int awaited[] = { SIGURG, SIGCHLD, SIGUSR2 };

static void *await(void *signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, *(int *)signo);
    going++;
    printf("awaited %d\n", sigtimedwait(&set, NULL, &(struct timespec){ 2, 0 }) == *(int *)signo);
    return NULL;
}

static void ignored(void)
{
    sigset_t set, old;
    pthread_t thread;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    void (*before)(int) = signal(SIGUSR2, SIG_IGN);
    for (int at = 0; at < 6; at++) {
        going = 0;
        pthread_create(&thread, NULL, await, &awaited[at % 3]);
        while (!going)
            usleep(1000);
        usleep(20000);
        if (at < 3)
            kill(getpid(), awaited[at]);
        else
            pthread_kill(thread, awaited[at % 3]);
        pthread_join(thread, NULL);
    }
    signal(SIGUSR2, before);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* While one thread is in its handler, which blocks the signal, another takes the next. */
static volatile int handlers;

static void handle_both(int signo)
{
    if (__sync_fetch_and_add(&handlers, 1) == 0) {
        for (int round = 0; round < 200 && handlers < 2; round++)
            usleep(10000);
        printf("taken meanwhile %d\n", handlers == 2);
    }
}

static void *doze(void *argument)
{
    going++;
    while (handlers < 2)
        usleep(3000000);
    return NULL;
}

static void *send_two(void *argument)
{
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    while (going < 2)
        usleep(1000);
    usleep(20000);
    sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ 0 });
    sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ 0 });
    while (handlers < 2)
        usleep(1000);
    return NULL;
}

static void passed_on(void)
{
    pthread_t sender, dozer;
    signal(SIGRTMIN + 3, handle_both);
    handlers = going = 0;
    pthread_create(&sender, NULL, send_two, NULL);
    pthread_create(&dozer, NULL, doze, NULL);
    doze(NULL);
    pthread_join(sender, NULL);
    pthread_join(dozer, NULL);
}

struct software {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t size, padding[7];
};

/* How long a frame with these components is: some that the CPU has may be for programs that ask. */
static uint32_t frame_size(uint64_t features)
{
    uint32_t size = 576, a, b, c, d;
    for (int component = 2; component < 63; component++) {
        if (features >> component & 1) {
            __cpuid_count(0xd, component, a, b, c, d);
            if (a + b > size)
                size = a + b;
        }
    }
    return size;
}

static int has_avx;
static void on_vectors(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    char *state = (char *)u->uc_mcontext.fpregs;
    struct software *software = (void *)(state + 464);
    uint32_t *magic2 = (void *)(state + software->extended_size - 4);
    printf("flags %lx, aligned %d, magic %x %x, features %d, size %d\n", u->uc_flags & 7, ((uintptr_t)state & 63) == 0,
           software->magic1, *magic2, (software->features & 3) == 3, software->size == frame_size(software->features));
    uint64_t *header = (void *)(state + 512);
    uint64_t *xmm5 = (void *)(state + 160 + 5 * 16), *high5 = (void *)(state + 576 + 5 * 16);
    printf("header %d, xmm5 %lx %lx, upper %lx\n", (header[0] & 2) == 2, xmm5[0], xmm5[1], has_avx ? high5[0] : 0x33);
    xmm5[0] = 0x5555;
    if (has_avx)
        high5[1] = 0x7777;
    *(uint32_t *)(state + 24) |= 0x8000; /* flush to zero */
    u->uc_mcontext.gregs[REG_R14] = 99;
    __asm__ volatile("pcmpeqd %%xmm5, %%xmm5; fninit" ::: "xmm5");
}

/* A handler finds the vector registers in its frame, and what it changes there is loaded. */
static void vectors(void)
{
    struct sigaction action = { .sa_sigaction = on_vectors, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &action, NULL);
    has_avx = __builtin_cpu_supports("avx");
    uint64_t in[4] = { 0x11, 0x22, 0x33, 0x44 }, after[4] = { 0x5555, 0x22, 0x33, has_avx ? 0x7777 : 0x44 };
    uint32_t control = 0;
    long r14;
    fflush(stdout);
    if (has_avx)
        __asm__ volatile("vmovdqu %2, %%ymm5; mov $1, %%r14\n mov $39, %%eax; syscall; mov %%eax, %%edi; mov $10, %%esi; mov $62, %%eax; syscall\n"
                         "vmovdqu %%ymm5, %0; mov %%r14, %1; stmxcsr %3; vzeroupper"
                         : "=m"(*(uint64_t(*)[4])in), "=r"(r14) : "m"(*(uint64_t(*)[4])in), "m"(control)
                         : "rax", "rcx", "rdx", "rdi", "rsi", "r11", "r14", "xmm5", "memory");
    else
        r14 = 99, in[0] = 0x5555, control = 0x8000;
    printf("loaded %d, general %ld, control %d\n", !memcmp(in, after, 32), r14, (control & 0x8000) != 0);
    control &= ~0x8000;
    __asm__ volatile("ldmxcsr %0" ::"m"(control));
}

static sigjmp_buf after_bad_frame;
static void *bad_place;
static void on_bad_frame(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    if (signo == SIGSEGV) {
        printf("bad frame: code %d, address %p\n", info->si_code, info->si_addr);
        siglongjmp(after_bad_frame, 1);
    }
    u->uc_mcontext.fpregs = bad_place;
}

/* A frame that cannot be taken back, or that finds no room, is a fault like another: its handler runs. */
static void bad_frames(void)
{
    static char other[65536], small[65536];
    struct sigaction action = { .sa_sigaction = on_bad_frame, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGSEGV, &action, NULL);
    sigaltstack(&(stack_t){ .ss_sp = other, .ss_size = sizeof other }, NULL);
    void *places[] = { (void *)64, (void *)-64, (void *)-448, (void *)(1ul << 63), (void *)0x7fffffffefc0 };
    for (int i = 0; i < sizeof places / sizeof places[0]; i++) {
        bad_place = places[i];
        if (!sigsetjmp(after_bad_frame, 1))
            raise(SIGUSR1);
    }
    mprotect((void *)(((uintptr_t)small + 4095) & -4096l), 4096, PROT_NONE);
    if (!sigsetjmp(after_bad_frame, 1))
        __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp\n mov $39, %%eax; syscall; mov %%eax, %%edi; mov $10, %%esi; mov $62, %%eax; syscall\n"
                         "mov %%rbx, %%rsp" ::"r"((((uintptr_t)small + 4095) & -4096l) + 4096)
                         : "rax", "rbx", "rcx", "rdx", "rdi", "rsi", "r11", "memory");
    sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    signal(SIGSEGV, SIG_DFL);
}

static void *run(void *argument)
{
    char **words = argument;
    usleep(10000);
    execv(words[0], words);
    return NULL;
}

static void *spin(void *argument)
{
    for (volatile long i = 0;; i++)
        ;
}

static void *sleep_on(void *argument)
{
    pause();
    sleep(1000);
    return NULL;
}

int main(int number, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (number > 1) {
        char target[16] = { 0 };
        long found = readlink("/proc/self", target, 15);
        printf("after execve: one thread id %d, mask %d\n", getpid() == syscall(SYS_gettid), found > 0);
        if (words[1][0] == '2')
            return 5;
    } else {
        stopping();
        stacks();
        repairs();
        in_order();
        to_threads();
    ignored();
    passed_on();
        vectors();
        bad_frames();
    }
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, sleep_on, NULL);
        pthread_create(&thread, NULL, spin, NULL);
    }
    char *again[] = { words[0], number > 1 ? "2" : "1", NULL };
    if (number > 1)
        run(again); /* from the first thread */
    pthread_create(&thread, NULL, run, again); /* from another */
    pause();
    return 1;
}
