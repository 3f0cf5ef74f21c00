/* Pipes, sockets, and moving bytes from one to the other. */
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

static void pipes(void)
{
    int a = mostly(PIPE);
    switch (below(6)) {
    case 0 ... 1: {
        int *ends = output_of(8, 1);
        if (CALL(pipe2, wrong_once(30) ? wrong_place() : ends, O_NONBLOCK | SOME(O_CLOEXEC, O_DIRECT, O_DIRECT) | (wrong_once(20) ? O_APPEND : 0)) == 0)
            made(ends[0]), made(ends[1]);
        break;
    }
    case 2: CALL(fcntl, a, F_SETPIPE_SZ, (wrong_once(9) ? -1 : ANY(65536, 65537, 1 << 17, 1 << 20))); break;
    case 3: CALL(fcntl, a, F_GETPIPE_SZ, 0); break;
    case 4: made(CALL(openat, AT_FDCWD, strcpy(given(8), "fifo"), O_NONBLOCK | below(3), 0)); break;
    case 5: CALL(ioctl, fd(NOTHING), ANY(FIONREAD, FIONREAD, FIOCLEX, FIONCLEX, 0x5441), output_of(4, 1)); break;
    }
}
static void *offset_at(void) { return one_in(3) ? NULL : PLACED(u64, one_in(10) ? offset() : below(10000)); }
static u64 some_length(void) { return one_in(12) ? length() : one_in(3) ? below(9000) : below(300); }
static int a_source(enum kind kind) { return kind == FILES ? CONSTANT : only(kind); }

static void transfers(void)
{
    enum kind from = ANY(FILES, PIPE, SOCKET), to = ANY(FILES, PIPE, PIPE, SOCKET);
    int flags = SPLICE_F_NONBLOCK | SOME(SPLICE_F_MOVE, SPLICE_F_MORE, wrong_once(20) ? 16 : 0);
    u64 *source, *target;
    int a, b;
    switch (below(5)) {
    case 0: a = CONSTANT, b = mostly(to), source = one_in(2) ? NULL : PUT(u64, below(10000));
        struct stat s, t; /* of a file into itself: who has which position then? */
        if (!fstat(a, &s) && !fstat(b, &t) && s.st_ino == t.st_ino && s.st_dev == t.st_dev)
            break;
        CALL(sendfile, b, a, source, some_length()), say("%ld    at %ld\n", now, source >= (u64 *)GIVEN && source < (u64 *)READ_ONLY ? *source : 0); break;
    case 1 ... 2: 
        a = a_source(one_in(2) ? PIPE : from), b = only(to);
        source = a == CONSTANT && one_in(2) ? PUT(u64, below(10000)) : NULL, target = to == FILES && one_in(2) ? PUT(u64, below(10000)) : NULL;
        CALL(splice, a, source, b, target, some_length(), flags);
        break;
    case 3: CALL(tee, mostly(PIPE), mostly(PIPE), some_length(), flags); break;
    case 4: {
        if (one_in(2)) {
            source = offset_at(), target = offset_at();
            CALL(copy_file_range, mostly(FILES), source, mostly(FILES), target, some_length(), wrong_once(12));
            break;
        }
        struct iovec *v = given(sizeof *v * 2);
        for (int i = 0; i < 2; i++) {
            u64 size = short_length();
            v[i].iov_base = (char *)LASTING + below(1000), v[i].iov_len = size % 7000;
        }
        int a = mostly(PIPE);
        if ((fcntl(a, F_GETFL) & O_ACCMODE) == O_RDONLY) /* out of the pipe */
            for (int i = 0; i < 2; i++)
                v[i].iov_base = output(v[i].iov_len);
        CALL(vmsplice, a, v, below(3), flags);
        break;
    }
    }
}

static struct sockaddr_un *address(int *size)
{
    static const char *const places[] = { "sock", "sock", "sock2", "a" };
    struct sockaddr_un *a = given(sizeof *a);
    memset(a, 0, sizeof *a);
    a->sun_family = wrong_once(15) ? ANY(0, 2, 99) : AF_UNIX;
    if (one_in(2)) {
        int n = sprintf(a->sun_path + 1, "twin-%08ld-%08lu-%c", pid, seed, 'a' + (int)below(3));
        *size = 3 + n;
    } else {
        strcpy(a->sun_path, places[below(COUNT(places))]);
        *size = 3 + strlen(a->sun_path);
    }
    if (!spoiled && one_in(12))
        *size = ANY(0, 1, 2, 3, 110, 111, -1);
    return placed(a);
}
/* Names with a process id in them are not compared by their bytes. */
static void show_address(long result, const struct sockaddr_un *a, const int *size)
{
    if (result < 0)
        return;
    say("%ld    address %d family %d '", now, *size > 8 && !a->sun_path[0] ? 0 : *size, *size >= 2 ? a->sun_family : 0);
    if (*size > 8 && !a->sun_path[0])
        say("abstract %c", ((char *)a)[*size - 1]);
    else if (*size > 2)
        say("%.*s", *size - 2, a->sun_path);
    say("'\n");
}

static void show_message(struct msghdr *m, unsigned space)
{
    say("%ld    flags %x control %lu name %u", now, m->msg_flags, m->msg_controllen, m->msg_namelen > 8 && m->msg_namelen < 110 ? 9 : m->msg_namelen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c && m->msg_controllen <= space; c = CMSG_NXTHDR(m, c)) {
        say(" {%d %d %lu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        int count = (c->cmsg_len - CMSG_LEN(0)) / 4, *fds = (int *)CMSG_DATA(c);
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            for (int i = 0; i < count && i < 8; i++) /* each of them, for what it is */
                say(" %d", made(fds[i]));
        else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(12))
            say(" %s %d %d", fds[0] == pid ? "mine" : "other", fds[1], fds[2]);
        say("}");
        if (c->cmsg_len < sizeof *c)
            break;
    }
    say("\n");
}
static int message_flags(void) { return MSG_DONTWAIT | SOME(MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_CMSG_CLOEXEC, one_in(8) ? MSG_ERRQUEUE : 0); }
static void receiving(int a)
{
    struct msghdr *m = given(sizeof *m);
    struct iovec *v = given(sizeof *v * 3);
    unsigned space = ANY(0, 8, 16, 20, 24, 28, 32, 64, 128);
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 3; i++) {
        u64 size = short_length();
        v[i].iov_base = output(size), v[i].iov_len = size;
    }
    m->msg_iov = v, m->msg_iovlen = wrong_once(12) ? ANY(0, 1025) : 1 + below(3);
    m->msg_control = output_of(space, 0), m->msg_controllen = space;
    m->msg_name = one_in(2) ? NULL : output_of(128, 0), m->msg_namelen = one_in(3) ? below(20) : 128;
    m->msg_flags = 0x55;
    if (CALL(recvmsg, a, placed(m), message_flags()) >= 0 && m->msg_flags != 0x55)
        show_message(m, space);
}
static void sending(int a)
{
    struct msghdr *m = given(sizeof *m);
    struct iovec *v = given(sizeof *v * 3);
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 3; i++) {
        u64 size = short_length();
        v[i].iov_base = bytes(size), v[i].iov_len = wrong_once(60) ? -1 : size;
    }
    m->msg_iov = v, m->msg_iovlen = wrong_once(12) ? ANY(0, 1025) : 1 + below(3);
    if (one_in(2)) {
        int count = one_in(20) ? 253 + below(2) : below(4);
        struct cmsghdr *c = given(CMSG_SPACE(4 * 256));
        c->cmsg_level = wrong_once(20) ? 7 : SOL_SOCKET, c->cmsg_type = wrong_once(20) ? 9 : SCM_RIGHTS;
        c->cmsg_len = wrong_once(20) ? ANY(0, 8, 15, 17, 2000) : CMSG_LEN(4 * count);
        for (int i = 0; i < count; i++)
            ((int *)CMSG_DATA(c))[i] = one_in(12) ? fd(NOTHING) : one_in(2) ? fd(FILES) : fd(SOCKET);
        if (one_in(6)) {
            c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = one_in(8) ? CMSG_LEN(8) : CMSG_LEN(12);
            int ids[] = { pid, getuid(), getgid() };
            memcpy(CMSG_DATA(c), ids, 12);
        }
        m->msg_control = c, m->msg_controllen = wrong_once(20) ? ANY(1, 16, 5000) : (c->cmsg_len + 7) & -8ul;
        if (m->msg_controllen > 2000)
            m->msg_controllen = 16;
    }
    if (one_in(3)) {
        int size;
        m->msg_name = address(&size), m->msg_namelen = size;
    }
    int pair[2] = { a, -1 };
    if (spoiled) /* nothing else may be wrong */
        socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    CALL(sendmsg, pair[0], placed(m), MSG_DONTWAIT | SOME(MSG_NOSIGNAL, MSG_NOSIGNAL, MSG_EOR, MSG_MORE, one_in(10) ? MSG_CONFIRM : 0));
    if (spoiled && pair[1] >= 0)
        close(pair[0]), close(pair[1]);
}
static void options(int a)
{
    int name = wrong_once(12) ? ANY(200, 0x7fffffff) : ANY(SO_TYPE, SO_ERROR, SO_PASSCRED, SO_RCVLOWAT, SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL, SO_REUSEADDR,
                                                   SO_KEEPALIVE, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SO_SNDBUF, SO_RCVBUF, SO_BROADCAST, SO_PRIORITY, SO_OOBINLINE, SO_PEERCRED, SO_DONTROUTE);
    int level = wrong_once(12) ? ANY(0, 6, 41, 255, -1) : SOL_SOCKET;
    int *size = PUT(int, wrong_once(3) ? (int)ANY(0, 1, 3, 4, 8, 16, 64, -1) : 4);
    if (name == SO_PEERCRED) {
        *size = 12;
        struct ucred *who = output_of(12, 0);
        if (CALL(getsockopt, a, level, name, who, size) == 0)
            say("%ld    peer %s %d %d\n", now, who->pid == pid ? "mine" : who->pid ? "other" : "none", who->uid, who->gid);
        return;
    }
    if (one_in(2)) {
        char *at = output_of(64, 1);
        CALL(getsockopt, a, level, name, at, placed(size)), say("%ld    size %d\n", now, *size);
    } else
        CALL(setsockopt, a, level, name, PLACED(struct linger, { ANY(0, 1, 2, 100, 4096, -1), below(2) }), *size);
}
static void sockets(void)
{
    int a = one_in(12) ? fd(NOTHING) : only(SOCKET), kind = ANY(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET), size;
    struct sockaddr_un *name;
    switch (below(16)) {
    case 0 ... 1: {
        int *ends = output_of(8, 0);
        if (CALL(socketpair, wrong_once(30) ? 99 : AF_UNIX, (wrong_once(30) ? 9 : kind) | SOCK_NONBLOCK, wrong_once(30), ends) == 0)
            say("%ld    ends %d %d\n", now, made(ends[0]), made(ends[1]));
        break;
    }
    case 2: made(CALL(socket, AF_UNIX, kind | SOCK_NONBLOCK | SOME(SOCK_CLOEXEC), 0)); break;
    case 3 ... 4: name = address(&size), CALL(bind, a, name, size); break;
    case 5: CALL(listen, a, ANY(0, 1, 2, 5, -1)); break;
    case 6 ... 7: name = address(&size), CALL(connect, a, name, size); break;
    case 8: {
        int *room = PUT(int, one_in(2) ? 110 : below(20));
        name = output_of(128, 0);
        long result = CALL(accept4, a, one_in(2) ? NULL : name, room, SOCK_NONBLOCK | SOME(SOCK_CLOEXEC) | wrong_once(20));
        made(result);
        break;
    }
    case 9: CALL(shutdown, a, wrong_once(20) ? 3 : below(3)); break;
    case 10: {
        int *room = PUT(int, one_in(2) ? 110 : wrong_once(8) ? -1 : (int)below(20));
        int full = *room >= 30;
        name = output_of(128, 0);
        long result = one_in(2) ? CALL(getsockname, a, name, room) : CALL(getpeername, a, name, room);
        if (full)
            show_address(result, name, room);
        break;
    }
    case 11: receiving(a); break;
    case 12: sending(a); break;
    case 13: options(a); break;
    case 14: {
        u64 n = short_length();
        name = one_in(3) ? address(&size) : (size = 0, NULL);
        CALL(sendto, a, bytes(n), n, MSG_DONTWAIT | SOME(MSG_NOSIGNAL, MSG_NOSIGNAL, MSG_EOR), name, size);
        break;
    }
    case 15: {
        u64 n = short_length();
        CALL(recvfrom, a, output(n), n, message_flags(), NULL, NULL);
        break;
    }
    }
}
