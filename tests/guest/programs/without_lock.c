/* Calls that several CPUs answer without the kernel lock: what they say, and that no wake-up is lost. */
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define THREADS 4
#define TURNS 3000
#define PRIVATE FUTEX_PRIVATE_FLAG

static atomic_uint word, lock, turn;
static long counter;

static long futex(void *at, int operation, unsigned value, void *timeout, unsigned bits)
{
    return syscall(SYS_futex, at, operation, value, timeout, NULL, bits);
}

static void answers(void)
{
    struct timespec time = { 0, 0 }, before, now;
    struct timeval day;
    unsigned cpu = 99, node = 99;
    VALUE(syscall(SYS_getpid) == getpid());
    VALUE(syscall(SYS_gettid) == syscall(SYS_getpid));
    VALUE(syscall(SYS_getpgrp) == getpgid(0));
    VALUE(syscall(SYS_getuid) == getuid());
    VALUE(syscall(SYS_geteuid) == geteuid());
    VALUE(syscall(SYS_getgid) == getgid());
    VALUE(syscall(SYS_getegid) == getegid());
    VALUE(syscall(SYS_getcpu, &cpu, &node, NULL));
    VALUE(node);
    VALUE(syscall(SYS_getcpu, 8L, NULL, NULL));
    VALUE(syscall(SYS_getcpu, NULL, 8L, NULL));
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before);
    clock_gettime(CLOCK_MONOTONIC, &now);
    VALUE(now.tv_sec - before.tv_sec <= 1);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &before);
    VALUE(syscall(SYS_time, NULL) - before.tv_sec <= 1);
    VALUE(syscall(SYS_gettimeofday, &day, NULL));
    VALUE(day.tv_sec - before.tv_sec <= 1);
    VALUE(syscall(SYS_gettimeofday, 8L, NULL));
    VALUE(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8L));
    VALUE(syscall(SYS_clock_gettime, 77, &time));
    VALUE(syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &time));
    VALUE(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time));
    VALUE(time.tv_nsec);
    VALUE(syscall(SYS_clock_getres, CLOCK_REALTIME_COARSE, NULL));
    VALUE(syscall(SYS_clock_getres, 77, &time));
    VALUE(syscall(SYS_time, 8L));
    VALUE(syscall(SYS_sched_yield));

    word = 3;
    VALUE(futex(&word, FUTEX_WAIT | PRIVATE, 4, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 4, NULL, 1));
    VALUE(futex(&word, FUTEX_WAIT_BITSET | PRIVATE | FUTEX_CLOCK_REALTIME, 4, NULL, 1));
    VALUE(futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 4, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT | PRIVATE | FUTEX_CLOCK_REALTIME, 4, NULL, 0));
    VALUE(futex(&word, FUTEX_WAIT | PRIVATE, 3, &(struct timespec){ 0, 1000 }, 0));
    VALUE(futex(&word, FUTEX_WAIT | PRIVATE, 4, &(struct timespec){ 0, -1 }, 0));
    VALUE(futex((char *)&word + 1, FUTEX_WAIT | PRIVATE, 4, NULL, 0));
    VALUE(futex((void *)8, FUTEX_WAIT | PRIVATE, 4, NULL, 0));
    VALUE(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, 0));
    VALUE(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 1, NULL, 2));
    VALUE(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 1, NULL, 0));
    VALUE(futex((char *)&word + 2, FUTEX_WAKE | PRIVATE, 1, NULL, 0));
    VALUE(futex((void *)8, FUTEX_WAKE | PRIVATE, 1, NULL, 0));
}

/* Drepper, "Futexes are tricky", mutex 2, which wakes whoever may wait. */
static void take(void)
{
    unsigned found = 0;
    if (atomic_compare_exchange_strong(&lock, &found, 1)) return;
    if (found != 2) found = atomic_exchange(&lock, 2);
    while (found) {
        futex(&lock, FUTEX_WAIT | PRIVATE, 2, NULL, 0);
        found = atomic_exchange(&lock, 2);
    }
}

static void give(void)
{
    if (atomic_fetch_sub(&lock, 1) != 1) {
        lock = 0;
        futex(&lock, FUTEX_WAKE | PRIVATE, 1, NULL, 0);
    }
}

/* Every change of the turn is followed by a wake-up, whether anybody sleeps or not. */
static void *work(void *argument)
{
    unsigned me = (long)argument;
    for (int i = 0; i < TURNS; i++) {
        take();
        counter++;
        give();
        for (unsigned found; (found = turn) % THREADS != me;)
            futex(&turn, FUTEX_WAIT | PRIVATE, found, NULL, 0);
        turn++;
        futex(&turn, FUTEX_WAKE | PRIVATE, THREADS, NULL, 0);
    }
    return NULL;
}

/* Threads come and go while others ask about them: an answer about one that is gone would be noise. */
#define COMERS 400
static atomic_uint newest, done, strange;
static unsigned long every;

static void *come_and_go(void *argument)
{
    newest = syscall(SYS_gettid);
    return argument;
}

static void *ask(void *argument)
{
    while (!done)
        for (unsigned tid = newest > 6 ? newest - 6 : 1; tid <= newest + 1; tid++) {
            unsigned long mask = 0;
            long policy = syscall(SYS_sched_getscheduler, tid);
            long size = syscall(SYS_sched_getaffinity, tid, sizeof mask, &mask);
            if (size > 0 ? mask != every : errno != ESRCH) strange++;
            if (policy != SCHED_OTHER && !(policy == -1 && errno == ESRCH)) strange++;
        }
    return argument;
}

static void others(void)
{
    pthread_t askers[2], comer[4];
    syscall(SYS_sched_getaffinity, 0, sizeof every, &every);
    newest = syscall(SYS_gettid);
    for (int i = 0; i < 2; i++) pthread_create(&askers[i], NULL, ask, NULL);
    for (int i = 0; i < COMERS; i += 4) {
        for (int j = 0; j < 4; j++) pthread_create(&comer[j], NULL, come_and_go, NULL);
        for (int j = 0; j < 4; j++) pthread_join(comer[j], NULL);
    }
    done = 1;
    for (int i = 0; i < 2; i++) pthread_join(askers[i], NULL);
    printf("%u strange answers\n", (unsigned)strange);
}

/* Threads that give way while they are moved: nobody may run one whose last CPU is still about to leave it. */
enum { YIELDERS = 4, MOVES = 100000 };
static atomic_uint yielder[YIELDERS], stopped;

static void *give_way(void *id)
{
    yielder[(long)id] = syscall(SYS_gettid);
    while (!stopped) sched_yield();
    return id;
}

static void moved(void)
{
    pthread_t threads[YIELDERS];
    unsigned random = 1;
    for (long i = 0; i < YIELDERS; i++) pthread_create(&threads[i], NULL, give_way, (void *)i);
    for (int i = 0; i < MOVES; i++) {
        random = random * 1103515245 + 12345;
        unsigned long where = 1ul << (random >> 16) % 3;
        unsigned tid = yielder[(random >> 20) % YIELDERS];
        if (tid != 0) syscall(SYS_sched_setaffinity, tid, sizeof where, &where);
    }
    stopped = 1;
    for (int i = 0; i < YIELDERS; i++) pthread_join(threads[i], NULL);
    puts("moved");
}

int main(void)
{
    pthread_t threads[THREADS];
    answers();
    others();
    for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("%ld turns, %u taken\n", counter, (unsigned)turn);
    moved();
    return 0;
}
