/* O_ASYNC: which signals come when files become ready, to whom, and what they say.
 *
 * All signals are blocked and taken one by one, so that the transcript does not depend on time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "show.h"

static sigset_t all;
static char big[1 << 16];

/* Show what is pending, in order. */
static void taken(const char *what)
{
    siginfo_t info;
    struct timespec now = { 0, 0 };
    int count = 0;
    printf("%s:", what);
    while (sigtimedwait(&all, &info, &now) > 0) {
        if (++count > 6)
            continue;
        if (info.si_signo == SIGIO && info.si_code == SI_KERNEL)
            printf(" IO");
        else
            printf(" [%s code %d band %lx fd %d]",
                   info.si_signo == SIGRTMIN + 1 ? "RT" : info.si_signo == SIGIO ? "IO" : "other",
                   info.si_code, (long)info.si_band, info.si_fd);
    }
    printf(" %d\n", count);
}

static void own(int fd, int signal)
{
    VALUE(fcntl(fd, F_SETOWN, getpid()));
    VALUE(fcntl(fd, F_SETSIG, signal));
    VALUE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC | O_NONBLOCK));
    printf("flags %o\n", fcntl(fd, F_GETFL) & (O_ASYNC | O_NONBLOCK));
}

static void pipes(void)
{
    int ends[2], copy;
    VALUE(pipe(ends));
    fcntl(ends[0], F_SETFL, O_ASYNC);
    VALUE(write(ends[1], "x", 1));
    taken("nobody owns it");
    own(ends[0], 0);
    taken("set while readable");
    VALUE(write(ends[1], "x", 1));
    VALUE(write(ends[1], "x", 1));
    taken("written");
    VALUE(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1));
    VALUE(write(ends[1], "x", 1));
    VALUE(write(ends[1], "x", 1));
    taken("written");
    VALUE(read(ends[0], big, 2));
    VALUE(write(ends[1], big, 5000));
    taken("more");
    VALUE(fcntl(ends[0], F_SETSIG, SIGCHLD));
    VALUE(write(ends[1], "x", 1));
    taken("a signal with codes of its own");
    VALUE(fcntl(ends[0], F_SETSIG, SIGIO));
    VALUE(write(ends[1], "x", 1));
    taken("SIGIO with information");
    VALUE(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    VALUE(write(ends[1], "x", 1));
    taken("cleared");
    int on = 1, off = 0;
    VALUE(ioctl(ends[0], FIOASYNC, &on));
    VALUE(ioctl(ends[0], FIOASYNC, &on));
    printf("flags %o\n", fcntl(ends[0], F_GETFL));
    VALUE(write(ends[1], "x", 1));
    taken("by ioctl");
    VALUE(ioctl(ends[0], FIOASYNC, &off));
    printf("flags %o\n", fcntl(ends[0], F_GETFL));
    VALUE(write(ends[1], "x", 1));
    taken("cleared by ioctl");
    VALUE(ioctl(ends[0], FIOASYNC, (int *)8));
    own(ends[0], SIGRTMIN + 1);
    copy = dup(ends[0]);
    VALUE(write(ends[1], "x", 1));
    taken("duplicated");
    VALUE(close(ends[0]));
    VALUE(write(ends[1], "x", 1));
    taken("the first descriptor is closed");
    VALUE(fcntl(ends[1], F_SETOWN, getpid()));
    VALUE(fcntl(ends[1], F_SETFL, O_ASYNC));
    VALUE(read(copy, big, sizeof big));
    taken("both ends, read");
    VALUE(close(ends[1]));
    taken("no writer left");
    VALUE(close(copy));
    taken("no reader left");

    VALUE(pipe(ends));
    own(ends[1], SIGRTMIN + 1);
    while (write(ends[1], big, sizeof big) > 0);
    taken("full");
    VALUE(read(ends[0], big, sizeof big));
    taken("read");
    VALUE(close(ends[0]));
    taken("no reader left");
    VALUE(close(ends[1]));
}

static void fifos(void)
{
    unlink("/tmp/async-fifo");
    VALUE(mkfifo("/tmp/async-fifo", 0600));
    int both = open("/tmp/async-fifo", O_RDWR);
    own(both, SIGRTMIN + 1);
    VALUE(write(both, "xy", 2));
    taken("written");
    VALUE(read(both, big, 1));
    taken("read");
    int writer = open("/tmp/async-fifo", O_WRONLY);
    VALUE(write(writer, "z", 1));
    taken("written by another");
    VALUE(close(writer));
    taken("closed by another");
    VALUE(close(both));
    taken("closed");
    unlink("/tmp/async-fifo");
}

static void sockets(int type)
{
    int ends[2];
    VALUE(socketpair(AF_UNIX, type, 0, ends));
    own(ends[0], SIGRTMIN + 1);
    VALUE(send(ends[1], "one", 3, 0));
    VALUE(send(ends[1], "two", 3, 0));
    taken("sent");
    VALUE(recv(ends[0], big, 100, 0));
    taken("received");
    if (type != SOCK_DGRAM) {
        while (send(ends[0], big, 4000, MSG_DONTWAIT) > 0);
        taken("full");
        while (recv(ends[1], big, 4000, MSG_DONTWAIT) > 0);
        taken("emptied");
        while (recv(ends[1], big, 4000, MSG_DONTWAIT) > 0);
        VALUE(send(ends[0], "x", 1, 0));
        VALUE(recv(ends[1], big, 1, 0));
        taken("no more of it");
    }
    VALUE(shutdown(ends[1], SHUT_WR));
    taken("shut for writing");
    VALUE(shutdown(ends[1], SHUT_RDWR));
    taken("shut");
    VALUE(close(ends[1]));
    taken("closed");
    VALUE(close(ends[0]));
}

static void listening(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0async-test" };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    VALUE(bind(listener, (struct sockaddr *)&name, 13));
    VALUE(listen(listener, 2));
    own(listener, SIGRTMIN + 1);
    own(client, SIGRTMIN + 1);
    taken("nothing yet");
    VALUE(connect(client, (struct sockaddr *)&name, 13));
    taken("connected");
    int server = accept(listener, NULL, NULL);
    taken("accepted");
    VALUE(write(server, "x", 1));
    taken("sent");
    VALUE(close(server));
    taken("closed");
    close(client);
    close(listener);
}

static int ready[2];

static void *reading(void *argument)
{
    int fd = *(int *)argument;
    write(ready[1], "x", 1);
    return (void *)read(fd, big, 10);
}

/* While a reader sleeps, a stream sends no signal; a pipe does. */
static void awaited(const char *what, int reader, int writer)
{
    pthread_t thread;
    char state = 0, path[64], line[256];
    own(reader, SIGRTMIN + 1);
    VALUE(fcntl(reader, F_SETFL, O_ASYNC));
    fflush(stdout);
    pthread_create(&thread, NULL, reading, &reader);
    read(ready[0], path, 1);
    for (int i = 0; i < 2000 && state != 'S'; i++) {
        usleep(1000);
        for (int tid = getpid() + 1; tid < getpid() + 100 && state != 'S'; tid++) {
            snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
            FILE *file = fopen(path, "r");
            if (file && fgets(line, sizeof line, file))
                sscanf(strrchr(line, ')'), ") %c", &state);
            if (file)
                fclose(file);
        }
    }
    VALUE(write(writer, "x", 1));
    void *got;
    pthread_join(thread, &got);
    printf("got %ld\n", (long)got);
    taken(what);
}

static pthread_barrier_t barrier;
static pid_t other_tid;

static void *other(void *unused)
{
    other_tid = syscall(SYS_gettid);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    taken("the thread");
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void owners(void)
{
    int ends[2];
    pthread_t thread;
    struct f_owner_ex owner;
    VALUE(pipe(ends));
    own(ends[0], SIGRTMIN + 1);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, other, NULL);
    pthread_barrier_wait(&barrier);
    owner.type = F_OWNER_TID;
    owner.pid = other_tid;
    VALUE(fcntl(ends[0], F_SETOWN_EX, &owner));
    VALUE(write(ends[1], "x", 1));
    taken("not the thread");
    fflush(stdout);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    VALUE(write(ends[1], "x", 1));
    taken("a thread that has ended");
    VALUE(fcntl(ends[0], F_SETOWN, -getpgrp()));
    VALUE(fcntl(ends[0], F_SETSIG, SIGURG));
    taken("nothing");
    VALUE(fcntl(ends[0], F_SETOWN, getpid()));
    VALUE(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1));
    struct rlimit none = { 0, 0 };
    VALUE(setrlimit(RLIMIT_SIGPENDING, &none));
    VALUE(write(ends[1], "x", 1));
    taken("no room to queue");
}

static void others(void)
{
    int on = 1, made[7] = {
        eventfd(0, 0), timerfd_create(CLOCK_MONOTONIC, 0), epoll_create1(0),
        open("/tmp/async-file", O_CREAT | O_RDWR, 0600), open("/dev/null", O_RDWR),
        open("/dev/random", O_RDWR), open("/dev/urandom", O_RDWR),
    };
    for (int i = 0; i < 7; i++) {
        VALUE(fcntl(made[i], F_SETFL, O_ASYNC | O_NONBLOCK));
        printf("flags %o\n", fcntl(made[i], F_GETFL) & (O_ASYNC | O_NONBLOCK));
        VALUE(ioctl(made[i], FIOASYNC, &on));
        close(made[i]);
    }
    unlink("/tmp/async-file");
    int watching = inotify_init();
    mkdir("/tmp/async-folder", 0700);
    VALUE(inotify_add_watch(watching, "/tmp/async-folder", IN_CREATE | IN_DELETE));
    own(watching, SIGRTMIN + 1);
    close(open("/tmp/async-folder/x", O_CREAT | O_RDWR, 0600));
    unlink("/tmp/async-folder/x");
    taken("inotify");
    close(watching);
    rmdir("/tmp/async-folder");
}

static void on_terminal(void)
{
    VALUE(fcntl(0, F_SETFL, O_ASYNC | O_RDWR));
    struct f_owner_ex owner;
    fcntl(0, F_GETOWN_EX, &owner);
    printf("owned %d\n", owner.type == F_OWNER_PGRP && owner.pid == getpgrp());
    for (int round = 0; round < 2; round++) {
        siginfo_t info;
        printf("type\n");
        fflush(stdout);
        int signo = sigwaitinfo(&all, &info);
        ssize_t count = read(0, big, 100);
        if (round)
            printf("RT %d code %d band %lx fd %d read %zd\n", signo == SIGRTMIN + 1, info.si_code,
                   (long)info.si_band, info.si_fd, count);
        else
            printf("IO %d read %zd\n", signo == SIGIO, count);
        VALUE(fcntl(0, F_SETSIG, SIGRTMIN + 1));
    }
    struct timespec soon = { 10, 0 };
    struct termios raw;
    siginfo_t info;
    printf("write\n");
    fflush(stdout);
    taken("what was written");
    printf("type three lines\n");
    fflush(stdout);
    int right = 0;
    ssize_t lengths[3];
    for (int line = 0; line < 3; line++)
        right += sigtimedwait(&all, &info, &soon) == SIGRTMIN + 1 && info.si_code == POLL_IN &&
                 info.si_band == (POLLIN | POLLRDNORM) && info.si_fd == 0;
    for (int line = 0; line < 3; line++)
        lengths[line] = read(0, big, 100);
    printf("RT %d read %zd %zd %zd\n", right, lengths[0], lengths[1], lengths[2]);
    taken("no more");
    tcgetattr(0, &raw);
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST;
    raw.c_cc[VMIN] = 10;
    VALUE(tcsetattr(0, TCSANOW, &raw));
    printf("type a key\n");
    fflush(stdout);
    printf("RT %d\n", sigtimedwait(&all, &info, &soon) == SIGRTMIN + 1);
    taken("no more");
}

int main(int count, char **words)
{
    int ends[2];
    sigemptyset(&all);
    sigaddset(&all, SIGIO);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGURG);
    sigaddset(&all, SIGPIPE);
    sigaddset(&all, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &all, NULL);
    memset(big, 'b', sizeof big);
    close_range(3, ~0u, 0);
    if (count > 1) {
        on_terminal();
        return 0;
    }
    pipes();
    fifos();
    sockets(SOCK_STREAM);
    sockets(SOCK_SEQPACKET);
    sockets(SOCK_DGRAM);
    listening();
    pipe(ready);
    pipe(ends);
    awaited("a pipe's reader sleeps", ends[0], ends[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    awaited("a stream's reader sleeps", ends[0], ends[1]);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
    awaited("a packet's reader sleeps", ends[0], ends[1]);
    others();
    owners();
    return 0;
}
