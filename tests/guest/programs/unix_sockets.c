/* UNIX sockets with names, messages that carry files and credentials, options, and what poll says of them. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

static char buffer[300000];
static const char *folder = "/tmp/krait-unix";

static socklen_t named(struct sockaddr_un *a, const char *name)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (name[0] == '@') {
        memcpy(a->sun_path + 1, name + 1, strlen(name) - 1);
        return offsetof(struct sockaddr_un, sun_path) + strlen(name);
    }
    sprintf(a->sun_path, "%s/%s", folder, name);
    return sizeof *a;
}

static int bound(int type, const char *name)
{
    struct sockaddr_un a;
    int s = socket(AF_UNIX, type, 0);
    socklen_t n = named(&a, name);
    printf("bind %s: ", name);
    VALUE(bind(s, (void *)&a, n));
    return s;
}

static long to(int s, const char *name)
{
    struct sockaddr_un a;
    socklen_t n = named(&a, name);
    return connect(s, (void *)&a, n);
}

static void show_name(const char *what, int s, int peer)
{
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    memset(&a, 'x', sizeof a);
    long r = peer ? getpeername(s, (void *)&a, &n) : getsockname(s, (void *)&a, &n);
    printf("%s: %ld length %d family %d ", what, r, (int)n, r ? 0 : a.sun_family);
    for (int i = 0; !r && i + 2 < (int)n && i < 40; i++)
        putchar(a.sun_path[i] ? a.sun_path[i] : '@');
    putchar('\n');
}

static void show_poll(const char *what, int s)
{
    struct pollfd f = { s, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
    poll(&f, 1, 0);
    printf("%s: events %x\n", what, f.revents);
}

static void streams(const char *name)
{
    int l = bound(SOCK_STREAM, name), c = socket(AF_UNIX, SOCK_STREAM, 0);
    VALUE(to(c, name));
    show_poll("unconnected", c);
    show_poll("bound", l);
    VALUE(accept(l, NULL, NULL));
    VALUE(listen(l, 1));
    VALUE(listen(l, 1));
    show_poll("listening", l);
    VALUE(to(c, name));
    VALUE(to(c, name));
    show_poll("connected", c);
    show_poll("waiting", l);
    VALUE(write(c, "early", 5));
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    int s = accept4(l, (void *)&a, &n, SOCK_CLOEXEC);
    printf("accepted %d length %d\n", s >= 0, (int)n);
    VALUE(fcntl(s, F_GETFD));
    show_name("server", s, 0);
    show_name("server's peer", s, 1);
    show_name("client", c, 0);
    show_name("client's peer", c, 1);
    show_name("listener", l, 0);
    show_name("listener's peer", l, 1);
    VALUE(read(s, buffer, 100));
    int waiting = 0;
    VALUE(write(s, "abc", 3));
    VALUE(ioctl(c, FIONREAD, &waiting));
    printf("waiting %d\n", waiting);
    VALUE(recv(c, buffer, 2, MSG_PEEK | MSG_TRUNC));
    VALUE(recv(c, buffer, 100, MSG_DONTWAIT | MSG_WAITALL));
    VALUE(recv(c, buffer, 100, MSG_DONTWAIT));
    VALUE(sendto(c, "x", 1, 0, (void *)&a, sizeof a));
    struct ucred who;
    n = sizeof who;
    VALUE(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &who, &n));
    printf("peer: me %d uid %d gid %d\n", who.pid == getpid(), who.uid, who.gid);
    VALUE(shutdown(c, SHUT_WR));
    show_poll("after shutdown", s);
    show_poll("the other", c);
    VALUE(read(s, buffer, 10));
    VALUE(send(c, "x", 1, MSG_NOSIGNAL));
    VALUE(write(s, "back", 4));
    VALUE(read(c, buffer, 10));
    VALUE(write(s, "left", 4));
    close(c);
    show_poll("closed with bytes unread", s);
    VALUE(read(s, buffer, 10));
    VALUE(read(s, buffer, 10));
    VALUE(send(s, "x", 1, MSG_NOSIGNAL));
    close(s);
    int many[4], i;
    for (i = 0; i < 4; i++) {
        many[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        VALUE(to(many[i], name));
    }
    VALUE(shutdown(l, SHUT_RD));
    VALUE(to(many[3], name));
    close(l);
    show_poll("never accepted", many[0]);
    VALUE(read(many[0], buffer, 1));
    VALUE(read(many[0], buffer, 1));
    VALUE(to(many[3], name));
    for (i = 0; i < 4; i++)
        close(many[i]);
}

static void datagrams(int type)
{
    int a = bound(type, "one"), b = bound(type, "two"), c = socket(AF_UNIX, type, 0);
    struct sockaddr_un from, at;
    socklen_t n = named(&at, "two");
    VALUE(sendto(a, "hello", 5, 0, (void *)&at, n));
    VALUE(sendto(a, "", 0, 0, (void *)&at, n));
    n = sizeof from;
    memset(&from, 0, sizeof from);
    VALUE(recvfrom(b, buffer, 3, 0, (void *)&from, &n));
    printf("from %s length %d\n", from.sun_path, (int)n);
    VALUE(recvfrom(b, buffer, 100, 0, NULL, NULL));
    VALUE(recv(b, buffer, 100, MSG_DONTWAIT));
    VALUE(send(c, "x", 1, 0));
    VALUE(to(c, "two"));
    show_name("connected", c, 1);
    VALUE(send(c, "x", 1, 0));
    n = sizeof from;
    VALUE(recvfrom(b, buffer, 100, 0, (void *)&from, &n));
    printf("length %d\n", (int)n);
    VALUE(to(b, "one"));
    VALUE(send(c, "x", 1, 0));
    VALUE(to(c, "one"));
    VALUE(to(a, "two"));
    VALUE(send(a, "friend", 6, 0));
    int size = 0;
    VALUE(ioctl(b, FIONREAD, &size));
    printf("first %d\n", size);
    VALUE(recv(b, buffer, 2, MSG_PEEK | MSG_TRUNC));
    VALUE(recv(b, buffer, 2, MSG_TRUNC));
    struct sockaddr none = { AF_UNSPEC };
    VALUE(connect(b, &none, sizeof none));
    VALUE(send(b, "x", 1, 0));
    close(b);
    show_poll("peer closed", a);
    VALUE(send(a, "x", 1, MSG_NOSIGNAL));
    VALUE(send(a, "x", 1, MSG_NOSIGNAL));
    VALUE(shutdown(a, SHUT_RDWR));
    VALUE(send(a, "x", 1, MSG_NOSIGNAL));
    VALUE(recv(a, buffer, 1, 0));
    show_poll("shut", a);
    VALUE(listen(a, 1));
    VALUE(accept(a, NULL, NULL));
    close(a);
    close(c);
    a = bound(type, "@quiet");
    c = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    VALUE(to(c, "@quiet"));
    int sent = 0;
    while (send(c, "x", 1, 0) == 1)
        sent++;
    printf("sent %d %s\n", sent, strerrorname_np(errno));
    show_poll("full", c);
    VALUE(recv(a, buffer, 1, 0));
    show_poll("room", c);
    close(a);
    close(c);
}

static void packets(void)
{
    int l = bound(SOCK_SEQPACKET, "@packets"), c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    VALUE(listen(l, 5));
    VALUE(recv(c, buffer, 1, 0));
    VALUE(send(c, "x", 1, MSG_NOSIGNAL));
    VALUE(to(d, "@packets"));
    VALUE(to(c, "@packets"));
    int s = accept(l, NULL, NULL);
    VALUE(send(s, "first", 5, MSG_EOR));
    VALUE(send(s, "second", 6, 0));
    struct iovec v[2] = { { buffer, 2 }, { buffer + 10, 2 } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
    VALUE(recvmsg(c, &m, 0));
    printf("%.2s %.2s flags %x\n", buffer, buffer + 10, m.msg_flags);
    VALUE(sendmsg(c, &m, 0));
    VALUE(writev(c, v, 2));
    VALUE(read(s, buffer, 100));
    VALUE(read(s, buffer, 100));
    close(s);
    VALUE(read(c, buffer, 100));
    VALUE(read(c, buffer, 100));
    VALUE(send(c, "x", 1, MSG_NOSIGNAL));
    close(c);
    close(d);
    close(l);
}

static void names(void)
{
    struct sockaddr_un a = { AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0);
    VALUE(bind(s, (void *)&a, 1));
    VALUE(bind(s, (void *)&a, sizeof a + 1));
    a.sun_family = AF_INET;
    VALUE(bind(s, (void *)&a, sizeof a));
    a.sun_family = AF_UNIX;
    VALUE(listen(s, 1));
    VALUE(bind(s, (void *)&a, sizeof(sa_family_t)));
    socklen_t n = sizeof a;
    VALUE(getsockname(s, (void *)&a, &n));
    printf("chosen length %d first %d\n", (int)n, a.sun_path[0]);
    n = 3;
    VALUE(getsockname(s, (void *)&a, &n));
    printf("length %d\n", (int)n);
    n = -1;
    VALUE(getsockname(s, (void *)&a, &n));
    n = named(&a, "missing/name");
    VALUE(bind(t, (void *)&a, n));
    VALUE(connect(t, (void *)&a, n));
    n = named(&a, "plain");
    close(open(a.sun_path, O_CREAT | O_WRONLY, 0644));
    VALUE(bind(t, (void *)&a, n));
    VALUE(connect(t, (void *)&a, n));
    n = named(&a, "@nobody");
    VALUE(connect(t, (void *)&a, n));
    n = named(&a, "mode");
    umask(022);
    VALUE(bind(t, (void *)&a, n));
    VALUE(bind(t, (void *)&a, n));
    struct stat st;
    VALUE(stat(a.sun_path, &st));
    printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
    VALUE(open(a.sun_path, O_RDWR));
    VALUE(unlink(a.sun_path));
    close(s);
    close(t);
    s = bound(SOCK_STREAM, "@twice");
    t = bound(SOCK_STREAM, "@twice");
    close(s);
    close(t);
    s = bound(SOCK_STREAM, "@twice");
    close(s);
    s = bound(SOCK_STREAM, "kinds");
    listen(s, 1);
    t = socket(AF_UNIX, SOCK_DGRAM, 0);
    VALUE(to(t, "kinds"));
    close(s);
    close(t);
}

union control { struct cmsghdr header; char bytes[512]; };

static long send_with(int s, int level, int type, const void *data, int size)
{
    union control c = { 0 };
    struct iovec v = { "m", 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(size) };
    c.header.cmsg_len = CMSG_LEN(size);
    c.header.cmsg_level = level;
    c.header.cmsg_type = type;
    memcpy(CMSG_DATA(&c.header), data, size);
    return sendmsg(s, &m, MSG_NOSIGNAL);
}

static int received[20], received_count;

static void receive_with(int s, int room, int flags)
{
    union control c = { 0 };
    char text[100];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room ? &c : NULL, .msg_controllen = room };
    long r = recvmsg(s, &m, flags);
    printf("received %ld flags %x control %ld\n", r, m.msg_flags, (long)m.msg_controllen);
    received_count = 0;
    for (struct cmsghdr *h = r < 0 ? NULL : CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        printf("  level %d type %d length %ld\n", h->cmsg_level, h->cmsg_type, (long)h->cmsg_len);
        if (h->cmsg_type == SCM_RIGHTS)
            for (int i = 0; i < (int)(h->cmsg_len - CMSG_LEN(0)) / 4; i++)
                received[received_count++] = ((int *)CMSG_DATA(h))[i];
        if (h->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *who = (void *)CMSG_DATA(h);
            printf("  me %d uid %d gid %d\n", who->pid == getpid(), who->uid, who->gid);
        }
    }
}

static void drop_received(void)
{
    for (int i = 0; i < received_count; i++) {
        printf("  descriptor %d flags %d\n", fcntl(received[i], F_GETFL) >= 0, fcntl(received[i], F_GETFD));
        close(received[i]);
    }
}

static void rights(int type)
{
    int s[2], p[2], fds[3];
    socketpair(AF_UNIX, type, 0, s);
    pipe(p);
    fds[0] = p[0];
    fds[1] = p[1];
    fds[2] = 999;
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 8));
    VALUE(write(s[0], "plain", 5));
    receive_with(s[1], sizeof(union control), MSG_CMSG_CLOEXEC);
    VALUE(write(received[1], "through", 7));
    VALUE(read(p[0], buffer, 100));
    drop_received();
    receive_with(s[1], sizeof(union control), 0);
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 12));
    VALUE(send_with(s[0], SOL_SOCKET, 77, fds, 4));
    VALUE(send_with(s[0], 77, 77, fds, 4) > 0);
    receive_with(s[1], sizeof(union control), 0);
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 8));
    receive_with(s[1], CMSG_LEN(4), 0);
    drop_received();
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 8));
    receive_with(s[1], 0, 0);
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 8));
    receive_with(s[1], sizeof(union control), MSG_PEEK);
    drop_received();
    receive_with(s[1], sizeof(union control), 0);
    drop_received();
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 8));
    VALUE(read(s[1], buffer, 100));
    /* The writer's end is in flight alone: its pipe ends when the message is lost. */
    VALUE(send_with(s[0], SOL_SOCKET, SCM_RIGHTS, fds + 1, 4));
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    VALUE(read(p[0], buffer, 1));
    close(s[1]);
    VALUE(read(p[0], buffer, 1));
    close(s[0]);
    close(p[0]);
}

/* Linux collects lost sockets a moment later. */
static void collected(int reader)
{
    struct pollfd f = { reader, POLLIN, 0 };
    poll(&f, 1, 3000);
    VALUE(read(reader, buffer, 1));
}

/* Sockets that lie in each other's queues, and a pipe beside them, which ends when they are collected. */
static void rings(void)
{
    int s[2], t[2], p[2];
    pipe(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    send_with(s[0], SOL_SOCKET, SCM_RIGHTS, &s[1], 4);
    send_with(s[0], SOL_SOCKET, SCM_RIGHTS, &p[1], 4);
    close(p[1]);
    close(s[1]);
    VALUE(read(p[0], buffer, 1));
    close(s[0]);
    collected(p[0]);
    close(p[0]);
    pipe(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, t);
    send_with(s[0], SOL_SOCKET, SCM_RIGHTS, &t[1], 4);
    send_with(t[0], SOL_SOCKET, SCM_RIGHTS, &s[1], 4);
    send_with(t[0], SOL_SOCKET, SCM_RIGHTS, &p[1], 4);
    close(p[1]);
    close(s[1]);
    close(t[1]);
    VALUE(read(p[0], buffer, 1));
    close(s[0]);
    collected(p[0]);
    close(t[0]);
    close(p[0]);
}

static void credentials(void)
{
    int s[2], on = 1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    VALUE(write(s[0], "before", 6));
    VALUE(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    VALUE(write(s[0], "after", 5));
    receive_with(s[1], sizeof(union control), 0);
    receive_with(s[1], sizeof(union control), 0);
    struct ucred who = { getpid(), getuid(), getgid() };
    VALUE(send_with(s[0], SOL_SOCKET, SCM_CREDENTIALS, &who, sizeof who));
    receive_with(s[1], sizeof(union control), 0);
    VALUE(send_with(s[0], SOL_SOCKET, SCM_CREDENTIALS, &who, 8));
    who.pid = 999999;
    VALUE(send_with(s[0], SOL_SOCKET, SCM_CREDENTIALS, &who, sizeof who));
    VALUE(write(s[0], "x", 1));
    receive_with(s[1], 20, 0);
    close(s[0]);
    close(s[1]);
}

static void many(void)
{
    int s[2];
    char text[3][10] = { "one", "two" };
    struct iovec v[3] = { { text[0], 3 }, { text[1], 3 }, { text[2], 3 } };
    struct mmsghdr m[3] = { { { .msg_iov = &v[0], .msg_iovlen = 1 } }, { { .msg_iov = &v[1], .msg_iovlen = 1 } },
                            { { .msg_iov = &v[2], .msg_iovlen = 1 } } };
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    VALUE(sendmmsg(s[0], m, 2, 0));
    printf("%d %d\n", m[0].msg_len, m[1].msg_len);
    v[0].iov_len = 2;
    VALUE(recvmmsg(s[1], m, 3, MSG_WAITFORONE, NULL));
    printf("%d %d flags %x\n", m[0].msg_len, m[1].msg_len, m[0].msg_hdr.msg_flags);
    VALUE(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
    m[1].msg_hdr.msg_iovlen = 5000;
    VALUE(sendmmsg(s[0], m, 2, 0));
    VALUE(sendmmsg(s[0], m + 1, 1, 0));
    VALUE(sendmsg(s[0], (void *)8, 0));
    struct timespec bad = { -1, 0 };
    VALUE(recvmmsg(s[1], m, 1, 0, &bad));
    close(s[0]);
    close(s[1]);
}

static void options(void)
{
    static const int numbers[] = { SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_ERROR, SO_SNDBUF, SO_RCVBUF,
        SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_PASSCRED, SO_RCVLOWAT, SO_OOBINLINE, SO_PRIORITY };
    int s = socket(AF_UNIX, SOCK_STREAM, 0), v;
    socklen_t n;
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        v = -1;
        n = sizeof v;
        long r = getsockopt(s, SOL_SOCKET, numbers[i], &v, &n);
        printf("option %d: %ld value %d length %d\n", numbers[i], r, v, (int)n);
    }
    static const int settable[] = { SO_SNDBUF, SO_RCVBUF, SO_REUSEADDR, SO_KEEPALIVE, SO_PASSCRED, SO_RCVLOWAT };
    for (int i = 0; i < 6; i++) {
        v = 5000;
        VALUE(setsockopt(s, SOL_SOCKET, settable[i], &v, sizeof v));
        n = sizeof v;
        getsockopt(s, SOL_SOCKET, settable[i], &v, &n);
        printf("now %d\n", v);
    }
    v = 1;
    VALUE(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &n);
    printf("least %d\n", v);
    VALUE(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, sizeof v));
    VALUE(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v));
    VALUE(getsockopt(s, SOL_SOCKET, 9999, &v, &n));
    VALUE(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 2));
    struct timeval tv = { 0, 20000 };
    VALUE(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    n = sizeof tv;
    memset(&tv, 0, sizeof tv);
    VALUE(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &n));
    printf("%ld.%06ld length %d\n", (long)tv.tv_sec, (long)tv.tv_usec, (int)n);
    tv.tv_usec = 2000000;
    VALUE(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    struct linger l = { 1, 5 };
    VALUE(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    n = sizeof l;
    VALUE(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n));
    printf("%d %d\n", l.l_onoff, l.l_linger);
    close(s);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    tv.tv_sec = 0;
    tv.tv_usec = 20000;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    VALUE(read(pair[0], buffer, 1));
    close(pair[0]);
    close(pair[1]);
}

static void *server(void *listener)
{
    int l = *(int *)listener, s = accept(l, NULL, NULL);
    long total = 0, n;
    while ((n = read(s, buffer, sizeof buffer)) > 0)
        total += n;
    write(s, &total, sizeof total);
    close(s);
    return NULL;
}

static void bulk(void)
{
    static char data[1 << 20];
    int l = bound(SOCK_STREAM, "bulk"), c = socket(AF_UNIX, SOCK_STREAM, 0);
    listen(l, 1);
    pthread_t t;
    pthread_create(&t, NULL, server, &l);
    VALUE(to(c, "bulk"));
    VALUE(send(c, data, sizeof data, 0));
    VALUE(send(c, data, sizeof data, 0));
    VALUE(shutdown(c, SHUT_WR));
    long total = 0;
    VALUE(recv(c, &total, sizeof total, MSG_WAITALL));
    printf("total %ld\n", total);
    pthread_join(t, NULL);
    close(c);
    close(l);
}

static void later(void)
{
    int e = epoll_create1(0), c = socket(AF_UNIX, SOCK_STREAM, 0), l = bound(SOCK_STREAM, "@later");
    struct epoll_event ev = { EPOLLIN | EPOLLOUT | EPOLLET }, got[4];
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, c, &ev));
    VALUE(epoll_wait(e, got, 4, 0));
    printf("%x\n", got[0].events);
    VALUE(epoll_wait(e, got, 4, 0));
    listen(l, 1);
    VALUE(to(c, "@later"));
    VALUE(epoll_wait(e, got, 4, 0));
    printf("%x\n", got[0].events);
    int s = accept(l, NULL, NULL);
    while (send(c, buffer, 10000, MSG_DONTWAIT) > 0)
        ;
    while (recv(s, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
        ;
    VALUE(epoll_wait(e, got, 4, 0));
    write(s, "x", 1);
    VALUE(epoll_wait(e, got, 4, 0));
    printf("%x\n", got[0].events);
    close(s);
    VALUE(epoll_wait(e, got, 4, 0));
    printf("%x\n", got[0].events);
    close(c);
    close(l);
    close(e);
}

static long wait_for(int e)
{
    struct epoll_event got[4];
    return epoll_wait(e, got, 4, 0);
}

static void fill(int s)
{
    int sent = 0;
    while (send(s, "full", 4, MSG_DONTWAIT) == 4)
        sent++;
    printf("sent %d\n", sent);
}

/* A watched datagram socket whose peer changes and ends: nobody stays on what is gone. */
static void reconnected(void)
{
    int e = epoll_create1(0), s = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0);
    int one = bound(SOCK_DGRAM, "@first"), two = bound(SOCK_DGRAM, "@second"), pair[2];
    struct epoll_event ev = { EPOLLOUT };
    VALUE(to(other, "@first"));
    VALUE(to(s, "@first"));
    fill(other);
    VALUE(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev));
    VALUE(wait_for(e));
    VALUE(read(one, buffer, 10));
    VALUE(wait_for(e));
    fill(s);
    VALUE(wait_for(e));
    VALUE(to(s, "@second"));
    VALUE(wait_for(e));
    close(one);
    for (int i = 0; i < 20; i++) {
        socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
        close(pair[0]);
        close(pair[1]);
    }
    VALUE(to(other, "@second"));
    fill(other);
    VALUE(wait_for(e));
    VALUE(read(two, buffer, 10));
    VALUE(wait_for(e));
    fill(other);
    VALUE(wait_for(e));
    close(two);
    VALUE(wait_for(e));
    VALUE(send(s, "x", 1, MSG_DONTWAIT));
    VALUE(wait_for(e));
    VALUE(epoll_ctl(e, EPOLL_CTL_DEL, s, NULL));
    two = bound(SOCK_DGRAM, "@second");
    VALUE(to(s, "@second"));
    VALUE(to(other, "@second"));
    fill(other);
    VALUE(send(s, "x", 1, MSG_DONTWAIT));
    close(s);
    VALUE(read(two, buffer, 10));
    close(other);
    close(two);
    close(e);
}

static struct sockaddr_un goal;
static socklen_t goal_size;

static void *connect_and_wait(void *unused)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    return (void *)(long)(connect(s, (void *)&goal, goal_size) != 0 ? errno : 0);
}

static void *send_until_refused(void *unused)
{
    int s = socket(AF_UNIX, SOCK_DGRAM, 0);
    while (sendto(s, "x", 1, 0, (void *)&goal, goal_size) == 1)
        ;
    return (void *)(long)errno;
}

/* Who waits for room at a name hears that its socket is closed. */
static void closed_meanwhile(void)
{
    pthread_t t[3];
    void *error;
    int s = bound(SOCK_STREAM, "@waited");
    goal_size = named(&goal, "@waited");
    listen(s, 0);
    for (int i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, connect_and_wait, NULL);
        usleep(30000);
    }
    close(s);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &error);
        VALUE((long)error);
    }
    s = bound(SOCK_DGRAM, "@waited");
    pthread_create(t, NULL, send_until_refused, NULL);
    usleep(50000);
    close(s);
    pthread_join(t[0], &error);
    VALUE((long)error);
}

static void edges(int type)
{
    int s[2], e = epoll_create1(0);
    static char text[10];
    struct epoll_event wanted = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
    for (int i = 0; i < 2; i++) {
        wanted.data.u32 = i;
        epoll_ctl(e, EPOLL_CTL_ADD, s[i], &wanted);
    }
    for (int i = 0; i < 13; i++) {
        struct epoll_event seen[4];
        printf("%d:", i);
        for (int j = 0, n = epoll_wait(e, seen, 4, 0); j < n; j++)
            printf(" %d %x", seen[j].data.u32, seen[j].events);
        puts("");
        switch (i) {
        case 0: case 1: write(s[1], "abc", 3); break;
        case 2: read(s[0], text, 2); break;
        case 3: case 4: read(s[0], text, 9); break;
        case 5: shutdown(s[1], SHUT_WR); break;
        case 6: write(s[0], "x", 1); break;
        case 7: shutdown(s[0], SHUT_RD); break;
        case 8: shutdown(s[0], SHUT_WR); break;
        case 9: read(s[1], text, 9); break;
        case 10: close(s[1]); break;
        case 11: send(s[0], "x", 1, MSG_NOSIGNAL); break;
        }
    }
    close(s[0]);
    close(e);
}

/* A listener that is shut shows what waits and then, without waiting, nothing. */
static void shut_listener(void)
{
    int l = bound(SOCK_STREAM | SOCK_NONBLOCK, "@shut"), s = socket(AF_UNIX, SOCK_STREAM, 0);
    listen(l, 5);
    VALUE(connect(s, (void *)&goal, named(&goal, "@shut")));
    VALUE(shutdown(l, SHUT_RD));
    close(accept(l, NULL, NULL));
    VALUE(accept(l, NULL, NULL));
    fcntl(l, F_SETFL, 0);
    VALUE(accept(l, NULL, NULL));
    close(l);
    close(s);
}

/* Each socket lies in the queue of the one before. */
static void chain(void)
{
    int first[2], next[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, first);
    int last = first[0];
    for (int i = 0; i < 400; i++) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, next);
        if (send_with(last, SOL_SOCKET, SCM_RIGHTS, &next[1], sizeof(int)) != 1)
            VALUE(-1);
        close(next[1]);
        close(last);
        last = next[0];
    }
    VALUE(close(first[1]));
    VALUE(send(last, "x", 1, 0));
    close(last);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    char clean[100];
    mkdir(folder, 0755);
    static const char *left[] = { "stream", "one", "two", "plain", "mode", "kinds", "bulk" };
    for (int i = 0; i < 7; i++) {
        sprintf(clean, "%s/%s", folder, left[i]);
        unlink(clean);
    }
    streams("stream");
    streams("@stream");
    datagrams(SOCK_DGRAM);
    packets();
    names();
    rights(SOCK_STREAM);
    rights(SOCK_SEQPACKET);
    rings();
    credentials();
    many();
    options();
    bulk();
    later();
    reconnected();
    closed_meanwhile();
    edges(SOCK_STREAM);
    edges(SOCK_SEQPACKET);
    edges(SOCK_DGRAM);
    shut_listener();
    chain();
    return 0;
}
