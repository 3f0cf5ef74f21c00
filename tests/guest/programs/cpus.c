/* What goes wrong between CPUs if it goes wrong: stale translations, affinity, signals, futexes, timers
 * and vector registers of threads that move, execve and exit while other threads run. Prints one line
 * a part, 0 wrong in each. Needs four CPUs. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CPUS 4
#define PAGE 4096
#define LIMIT_NS 20000000000ull

static atomic_int finished, wrong;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int pin(pid_t tid, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return syscall(SYS_sched_setaffinity, tid, sizeof set, &set);
}

static int here(void)
{
    unsigned cpu = 99;
    syscall(SYS_getcpu, &cpu, NULL, NULL);
    return cpu;
}

static void start(pthread_t *threads, int count, void *(*run)(void *))
{
    finished = 0;
    for (long index = 0; index < count; index++)
        pthread_create(&threads[index], NULL, run, (void *)index);
}

static void join(pthread_t *threads, int count)
{
    finished = 1;
    for (int index = 0; index < count; index++)
        pthread_join(threads[index], NULL);
}

static void report(const char *part)
{
    printf("%s: %d wrong\n", part, atomic_exchange(&wrong, 0));
    fflush(stdout);
}

/* Stale translations: the page says which state it is in, the even number in `state`. Every other CPU
 * looks at it in each. */
static char *page;
static atomic_uint state, looked[CPUS - 1];

static void wait_for_others(atomic_uint *words, unsigned wanted)
{
    uint64_t limit = now() + LIMIT_NS;
    for (int index = 0; index < CPUS - 1; index++) {
        while (words[index] != wanted && now() < limit)
            ;
        if (words[index] != wanted) {
            printf("CPU %d does not get so far\n", index + 1);
            exit(9);
        }
    }
}

static void *read_state(void *index)
{
    pin(0, (long)index + 1);
    while (!finished) {
        unsigned before = state, found = *(volatile unsigned *)page;
        if (before == state && before % 2 == 0 && found != before)
            wrong++;
        looked[(long)index] = before;
    }
    return NULL;
}

static void replace_pages(void)
{
    pthread_t threads[CPUS - 1];
    int file = memfd_create("page", 0), reserve = MAP_FIXED | MAP_PRIVATE;
    ftruncate(file, PAGE);
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start(threads, CPUS - 1, read_state);
    for (int round = 0; round < 100; round++) {
        state++;
        if (round % 2)
            mmap(page, PAGE, PROT_READ | PROT_WRITE, reserve | MAP_ANONYMOUS, -1, 0);
        else
            mmap(page, PAGE, PROT_READ | PROT_WRITE, reserve, file, 0);
        wait_for_others(looked, state); /* they have read what is to be copied */
        *(volatile unsigned *)page = state + 1;
        state++;
        wait_for_others(looked, state);
    }
    join(threads, CPUS - 1);
    report("replaced and copied pages");
}

static atomic_int is_there = 1;
static atomic_uint round_of, missed[CPUS - 1];
static _Thread_local int own_index;

static void wait_until_there(int signo)
{
    while (!is_there) {
        missed[own_index] = round_of;
        sched_yield();
    }
}

static void *count_up(void *index)
{
    own_index = (long)index;
    pin(0, (long)index + 1);
    volatile unsigned *mine = (unsigned *)page + (long)index;
    while (!finished)
        ++*mine;
    return NULL;
}

static void take_away(int moves)
{
    pthread_t threads[CPUS - 1];
    unsigned before[CPUS - 1];
    char *other = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start(threads, CPUS - 1, count_up);
    for (int round = 0; round < 50; round++) {
        is_there = 0;
        round_of++;
        if (moves)
            mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
        else
            mprotect(page, PAGE, PROT_READ);
        char *kept = moves ? other : page;
        memcpy(before, kept, sizeof before);
        wait_for_others(missed, round_of); /* none of them could write */
        if (memcmp(before, kept, sizeof before) != 0)
            wrong++;
        if (moves)
            mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page);
        else
            mprotect(page, PAGE, PROT_READ | PROT_WRITE);
        is_there = 1;
    }
    join(threads, CPUS - 1);
    report(moves ? "moved pages" : "protected pages");
}

/* Affinity. */
static atomic_int tids[CPUS], cpu_of[CPUS], token;

static void *tell_cpu(void *index)
{
    tids[(long)index] = gettid();
    while (!finished)
        cpu_of[(long)index] = here();
    return NULL;
}

static void *sleep_until_token(void *index)
{
    tids[(long)index] = gettid();
    for (int seen = 0; !finished;) {
        syscall(SYS_futex, &token, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        if (token != seen) {
            seen = token;
            cpu_of[(long)index] = here();
        }
    }
    return NULL;
}

static void expect_on(int index, int cpu)
{
    uint64_t limit = now() + LIMIT_NS;
    while (cpu_of[index] != cpu && now() < limit)
        sched_yield();
    if (cpu_of[index] != cpu)
        wrong++;
}

static void move_threads(void)
{
    pthread_t threads[CPUS];
    memset(tids, 0, sizeof tids);
    start(threads, CPUS, tell_cpu);
    for (int index = 0; index < CPUS; index++)
        while (!tids[index])
            sched_yield();
    for (int round = 0; round < 6; round++) { /* all on one CPU, so most of them are in its queue */
        for (int index = 0; index < CPUS; index++)
            pin(tids[index], round % CPUS);
        for (int index = 0; index < CPUS; index++)
            expect_on(index, round % CPUS);
        for (int index = 0; index < CPUS; index++)
            pin(tids[index], (index + round) % CPUS);
        for (int index = 0; index < CPUS; index++)
            expect_on(index, (index + round) % CPUS);
    }
    join(threads, CPUS);
    memset(tids, 0, sizeof tids);
    start(threads, 1, sleep_until_token);
    while (!tids[0])
        sched_yield();
    for (int round = 0; round < 40; round++) {
        cpu_of[0] = -1;
        pin(tids[0], round % CPUS);
        token++;
        syscall(SYS_futex, &token, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        expect_on(0, round % CPUS);
        pin(0, (round + 1) % CPUS);
        if (here() != (round + 1) % CPUS || sched_getcpu() != (round + 1) % CPUS)
            wrong++;
    }
    finished = 1;
    token++;
    syscall(SYS_futex, &token, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    join(threads, 1);
    cpu_set_t all;
    memset(&all, 255, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    errno = 0;
    if (pin(0, 63) != -1 || errno != EINVAL)
        wrong++;
    report("affinity");
}

/* Signals. */
static atomic_int caught[CPUS], ready;
static atomic_ullong longest_gap[CPUS];

static void catch(int signo)
{
    caught[own_index]++;
}

static void *compute(void *index)
{
    own_index = (long)index;
    pin(0, (long)index + 1);
    tids[(long)index] = gettid();
    uint64_t last = now();
    while (!finished) {
        uint64_t time = now();
        if (time - last > longest_gap[(long)index])
            longest_gap[(long)index] = time - last;
        last = time;
    }
    return NULL;
}

static void send_signals(void)
{
    pthread_t threads[CPUS];
    uint64_t limit;
    memset(tids, 0, sizeof tids);
    pin(0, 0);
    start(threads, CPUS - 1, compute);
    for (int index = 0; index < CPUS - 1; index++)
        while (!tids[index])
            sched_yield();
    for (int round = 1; round <= 20; round++)
        for (int index = 0; index < CPUS - 1; index++) {
            limit = now() + LIMIT_NS;
            syscall(SYS_tgkill, getpid(), tids[index], SIGUSR1);
            while (caught[index] < round && now() < limit)
                sched_yield();
            if (caught[index] != round)
                wrong++;
        }
    report("signals");

    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
    struct itimerspec later = { .it_value.tv_nsec = 100000000 };
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    memset(longest_gap, 0, sizeof longest_gap);
    timer_settime(timer, 0, &later, NULL);
    kill(getpid(), SIGSTOP);
    limit = now() + LIMIT_NS;
    for (int index = 0; index < CPUS - 1; index++) {
        while (longest_gap[index] < 50000000 && now() < limit)
            sched_yield();
        if (longest_gap[index] < 50000000)
            wrong++;
    }
    join(threads, CPUS - 1);
    report("stopped threads");
}

/* Futexes between CPUs. */
static atomic_int turn;

static void *ping_pong(void *index)
{
    int me = (long)index;
    pin(0, 1 + me);
    for (int round = 0; round < 1000; round++) {
        while (turn % 2 != me) {
            int seen = turn;
            if (seen % 2 != me)
                syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        }
        turn++;
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    return NULL;
}

/* Timers on every CPU. */
static void *nap(void *index)
{
    pin(0, (long)index);
    for (int round = 0; round < 20; round++) {
        uint64_t began = now();
        struct timespec time = { 0, 3000000 };
        clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
        if (now() - began < 3000000)
            wrong++;
    }
    return NULL;
}

/* Threads that come, move with full vector registers, and go. */
static void *move_registers(void *index)
{
    unsigned char in[16 * 32], out[16 * 32];
    cpu_set_t set;
    for (int round = 0; round < 4; round++) {
        for (unsigned at = 0; at < sizeof in; at++)
            in[at] = at * 7 + (long)index * 13 + round;
        CPU_ZERO(&set);
        CPU_SET((round + (long)index) % CPUS, &set);
        register long number asm("rax") = SYS_sched_setaffinity;
        register long thread asm("rdi") = 0;
        register long size asm("rsi") = sizeof set;
        register cpu_set_t *mask asm("rdx") = &set;
        asm volatile(
#define EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)
#define LOAD(n) "vmovdqu 32*" #n "(%[in]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", 32*" #n "(%[out])\n\t"
            EACH(LOAD) "syscall\n\t" EACH(STORE)
            : "+r"(number)
            : "r"(thread), "r"(size), "r"(mask), [in] "r"(in), [out] "r"(out)
            : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
              "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
        if (number < 0 || memcmp(in, out, sizeof in) != 0 || here() != (round + (long)index) % CPUS)
            wrong++;
    }
    return NULL;
}

static void *storm(void *index)
{
    pthread_t threads[8];
    for (int round = 0; round < 8; round++) {
        for (long each = 0; each < 8; each++)
            pthread_create(&threads[each], NULL, move_registers, (void *)(each + (long)index));
        for (int each = 0; each < 8; each++)
            pthread_join(threads[each], NULL);
    }
    return NULL;
}

/* A signal that comes before a thread's first turn, after which nothing leads into the kernel. */
static volatile int heard;

static void hear(int signo)
{
    heard = 1;
}

static int listen_only(void *argument)
{
    while (!heard)
        __builtin_ia32_pause();
    syscall(SYS_exit, 0);
    return 0;
}

static void signal_new_threads(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    signal(SIGUSR2, hear);
    int late = 0;
    for (int round = 0; round < 100; round++) {
        volatile int alive = 1;
        heard = 0;
        int thread = clone(listen_only, stack + sizeof stack,
                           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                               CLONE_CHILD_CLEARTID,
                           NULL, NULL, NULL, &alive);
        syscall(SYS_tgkill, getpid(), thread, SIGUSR2);
        for (uint64_t began = now(); !heard && now() - began < 300000000;)
            ;
        late += !heard;
        heard = 1;
        while (alive)
            __builtin_ia32_pause();
    }
    if (late > 4)
        wrong++; /* fewer may be the host's doing */
}

/* The program is replaced again and again while others make threads. */
static void *stay(void *argument)
{
    for (;;)
        pause();
}

static void *make_threads(void *index)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (;;)
        pthread_create(&thread, &small, stay, NULL);
}

static void replace_while_making(const char *path, int left)
{
    pthread_t threads[2];
    char word[16];
    start(threads, 2, make_threads);
    usleep(1400);
    snprintf(word, sizeof word, "%d", left);
    execl(path, path, word, NULL);
}

/* What others do while the program is replaced, and ends. */
static int ends[2];

static void *keep_on(void *index)
{
    ready++;
    char byte;
    char *own = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (;;)
        switch ((long)index % 4) {
        case 0:
            break;
        case 1:
            syscall(SYS_getppid);
            break;
        case 2:
            read(ends[0], &byte, 1);
            break;
        default:
            memset(own, 1, 64 * PAGE);
            madvise(own, 64 * PAGE, MADV_DONTNEED);
        }
}

static void *replace_program(void *path)
{
    while (ready < 8)
        sched_yield();
    execl(path, path, "100", NULL);
    return NULL;
}

int main(int count, char **words)
{
    pthread_t threads[8], one;
    pipe(ends);
    if (count > 1 && atoi(words[1]) > 0)
        replace_while_making(words[0], atoi(words[1]) - 1);
    if (count > 1) {
        puts("executed");
        fflush(stdout);
        start(threads, 8, keep_on);
        while (ready < 8)
            sched_yield();
        exit(5);
    }
    signal(SIGSEGV, wait_until_there);
    signal(SIGUSR1, catch);
    signal_new_threads();
    report("signals to new threads");
    replace_pages();
    take_away(0);
    take_away(1);
    move_threads();
    send_signals();
    start(threads, 2, ping_pong);
    join(threads, 2);
    report(turn == 2000 ? "turns" : "lost turns");
    start(threads, CPUS, nap);
    join(threads, CPUS);
    report("naps");
    start(threads, CPUS, storm);
    join(threads, CPUS);
    report("moved registers");
    start(threads, 8, keep_on);
    pthread_create(&one, NULL, replace_program, words[0]);
    pthread_join(one, NULL);
    return 1;
}
