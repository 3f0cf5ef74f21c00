/* Every kind of POSIX thread object once, with what each promises; prints only what is certain. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 2000

static void check(const char *what, int got)
{
    printf("%s: %s\n", what, got ? strerrorname_np(got) : "ok");
}

static struct timespec later(clockid_t clock, long nanoseconds)
{
    struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += nanoseconds;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void pause_ms(int milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&time, &time))
        ;
}

/* Mutexes */

static pthread_mutex_t mutex;
static long counter;

static void *add(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *try_lock(void *result)
{
    *(int *)result = pthread_mutex_trylock(&mutex);
    if (*(int *)result == 0)
        pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *timed_lock(void *result)
{
    struct timespec at = later(CLOCK_REALTIME, 20000000);
    *(int *)result = pthread_mutex_timedlock(&mutex, &at);
    return NULL;
}

static void *unlock_foreign(void *result)
{
    *(int *)result = pthread_mutex_unlock(&mutex);
    return NULL;
}

static int in_thread(void *(*body)(void *))
{
    pthread_t thread;
    int result = -1;
    pthread_create(&thread, NULL, body, &result);
    pthread_join(thread, NULL);
    return result;
}

static void count_together(const char *name)
{
    pthread_t threads[THREADS];
    counter = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%s: %ld\n", name, counter);
}

static void one_mutex(const char *name, int type, int protocol, int robust, int shared)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setpshared(&attributes, shared);
    printf("-- %s\n", name);
    int made = pthread_mutex_init(&mutex, &attributes);
    if (made) {
        check("init", made);
        return;
    }
    count_together("counted");
    check("lock", pthread_mutex_lock(&mutex));
    check("try from another", in_thread(try_lock));
    check("timed from another", in_thread(timed_lock));
    if (type != PTHREAD_MUTEX_NORMAL || robust == PTHREAD_MUTEX_ROBUST) {
        check("unlock from another", in_thread(unlock_foreign));
        int again = pthread_mutex_lock(&mutex);
        check("lock again", again);
        if (again == 0)
            check("unlock", pthread_mutex_unlock(&mutex));
    }
    check("unlock", pthread_mutex_unlock(&mutex));
    check("destroy", pthread_mutex_destroy(&mutex));
}

static atomic_int held;

static void *die_holding(void *unused)
{
    pthread_mutex_lock(&mutex);
    held = 1;
    return unused;
}

static void robust_mutex(const char *name, int protocol, int shared)
{
    pthread_mutexattr_t attributes;
    pthread_t thread;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutexattr_setpshared(&attributes, shared);
    pthread_mutex_init(&mutex, &attributes);
    printf("-- dead owner, %s\n", name);
    pthread_create(&thread, NULL, die_holding, NULL);
    pthread_join(thread, NULL);
    check("lock", pthread_mutex_lock(&mutex));
    check("consistent", pthread_mutex_consistent(&mutex));
    check("unlock", pthread_mutex_unlock(&mutex));
    count_together("counted");
    held = 0;
    pthread_create(&thread, NULL, die_holding, NULL);
    while (!held)
        sched_yield();
    check("lock or wait", pthread_mutex_lock(&mutex));
    pthread_join(thread, NULL);
    check("unlock inconsistent", pthread_mutex_unlock(&mutex));
    check("lock", pthread_mutex_lock(&mutex));
    check("destroy", pthread_mutex_destroy(&mutex));
}

static void priority_protect(void)
{
    pthread_mutexattr_t attributes;
    int ceiling = 0;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT);
    pthread_mutexattr_setprioceiling(&attributes, 5);
    check("-- priority protect", pthread_mutex_init(&mutex, &attributes));
    pthread_mutex_getprioceiling(&mutex, &ceiling);
    printf("ceiling %d\n", ceiling);
    int locked = pthread_mutex_lock(&mutex);
    if (locked == 0)
        locked = pthread_mutex_unlock(&mutex);
    check("lock and unlock", locked == EPERM ? 0 : locked); /* whoever may not raise priorities */
}

/* Condition variables */

static pthread_cond_t condition;
static int tokens, consumed;

static void *consume(void *unused)
{
    pthread_mutex_lock(&mutex);
    while (consumed < THREADS * 100) {
        while (tokens == 0 && consumed < THREADS * 100)
            pthread_cond_wait(&condition, &mutex);
        if (tokens > 0) {
            tokens--;
            consumed++;
        }
    }
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void conditions(const char *name, clockid_t clock, int shared)
{
    pthread_t threads[THREADS];
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_condattr_setpshared(&attributes, shared);
    pthread_cond_init(&condition, &attributes);
    pthread_mutex_init(&mutex, NULL);
    printf("-- conditions, %s\n", name);
    pthread_mutex_lock(&mutex);
    struct timespec at = later(clock, 10000000);
    check("timed", pthread_cond_timedwait(&condition, &mutex, &at));
    at = later(CLOCK_MONOTONIC, 10000000);
    check("by clock", pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &at));
    at = (struct timespec){0, 1000000000};
    check("bad time", pthread_cond_timedwait(&condition, &mutex, &at));
    pthread_mutex_unlock(&mutex);
    tokens = consumed = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, consume, NULL);
    for (int i = 0; i < THREADS * 100; i++) {
        pthread_mutex_lock(&mutex);
        tokens++;
        i % 3 ? pthread_cond_signal(&condition) : pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("consumed %d\n", consumed);
    check("destroy", pthread_cond_destroy(&condition));
}

/* Barriers, read-write locks, spin locks, semaphores, once */

static pthread_barrier_t barrier;
static atomic_int serial, inside, most_inside;

static void *meet(void *unused)
{
    for (int i = 0; i < 50; i++)
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            serial++;
    return unused;
}

static pthread_rwlock_t rwlock;
static int written;

static void *read_often(void *unused)
{
    for (int i = 0; i < 500; i++) {
        pthread_rwlock_rdlock(&rwlock);
        if (written % 2)
            puts("torn");
        pthread_rwlock_unlock(&rwlock);
    }
    return unused;
}

static void *write_often(void *unused)
{
    for (int i = 0; i < 200; i++) {
        pthread_rwlock_wrlock(&rwlock);
        written++;
        if (i % 50 == 0)
            sched_yield();
        written++;
        pthread_rwlock_unlock(&rwlock);
    }
    return unused;
}

static void *try_write(void *result)
{
    *(int *)result = pthread_rwlock_trywrlock(&rwlock);
    return NULL;
}

static void *timed_write(void *result)
{
    struct timespec at = later(CLOCK_REALTIME, 10000000);
    *(int *)result = pthread_rwlock_timedwrlock(&rwlock, &at);
    return NULL;
}

static pthread_spinlock_t spin;

static void *spin_often(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_spin_lock(&spin);
        counter++;
        pthread_spin_unlock(&spin);
    }
    return unused;
}

static sem_t semaphore;

static void *pass_two(void *unused)
{
    for (int i = 0; i < 100; i++) {
        sem_wait(&semaphore);
        int now = ++inside;
        if (now > most_inside)
            most_inside = now;
        if (i % 10 == 0)
            sched_yield();
        inside--;
        sem_post(&semaphore);
    }
    return unused;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int initialised;

static void initialise(void)
{
    pause_ms(5);
    initialised++;
}

static void *need_it(void *unused)
{
    pthread_once(&once, initialise);
    return unused;
}

static void all_run(void *(*body)(void *), void *(*first)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, i < 2 && first ? first : body, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void others(void)
{
    pthread_barrier_init(&barrier, NULL, THREADS);
    all_run(meet, NULL);
    printf("-- barrier: %d\n", serial);
    check("destroy", pthread_barrier_destroy(&barrier));
    for (int kind = 0; kind < 3; kind++) {
        pthread_rwlockattr_t attributes;
        pthread_rwlockattr_init(&attributes);
        pthread_rwlockattr_setkind_np(&attributes, kind);
        pthread_rwlock_init(&rwlock, &attributes);
        written = 0;
        all_run(read_often, write_often);
        printf("-- rwlock %d: %d\n", kind, written);
        pthread_rwlock_rdlock(&rwlock);
        check("try write", in_thread(try_write));
        check("timed write", in_thread(timed_write));
        check("write while reading", pthread_rwlock_trywrlock(&rwlock));
        pthread_rwlock_unlock(&rwlock);
        pthread_rwlock_wrlock(&rwlock);
        check("write while writing", pthread_rwlock_wrlock(&rwlock));
        check("unlock", pthread_rwlock_unlock(&rwlock));
    }
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    counter = 0;
    all_run(spin_often, NULL);
    printf("-- spin: %ld\n", counter);
    sem_init(&semaphore, 0, 2);
    all_run(pass_two, NULL);
    printf("-- semaphore: at most two %d\n", most_inside <= 2 && most_inside > 0);
    sem_wait(&semaphore);
    sem_wait(&semaphore);
    check("try", sem_trywait(&semaphore) ? errno : 0);
    struct timespec at = later(CLOCK_REALTIME, 10000000);
    check("timed", sem_timedwait(&semaphore, &at) ? errno : 0);
    at = later(CLOCK_MONOTONIC, 10000000);
    check("by clock", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &at) ? errno : 0);
    sem_t *named = sem_open("/krait-pthreads", O_CREAT, 0600, 1);
    sem_unlink("/krait-pthreads");
    check("named", named == SEM_FAILED ? errno : sem_wait(named) ? errno : 0);
    check("named try", sem_trywait(named) ? errno : 0);
    all_run(need_it, NULL);
    printf("-- once: %d\n", initialised);
}

/* Thread-local storage and its destructors */

static __thread int local = 41;
static pthread_key_t keys[4];
static atomic_int destroyed[4], rounds_of_last;

static void destroy(void *value)
{
    int which = (int)(intptr_t)value - 1;
    destroyed[which]++;
    if (which == 3 && ++rounds_of_last < 3)
        pthread_setspecific(keys[3], value); /* comes again, up to PTHREAD_DESTRUCTOR_ITERATIONS */
}

static void *use_local(void *unused)
{
    local++;
    for (int i = 0; i < 4; i++)
        pthread_setspecific(keys[i], (void *)(intptr_t)(i + 1));
    return (void *)(intptr_t)local;
}

static void storage(void)
{
    pthread_t thread;
    void *result;
    for (int i = 0; i < 4; i++)
        pthread_key_create(&keys[i], destroy);
    pthread_create(&thread, NULL, use_local, NULL);
    pthread_join(thread, &result);
    printf("-- storage: %ld here %d, destroyed %d %d %d %d\n", (long)(intptr_t)result, local,
           destroyed[0], destroyed[1], destroyed[2], destroyed[3]);
}

/* Cancellation */

static void tidy(void *text)
{
    printf("cleanup %s\n", (char *)text);
}

static atomic_int spinning, asked;

static void *sleep_long(void *unused)
{
    pthread_cleanup_push(tidy, "outer");
    pthread_cleanup_push(tidy, "inner");
    spinning = 6;
    pause();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return unused;
}

static void *spin_long(void *unused)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(tidy, "asynchronous");
    spinning = 1;
    for (;;)
        ;
    pthread_cleanup_pop(0);
    return unused;
}

static void *refuse_first(void *unused)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    spinning = 2;
    while (!asked)
        pause_ms(5);
    puts("not yet");
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    puts("never");
    return unused;
}

static void *wait_for_ever(void *unused)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push((void (*)(void *))pthread_mutex_unlock, &mutex);
    spinning = 3;
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(1);
    return unused;
}

static void *read_pipe(void *end)
{
    char byte;
    pthread_cleanup_push(tidy, "reader");
    spinning = 4;
    read(*(int *)end, &byte, 1);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *leave(void *unused)
{
    pthread_cleanup_push(tidy, "on exit");
    pthread_exit((void *)7);
    pthread_cleanup_pop(0);
    return unused;
}

static void cancel(const char *name, void *(*body)(void *), void *argument, int wait_for)
{
    pthread_t thread;
    void *result;
    printf("-- cancel, %s\n", name);
    asked = 0;
    pthread_create(&thread, NULL, body, argument);
    while (spinning != wait_for)
        sched_yield();
    pause_ms(5);
    int error = pthread_cancel(thread);
    asked = 1;
    pthread_join(thread, &result); /* before the next line: the thread prints too */
    check("cancel", error);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
}

static void cancellation(void)
{
    int ends[2];
    pthread_t thread;
    void *result;
    cancel("deferred", sleep_long, NULL, 6);
    cancel("asynchronous", spin_long, NULL, 1);
    cancel("disabled", refuse_first, NULL, 2);
    pthread_mutex_init(&mutex, NULL);
    pthread_cond_init(&condition, NULL);
    cancel("condition", wait_for_ever, NULL, 3);
    check("the mutex is free", pthread_mutex_trylock(&mutex));
    pipe(ends);
    cancel("read", read_pipe, &ends[0], 4);
    pthread_create(&thread, NULL, leave, NULL);
    pthread_join(thread, &result);
    printf("-- exit %ld\n", (long)(intptr_t)result);
}

/* Attributes, names, signals, joining */

static void *be_small(void *unused)
{
    pthread_attr_t attributes;
    size_t size;
    void *base;
    char here;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &size);
    printf("stack %zu inside %d\n", size, (char *)base < &here && &here < (char *)base + size);
    return unused;
}

static void *have_name(void *unused)
{
    char name[16];
    pthread_setname_np(pthread_self(), "a name of 15 ch");
    pthread_getname_np(pthread_self(), name, sizeof name);
    puts(name);
    check("too long", pthread_setname_np(pthread_self(), "more than fifteen"));
    return unused;
}

static atomic_int handled;

static void handle(int number)
{
    handled += number;
}

static void *await_signal(void *unused)
{
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    spinning = 5;
    sigwait(&set, &got);
    while (!handled)
        pause_ms(1);
    return (void *)(intptr_t)(got == SIGUSR2);
}

static void rest(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    struct timespec at;
    puts("-- rest");
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_create(&thread, &attributes, be_small, NULL);
    pthread_join(thread, NULL);
    check("stack too small", pthread_attr_setstacksize(&attributes, 100));
    pthread_create(&thread, NULL, have_name, NULL);
    pthread_join(thread, NULL);
    signal(SIGUSR1, handle);
    pthread_create(&thread, NULL, await_signal, NULL);
    while (spinning != 5)
        sched_yield();
    check("join self", pthread_join(pthread_self(), NULL));
    check("try join", pthread_tryjoin_np(thread, NULL));
    at = later(CLOCK_REALTIME, 10000000);
    check("timed join", pthread_timedjoin_np(thread, NULL, &at));
    check("kill", pthread_kill(thread, SIGUSR2));
    pause_ms(5);
    check("kill", pthread_kill(thread, SIGUSR1));
    void *waited;
    pthread_join(thread, &waited);
    printf("waited %ld handled %d\n", (long)(intptr_t)waited, handled == SIGUSR1);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    check("affinity", pthread_setaffinity_np(pthread_self(), sizeof set, &set));
    check("affinity", pthread_getaffinity_np(pthread_self(), sizeof set, &set));
    printf("cpus %d concurrency %d\n", CPU_COUNT(&set), pthread_getconcurrency());
    clockid_t clock;
    check("clock", pthread_getcpuclockid(pthread_self(), &clock));
    check("read it", clock_gettime(clock, &at));
    pthread_create(&thread, NULL, need_it, NULL);
    check("detach", pthread_detach(thread));
    pthread_exit(NULL); /* the process ends with its last thread, status 0 */
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    one_mutex("normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, 0);
    one_mutex("recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, 0);
    one_mutex("error check", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, 0);
    one_mutex("adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, 0);
    one_mutex("shared", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, 1);
    one_mutex("inherit", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED, 0);
    one_mutex("inherit, recursive, shared", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT,
              PTHREAD_MUTEX_STALLED, 1);
    one_mutex("robust error check", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE,
              PTHREAD_MUTEX_ROBUST, 0);
    one_mutex("robust inherit", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT,
              PTHREAD_MUTEX_ROBUST, 0);
    robust_mutex("private", PTHREAD_PRIO_NONE, 0);
    robust_mutex("shared", PTHREAD_PRIO_NONE, 1);
    robust_mutex("inherit", PTHREAD_PRIO_INHERIT, 0);
    priority_protect();
    conditions("real time", CLOCK_REALTIME, 0);
    conditions("monotonic", CLOCK_MONOTONIC, 0);
    conditions("shared", CLOCK_MONOTONIC, 1);
    others();
    storage();
    cancellation();
    rest();
}
