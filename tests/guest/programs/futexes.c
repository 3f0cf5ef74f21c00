/* Futex operations by system call: waiting, requeueing, locks with priority inheritance, several words at once. */
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define PRIVATE FUTEX_PRIVATE_FLAG
#define SYS_WAITV 449

struct wait_word {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static atomic_uint word, other, locked, stage, results[16];
static volatile int hits;

static long futex(atomic_uint *at, int operation, unsigned value, void *timeout, atomic_uint *second, unsigned third)
{
    return syscall(SYS_futex, at, operation, value, timeout, second, third);
}

static void nap(int milliseconds)
{
    struct timespec time = { 0, milliseconds * 1000000L };
    nanosleep(&time, NULL);
}

static struct timespec *after(clockid_t clock, int milliseconds)
{
    static __thread struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += milliseconds * 1000000L;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return &time;
}

static void on_signal(int signo) { hits++; }

static void *waiter(void *argument)
{
    long bits = (long)argument;
    stage++;
    long result = futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, NULL, NULL, bits);
    results[bits & 15] = result < 0 ? errno : 100;
    stage++;
    return NULL;
}

static void plain(void)
{
    word = 5;
    VALUE(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT | PRIVATE, 5, after(CLOCK_MONOTONIC, 0) - 0 ? &(struct timespec){ 0, 1000000 } : 0, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT, 5, &(struct timespec){ 0, 1000000000 }, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT, 5, &(struct timespec){ -1, 0 }, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT_BITSET, 5, after(CLOCK_MONOTONIC, 2), NULL, 1));
    VALUE(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, after(CLOCK_REALTIME, 2), NULL, 1));
    VALUE(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0));
    VALUE(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    VALUE(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    VALUE(futex((void *)((char *)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0));
    VALUE(futex((void *)4096, FUTEX_WAIT, 1, NULL, NULL, 0));
    VALUE(futex((void *)4096, FUTEX_WAIT | PRIVATE, 1, NULL, NULL, 0));
    VALUE(futex((void *)4096, FUTEX_WAKE, 1, NULL, NULL, 0));
    VALUE(futex((void *)4096, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0));
    VALUE(futex(&word, 2, 1, NULL, NULL, 0));
    VALUE(futex(&word, 14, 1, NULL, NULL, 0));
    VALUE(futex(&word, 99, 1, NULL, NULL, 0));
    VALUE(futex(&word, FUTEX_REQUEUE, -1, NULL, &other, 0));
    VALUE(futex(&word, FUTEX_REQUEUE, 1, (void *)-1L, &other, 0));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 4));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 5));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 5));
}

static void bits(void)
{
    pthread_t threads[3];
    word = 0;
    stage = 0;
    for (long i = 1; i <= 3; i++)
        pthread_create(&threads[i - 1], NULL, waiter, (void *)(i == 3 ? 4 : i));
    while (stage < 3)
        nap(1);
    nap(20);
    VALUE(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 9, NULL, NULL, 8));
    VALUE(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 9, NULL, NULL, 2));
    pthread_join(threads[1], NULL);
    printf("second %d\n", results[2]);
    VALUE(futex(&word, FUTEX_REQUEUE | PRIVATE, 1, (void *)9, &other, 0));
    VALUE(futex(&word, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0));
    VALUE(futex(&other, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0));
    pthread_join(threads[0], NULL);
    pthread_join(threads[2], NULL);
}

static void operations(void)
{
    static const struct { unsigned operation, argument, compare, value; } table[] = {
        { FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 1 },     { FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_NE, 7 },
        { FUTEX_OP_OR, 0x30, FUTEX_OP_CMP_LT, 9 },   { FUTEX_OP_ANDN, 2, FUTEX_OP_CMP_LE, 9 },
        { FUTEX_OP_XOR, 0xf0, FUTEX_OP_CMP_GT, 9 },  { FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 9, FUTEX_OP_CMP_GE, 0xfff },
        { 5, 1, FUTEX_OP_CMP_EQ, 0 },                { FUTEX_OP_SET, 1, 6, 0 },
    };
    other = 1;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        unsigned encoded = table[i].operation << 28 | table[i].compare << 24 | (table[i].argument & 0xfff) << 12 | (table[i].value & 0xfff);
        long result = futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, (void *)1, &other, encoded);
        printf("operation %u: %ld %s, word %u\n", i, result, result < 0 ? strerrorname_np(errno) : "", other);
    }
    VALUE(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, (void *)4096, 0));
    void *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VALUE(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, constant, 0));
    VALUE(futex(constant, FUTEX_WAIT, 1, NULL, NULL, 0));
    VALUE(futex(constant, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
}

static void *locker(void *argument)
{
    long me = (long)argument;
    stage++;
    long result = futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    results[me] = result < 0 ? errno : 100 + ((locked & FUTEX_TID_MASK) == syscall(SYS_gettid));
    nap(2);
    if (!result)
        result = futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    results[me + 8] = result < 0 ? errno : 200;
    return NULL;
}

static void *die_with_lock(void *argument)
{
    futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    stage = 1;
    nap(50);
    return NULL;
}

static void locks(void)
{
    pthread_t threads[3];
    unsigned me = syscall(SYS_gettid);
    locked = 0;
    VALUE(futex(&locked, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    printf("mine %d\n", locked == me);
    VALUE(futex(&locked, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    printf("free %d\n", locked == 0);
    locked = 0x3ffffff0;
    VALUE(futex(&locked, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    locked = FUTEX_OWNER_DIED;
    VALUE(futex(&locked, FUTEX_LOCK_PI2, 0, NULL, NULL, 0));
    printf("died %d\n", locked == (me | FUTEX_OWNER_DIED));
    stage = 0;
    locked = me;
    for (long i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, locker, (void *)i);
        while (stage <= i)
            nap(1);
        nap(10);
    }
    printf("waiters %d\n", locked == (me | FUTEX_WAITERS));
    VALUE(futex(&locked, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        printf("locker %d: %d %d\n", i, results[i], results[i + 8]);
    printf("free %d\n", locked == 0);

    stage = 0;
    pthread_create(&threads[0], NULL, die_with_lock, NULL);
    while (!stage)
        nap(1);
    VALUE(futex(&locked, FUTEX_TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, after(CLOCK_REALTIME, 5), NULL, 0));
    VALUE(futex(&locked, FUTEX_LOCK_PI2 | PRIVATE, 0, after(CLOCK_MONOTONIC, 5), NULL, 0));
    VALUE(futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    printf("inherited %d\n", (locked & ~FUTEX_WAITERS) == (me | FUTEX_OWNER_DIED));
    VALUE(futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    printf("free %d\n", locked == 0);
    pthread_join(threads[0], NULL);
}

static void *deadlock(void *argument)
{
    futex(&other, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    stage = 1;
    long result = futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    results[0] = result;
    futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    futex(&other, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static void deadlocks(void)
{
    pthread_t thread;
    locked = other = stage = 0;
    futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&thread, NULL, deadlock, NULL);
    while (!stage)
        nap(1);
    nap(20);
    VALUE(futex(&other, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    VALUE(futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    pthread_join(thread, NULL);
    printf("other side %u\n", results[0]);
}

static void *mover(void *argument)
{
    long me = (long)argument;
    stage++;
    long result = futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &locked, 0);
    results[me] = result < 0 ? errno : 100 + ((locked & FUTEX_TID_MASK) == syscall(SYS_gettid));
    if (!result)
        futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static void moves(void)
{
    pthread_t threads[3];
    word = locked = stage = 0;
    VALUE(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 1, NULL, &locked, 0));
    VALUE(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &word, 0));
    VALUE(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, after(CLOCK_MONOTONIC, 2), &locked, 0));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 2, (void *)9, &locked, 0));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)9, &locked, 1));
    VALUE(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)9, &locked, 0));
    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, mover, (void *)i);
    while (stage < 3)
        nap(1);
    nap(20);
    VALUE(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)9, &other, 0));
    VALUE(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0));
    futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    VALUE(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)9, &locked, 0));
    VALUE(futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("moved %d %d %d, free %d\n", results[0], results[1], results[2], locked == 0);
}

static void *interrupted(void *argument)
{
    stage = 1;
    long result = futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    printf("after a signal %ld, handled %d\n", result, hits);
    futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    stage = 0;
    result = futex(&word, FUTEX_WAIT | PRIVATE, 0, NULL, NULL, 0);
    printf("wait %s\n", result ? strerrorname_np(errno) : "0");
    return NULL;
}

static void interruptions(void)
{
    pthread_t thread;
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    locked = word = stage = 0;
    futex(&locked, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    pthread_create(&thread, NULL, interrupted, NULL);
    while (!stage)
        nap(1);
    nap(20);
    pthread_kill(thread, SIGUSR1);
    nap(20);
    VALUE(futex(&locked, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    while (stage)
        nap(1);
    nap(20);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
}

static void *wake_two(void *argument)
{
    nap(20);
    while (!futex(&other, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0))
        nap(1);
    return NULL;
}

static void vectors(void)
{
    struct wait_word words[3] = { { 1, (uintptr_t)&word, 2 | PRIVATE }, { 2, (uintptr_t)&other, 2 | PRIVATE }, { 3, (uintptr_t)&locked, 2 } };
    pthread_t thread;
    word = 1;
    other = 2;
    locked = 3;
    VALUE(syscall(SYS_WAITV, words, 3, 1, NULL, 0));
    VALUE(syscall(SYS_WAITV, words, 0, 0, NULL, 0));
    VALUE(syscall(SYS_WAITV, words, 129, 0, NULL, 0));
    VALUE(syscall(SYS_WAITV, NULL, 1, 0, NULL, 0));
    VALUE(syscall(SYS_WAITV, words, 3, 0, after(CLOCK_MONOTONIC, 2), CLOCK_MONOTONIC));
    VALUE(syscall(SYS_WAITV, words, 3, 0, after(CLOCK_REALTIME, 2), CLOCK_REALTIME));
    VALUE(syscall(SYS_WAITV, words, 3, 0, after(CLOCK_REALTIME, 2), 7));
    other = 9;
    VALUE(syscall(SYS_WAITV, words, 3, 0, NULL, 0));
    other = 2;
    words[1].flags = PRIVATE;
    VALUE(syscall(SYS_WAITV, words, 3, 0, NULL, 0));
    words[1].flags = 2 | PRIVATE;
    words[1].reserved = 1;
    VALUE(syscall(SYS_WAITV, words, 3, 0, NULL, 0));
    words[1].reserved = 0;
    pthread_create(&thread, NULL, wake_two, NULL);
    VALUE(syscall(SYS_WAITV, words, 3, 0, NULL, 0));
    pthread_join(thread, NULL);
}

static void *wait_there(void *argument)
{
    stage = 1;
    return (void *)futex(argument, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void shared(void)
{
    pthread_t thread;
    int file = memfd_create("shared", 0);
    ftruncate(file, 8192);
    char *one = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
    stage = 0;
    pthread_create(&thread, NULL, wait_there, one + 4096 + 8);
    while (!stage)
        nap(1);
    nap(20);
    VALUE(futex((atomic_uint *)(two + 8), FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0));
    VALUE(futex((atomic_uint *)(two + 8), FUTEX_WAKE, 1, NULL, NULL, 0));
    void *result;
    pthread_join(thread, &result);
    printf("through the other mapping %ld\n", (long)result);
}

static pthread_mutex_t mutex;

static void *hold(void *argument)
{
    pthread_mutex_lock(&mutex);
    return NULL;
}

static void *count(void *argument)
{
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&mutex);
        (*(long *)argument)++;
        if (i % 100 == 0)
            sched_yield();
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void mutexes(void)
{
    for (int protocol = 0; protocol < 2; protocol++)
        for (int type = 0; type < 3; type++)
            for (int robust = 0; robust < 2; robust++) {
                pthread_mutexattr_t attributes;
                pthread_t threads[4];
                long sum = 0;
                pthread_mutexattr_init(&attributes);
                pthread_mutexattr_setprotocol(&attributes, protocol ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
                pthread_mutexattr_settype(&attributes, type == 0 ? PTHREAD_MUTEX_NORMAL : type == 1 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_ERRORCHECK);
                pthread_mutexattr_setrobust(&attributes, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
                printf("mutex %d %d %d: %d", protocol, type, robust, pthread_mutex_init(&mutex, &attributes));
                for (int i = 0; i < 4; i++)
                    pthread_create(&threads[i], NULL, count, &sum);
                for (int i = 0; i < 4; i++)
                    pthread_join(threads[i], NULL);
                printf(" %ld", sum);
                if (robust) {
                    pthread_create(&threads[0], NULL, hold, NULL);
                    pthread_join(threads[0], NULL);
                    printf(" %s", strerrorname_np(pthread_mutex_lock(&mutex)));
                    printf(" %d %d", pthread_mutex_consistent(&mutex), pthread_mutex_unlock(&mutex));
                    printf(" %d %d", pthread_mutex_trylock(&mutex), pthread_mutex_unlock(&mutex));
                }
                puts("");
            }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    plain();
    bits();
    operations();
    locks();
    deadlocks();
    moves();
    interruptions();
    vectors();
    shared();
    mutexes();
    return 0;
}
