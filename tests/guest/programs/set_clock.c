/* Timers by a wall clock that is set, and one whose signal was forgotten: never run on the host. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <time.h>

static volatile int hits;
static int file;

static void count(int signo)
{
    hits++;
}

static void sleep_ms(long milliseconds)
{
    struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    while (nanosleep(&t, &t) < 0)
        ;
}

static struct itimerspec in(long seconds)
{
    struct itimerspec set = { .it_interval = { 0, 0 } };
    clock_gettime(CLOCK_REALTIME, &set.it_value);
    set.it_value.tv_sec += seconds;
    return set;
}

static void move_clock(long seconds)
{
    struct itimerspec now = in(seconds);
    if (clock_settime(CLOCK_REALTIME, &now.it_value) < 0)
        perror("clock_settime");
}

static void *move_later(void *unused)
{
    sleep_ms(50);
    move_clock(-3600);
    return NULL;
}

static long left(void)
{
    struct itimerspec set;
    timerfd_gettime(file, &set);
    return (set.it_value.tv_sec + 30) / 60;
}

static void timer_files(void)
{
    struct itimerspec set = in(3600), relative = { .it_value = { 3600, 0 } };
    struct pollfd p;
    uint64_t expirations = 0;
    pthread_t t;
    file = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    p = (struct pollfd){ file, POLLIN };
    VALUE(timerfd_settime(file, TFD_TIMER_ABSTIME, &set, NULL));
    move_clock(1800);
    VALUE(left());
    VALUE(poll(&p, 1, 0));
    move_clock(-600);
    VALUE(left());
    move_clock(2400);
    VALUE(poll(&p, 1, 1000));
    VALUE(read(file, &expirations, 8));
    VALUE(expirations);
    VALUE(timerfd_settime(file, 0, &relative, NULL));
    move_clock(7200);
    VALUE(left());
    set = in(3600);
    VALUE(timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL));
    move_clock(60);
    VALUE(poll(&p, 1, 0));
    VALUE(read(file, &expirations, 8));
    VALUE(read(file, &expirations, 8));
    VALUE(left());
    move_clock(60);
    VALUE(timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL));
    VALUE(timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL));
    fcntl(file, F_SETFL, 0);
    pthread_create(&t, NULL, move_later, NULL);
    VALUE(read(file, &expirations, 8));
    pthread_join(t, NULL);
}

static void posix_timer(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec set = in(3600);
    timer_t timer;
    signal(SIGUSR1, count);
    timer_create(CLOCK_REALTIME, &event, &timer);
    timer_settime(timer, TIMER_ABSTIME, &set, NULL);
    move_clock(3601);
    for (int i = 0; i < 100 && !hits; i++)
        sleep_ms(10);
    VALUE(hits);
    timer_delete(timer);
}

/* As in Linux since 6.13: that nobody listened for a while is no end of a timer. */
static void forgotten(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec set = { { 0, 5000000 }, { 0, 5000000 } };
    timer_t timer;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &set, NULL);
    sleep_ms(20);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR1, count);
    hits = 0;
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    for (int i = 0; i < 100 && hits < 3; i++)
        sleep_ms(10);
    VALUE(hits >= 3);
    timer_delete(timer);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    timer_files();
    posix_timer();
    forgotten();
    return 0;
}
