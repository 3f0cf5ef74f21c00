/*
 * Urgent threads on two CPUs, each of which has an ordinary thread to run as well: the two most urgent run, wherever
 * they were when one blocked, was driven away, fell in priority or was let go elsewhere. Run by root with two CPUs.
 *
 * That two threads run at the same time is shown by what they do: they pass a number to and fro without giving up
 * their CPU, which never ends if one waits for the other's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 50, LOW = 10, MIDDLE = 20, HIGH = 30, BOTH = 3, HOGS = 6 };

static volatile int ending;
static volatile long ball;
static volatile int low_runs, high_runs;
static sem_t go, ended;

static void may_use(pthread_t thread, unsigned mask)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < 2; cpu++)
        if (mask >> cpu & 1)
            CPU_SET(cpu, &set);
    if ((errno = pthread_setaffinity_np(thread, sizeof set, &set)))
        printf("affinity: %s\n", strerror(errno)), exit(1);
}

static void level(pthread_t thread, int priority)
{
    struct sched_param parameters = { priority };
    if ((errno = pthread_setschedparam(thread, priority ? SCHED_FIFO : SCHED_OTHER, &parameters)))
        printf("priority: %s\n", strerror(errno)), exit(1);
}

static pthread_t start(int priority, void *(*run)(void *), long argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    struct sched_param parameters = { priority };
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, priority ? SCHED_FIFO : SCHED_OTHER);
    pthread_attr_setschedparam(&attributes, &parameters);
    if ((errno = pthread_create(&thread, &attributes, run, (void *)argument)))
        printf("no thread: %s\n", strerror(errno)), exit(1);
    return thread;
}

static void *ordinary(void *cpu)
{
    may_use(pthread_self(), 1u << (long)cpu);
    while (!ending)
        ;
    return NULL;
}

/* Which of two players has the ball is its parity. */
static void *plays(void *side)
{
    while (ball < ROUNDS)
        if (ball % 2 == (long)side)
            ball++;
    return NULL;
}

static void *waits_then_plays(void *side)
{
    sem_wait(&go);
    return plays(side);
}

/* Keeps a CPU to itself until somebody else has been seen to run. */
static void *holds(void *mask)
{
    may_use(pthread_self(), (long)mask);
    high_runs = 1;
    while (!low_runs)
        ;
    sem_post(&ended);
    return NULL;
}

static void *is_driven_away(void *unused)
{
    while (!high_runs)
        ;
    low_runs = 1;
    return NULL;
}

static void *until_low_runs(void *unused)
{
    while (!low_runs)
        ;
    return NULL;
}

static void *says_it_runs(void *unused)
{
    low_runs = 1;
    return NULL;
}

static void *spins(void *unused)
{
    while (high_runs != 2)
        ;
    return NULL;
}

static void rest(void)
{
    struct timespec moment = { 0, 20 * 1000 * 1000 };
    nanosleep(&moment, NULL);
}

static void begin(void) { ball = low_runs = high_runs = 0; }

int main(void)
{
    alarm(20);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&go, 0, 0);
    sem_init(&ended, 0, 0);
    pthread_t hogs[HOGS];
    for (int i = 0; i < HOGS; i++) /* all but one on CPU 1: so it has no less to do, and balancing changes nothing */
        hogs[i] = start(0, ordinary, i > 0);
    level(pthread_self(), 99);

    begin();
    pthread_t one = start(MIDDLE, plays, 0), other = start(MIDDLE, plays, 1);
    pthread_join(one, NULL), pthread_join(other, NULL);
    printf("started: both run\n");

    begin();
    one = start(MIDDLE, waits_then_plays, 0), other = start(MIDDLE, waits_then_plays, 1);
    rest();
    sem_post(&go), sem_post(&go);
    pthread_join(one, NULL), pthread_join(other, NULL);
    printf("woken: both run\n");

    /* One of priority 30 comes to the CPU of one of priority 10, which goes on where an ordinary thread runs. */
    begin();
    one = start(LOW, is_driven_away, 0);
    may_use(one, 1), rest(), may_use(one, BOTH);
    other = start(HIGH, holds, 1);
    pthread_join(one, NULL), pthread_join(other, NULL);
    printf("driven away: goes on elsewhere\n");

    /* Two of priority 30 have both CPUs, one of priority 10 waits; the one that it waits behind stays, the other ends. */
    begin();
    one = start(HIGH, until_low_runs, 0), other = start(HIGH, spins, 0);
    may_use(one, 1), may_use(other, 2);
    pthread_t low = start(LOW, says_it_runs, 0);
    may_use(low, 1), rest(), may_use(low, BOTH);
    high_runs = 2;
    pthread_join(low, NULL), pthread_join(one, NULL), pthread_join(other, NULL);
    printf("one ended: the one that waits is fetched\n");

    /* The same, but the other does not end: it is no longer urgent. */
    begin();
    one = start(HIGH, until_low_runs, 0), other = start(HIGH, until_low_runs, 0);
    may_use(one, 1), may_use(other, 2);
    low = start(LOW, says_it_runs, 0);
    may_use(low, 1), rest(), may_use(low, BOTH);
    level(other, 0);
    pthread_join(low, NULL), pthread_join(one, NULL), pthread_join(other, NULL);
    printf("one fell: the one that waits is fetched\n");

    /* It may use only the CPU where it waits, and then another, where an ordinary thread runs. */
    begin();
    one = start(HIGH, until_low_runs, 0);
    may_use(one, 1);
    low = start(LOW, says_it_runs, 0);
    may_use(low, 1), rest(), may_use(low, 2);
    pthread_join(low, NULL), pthread_join(one, NULL);
    printf("let go: runs elsewhere\n");

    ending = 1;
    for (int i = 0; i < HOGS; i++)
        pthread_join(hogs[i], NULL);
    return 0;
}
