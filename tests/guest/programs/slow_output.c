/* Standard input and output that keep a program waiting: what ends the wait. Standard error is where it speaks. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <termios.h>
#include <time.h>

static struct termios first;
static volatile long wrote = -2, got = -2;
static char large[1 << 20];

#define SAY(...) dprintf(2, __VA_ARGS__)
#define RESULT(name, call) do { \
    ssize_t n = call; \
    SAY("%s %s\n", name, n < 0 ? strerrorname_np(errno) : n == sizeof large ? "whole" : "ok"); \
} while (0)

static void nothing(int signo)
{
}

static void *write_line(void *unused)
{
    wrote = write(1, "W\n", 2);
    return NULL;
}

static void *read_line(void *unused)
{
    got = read(0, large, 64);
    return NULL;
}

static void nonblocking(int on)
{
    fcntl(1, F_SETFL, on ? O_WRONLY | O_NONBLOCK : O_WRONLY);
}

static void settings(int least, int tenths)
{
    struct termios raw = first;
    raw.c_lflag &= ~(ICANON | ECHO);
    raw.c_cc[VMIN] = least;
    raw.c_cc[VTIME] = tenths;
    tcsetattr(0, TCSANOW, &raw);
}

static void ready(int events, int timeout)
{
    struct pollfd p = { events == POLLIN ? 0 : 1, events };
    SAY("poll %d\n", poll(&p, 1, timeout));
}

static void on_terminal(void)
{
    pthread_t t;
    tcgetattr(0, &first);

    settings(5, 2); /* one byte came before the read: its time counts from the beginning */
    SAY("give 1\n");
    ready(POLLIN, 5000);
    SAY("read %zd\n", read(0, large, 64));

    tcsetattr(0, TCSANOW, &first); /* a line longer than the kernel's pieces */
    SAY("give 2\n");
    SAY("read %zd\n", read(0, large, 8192));
    SAY("read %zd\n", read(0, large, 8192));

    SAY("give 3\n"); /* who waits for a line has bytes as soon as lines are no more */
    pthread_create(&t, NULL, read_line, NULL);
    struct timespec while_ = { 0, 300000000 };
    nanosleep(&while_, NULL);
    settings(1, 0);
    for (int i = 0; i < 500 && got == -2; i++)
        usleep(10000);
    SAY("got %ld\n", got);
    tcsetattr(0, TCSANOW, &first);

    tcflow(1, TCOOFF);
    ready(POLLOUT, 0);
    nonblocking(1);
    RESULT("stopped", write(1, "x\n", 2));
    nonblocking(0);
    alarm(1);
    RESULT("handled", write(1, "y\n", 2));
    pthread_create(&t, NULL, write_line, NULL);
    usleep(50000);
    SAY("before %ld\n", wrote);
    tcflow(1, TCOON);
    for (int i = 0; i < 500 && wrote == -2; i++)
        usleep(10000);
    SAY("after %ld\n", wrote);
}

static void into_a_pipe(void)
{
    alarm(1);
    RESULT("handled", write(1, large, sizeof large));
    ready(POLLOUT, 0);
    nonblocking(1);
    RESULT("full", write(1, large, sizeof large));
    RESULT("full", write(1, large, 1));
    SAY("read\n");
    ready(POLLOUT, 10000);
    RESULT("room", write(1, large, 1));
}

int main(int count, char **words)
{
    sigaction(SIGALRM, &(struct sigaction){ .sa_handler = nothing }, NULL);
    if (isatty(0))
        on_terminal();
    else
        into_a_pipe();
    return 0;
}
