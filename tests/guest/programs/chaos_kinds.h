/* Descriptors of every kind, and what takes descriptors, with each of them. */

#define KINDS 37

/* Keep a descriptor where others find it, in the place of another one. */
static void leave_about(int n)
{
    if (n >= 0) {
        CALL(dup2, n, target());
        CALL(close, n);
    }
}

static int of_pair(int *pair)
{
    int which = below(2);
    leave_about(pair[!which]);
    return pair[which];
}

static int opened(const char *name, u64 flags)
{
    return CALL(openat, AT_FDCWD, name, flags | SOME(O_NONBLOCK, O_CLOEXEC, O_APPEND), 0777);
}

static int a_socket(int kind)
{
    int pair[2] = { -1, -1 };
    CALL(socketpair, AF_UNIX, kind | (one_in(4) ? 0 : SOCK_NONBLOCK), 0, pair);
    return of_pair(pair);
}

static int listening(void)
{
    unsigned size;
    int n = CALL(socket, AF_UNIX, ANY(1, 5) | SOCK_NONBLOCK);
    struct sockaddr_un *a = address(&size);
    CALL(bind, n, a, size), CALL(listen, n, below(4));
    return n;
}

static int of_kind(unsigned kind)
{
    int pair[2] = { -1, -1 };
    u64 mask = bits() & ~(1ul << (KICK - 1));
    switch (kind) {
    case 0: return opened("/tmp/chaos/a", O_RDWR | O_CREAT);
    case 1: return opened("/tmp/chaos/b", O_RDWR | O_CREAT | SOME(O_DIRECT, O_SYNC, O_TRUNC));
    case 2: return opened("/tmp/chaos", O_RDONLY | O_DIRECTORY);
    case 3: return opened("/tmp/chaos", O_RDWR | O_TMPFILE);
    case 4: CALL(mknodat, AT_FDCWD, "/tmp/chaos/fifo", S_IFIFO | 0666, 0); return opened("/tmp/chaos/fifo", O_RDWR | O_NONBLOCK);
    case 5 ... 6: CALL(pipe2, pair, one_in(4) ? 0 : O_NONBLOCK); return of_pair(pair);
    case 7: CALL(pipe2, pair, O_NONBLOCK | O_DIRECT); return of_pair(pair);
    case 8: return a_socket(SOCK_STREAM);
    case 9: return a_socket(SOCK_DGRAM);
    case 10: return a_socket(SOCK_SEQPACKET);
    case 11: return listening();
    case 12: return CALL(epoll_create1, 0);
    case 13: return CALL(eventfd2, below(3), EFD_NONBLOCK | SOME(EFD_SEMAPHORE));
    case 14: return CALL(timerfd_create, ANY(0, 1, 7, 8, 9), TFD_NONBLOCK);
    case 15: return CALL(signalfd4, -1, &mask, 8, SFD_NONBLOCK);
    case 16: return CALL(inotify_init1, IN_NONBLOCK);
    case 17 ... 18: return CALL(memfd_create, "m", SOME(1, 2));
    case 19: return CALL(pidfd_open, getpid(), 0);
    case 20: return CALL(mq_open, "q1", O_RDWR | O_CREAT | O_NONBLOCK, 0600, NULL);
    case 21: return opened("/dev/null", O_RDWR);
    case 22: return opened("/dev/zero", O_RDWR);
    case 23: return opened("/dev/full", O_RDWR);
    case 24: return opened("/dev/urandom", O_RDWR);
    case 25: return opened("/dev/tty", O_RDWR | O_NONBLOCK);
    case 26: return opened("/dev/console", O_WRONLY | O_NONBLOCK);
    case 27: return opened("/proc/self/mem", O_RDWR);
    case 28: return opened("/proc/self/exe", O_RDONLY);
    case 29: return opened("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    case 30: return opened(readable[below(COUNT(readable))], O_RDWR | O_NONBLOCK);
    case 31: return opened(readable[below(COUNT(readable))], O_RDONLY | O_NONBLOCK);
    case 32: return opened(names[below(COUNT(names))], O_PATH);
    case 33: return opened("/dev/shm/x", O_RDWR | O_CREAT);
    case 34: return opened("/tmp/over/a", O_RDWR | O_CREAT);
    case 35: return opened("/tmp/over", O_RDONLY | O_DIRECTORY);
    default: return fd();
    }
}

/* Two descriptors through a socket; some stay in its queue when it goes. */
static void pass(int one, int other)
{
    int pair[2] = { -1, -1 };
    char control[CMSG_SPACE(8 * sizeof(int))] = { 0 }, byte = 0;
    struct iovec v = { &byte, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = (void *)control;
    CALL(socketpair, AF_UNIX, ANY(1, 2, 5) | SOCK_NONBLOCK, 0, pair);
    for (int round = below(3); round >= 0; round--) {
        c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(8 * sizeof(int));
        for (int i = 0; i < 8; i++)
            ((int *)CMSG_DATA(c))[i] = i % 4 == 0 ? one : i % 4 == 1 ? other : one_in(3) ? pair[i % 2] : other;
        m.msg_controllen = sizeof control;
        CALL(sendmsg, pair[0], &m, MSG_DONTWAIT);
    }
    if (one_in(2)) {
        m.msg_controllen = one_in(2) ? sizeof control : below(sizeof control);
        if (CALL(recvmsg, pair[1], &m, MSG_DONTWAIT | SOME(MSG_PEEK, MSG_CMSG_CLOEXEC, MSG_TRUNC)) >= 0 && m.msg_controllen >= CMSG_LEN(4)) {
            int count = (c->cmsg_len - CMSG_LEN(0)) / 4;
            for (int i = 0; i < count && i < 8; i++)
                CALL(close, ((int *)CMSG_DATA(c))[i]);
        }
    }
    if (one_in(6))
        leave_about(pair[0]);
    else
        CALL(close, pair[0]);
    CALL(close, pair[1]);
}

/* Many requests at once, some about the very descriptor that they report to. */
static void submit_many(int one, int other)
{
    static struct iocb blocks[2 * THREADS][96];
    struct iocb *block = blocks[self - states], *list[96];
    u64 *context = scratch(8), events[4 * 32];
    *context = 0;
    CALL(io_setup, 1 + below(200), context);
    for (int i = 0; i < 96; i++) {
        u64 what = ANY(IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_POLL, IOCB_CMD_POLL, IOCB_CMD_FSYNC, IOCB_CMD_NOOP);
        int poll = what == IOCB_CMD_POLL;
        block[i] = (struct iocb){ .aio_lio_opcode = what, .aio_fildes = one_in(3) ? other : one, .aio_flags = one_in(2), .aio_resfd = one_in(2) ? one : other,
                                  .aio_buf = poll ? below(16) : (u64)shared(), .aio_nbytes = poll ? 0 : below(300), .aio_offset = poll ? 0 : below(8192) };
        list[i] = &block[i];
    }
    CALL(io_submit, *context, 96, list);
    if (one_in(2))
        CALL(close, one_in(2) ? one : other);
    for (int i = below(4); i > 0; i--)
        CALL(io_cancel, *context, list[below(96)], events);
    CALL(io_getevents, *context, below(2), 32, events, soon(1));
    if (one_in(8))
        contexts[below(4)] = *context;
    else
        CALL(io_destroy, *context);
}

static void kinds(void)
{
    int one = of_kind(below(KINDS)), other = one_in(5) ? one : of_kind(below(KINDS)), n;
    void *v;
    for (int round = below(5); round >= 0; round--) {
        switch (below(26)) {
        case 0 ... 1: CALL(splice, one, offset_at(), other, offset_at(), length(), 2 | SOME(1, 4, 8)); break;
        case 2: CALL(tee, one, other, length(), 2); break;
        case 3: v = vector(&n), CALL(vmsplice, one, v, n, 2 | SOME(8)); break;
        case 4: CALL(sendfile, one, other, offset_at(), length()); break;
        case 5: CALL(copy_file_range, one, offset_at(), other, offset_at(), length(), 0); break;
        case 6 ... 7: pass(one, other); break;
        case 8: CALL(epoll_ctl, one, ANY(1, 2, 3), other, PLACED(struct epoll_event, { SOME(1, 4, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE), { .u64 = 2 } })); break;
        case 9 ... 10: CALL(ioctl, one, ANY(FIONREAD, FIONBIO, FIOASYNC, FIOQSIZE, FIGETBSZ, TCGETS, TIOCGWINSZ, TIOCOUTQ, 0x8901, 0x8902, 0x8904, 0x40086602, 0x80086601, 0x5452, 0x5460, 0x40045431), one_in(3) ? below(3) : (u64)buffer()); break;
        case 11: CALL(fcntl, one, ANY(F_SETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETLK, F_OFD_GETLK), PLACED(struct flock, { .l_type = below(3), .l_start = below(50), .l_len = below(50) })); break;
        case 12: CALL(fcntl, one, F_SETSIG, ANY(0, SIGURG, 40)), CALL(fcntl, one, F_SETOWN, a_thread()), CALL(fcntl, one, F_SETFL, O_ASYNC | O_NONBLOCK); break;
        case 13: v = page(), CALL(mmap, v, within(v), ANY(1, 3, 3, 5), MAP_FIXED | ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_POPULATE), one, below(4) << 12); break;
        case 14: CALL(ftruncate, one, below(40000)), CALL(fallocate, one, SOME(1, 2), below(20000), below(20000)); break;
        case 15: CALL(fstat, one, buffer()), CALL(fchmod, one, 0777), CALL(fstatfs, one, buffer()), CALL(flistxattr, one, buffer(), 200); break;
        case 16: CALL(read, one, buffer(), length()), CALL(write, other, buffer(), length()); break;
        case 17: CALL(pread64, one, buffer(), length(), offset()), CALL(pwrite64, other, buffer(), length(), offset()); break;
        case 18: CALL(lseek, one, below(9000), below(5)), CALL(getdents64, one, buffer(), length()); break;
        case 19: submit_many(one, other); break;
        case 20: CALL(flock, one, ANY(LOCK_SH, LOCK_EX, LOCK_UN) | LOCK_NB), CALL(fsync, one); break;
        case 21: CALL(kcmp, getpid(), getpid(), below(9), one, other), CALL(pidfd_getfd, one, other, 0), CALL(fchdir, one), CALL(chdir, "/tmp/chaos"); break;
        case 22: CALL(setsockopt, one, SOL_SOCKET, below(60), buffer(), 8), CALL(getsockopt, one, SOL_SOCKET, below(60), buffer(), PLACED(int, (int)below(20))); break;
        case 23: CALL(connect, one, v = address((unsigned *)&n), n), CALL(accept4, other, NULL, NULL, SOCK_NONBLOCK), CALL(shutdown, one, below(3)); break;
        case 24: CALL(timerfd_settime, one, below(4), PLACED(struct itimerspec, { interval(), moment() }), NULL), CALL(inotify_add_watch, other, path(), IN_ALL_EVENTS); break;
        case 25: CALL(fcntl, one, F_SETPIPE_SZ, ANY(4096, 8192, 65536, 1 << 20)), CALL(fcntl, one, F_ADD_SEALS, SOME(2, 4, 8, 16)), CALL(fcntl, one, F_DUPFD, below(60)); break;
        }
    }
    if (other != one)
        leave_about(other);
    if (one_in(2))
        leave_about(one);
    else
        CALL(close, one);
}
