/* tee, vmsplice, packet pipes; nested and exclusive epoll; what /proc/self/fd calls files without names. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static char buffer[100000];

static void tees(void)
{
    int p[2], q[2];
    pipe2(p, O_NONBLOCK);
    pipe2(q, O_NONBLOCK);
    VALUE(tee(p[0], q[1], 10, 0));
    write(p[1], "hello", 5);
    VALUE(tee(p[0], q[1], 0, 0));
    VALUE(tee(p[0], q[1], 3, 0));
    VALUE(tee(p[0], p[1], 3, 0));
    VALUE(tee(p[0], 0, 3, 0));
    VALUE(tee(p[0], q[1], 3, 99));
    memset(buffer, 0, 20);
    VALUE(read(q[0], buffer, 20));
    VALUE(read(p[0], buffer + 10, 20));
    printf("%s %s\n", buffer, buffer + 10);
    VALUE(splice(p[0], NULL, p[1], NULL, 5, 0));
    VALUE(splice(p[0], NULL, q[1], NULL, 5, SPLICE_F_NONBLOCK));
    struct iovec v[2] = { { "abc", 3 }, { "defg", 4 } };
    VALUE(vmsplice(p[1], v, 2, SPLICE_F_GIFT));
    struct iovec w[2] = { { buffer + 30, 2 }, { buffer + 40, 10 } };
    VALUE(vmsplice(p[0], w, 2, 0));
    printf("%.2s %.5s\n", buffer + 30, buffer + 40);
    VALUE(vmsplice(p[0], w, 1, SPLICE_F_NONBLOCK));
    VALUE(vmsplice(p[1], v, 0, 0));
    VALUE(vmsplice(p[1], v, 2000, 0));
    VALUE(vmsplice(eventfd(0, 0), v, 1, 0));
    VALUE(vmsplice(p[1], (void *)8, 1, 0));
    VALUE(readv(p[0], w, 2));
    write(p[1], "gathered", 8);
    VALUE(readv(p[0], w, 2));
    close(p[1]);
    VALUE(tee(p[0], q[1], 3, 0));
}

static void packets(void)
{
    int p[2], n = 0;
    VALUE(pipe2(p, O_DIRECT | O_NONBLOCK));
    VALUE(fcntl(p[1], F_GETFL) & O_DIRECT);
    VALUE(write(p[1], "one", 3));
    VALUE(write(p[1], "three", 5));
    VALUE(ioctl(p[0], FIONREAD, &n));
    printf("waiting %d\n", n);
    VALUE(read(p[0], buffer, 100));
    VALUE(read(p[0], buffer, 2));
    VALUE(read(p[0], buffer, 100));
    VALUE(write(p[1], buffer, 10000));
    VALUE(read(p[0], buffer, 100000));
    VALUE(read(p[0], buffer, 100000));
    VALUE(read(p[0], buffer, 100000));
    VALUE(read(p[0], buffer, 100000));
    int sent = 0;
    while (write(p[1], "x", 1) == 1)
        sent++;
    printf("packets %d\n", sent);
    close(p[1]);
    while (read(p[0], buffer, 100) == 1)
        sent--;
    printf("left %d\n", sent);
    /* Room for more packets than an unprivileged user's largest pipe has; how many there may be is not told. */
    pipe2(p, O_DIRECT | O_NONBLOCK);
    fcntl(p[1], F_SETPIPE_SZ, 4 << 20);
    for (sent = 0; write(p[1], buffer, 1 + sent % 3) > 0; sent++)
        ;
    for (n = 0; read(p[0], buffer, 100) == 1 + n % 3; n++)
        ;
    printf("all %d\n", n == sent);
    VALUE(ioctl(p[0], FIONREAD, &n));
    printf("waiting %d\n", n);
    close(p[0]), close(p[1]);
}

/* A word that lies half in a page that is not there: the program must not wait for it for ever. */
static void half_there(void)
{
    int p[2];
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pages, 'x', 4096);
    mprotect(pages + 4096, 4096, PROT_NONE);
    pipe2(p, O_NONBLOCK);
    struct iovec v = { pages + 4095, 91 };
    errno = 0;
    long done = write(p[1], pages + 4095, 91);
    printf("write ends %d\n", done == 1 || (done == -1 && errno == EFAULT));
    done = vmsplice(p[1], &v, 1, 0);
    printf("vmsplice ends %d\n", done == 1 || (done == -1 && errno == EFAULT));
    close(p[0]), close(p[1]);
}

static void nested(void)
{
    int e[8];
    struct epoll_event ev = { EPOLLIN, { 0 } }, got[8];
    for (int i = 0; i < 8; i++)
        e[i] = epoll_create1(0);
    for (int i = 0; i < 7; i++)
        VALUE(epoll_ctl(e[i + 1], EPOLL_CTL_ADD, e[i], &ev));
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, e[3], &ev));
    for (int i = 0; i < 8; i++) {
        close(e[i]);
        e[i] = epoll_create1(0);
    }
    for (int i = 6; i >= 0; i--)
        VALUE(epoll_ctl(e[i + 1], EPOLL_CTL_ADD, e[i], &ev));
    int f = eventfd(0, 0);
    ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, f, &ev));
    ev.events = EPOLLIN | EPOLLEXCLUSIVE;
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, e[7], &ev));
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, f, &ev));
    VALUE(epoll_ctl(e[0], EPOLL_CTL_MOD, f, &ev));
    ev.events = EPOLLIN;
    VALUE(epoll_ctl(e[0], EPOLL_CTL_MOD, f, &ev));
    VALUE(epoll_wait(e[0], got, 8, 0));
    eventfd_write(f, 1);
    VALUE(epoll_wait(e[0], got, 8, 0));
    struct timespec t = { 0, 10000000 }, bad = { 0, -1 };
    VALUE(epoll_pwait2(e[0], got, 8, &t, NULL));
    VALUE(epoll_pwait2(e[0], got, 8, &bad, NULL));
    int many = epoll_create1(0);
    for (int i = 0; i < 600; i++) {
        ev.data.u32 = i;
        if (epoll_ctl(many, EPOLL_CTL_ADD, dup(f), &ev) != 0)
            printf("at %d: %s\n", i, strerrorname_np(errno));
    }
    int found = 0, round;
    for (round = 0; round < 100; round++)
        found += epoll_wait(many, got, 6, 0);
    printf("found %d\n", found);
}

static int shared;

static void *waiter(void *unused)
{
    struct epoll_event got;
    return (void *)(long)epoll_wait(shared, &got, 1, 3000);
}

static void threads(void)
{
    pthread_t t[4];
    int f = eventfd(0, EFD_SEMAPHORE);
    struct epoll_event ev = { EPOLLIN | EPOLLET, { 0 } };
    shared = epoll_create1(0);
    epoll_ctl(shared, EPOLL_CTL_ADD, f, &ev);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, waiter, NULL);
    long total = 0;
    for (int i = 0; i < 4; i++) {
        usleep(30000);
        eventfd_write(f, 1);
    }
    for (int i = 0; i < 4; i++) {
        void *got;
        pthread_join(t[i], &got);
        total += (long)got;
    }
    printf("woken %ld\n", total);
}

static void show_link(int fd)
{
    char path[40], name[200] = "";
    sprintf(path, "/proc/self/fd/%d", fd);
    long n = readlink(path, name, sizeof name - 1);
    for (int i = 0; i < n; i++)
        if (name[i] >= '0' && name[i] <= '9' && (i == 0 || name[i - 1] == '[' || name[i - 1] == '#'))
            for (int j = i; j < n && name[j] >= '0' && name[j] <= '9'; j++)
                name[j] = '#';
    for (char *a = name; *a; a++)
        if (*a == '#')
            while (a[1] == '#')
                memmove(a + 1, a + 2, strlen(a + 1));
    printf("%s\n", n < 0 ? strerrorname_np(errno) : name);
}

/* A pipe is opened again by its link: more ends of the same queue, and none of them waits. */
static void again(void)
{
    int p[2];
    char in[40], out[40], text[40] = "";
    struct pollfd poll_in;
    pipe(p);
    sprintf(in, "/proc/self/fd/%d", p[0]);
    sprintf(out, "/proc/self/fd/%d", p[1]);
    int reader = open(in, O_RDONLY | O_NONBLOCK), writer = open(in, O_WRONLY), both = open(out, O_RDWR);
    printf("opened %d %d %d\n", reader >= 0, writer >= 0, both >= 0);
    show_link(reader);
    show_value("nothing", read(reader, text, 10));
    write(writer, "one", 3);
    write(both, "two", 3);
    show_value("read", read(both, text, 4));
    puts(text);
    printf("flags %o %o %o\n", fcntl(reader, F_GETFL), fcntl(writer, F_GETFL), fcntl(both, F_GETFL));
    show_value("wrong way", write(reader, "x", 1));
    show_value("wrong way", read(writer, text, 1));
    close(p[1]);
    close(both);
    poll_in = (struct pollfd){.fd = reader, .events = POLLIN};
    poll(&poll_in, 1, 0);
    printf("one writer left %x\n", poll_in.revents);
    close(writer);
    poll(&poll_in, 1, 0);
    printf("no writer left %x\n", poll_in.revents);
    memset(text, 0, sizeof text);
    show_value("rest", read(reader, text, 10));
    show_value("end", read(reader, text, 10));
    puts(text);
    writer = open(in, O_WRONLY | O_NONBLOCK);
    close(p[0]);
    close(reader);
    show_value("no reader left", write(writer, "x", 1));
    close(writer);
}

/* What comes into a pipe of packets by other ways than write(2) is no packet. */
static void no_packets(void)
{
    int p[2], q[2];
    char text[10];
    struct iovec v = { "abcdef", 6 };
    pipe(p);
    pipe2(q, O_DIRECT | O_NONBLOCK);
    write(p[1], "hello", 5);
    show_value("tee", tee(p[0], q[1], 5, 0));
    show_value("read", read(q[0], text, 3));
    show_value("read", read(q[0], text, 9));
    show_value("splice", splice(p[0], NULL, q[1], NULL, 5, 0));
    show_value("read", read(q[0], text, 3));
    show_value("read", read(q[0], text, 9));
    show_value("vmsplice", vmsplice(q[1], &v, 1, 0));
    show_value("read", read(q[0], text, 3));
    show_value("read", read(q[0], text, 9));
    show_value("read", read(q[0], text, 9));
    for (int i = 0; i < 2; i++)
        close(p[i]), close(q[i]);
}

/* What a socket or a pipe has no room for stays in the pipe that splice(2) reads. */
static void nothing_is_lost(void)
{
    static char bytes[60000];
    int p[2], s[2], n, room = 4096;
    long in = 0, out = 0, r;
    for (int i = 0; i < (int)sizeof bytes; i++)
        bytes[i] = i / 100;
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    write(p[1], bytes, sizeof bytes);
    int differing = 0;
    do {
        while ((r = splice(p[0], NULL, s[0], NULL, sizeof bytes, 0)) > 0)
            in += r;
        ioctl(p[0], FIONREAD, &n);
        if (in + n != sizeof bytes)
            printf("%ld in the socket, %d in the pipe\n", in, n);
        static char text[60000];
        while ((r = recv(s[1], text, sizeof text, MSG_DONTWAIT)) > 0) {
            differing += memcmp(text, bytes + out, r) != 0;
            out += r;
        }
    } while (n > 0 && in + n == sizeof bytes);
    printf("%ld bytes came, %d pieces differ\n", out, differing);
    close(s[1]);
    write(p[1], bytes, 5000);
    show_value("splice to nobody", splice(p[0], NULL, s[0], NULL, 5000, 0));
    ioctl(p[0], FIONREAD, &n);
    printf("%d left\n", n);
    close(s[0]);
    FILE *f = tmpfile();
    fwrite(bytes, 1, 100, f);
    rewind(f);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    while (write(s[0], bytes, sizeof bytes) > 0)
        ;
    while (write(s[0], bytes, 1) > 0)
        ;
    show_value("sendfile", sendfile(s[0], fileno(f), NULL, 100));
    int zero = open("/dev/zero", O_RDONLY);
    long last = 0x7fffffffffffffff - 5;
    show_value("sendfile up to behind all offsets", sendfile(s[0], zero, &last, 4096));
    close(zero);
    show_value("position", lseek(fileno(f), 0, SEEK_CUR));
    fclose(f);
    close(s[0]);
    close(s[1]);
    /* a pipe that is nearly full takes what fits, and nobody waits */
    int q[2];
    pipe(q);
    write(q[1], bytes, 4096);
    write(q[1], bytes, 57344 - 4096);
    show_value("splice in", splice(p[0], NULL, q[1], NULL, 4096, SPLICE_F_NONBLOCK) > 0);
    while (splice(p[0], NULL, q[1], NULL, 5000, SPLICE_F_NONBLOCK) > 0)
        ;
    for (int i = 0; i < 2; i++)
        close(p[i]), close(q[i]);
}

/* A reader that came first has not been hung up on before a writer has come and gone. */
static void first_writer(void)
{
    mkfifo("/tmp/krait-fifo", 0600);
    struct pollfd reader = { open("/tmp/krait-fifo", O_RDONLY | O_NONBLOCK), POLLIN };
    VALUE(poll(&reader, 1, 0)), printf("no writer yet: %x\n", reader.revents);
    int writer = open("/tmp/krait-fifo", O_WRONLY | O_NONBLOCK);
    VALUE(poll(&reader, 1, 0)), printf("a writer: %x\n", reader.revents);
    close(writer);
    VALUE(poll(&reader, 1, 0)), printf("none any more: %x\n", reader.revents);
    close(reader.fd), unlink("/tmp/krait-fifo");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    int p[2];
    pipe(p);
    show_link(p[0]);
    show_link(p[1]);
    show_link(socket(AF_UNIX, SOCK_STREAM, 0));
    show_link(epoll_create1(0));
    show_link(eventfd(0, 0));
    show_link(timerfd_create(CLOCK_MONOTONIC, 0));
    show_link(inotify_init());
    sigset_t set;
    sigemptyset(&set);
    show_link(signalfd(-1, &set, 0));
    struct stat a, b;
    fstat(p[0], &a);
    fstat(p[1], &b);
    printf("one node %d\n", a.st_ino == b.st_ino);
    tees();
    packets();
    no_packets();
    nothing_is_lost();
    half_there();
    nested();
    threads();
    again();
    first_writer();
    return 0;
}
