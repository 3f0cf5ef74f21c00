/* POSIX threads: creation, joining, mutexes, conditions, thread-local data, signals, cancellation. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COUNT 8

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static __thread int own = 5;
static int shared, turn;
static atomic_int ready, destroyed, handled_by;

static void *add(void *argument)
{
    for (int i = 0; i < 10000; i++) {
        pthread_mutex_lock(&mutex);
        shared++;
        if (i % 1000 == 0)
            sched_yield();
        pthread_mutex_unlock(&mutex);
    }
    own += (int)(long)argument;
    return (void *)(long)own;
}

static void *take_turns(void *argument)
{
    int me = (int)(long)argument;
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % COUNT != me)
            pthread_cond_wait(&condition, &mutex);
        turn++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void *floats(void *argument)
{
    double value = (long)argument, sum = 0;
    for (int i = 0; i < 200000; i++) {
        sum += value / (i + 1);
        if (i % 5000 == 0)
            sched_yield();
    }
    double expected = 0;
    for (int i = 0; i < 200000; i++)
        expected += value / (i + 1);
    return (void *)(long)(sum == expected);
}

static void spin_handler(int signo)
{
    handled_by = syscall(SYS_gettid);
}

static void *spin(void *argument)
{
    ready = syscall(SYS_gettid);
    while (!handled_by)
        ;
    return NULL;
}

static void *sleep_long(void *argument)
{
    ready = 1;
    sleep(1000);
    return NULL;
}

static void destroy(void *argument)
{
    destroyed++;
}

static void *with_key(void *argument)
{
    pthread_setspecific(*(pthread_key_t *)argument, argument);
    return NULL;
}

static void *post(void *argument)
{
    sem_post(&semaphore);
    return NULL;
}

static void *die_holding(void *argument)
{
    pthread_mutex_lock(argument);
    return NULL;
}

int main(void)
{
    pthread_t threads[COUNT];
    void *result;
    long sum = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long i = 0; i < COUNT; i++)
        printf("create %d\n", pthread_create(&threads[i], NULL, add, (void *)i));
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("shared %d, sum %ld, own %d\n", shared, sum, own);

    pthread_barrier_init(&barrier, NULL, COUNT);
    for (long i = 0; i < COUNT; i++)
        pthread_create(&threads[i], NULL, take_turns, (void *)i);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    printf("turns %d\n", turn);

    int right = 0;
    for (long i = 0; i < COUNT; i++)
        pthread_create(&threads[i], NULL, floats, (void *)(i + 1));
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], &result);
        right += (long)result;
    }
    printf("floats right %d\n", right);

    signal(SIGUSR1, spin_handler);
    ready = 0;
    pthread_create(&threads[0], NULL, spin, NULL);
    while (!ready)
        sched_yield();
    printf("kill %d\n", pthread_kill(threads[0], SIGUSR1));
    pthread_join(threads[0], NULL);
    printf("handled there %d\n", handled_by == ready);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    handled_by = 0;
    ready = 0;
    pthread_create(&threads[0], NULL, spin, NULL);
    while (!ready)
        sched_yield();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    pthread_join(threads[0], NULL);
    printf("taken by the thread that does not block it %d\n", handled_by == ready);

    ready = 0;
    pthread_create(&threads[0], NULL, sleep_long, NULL);
    while (!ready)
        sched_yield();
    printf("cancel %d\n", pthread_cancel(threads[0]));
    pthread_join(threads[0], &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);

    pthread_key_t key;
    pthread_key_create(&key, destroy);
    for (int i = 0; i < COUNT; i++)
        pthread_create(&threads[i], NULL, with_key, &key);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    printf("destroyed %d\n", destroyed);

    sem_init(&semaphore, 0, 0);
    pthread_create(&threads[0], NULL, post, NULL);
    sem_wait(&semaphore);
    pthread_join(threads[0], NULL);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    printf("timed wait %d %s\n", sem_timedwait(&semaphore, &soon), strerror(ETIMEDOUT));

    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t robust;
    pthread_mutex_init(&robust, &attributes);
    pthread_create(&threads[0], NULL, die_holding, &robust);
    pthread_join(threads[0], NULL);
    printf("robust %d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);

    for (int round = 0; round < 200; round++) {
        for (long i = 0; i < COUNT; i++)
            if (pthread_create(&threads[i], NULL, post, NULL))
                return 2;
        for (int i = 0; i < COUNT; i++)
            pthread_join(threads[i], NULL);
    }
    printf("many threads\n");
    return 7;
}
