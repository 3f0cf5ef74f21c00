/* CPU time: clocks of threads and processes, timers that count it, its limit; overruns and receivers of timers. */
#include "show.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static volatile int hits, last, code, value, overruns, receiver;
static volatile int going;

static void on_info(int signo, siginfo_t *info, void *context)
{
    hits++;
    last = signo;
    code = info->si_code;
    value = info->si_value.sival_int;
    overruns = info->si_overrun;
    receiver = syscall(SYS_gettid);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        return -1;
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void burn(double time)
{
    double end = seconds(CLOCK_THREAD_CPUTIME_ID) + time;
    while (seconds(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}

static void *burner(void *argument)
{
    burn(0.05);
    going = 2;
    while (going == 2)
        usleep(1000);
    return NULL;
}

static void *idler(void *argument)
{
    *(int *)argument = syscall(SYS_gettid);
    while (going)
        usleep(1000);
    return NULL;
}

static void clocks(void)
{
    pthread_t thread;
    clockid_t clock, own;
    printf("process clock %d\n", clock_getcpuclockid(getpid(), &clock));
    printf("reads %d\n", seconds(clock) > 0);
    printf("of nobody %d\n", clock_getcpuclockid(99999, &clock) != 0);
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    going = 1;
    pthread_create(&thread, NULL, burner, NULL);
    printf("thread clock %d\n", pthread_getcpuclockid(thread, &clock));
    pthread_getcpuclockid(pthread_self(), &own);
    while (going != 2)
        usleep(1000);
    double there = seconds(clock), here = seconds(own), both = seconds(CLOCK_PROCESS_CPUTIME_ID);
    printf("its time %d, ours %d, both %d\n", there >= 0.05, here - before < there, both >= there + here - 0.02);
    printf("same %d\n", seconds(CLOCK_THREAD_CPUTIME_ID) >= here);
    VALUE(clock_getres(clock, NULL));
    VALUE(clock_gettime(-999999, NULL));
    struct rusage all, one, children;
    VALUE(getrusage(RUSAGE_SELF, &all));
    VALUE(getrusage(RUSAGE_THREAD, &one));
    VALUE(getrusage(RUSAGE_CHILDREN, &children));
    double used = all.ru_utime.tv_sec + all.ru_utime.tv_usec / 1e6 + all.ru_stime.tv_sec + all.ru_stime.tv_usec / 1e6;
    double mine = one.ru_utime.tv_sec + one.ru_utime.tv_usec / 1e6 + one.ru_stime.tv_sec + one.ru_stime.tv_usec / 1e6;
    printf("usage %d %d, children %ld, switches %d\n", used >= 0.04, mine < used, children.ru_utime.tv_usec, all.ru_nvcsw > 0);
    going = 0;
    pthread_join(thread, NULL);
    for (int i = 0; i < 1000 && seconds(clock) >= 0; i++) /* joined is a moment before gone */
        usleep(1000);
    printf("ended thread %d\n", seconds(clock) < 0);
    VALUE(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){ 0, 1000 }, NULL));
}

static void intervals(void)
{
    static const int which[] = { ITIMER_VIRTUAL, ITIMER_PROF };
    struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    for (int i = 0; i < 2; i++) {
        struct itimerval timer = { { 0, 10000 }, { 0, 10000 } }, old;
        hits = 0;
        VALUE(setitimer(which[i], &timer, NULL));
        double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        while (hits < 5)
            ;
        double used = seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        printf("signal %d code %d, in time %d\n", last, code, used > 0.02);
        VALUE(getitimer(which[i], &old));
        printf("interval %ld, left %d\n", (long)old.it_interval.tv_usec, old.it_value.tv_usec <= 20000);
        timer.it_value.tv_usec = 0;
        VALUE(setitimer(which[i], &timer, &old));
        hits = 0;
        burn(0.03);
        printf("stopped %d\n", hits);
    }
    struct itimerval sleeping = { { 0, 0 }, { 0, 200000 } };
    hits = 0;
    setitimer(ITIMER_PROF, &sleeping, NULL);
    usleep(60000);
    printf("asleep %d\n", hits);
    burn(0.4);
    printf("awake %d\n", hits);
}

static void timers(void)
{
    struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    int other = 0;
    pthread_t thread;
    going = 1;
    pthread_create(&thread, NULL, idler, &other);
    while (!*(volatile int *)&other)
        usleep(1000);
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77 };
    event._sigev_un._tid = other;
    struct itimerspec soon = { { 0, 0 }, { 0, 5000000 } }, old;
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
    hits = 0;
    VALUE(timer_settime(timer, 0, &soon, NULL));
    while (!hits)
        usleep(1000);
    printf("there %d code %d value %d\n", receiver == other, code, value);
    VALUE(timer_delete(timer));
    event._sigev_un._tid = 99999;
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event.sigev_notify = 9;
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = 99;
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event.sigev_signo = SIGRTMIN;
    VALUE(timer_create(CLOCK_MONOTONIC_RAW, &event, &timer));

    VALUE(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
    hits = 0;
    soon.it_interval.tv_nsec = 5000000;
    VALUE(timer_settime(timer, 0, &soon, NULL));
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID), used;
    while (hits < 4)
        ;
    int seen = hits;
    used = seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    printf("process time %d code %d value %d\n", used >= 0.019 && seen * 0.005 <= used + 0.001, code, value);
    soon.it_value.tv_nsec = 0;
    VALUE(timer_settime(timer, 0, &soon, &old));
    printf("interval %ld\n", old.it_interval.tv_nsec);
    VALUE(timer_delete(timer));
    VALUE(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer));
    soon.it_value.tv_nsec = 5000000;
    soon.it_interval.tv_nsec = 0;
    hits = 0;
    VALUE(timer_settime(timer, 0, &soon, NULL));
    burn(0.04);
    printf("thread time %d\n", hits);
    VALUE(timer_gettime(timer, &old));
    printf("left %ld\n", old.it_value.tv_nsec);
    VALUE(timer_delete(timer));

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    going = 0;
    pthread_join(thread, NULL);
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
    soon.it_value.tv_nsec = soon.it_interval.tv_nsec = 1000000;
    VALUE(timer_settime(timer, 0, &soon, NULL));
    usleep(50000);
    hits = 0;
    VALUE(timer_gettime(timer, &old));
    printf("next %d\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 1000000);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    soon.it_value.tv_nsec = 0;
    VALUE(timer_settime(timer, 0, &soon, NULL));
    printf("overruns %d %d\n", hits >= 1, timer_getoverrun(timer) >= 0);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    soon.it_value.tv_nsec = 1000000;
    timer_settime(timer, 0, &soon, NULL);
    usleep(50000);
    siginfo_t info;
    VALUE(sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) == SIGRTMIN);
    printf("missed %d, said again %d, value %d\n", info.si_overrun >= 30, timer_getoverrun(timer) == info.si_overrun, info.si_value.sival_int);
    VALUE(timer_delete(timer));
    VALUE(timer_delete(timer));
    int many = 0;
    struct rlimit limit = { 100, 100 };
    setrlimit(RLIMIT_SIGPENDING, &limit);
    while (many < 300 && !timer_create(CLOCK_MONOTONIC, &event, &timer))
        many++;
    printf("many timers %d %s\n", many >= 90 && many <= 100, strerrorname_np(errno));
}

/* Intervals shorter than it takes to serve them leave time for the program. */
static void short_intervals(void)
{
    struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
    struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
    struct itimerspec each_nanosecond = { { 0, 1 }, { 0, 1 } };
    sigaction(SIGALRM, &action, NULL);
    hits = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    while (hits < 20)
        ;
    setitimer(ITIMER_REAL, &never, NULL);
    int file = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(file, 0, &each_nanosecond, NULL);
    burn(0.02);
    uint64_t count;
    read(file, &count, sizeof count);
    printf("short intervals, many expirations %d\n", count > 1000000);
    close(file);
}

static void on_limit(int signo)
{
    hits++;
}

static void limited(void)
{
    struct rlimit limit = { 1, 100 }, past = { 1, 1 };
    signal(SIGXCPU, on_limit);
    VALUE(setrlimit(RLIMIT_CPU, &limit));
    fflush(stdout);
    hits = 0;
    while (!hits)
        ;
    puts("limit reached");
    fflush(stdout);
    while (hits < 2)
        ;
    puts("again");
    fflush(stdout);
    setrlimit(RLIMIT_CPU, &past);
    for (;;)
        ;
}

int main(void)
{
    clocks();
    intervals();
    timers();
    short_intervals();
    limited();
    return 0;
}
