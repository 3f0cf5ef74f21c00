/* Who runs when by policy and priority, all on one CPU: sched(7). Run by root on both sides. */
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <time.h>

static char order[64];
static volatile int length;
static sem_t gate, other_gate;
static volatile int going, seen;
static volatile long counts[2];
static pthread_mutex_t mutex;

static void say(char letter) { order[length++] = letter; }

static void told(const char *what)
{
    order[length] = 0;
    printf("%s: %s\n", what, order);
    length = 0;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Own CPU time, so that others do not make it shorter. */
static void spin(double seconds)
{
    double end = now(CLOCK_THREAD_CPUTIME_ID) + seconds;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}

static pthread_t start(int policy, int level, void *(*run)(void *), long argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    struct sched_param parameters = { level };
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, policy);
    pthread_attr_setschedparam(&attributes, &parameters);
    if ((errno = pthread_create(&thread, &attributes, run, (void *)argument)))
        printf("no thread: %s\n", strerrorname_np(errno)), exit(1);
    return thread;
}

static void self(int policy, int level)
{
    struct sched_param parameters = { level };
    sched_setscheduler(0, policy, &parameters);
}

static void *once(void *letter) { say((long)letter); return NULL; }

static void *thrice(void *letter)
{
    for (int i = 0; i < 3; i++)
        say((long)letter);
    return NULL;
}

static void *thrice_yielding(void *letter)
{
    for (int i = 0; i < 3; i++) {
        say((long)letter);
        sched_yield();
    }
    return NULL;
}

static void *wait_and_say(void *letter)
{
    sem_wait(&gate);
    say((long)letter);
    return NULL;
}

static void *alternate(void *letter)
{
    double end = now(CLOCK_THREAD_CPUTIME_ID) + 0.25;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        if (!length || order[length - 1] != (char)(long)letter)
            say((long)letter);
    return NULL;
}

static void *low(void *unused)
{
    pthread_mutex_lock(&mutex);
    sem_post(&other_gate);
    spin(0.02);
    say('l');
    pthread_mutex_unlock(&mutex);
    say('L');
    return NULL;
}

static void *middle(void *unused)
{
    spin(0.05);
    say('m');
    return NULL;
}

static void *high(void *unused)
{
    pthread_mutex_lock(&mutex);
    say('h');
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *count(void *which)
{
    if (which)
        setpriority(PRIO_PROCESS, syscall(SYS_gettid), 10);
    while (going)
        counts[(long)which]++;
    return NULL;
}

static void *idle_count(void *which)
{
    self(SCHED_IDLE, 0);
    while (going)
        counts[1]++;
    return NULL;
}

/* How many times as often the first counts as the second, once both have begun. */
static double measured(void)
{
    usleep(100000);
    long first = counts[0], second = counts[1];
    sleep(1);
    return (double)(counts[0] - first) / (counts[1] - second + 1);
}

static void *notice(void *unused)
{
    seen = 1;
    return NULL;
}

static void both(pthread_t a, pthread_t b)
{
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

/* What a busy host makes of shares in a second is not certain: only a guest is asked. */
static void shares(void)
{
    pthread_t a, b;
    double ratio;
    going = 1;
    a = start(SCHED_OTHER, 0, count, 0), b = start(SCHED_OTHER, 0, count, 1);
    ratio = measured();
    going = 0;
    both(a, b);
    printf("nice to others %d\n", ratio > 3);
    going = 1;
    a = start(SCHED_OTHER, 0, count, 0), b = start(SCHED_OTHER, 0, idle_count, 1);
    ratio = measured();
    going = 0;
    both(a, b);
    printf("when nobody else wants %d\n", ratio > 20);
}

int main(int words, char **arguments)
{
    cpu_set_t one;
    pthread_t a, b, c;
    pthread_mutexattr_t attributes;
    setvbuf(stdout, NULL, _IOLBF, 0);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    VALUE(sched_setaffinity(0, sizeof one, &one));
    if (words > 1) {
        shares();
        return 0;
    }
    sem_init(&gate, 0, 0);
    sem_init(&other_gate, 0, 0);
    self(SCHED_FIFO, 50);

    a = start(SCHED_FIFO, 10, once, 'a'), b = start(SCHED_RR, 30, once, 'b'), c = start(SCHED_FIFO, 20, once, 'c');
    say('-');
    both(a, b);
    pthread_join(c, NULL);
    told("by priority");

    a = start(SCHED_FIFO, 10, thrice, 'a'), b = start(SCHED_FIFO, 10, thrice, 'b');
    both(a, b);
    told("first in, first out");
    a = start(SCHED_FIFO, 10, thrice_yielding, 'a'), b = start(SCHED_FIFO, 10, thrice_yielding, 'b');
    both(a, b);
    told("yielding");

    a = start(SCHED_FIFO, 60, once, 'a');
    say('-');
    b = start(SCHED_FIFO, 60, wait_and_say, 'b');
    say('-');
    sem_post(&gate);
    say('-');
    both(a, b);
    a = start(SCHED_FIFO, 50, wait_and_say, 'c');
    sched_yield();
    sem_post(&gate);
    say('-');
    pthread_join(a, NULL);
    told("the more urgent at once, equals later");

    a = start(SCHED_FIFO, 40, once, 'a');
    say('-');
    self(SCHED_FIFO, 30);
    say('-');
    self(SCHED_FIFO, 50);
    b = start(SCHED_FIFO, 40, once, 'b');
    pthread_setschedprio(b, 55);
    say('-');
    both(a, b);
    a = start(SCHED_OTHER, 0, once, 'c');
    sched_yield();
    say('-');
    self(SCHED_OTHER, 0);
    pthread_join(a, NULL);
    self(SCHED_FIFO, 50);
    told("changed");

    a = start(SCHED_FIFO, 10, alternate, 'a'), b = start(SCHED_FIFO, 10, alternate, 'b');
    both(a, b);
    told("without turns");
    a = start(SCHED_RR, 10, alternate, 'a'), b = start(SCHED_RR, 10, alternate, 'b');
    both(a, b);
    order[4] = 0;
    length = length > 4 ? 4 : length;
    told("with turns");

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex, &attributes);
    a = start(SCHED_FIFO, 10, low, 0);
    sem_wait(&other_gate);
    b = start(SCHED_FIFO, 20, middle, 0), c = start(SCHED_FIFO, 30, high, 0);
    both(a, b);
    pthread_join(c, NULL);
    told("a lock that lends priority");

    a = start(SCHED_OTHER, 0, notice, 0);
    double end = now(CLOCK_MONOTONIC) + 4;
    while (!seen && now(CLOCK_MONOTONIC) < end)
        ;
    printf("others get something %d\n", seen);
    pthread_join(a, NULL);
    self(SCHED_OTHER, 0);

    return 0;
}
