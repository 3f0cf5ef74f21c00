/* POSIX timers, timerfd and signalfd: prints what does not depend on the speed of the machine. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile int rings, value;

static void say(const char *what, long result)
{
    printf("%s %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void ring(int signo, siginfo_t *info, void *context)
{
    rings++;
    value = info->si_value.sival_int;
    if (info->si_code != SI_TIMER)
        printf("code %d\n", info->si_code);
}

static void nap(long milliseconds)
{
    struct timespec rest = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    while (nanosleep(&rest, &rest) && errno == EINTR)
        ;
}

static void count_ring(int signo)
{
    rings++;
}

/* One that sends nothing has nothing to do each nanosecond: its time left is counted when somebody asks. */
static void silent(clockid_t clock)
{
    struct sigevent event = { .sigev_notify = SIGEV_NONE };
    struct itimerspec often = { .it_value = { 0, 1 }, .it_interval = { 0, 1 } }, left;
    timer_t timer;
    printf("create %d\n", timer_create(clock, &event, &timer));
    printf("settime %d\n", timer_settime(timer, 0, &often, NULL));
    nap(5);
    timer_gettime(timer, &left);
    printf("silent, left %ld of %ld\n", left.it_value.tv_nsec, left.it_interval.tv_nsec);
    timer_delete(timer);
}

static void posix_timers(void)
{
    struct sigaction action = { .sa_sigaction = ring, .sa_flags = SA_SIGINFO };
    sigaction(SIGRTMIN, &action, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    event.sigev_value.sival_int = 77;
    timer_t timer;
    printf("create %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec once = { .it_value = { 0, 20000000 } }, left;
    printf("settime %d\n", timer_settime(timer, 0, &once, NULL));
    timer_gettime(timer, &left);
    printf("running %d\n", left.it_value.tv_nsec > 0);
    nap(60);
    timer_gettime(timer, &left);
    printf("rang %d with %d, left %ld\n", rings, value, left.it_value.tv_nsec);
    struct itimerspec often = { .it_value = { 0, 5000000 }, .it_interval = { 0, 5000000 } };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    timer_settime(timer, 0, &often, NULL);
    nap(60);
    rings = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("one signal %d\n", rings >= 1);
    timer_settime(timer, 0, &(struct itimerspec){ 0 }, &left);
    printf("interval %ld\n", left.it_interval.tv_nsec);
    printf("delete %d\n", timer_delete(timer));
    errno = 0;
    printf("again %d\n", timer_delete(timer));
    say("bad clock", timer_create(99, &event, &timer));
    event.sigev_signo = 99;
    say("bad signal", timer_create(CLOCK_REALTIME, &event, &timer));
}

static void timer_files(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t count = 0;
    printf("timerfd %d\n", timer >= 0);
    say("read", read(timer, &count, 8));
    say("short", read(timer, &count, 7));
    struct itimerspec often = { .it_value = { 0, 10000000 }, .it_interval = { 0, 10000000 } };
    timerfd_settime(timer, 0, &often, NULL);
    struct pollfd wait = { timer, POLLIN, 0 };
    int ready = poll(&wait, 1, 1000);
    printf("poll %d %d\n", ready, wait.revents);
    nap(50);
    ssize_t length = read(timer, &count, 8);
    printf("read %zd, several %d\n", length, count >= 3);
    timerfd_settime(timer, 0, &(struct itimerspec){ 0 }, NULL);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    close(timer);
    timer = timerfd_create(CLOCK_REALTIME, 0);
    struct itimerspec then = { .it_value = { now.tv_sec, now.tv_nsec } };
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &then, NULL);
    length = read(timer, &count, 8);
    printf("past %zd %d\n", length, (int)count);
    then.it_value.tv_nsec = 1000000000;
    say("bad", timerfd_settime(timer, 0, &then, NULL));
    say("not one", timerfd_settime(0, 0, &often, NULL));
    say("bad flags", timerfd_create(CLOCK_MONOTONIC, 1));
}

static void signal_files(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int file = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo found[4];
    printf("signalfd %d\n", file >= 0);
    say("empty", read(file, found, sizeof found));
    struct pollfd wait = { file, POLLIN, 0 };
    printf("poll %d\n", poll(&wait, 1, 0));
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    int ready = poll(&wait, 1, 0);
    printf("poll %d %d\n", ready, wait.revents);
    ssize_t length = read(file, found, sizeof found);
    printf("read %zd: %u %u, own %d\n", length, found[0].ssi_signo, found[1].ssi_signo,
           found[0].ssi_pid == (unsigned)getpid());
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    printf("change %d\n", signalfd(file, &set, 0) == file);
    kill(getpid(), SIGUSR2);
    printf("poll %d\n", poll(&wait, 1, 0));
    say("small", read(file, found, 100));
    say("not one", signalfd(0, &set, 0));
}

static void *rest(void *unused)
{
    for (;;)
        pause();
}

/* What is asked for each microsecond of CPU time comes when somebody looks, and the program goes on all the same. Many
 * threads, since their times are added up for each look. */
static void short_of_cpu_time(void)
{
    struct itimerval often = { .it_value = { 0, 1 }, .it_interval = { 0, 1 } }, never = { 0 };
    struct timespec used;
    pthread_t thread;
    for (int i = 0; i < 100; i++)
        pthread_create(&thread, NULL, rest, NULL);
    sigaction(SIGPROF, &(struct sigaction){ .sa_handler = count_ring }, NULL);
    sigaction(SIGVTALRM, &(struct sigaction){ .sa_handler = count_ring }, NULL);
    rings = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    long until = used.tv_sec * 1000 + used.tv_nsec / 1000000 + 50;
    setitimer(ITIMER_PROF, &often, NULL);
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < until);
    setitimer(ITIMER_PROF, &never, NULL);
    setitimer(ITIMER_VIRTUAL, &never, NULL);
    printf("each microsecond of CPU time %d\n", rings > 1);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    posix_timers();
    silent(CLOCK_MONOTONIC);
    silent(CLOCK_PROCESS_CPUTIME_ID);
    timer_files();
    signal_files();
    short_of_cpu_time();
    return 0;
}
