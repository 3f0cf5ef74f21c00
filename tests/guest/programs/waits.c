/* Calls that wait: what becomes of their time, of what they wait for, and of timers nobody hears. */
#include "show.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static volatile int hits, done;

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

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* To the nearest fifth of a second. */
static long fifths(long milliseconds)
{
    return (milliseconds + 100) / 200;
}

static sigset_t *set_of(int first, int second)
{
    static sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    if (second)
        sigaddset(&set, second);
    return &set;
}

static int file;

static void *read_signal(void *unused)
{
    struct signalfd_siginfo info;
    if (read(file, &info, sizeof info) == sizeof info)
        done = info.ssi_signo;
    return NULL;
}

/* Who reads hears of a signal that the file has come to give. */
static void changed_mask(void)
{
    pthread_t reader;
    struct epoll_event event = { EPOLLIN };
    sigprocmask(SIG_BLOCK, set_of(SIGUSR1, SIGUSR2), NULL);
    file = signalfd(-1, set_of(SIGUSR1, 0), 0);
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
    pthread_create(&reader, NULL, read_signal, NULL);
    sleep_ms(30);
    kill(getpid(), SIGUSR2);
    sleep_ms(30);
    VALUE(epoll_wait(epoll, &event, 1, 0));
    VALUE(signalfd(file, set_of(SIGUSR2, 0), 0) == file);
    for (int i = 0; i < 100 && !done; i++)
        sleep_ms(10);
    VALUE(done == SIGUSR2);
    close(epoll);
    close(file);
}

/* What was given before a page that is not there is the result. */
static void half_a_page(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 4096, 4096);
    sigprocmask(SIG_BLOCK, set_of(SIGRTMIN, SIGRTMIN + 1), NULL);
    file = signalfd(-1, set_of(SIGRTMIN, SIGRTMIN + 1), SFD_NONBLOCK);
    kill(getpid(), SIGRTMIN);
    kill(getpid(), SIGRTMIN + 1);
    VALUE(read(file, pages + 4096 - 128, 256));
    VALUE(read(file, pages, 128));
    kill(getpid(), SIGRTMIN);
    VALUE(read(file, pages + 4096 - 64, 256));
    VALUE(read(file, pages, 128));
    close(file);
}

static struct timespec *length;

/* Stops everybody for a while; the length of the sleep is gone meanwhile. */
static void *stop(void *unused)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
    struct itimerspec later = { .it_value = { 0, 200000000 } };
    timer_t timer;
    sleep_ms(200);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &later, NULL);
    if (length)
        munmap(length, 4096);
    length = NULL;
    kill(getpid(), SIGSTOP);
    sleep_ms(300); /* the one who takes the signal may come late to stop the others */
    timer_delete(timer);
    return NULL;
}

#define STOPPED(call) do { \
    pthread_t stopper; \
    pthread_create(&stopper, NULL, stop, NULL); \
    long began = now_ms(); \
    VALUE(call); \
    printf("%ld fifths\n", fifths(now_ms() - began)); \
    pthread_join(stopper, NULL); \
} while (0)

/* A call that starts again ends when it would have; those that show the time left begin with that. */
static void stopped(void)
{
    static unsigned word;
    struct timespec t = { 0, 600000000 }, short_time = { 0, 400000000 };
    struct timeval v = { 0, 600000 };
    length = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *length = t;
    STOPPED(syscall(SYS_nanosleep, length, NULL));
    long began = now_ms();
    VALUE(nanosleep(&short_time, NULL));
    printf("%ld fifths\n", fifths(now_ms() - began));
    STOPPED(poll(NULL, 0, 600));
    STOPPED(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0));
    STOPPED(syscall(SYS_ppoll, NULL, 0, &t, NULL, 0));
    STOPPED(syscall(SYS_select, 0, NULL, NULL, NULL, &v));
}

/* Linux shows what was left of the time when a handler ended the call, too. */
static void handled(void)
{
    struct itimerval alarm = { .it_value = { 0, 400000 } };
    struct timespec t = { 1, 0 };
    struct timeval v = { 1, 0 };
    signal(SIGALRM, count);
    setitimer(ITIMER_REAL, &alarm, NULL);
    VALUE(syscall(SYS_select, 0, NULL, NULL, NULL, &v));
    printf("%ld fifths left\n", fifths(v.tv_sec * 1000 + v.tv_usec / 1000));
    setitimer(ITIMER_REAL, &alarm, NULL);
    VALUE(syscall(SYS_ppoll, NULL, 0, &t, NULL, 0));
    printf("%ld fifths left\n", fifths(t.tv_sec * 1000 + t.tv_nsec / 1000000));
    t = (struct timespec){ 1, 0 };
    setitimer(ITIMER_REAL, &alarm, NULL);
    VALUE(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &t, NULL));
    printf("%ld fifths left\n", fifths(t.tv_sec * 1000 + t.tv_nsec / 1000000));
}

/* A wall clock's timer that is set into the past has expired as often as it would have since. */
static void begun_before(void)
{
    struct itimerspec set = { .it_interval = { 0, 50000000 } };
    uint64_t expirations = 0;
    sleep_ms(200); /* as long has the machine been up */
    clock_gettime(CLOCK_REALTIME, &set.it_value);
    set.it_value.tv_nsec -= 125000000;
    if (set.it_value.tv_nsec < 0) {
        set.it_value.tv_nsec += 1000000000;
        set.it_value.tv_sec--;
    }
    file = timerfd_create(CLOCK_REALTIME, 0);
    VALUE(timerfd_settime(file, TFD_TIMER_ABSTIME, &set, NULL));
    VALUE(read(file, &expirations, 8));
    VALUE(expirations);
    close(file);
}

static unsigned words[3];

static void *wait_for_words(void *unused)
{
    struct { uint64_t value, address; uint32_t flags, reserved; } given[3];
    for (int i = 0; i < 3; i++)
        given[i] = (typeof(given[0])){ 0, (uint64_t)&words[i], 2 | FUTEX_PRIVATE_FLAG, 0 };
    VALUE(syscall(449, given, 3, 0, NULL, 0));
    return NULL;
}

static void two_words(void)
{
    pthread_t t;
    pthread_create(&t, NULL, wait_for_words, NULL);
    sleep_ms(30);
    VALUE(syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1, &words[2], FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0)));
    pthread_join(t, NULL);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    changed_mask();
    half_a_page();
    handled();
    begun_before();
    two_words();
    stopped();
    return 0;
}
