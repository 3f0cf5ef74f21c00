/* Pipes, poll, select, epoll, eventfd, socket pairs. */
#include "show.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <time.h>

static char buffer[200000];
static int signals;

static void count(int number) { signals += number == SIGPIPE; }

static void pipes(void)
{
    int p[2], n = 0;
    VALUE(pipe(p) == 0);
    VALUE(write(p[1], "abc", 3));
    VALUE(ioctl(p[0], FIONREAD, &n));
    printf("waiting %d\n", n);
    VALUE(read(p[0], buffer, 2));
    VALUE(read(p[0], buffer, 100));
    VALUE(fcntl(p[0], F_SETFL, O_NONBLOCK));
    VALUE(read(p[0], buffer, 100));
    VALUE(fcntl(p[1], F_SETFL, O_NONBLOCK));
    VALUE(fcntl(p[1], F_GETPIPE_SZ));
    VALUE(write(p[1], buffer, sizeof buffer));
    VALUE(write(p[1], buffer, 1));
    VALUE(read(p[0], buffer, 4096));
    VALUE(write(p[1], buffer, 4096));
    VALUE(write(p[1], buffer, 2));
    VALUE(fcntl(p[1], F_SETPIPE_SZ, 4096));
    VALUE(lseek(p[0], 0, SEEK_SET));
    VALUE(write(p[0], buffer, 1));
    VALUE(read(p[1], buffer, 1));
    close(p[1]);
    VALUE(read(p[0], buffer, sizeof buffer));
    VALUE(read(p[0], buffer, sizeof buffer));
    close(p[0]);
    pipe(p);
    close(p[0]);
    signal(SIGPIPE, count);
    VALUE(write(p[1], "x", 1));
    printf("sigpipe %d\n", signals);
    close(p[1]);
    VALUE(pipe2(p, 0x1000));
    VALUE(pipe((int *)16));
}

static void polls(void)
{
    int p[2];
    pipe(p);
    struct pollfd f[4] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -1, POLLIN, 9 }, { 999, POLLIN, 0 } };
    VALUE(poll(f, 4, 0));
    printf("%x %x %x %x\n", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
    VALUE(poll(f, 1, 20));
    write(p[1], "x", 1);
    VALUE(poll(f, 1, -1));
    close(p[1]);
    f[0].events = POLLOUT;
    VALUE(poll(f, 1, 1000));
    printf("%x\n", f[0].revents);
    VALUE(poll((struct pollfd *)8, 1, 0));
    VALUE(poll(f, 1000000, 0));
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[0], &w);
    struct timeval tv = { 0, 10000 };
    VALUE(select(p[0] + 1, &r, &w, NULL, &tv));
    printf("%d %d\n", FD_ISSET(p[0], &r) != 0, FD_ISSET(p[0], &w) != 0);
    FD_SET(500, &r);
    VALUE(select(501, &r, NULL, NULL, &tv));
    tv.tv_usec = -1;
    VALUE(select(0, NULL, NULL, NULL, &tv));
    struct timespec ts = { 0, 2000000000 };
    VALUE(ppoll(NULL, 0, &ts, NULL));
    VALUE(select(-1, NULL, NULL, NULL, NULL));
    close(p[0]);
}

static void epolls(void)
{
    int e = epoll_create1(0), p[2], q[2];
    pipe(p);
    pipe(q);
    struct epoll_event ev = { EPOLLIN, { .u64 = 7 } }, got[8];
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, e, &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, 999, &ev));
    VALUE(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_MOD, q[0], &ev));
    VALUE(epoll_ctl(e, 9, p[0], &ev));
    int file = open("/etc/passwd", O_RDONLY);
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, file, &ev));
    VALUE(epoll_wait(e, got, 8, 0));
    write(p[1], "x", 1);
    VALUE(epoll_wait(e, got, 8, -1));
    VALUE(epoll_wait(e, got, 8, 0));
    printf("%x %ld\n", got[0].events, (long)got[0].data.u64);
    ev.events = EPOLLIN | EPOLLET;
    VALUE(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &ev));
    VALUE(epoll_wait(e, got, 8, 0));
    VALUE(epoll_wait(e, got, 8, 0));
    write(p[1], "x", 1);
    VALUE(epoll_wait(e, got, 8, 0));
    ev.events = EPOLLIN | EPOLLONESHOT;
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, q[0], &ev));
    write(q[1], "x", 1);
    VALUE(epoll_wait(e, got, 8, 10));
    VALUE(epoll_wait(e, got, 8, 10));
    VALUE(epoll_ctl(e, EPOLL_CTL_MOD, q[0], &ev));
    VALUE(epoll_wait(e, got, 8, 10));
    VALUE(epoll_ctl(e, EPOLL_CTL_DEL, q[0], NULL));
    VALUE(epoll_ctl(e, EPOLL_CTL_DEL, q[0], NULL));
    close(p[1]);
    VALUE(epoll_wait(e, got, 8, 10));
    printf("%x\n", got[0].events);
    close(p[0]);
    VALUE(epoll_wait(e, got, 8, 0));
    int outer = epoll_create1(EPOLL_CLOEXEC);
    ev.events = EPOLLIN;
    VALUE(epoll_ctl(outer, EPOLL_CTL_ADD, e, &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, outer, &ev));
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, q[0], &ev));
    VALUE(epoll_wait(outer, got, 8, 0));
    VALUE(epoll_wait(e, got, 0, 0));
    VALUE(epoll_wait(e, (void *)8, 1, 0));
    VALUE(epoll_create1(77));
    VALUE(epoll_wait(0, got, 8, 0));
    close(e);
    close(outer);
}

static void counters(void)
{
    uint64_t v = 5;
    int fd = eventfd(3, EFD_NONBLOCK);
    VALUE(write(fd, &v, 8));
    VALUE(read(fd, &v, 8));
    printf("%ld\n", (long)v);
    VALUE(read(fd, &v, 8));
    VALUE(read(fd, &v, 4));
    v = -1;
    VALUE(write(fd, &v, 8));
    v = -2;
    VALUE(write(fd, &v, 8));
    v = 1;
    VALUE(write(fd, &v, 8));
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE);
    VALUE(read(fd, &v, 8));
    printf("%ld\n", (long)v);
    VALUE(eventfd(0, 0x100));
    close(fd);
}

static void sockets(void)
{
    int s[2];
    VALUE(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    VALUE(write(s[0], "hello", 5));
    VALUE(write(s[0], "world", 5));
    VALUE(recv(s[1], buffer, 3, MSG_PEEK));
    VALUE(read(s[1], buffer, 100));
    VALUE(recv(s[1], buffer, 1, MSG_DONTWAIT));
    VALUE(shutdown(s[0], SHUT_WR));
    VALUE(read(s[1], buffer, 100));
    VALUE(send(s[0], "x", 1, MSG_NOSIGNAL));
    VALUE(write(s[1], "back", 4));
    VALUE(read(s[0], buffer, 100));
    close(s[0]);
    VALUE(send(s[1], "x", 1, MSG_NOSIGNAL));
    VALUE(read(s[1], buffer, 1));
    close(s[1]);
    VALUE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
    VALUE(write(s[0], "hello", 5));
    VALUE(write(s[0], "world", 5));
    VALUE(read(s[1], buffer, 3));
    VALUE(read(s[1], buffer, 100));
    VALUE(read(s[1], buffer, 100));
    int type = 0;
    socklen_t size = sizeof type;
    VALUE(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &size));
    printf("%d %d\n", type, (int)size);
    close(s[0]);
    close(s[1]);
    VALUE(socketpair(AF_UNIX, 99, 0, s));
    VALUE(socketpair(AF_INET, SOCK_STREAM, 0, s));
    int u = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = { AF_UNIX, "/run/krait-nobody" };
    VALUE(connect(u, (void *)&a, sizeof a));
    VALUE(recv(0, buffer, 1, 0));
    VALUE(connect(999, (void *)&a, sizeof a));
    VALUE(send(u, "x", 1, MSG_NOSIGNAL));
    close(u);
}

static void attributes(void)
{
    int p[2], s[2];
    struct stat st;
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    const int all[] = { p[0], p[1], s[0], eventfd(0, 0), epoll_create1(0) };
    for (int i = 0; i < 5; i++) {
        VALUE(fstat(all[i], &st));
        printf("mode %o links %ld size %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size);
        VALUE(lseek(all[i], 0, SEEK_CUR));
        VALUE(fsync(all[i]));
    }
    VALUE(fstat(99, &st));
    FILE *stream = fdopen(p[1], "w");
    fprintf(stream, "through a stream");
    fflush(stream);
    VALUE(read(p[0], buffer, 100));
}

/* An instance that is watched for edges shows one each time that something happens in it. */
static void nested_edges(void)
{
    int inner = epoll_create1(0), outer = epoll_create1(0), p[2];
    struct epoll_event e = { .events = EPOLLIN };
    pipe(p);
    epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &e);
    e.events = EPOLLIN | EPOLLET;
    epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e);
    for (int i = 0; i < 3; i++) {
        write(p[1], "a", 1);
        VALUE(epoll_wait(outer, &e, 1, 0));
        VALUE(epoll_wait(outer, &e, 1, 0));
        if (i == 1)
            continue;
        VALUE(epoll_wait(inner, &e, 1, 0));
        VALUE(epoll_wait(outer, &e, 1, 0));
    }
    close(outer);
    close(inner);
}

/* Events that were written before memory ends are reported, the others later. */
static void half_an_array(void)
{
    int e = epoll_create1(0), p[2];
    for (int i = 0; i < 3; i++) {
        struct epoll_event wanted = { .events = EPOLLIN | EPOLLET };
        pipe(p);
        epoll_ctl(e, EPOLL_CTL_ADD, p[0], &wanted);
        write(p[1], "x", 1);
    }
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(m + 4096, 4096);
    VALUE(epoll_wait(e, (void *)(m + 4096), 3, 0));
    VALUE(epoll_wait(e, (void *)(m + 4096 - 24), 3, 0));
    VALUE(epoll_wait(e, (void *)m, 3, 0));
    VALUE(epoll_wait(e, (void *)m, 3, 0));
    close(e);
}

int main(void)
{
    attributes();
    pipes();
    polls();
    epolls();
    nested_edges();
    half_an_array();
    counters();
    sockets();
    return 0;
}
