/* System calls with random arguments, a function for each kind. */
static void files(void)
{
    u64 flags = ANY(O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR) |
                SOME(O_CREAT, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_CLOEXEC,
                     O_TMPFILE, O_DIRECT, O_SYNC, O_DSYNC, O_ASYNC, O_NOATIME, O_NOCTTY);
    int n;
    void *v;
    switch (below(64)) {
    case 0 ... 7: CALL(openat, directory(), path(), flags, 0777); break;
    case 8: CALL(openat2, directory(), path(), PLACED(struct open_how, { flags, 0644, SOME(1, 2, 4, 8, 16, 32) }), one_in(5) ? length() : 24); break;
    case 9 ... 11: CALL(read, fd(), buffer(), length()); break;
    case 12 ... 14: CALL(write, fd(), buffer(), length()); break;
    case 15: CALL(pread64, fd(), buffer(), length(), offset()); break;
    case 16: CALL(pwrite64, fd(), buffer(), length(), offset()); break;
    case 17: v = vector(&n), CALL(readv, fd(), v, n); break;
    case 18: v = vector(&n), CALL(writev, fd(), v, n); break;
    case 19: v = vector(&n), CALL(preadv2, fd(), v, n, offset(), 0, SOME(1, 2, 4, 8, 16)); break;
    case 20: v = vector(&n), CALL(pwritev2, fd(), v, n, offset(), 0, SOME(1, 2, 4, 8, 16)); break;
    case 21: CALL(lseek, fd(), offset(), below(6)); break;
    case 22: CALL(ftruncate, fd(), offset()); break;
    case 23: CALL(truncate, path(), offset()); break;
    case 24: CALL(fallocate, fd(), SOME(1, 2, 3, 8, 16, 32), one_in(9) ? wild() : below(20000), one_in(9) ? wild() : below(20000)); break;
    case 25: CALL(mkdirat, directory(), path(), 0777); break;
    case 26 ... 27: CALL(unlinkat, directory(), path(), one_in(3) ? AT_REMOVEDIR : 0); break;
    case 28 ... 29: CALL(renameat2, directory(), path(), directory(), path(), one_in(2) ? 0 : SOME(1, 2, 4)); break;
    case 30: CALL(linkat, directory(), path(), directory(), path(), SOME(AT_EMPTY_PATH, AT_SYMLINK_FOLLOW)); break;
    case 31: CALL(symlinkat, path(), directory(), path()); break;
    case 32: CALL(readlinkat, directory(), path(), buffer(), length()); break;
    case 33: CALL(mknodat, directory(), path(), ANY(S_IFIFO, S_IFREG, S_IFSOCK, S_IFCHR, 0170000) | 0666, ANY(0x103, 0x105, 0x500, 0x502, 77)); break;
    case 34: CALL(newfstatat, directory(), path(), buffer(), SOME(AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW)); break;
    case 35: CALL(statx, directory(), path(), SOME(AT_EMPTY_PATH, 0x2000, 0x4000), wild(), buffer()); break;
    case 36 ... 37: CALL(getdents64, fd(), buffer(), length()); break;
    case 38: CALL(fcntl, fd(), ANY(F_DUPFD, F_DUPFD_CLOEXEC), below(100)); break;
    case 39: CALL(fcntl, fd(), ANY(F_SETFL), SOME(O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME)); break;
    case 40: CALL(fcntl, fd(), ANY(F_SETLK, F_SETLKW, F_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK),
                  PLACED(struct flock, { .l_type = below(4), .l_whence = below(3), .l_start = one_in(10) ? wild() : below(100), .l_len = one_in(10) ? wild() : below(100) })); break;
    case 41: CALL(fcntl, fd(), ANY(F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, F_SETSIG, F_GETSIG, F_SETFD, F_GETFD), ANY(0, 1, 2, 4, 8, 16, 4096, 8192, 65536, 1 << 20, -1)); break;
    case 42: CALL(fcntl, fd(), ANY(F_SETOWN, F_GETOWN), a_thread()); break;
    case 43: CALL(fcntl, fd(), ANY(F_SETOWN_EX, F_GETOWN_EX), PLACED(struct f_owner_ex, { below(3), a_thread() })); break;
    case 44: CALL(fcntl, fd(), ANY(F_SETLEASE, F_GETLEASE, F_NOTIFY, 1036, 1037, 1038, 1039), one_in(2) ? (u64)buffer() : below(3)); break;
    case 45: CALL(flock, fd(), SOME(LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB)); break;
    case 46 ... 49: CALL(close, fd()); break;
    case 50: CALL(dup2, fd(), target()); break;
    case 51: CALL(dup3, fd(), target(), one_in(2) ? O_CLOEXEC : 0); break;
    case 52: n = target(), CALL(close_range, n, n + below(8), SOME(4)); break;
    case 53: CALL(ioctl, fd(), ANY(FIONREAD, FIONBIO, FIOASYNC, TCGETS, TCSETS, TCSETSW, TIOCGWINSZ, TIOCSWINSZ, FIOCLEX, FIONCLEX, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCSTI, TCFLSH, TCSBRK, TIOCSCTTY, TIOCGSID, TIOCNOTTY, FIOQSIZE, FIGETBSZ), buffer()); break;
    case 54: CALL(setxattr, path(), attribute(), buffer(), below(300), below(3)); break;
    case 55: CALL(fsetxattr, fd(), attribute(), buffer(), below(70000), below(3)); break;
    case 56: CALL(getxattr, path(), attribute(), buffer(), length()), CALL(removexattr, path(), attribute()); break;
    case 57: CALL(listxattr, path(), buffer(), length()), CALL(fremovexattr, fd(), attribute()); break;
    case 58: CALL(fchmodat, directory(), path(), one_in(4) ? 0 : 0777), CALL(fchownat, directory(), path(), -1, one_in(2) ? 0 : 5, SOME(AT_EMPTY_PATH)); break;
    case 59: CALL(utimensat, directory(), one_in(3) ? NULL : path(), buffer(), SOME(AT_SYMLINK_NOFOLLOW)); break;
    case 60: CALL(faccessat2, directory(), path(), below(8), SOME(AT_EMPTY_PATH, AT_EACCESS)), CALL(fstatfs, fd(), buffer()), CALL(statfs, path(), buffer()); break;
    case 61: CALL(fadvise64, fd(), offset(), length(), below(8)), CALL(readahead, fd(), offset(), length()); break;
    case 62: CALL(fsync, fd()), CALL(fdatasync, fd()), CALL(sync_file_range, fd(), offset(), length(), below(8)); break;
    case 63: if (one_in(4)) CALL(chdir, path()); else if (one_in(4)) CALL(fchdir, fd()); else CALL(chdir, "/tmp/chaos"); break;
    }
}

static void mounts(void)
{
    unsigned i = below(COUNT(handles));
    switch (below(8)) {
    case 0: CALL(mount, "none", names[below(14)], one_in(8) ? "proc" : "tmpfs", SOME(1, 2, 4, 8, 32), one_in(2) ? "size=1m" : one_in(3) ? buffer() : NULL); break;
    case 1: CALL(mount, "none", "m", "tmpfs", 0, "size=1m"); break;
    case 2: CALL(umount2, "m", SOME(1, 2, 4, 8)); break;
    case 3: { char *p = path(); if (one_in(2) && strcmp(p, "/proc") && strcmp(p, "/")) CALL(umount2, "/tmp/chaos/m", MNT_DETACH); break; }
    case 4: CALL(mount, path(), names[below(14)], NULL, SOME(MS_BIND, MS_MOVE, MS_REC, MS_REMOUNT), NULL); break;
    case 5: {
        struct file_handle *h = (void *)handles[i];
        int id;
        h->handle_bytes = one_in(9) ? below(200) : 128;
        CALL(name_to_handle_at, directory(), path(), one_in(10) ? buffer() : h, place(&id, 4), SOME(AT_EMPTY_PATH));
        break;
    }
    case 6: CALL(open_by_handle_at, directory(), one_in(10) ? buffer() : handles[i], one_in(2) ? O_RDWR : O_RDONLY); break;
    case 7: handles[i][below(40)] ^= one_in(3) ? 1 : 0; break;
    }
}

static void system_files(void)
{
    int n = CALL(openat, AT_FDCWD, readable[below(COUNT(readable))], O_RDONLY | O_NONBLOCK);
    if (n < 0)
        return;
    for (int i = below(6); i >= 0; i--) {
        if (one_in(4))
            CALL(lseek, n, one_in(10) ? wild() : below(3000), 0);
        if (one_in(5))
            CALL(pread64, n, buffer(), length(), one_in(2) ? (u64)arena : offset());
        else
            CALL(read, n, buffer(), one_in(2) ? below(512) : length());
        CALL(getdents64, n, buffer(), 512);
    }
    if (!one_in(4))
        CALL(close, n);
}

static void memory(void)
{
    void *at = page(), *to = page();
    u64 prot = ANY(0, 1, 3, 3, 3, 7, 5), size = within(at);
    switch (below(18)) {
    case 0 ... 2: CALL(mmap, at, size, 3, MAP_FIXED | MAP_ANONYMOUS | ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_POPULATE, MAP_NORESERVE, MAP_LOCKED, MAP_GROWSDOWN, MAP_STACK), -1, 0); break;
    case 3: CALL(mmap, at, size, prot, MAP_FIXED | ANY(MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE) | SOME(MAP_POPULATE, MAP_ANONYMOUS, MAP_NORESERVE), fd(), one_in(10) ? wild() : below(8) << 12); break;
    case 4: {
        u64 much = one_in(8) ? wild() : pages();
        long p = CALL(mmap, one_in(2) ? 0 : wild(), much, prot, ANY(MAP_PRIVATE, MAP_SHARED) | SOME(MAP_ANONYMOUS, MAP_NORESERVE, MAP_FIXED_NOREPLACE, MAP_32BIT), one_in(2) ? -1 : fd(), one_in(10) ? wild() : below(8) << 12);
        if (p > 0 || p < -4096)
            CALL(munmap, p, much);
        break;
    }
    case 5: CALL(munmap, at, size); break;
    case 6 ... 7: CALL(mprotect, at, size, prot); break;
    case 8 ... 9: {
        u64 more = within(to);
        CALL(mremap, at, one_in(8) ? 0 : size, more, MREMAP_MAYMOVE | MREMAP_FIXED | SOME(4), to);
        break;
    }
    case 10: CALL(mremap, at, size, size > 4096 ? size - 4096 : size, 0); break;
    case 11 ... 12: CALL(madvise, at, size, one_in(20) ? wild() : ANY(0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25)); break;
    case 13: CALL(msync, at, size, SOME(1, 2, 4)); break;
    case 14: CALL(mlock2, at, size, below(2)), CALL(munlock, at, size); break;
    case 15: CALL(mincore, at, size, buffer()); break;
    case 16: if (one_in(20)) CALL(mlockall, SOME(1, 2, 4)); CALL(munlockall); break;
    case 17: {
        struct iovec *l = scratch(32), *r = scratch(32);
        l[0] = (struct iovec){ buffer(), below(500) }, r[0] = (struct iovec){ at, size };
        if (one_in(2))
            CALL(process_vm_readv, getpid(), l, 1, r, 1, 0);
        else
            CALL(process_vm_writev, getpid(), r, 1, l, 1, 0);
    }
    }
}

static void touch(void)
{
    for (int i = below(20); i >= 0; i--) {
        volatile char *at = shared();
        if (one_in(2))
            *at = bits();
        else
            (void)*at;
    }
}

static void pipes(void)
{
    switch (below(12)) {
    case 0 ... 1: CALL(pipe2, buffer(), SOME(O_NONBLOCK, O_CLOEXEC, O_DIRECT)); break;
    case 2 ... 3: CALL(splice, fd(), offset_at(), fd(), offset_at(), length(), SOME(1, 2, 4, 8)); break;
    case 4: CALL(tee, fd(), fd(), length(), SOME(1, 2, 4, 8)); break;
    case 5: { int n; void *v = vector(&n); CALL(vmsplice, fd(), v, n, SOME(1, 2, 4, 8)); break; }
    case 6: CALL(sendfile, fd(), fd(), offset_at(), length()); break;
    case 7: CALL(copy_file_range, fd(), offset_at(), fd(), offset_at(), length(), 0); break;
    case 8: CALL(eventfd2, below(3), SOME(EFD_NONBLOCK, EFD_SEMAPHORE, EFD_CLOEXEC)); break;
    case 9: CALL(memfd_create, path(), SOME(1, 2)); break;
    case 10: CALL(signalfd4, one_in(2) ? -1 : fd(), mask(), 8, SOME(SFD_NONBLOCK)); break;
    case 11: CALL(pidfd_open, one_in(2) ? getpid() : a_thread(), SOME(O_NONBLOCK, 0x80)), CALL(pidfd_send_signal, fd(), a_signal(), NULL, 0), CALL(pidfd_getfd, fd(), fd(), 0); break;
    }
}

static void *message(void)
{
    struct msghdr *m = scratch(sizeof *m);
    int n;
    unsigned size = 0;
    memset(m, 0, sizeof *m);
    m->msg_iov = vector(&n), m->msg_iovlen = n;
    if (one_in(3))
        m->msg_name = address(&size), m->msg_namelen = size;
    if (!one_in(3)) {
        char *control = scratch(1200);
        struct cmsghdr *c = (void *)control;
        int count = one_in(10) ? below(256) : 1 + below(4);
        memset(control, 0, 1200);
        c->cmsg_level = one_in(20) ? below(300) : SOL_SOCKET;
        c->cmsg_type = one_in(5) ? below(4) : SCM_RIGHTS;
        c->cmsg_len = one_in(20) ? wild() : CMSG_LEN(4 * count);
        for (int i = 0; i < count; i++)
            ((int *)CMSG_DATA(c))[i] = one_in(20) ? fd() : 3 + (int)below(30);
        m->msg_control = place(control, 1200);
        m->msg_controllen = one_in(10) ? length() : CMSG_SPACE(4 * count);
    }
    m->msg_flags = one_in(10) ? wild() : 0;
    return place(m, sizeof *m);
}

static void sockets(void)
{
    unsigned size;
    void *a = address(&size);
    u64 flags = SOME(MSG_DONTWAIT, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, MSG_OOB, MSG_EOR, MSG_MORE);
    switch (below(24)) {
    case 0 ... 1: CALL(socket, one_in(20) ? below(50) : AF_UNIX, ANY(1, 2, 5, 3) | SOME(SOCK_NONBLOCK, SOCK_CLOEXEC), one_in(20)); break;
    case 2 ... 4: CALL(socketpair, AF_UNIX, ANY(1, 2, 5) | SOME(SOCK_NONBLOCK, SOCK_NONBLOCK, SOCK_CLOEXEC), 0, buffer()); break;
    case 5: CALL(bind, fd(), a, size); break;
    case 6: CALL(listen, fd(), ANY(0, 1, 5, -1)); break;
    case 7: CALL(connect, fd(), a, size); break;
    case 8: CALL(accept4, fd(), one_in(2) ? buffer() : NULL, PLACED(int, (int)length()), SOME(SOCK_NONBLOCK)); break;
    case 9 ... 12: CALL(sendmsg, fd(), message(), flags); break;
    case 13 ... 16: CALL(recvmsg, fd(), message(), flags); break;
    case 17: CALL(sendto, fd(), buffer(), length(), flags, one_in(2) ? a : NULL, size); break;
    case 18: CALL(recvfrom, fd(), buffer(), length(), flags, one_in(2) ? buffer() : NULL, PLACED(int, (int)length())); break;
    case 19: CALL(shutdown, fd(), below(4)); break;
    case 20: CALL(setsockopt, fd(), one_in(9) ? below(300) : SOL_SOCKET, below(80), buffer(), one_in(4) ? length() : 4); break;
    case 21: CALL(getsockopt, fd(), one_in(9) ? below(300) : SOL_SOCKET, below(80), buffer(), PLACED(int, (int)length())); break;
    case 22: CALL(getsockname, fd(), buffer(), PLACED(int, (int)length())), CALL(getpeername, fd(), buffer(), PLACED(int, (int)length())); break;
    case 23: {
        struct mmsghdr *m = scratch(3 * sizeof *m);
        memset(m, 0, 3 * sizeof *m);
        for (int i = 0; i < 3; i++) {
            struct iovec *v = scratch(sizeof *v);
            *v = (struct iovec){ buffer(), below(300) };
            m[i].msg_hdr.msg_iov = v, m[i].msg_hdr.msg_iovlen = 1;
        }
        if (one_in(2))
            CALL(sendmmsg, fd(), place(m, 3 * sizeof *m), 3, flags);
        else
            CALL(recvmmsg, fd(), place(m, 3 * sizeof *m), 3, flags, timeout());
    }
    }
}

static void events(void)
{
    switch (below(16)) {
    case 0: CALL(epoll_create1, one_in(9) ? wild() : 0); break;
    case 1 ... 4: CALL(epoll_ctl, fd(), one_in(20) ? wild() : ANY(1, 1, 1, 2, 3), fd(), PLACED(struct epoll_event, { SOME(1, 2, 4, 8, 16, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, EPOLLRDHUP), { .u64 = 1 } })); break;
    case 5: CALL(epoll_wait, fd(), buffer(), one_in(9) ? (int)wild() : 8, below(3)); break;
    case 6: CALL(epoll_pwait, fd(), buffer(), 8, one_in(9) ? -1 : below(3), one_in(2) ? NULL : mask(), 8); break;
    case 7: CALL(epoll_pwait2, fd(), buffer(), 8, timeout(), one_in(2) ? NULL : mask(), 8); break;
    case 8 ... 9: {
        struct pollfd *p = scratch(16 * sizeof *p);
        for (int i = 0; i < 16; i++)
            p[i] = (struct pollfd){ fd(), bits(), 0 };
        CALL(ppoll, place(p, 128), one_in(9) ? length() : below(16), timeout(), one_in(2) ? NULL : mask(), one_in(9) ? length() : 8);
        break;
    }
    case 10: {
        struct { void *set; u64 size; } *six = scratch(16);
        six->set = mask(), six->size = 8;
        CALL(pselect6, one_in(9) ? wild() : below(130), buffer(), buffer(), one_in(2) ? buffer() : NULL, timeout(), one_in(2) ? NULL : six);
        break;
    }
    case 11: CALL(inotify_init1, SOME(IN_NONBLOCK, IN_CLOEXEC)); break;
    case 12: CALL(inotify_add_watch, fd(), path(), one_in(2) ? IN_ALL_EVENTS : SOME(1, 2, 4, 0x100, 0x200, 0x400, 0x800, IN_ONESHOT, IN_MASK_ADD, IN_MASK_CREATE, IN_ONLYDIR, IN_EXCL_UNLINK)); break;
    case 13: CALL(inotify_rm_watch, fd(), below(8)); break;
    case 14: CALL(timerfd_create, ANY(0, 1, 7, 8, 9, 20), SOME(TFD_NONBLOCK)); break;
    case 15: CALL(timerfd_settime, fd(), below(4), PLACED(struct itimerspec, { interval(), moment() }), one_in(2) ? NULL : buffer()), CALL(timerfd_gettime, fd(), buffer()); break;
    }
}

static void signals(void)
{
    static volatile int timers;
    union sigval value = { .sival_int = 5 };
    siginfo_t *info = scratch(sizeof *info);
    memset(info, 0, sizeof *info);
    info->si_code = one_in(5) ? (int)wild() : SI_QUEUE, info->si_value = value;
    switch (below(18)) {
    case 0 ... 1: CALL(tgkill, getpid(), a_thread(), a_signal()); break;
    case 2: CALL(tkill, a_thread(), a_signal()); break;
    case 3: CALL(kill, getpid(), a_signal()); break;
    case 4: CALL(rt_sigqueueinfo, getpid(), a_signal(), place(info, sizeof *info)); break;
    case 5: CALL(rt_tgsigqueueinfo, getpid(), a_thread(), a_signal(), place(info, sizeof *info)); break;
    case 6 ... 7: CALL(rt_sigprocmask, below(4), one_in(4) ? NULL : mask(), one_in(2) ? NULL : buffer(), one_in(30) ? length() : 8); break;
    case 8: CALL(rt_sigtimedwait, mask(), one_in(2) ? NULL : buffer(), PLACED(struct timespec, moment()), 8); break;
    case 9: CALL(rt_sigsuspend, mask(), 8); break;
    case 10: CALL(rt_sigpending, buffer(), one_in(9) ? length() : 8); break;
    case 11: {
        stack_t stack = { alternates[self - states], one_in(3) ? SS_DISABLE : 0, SCRATCH };
        CALL(sigaltstack, one_in(4) ? NULL : &stack, one_in(2) ? NULL : buffer());
        break;
    }
    case 12: {
        struct sigevent e = { .sigev_notify = ANY(SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID, 77), .sigev_signo = a_signal(), .sigev_value = value };
        e._sigev_un._tid = a_thread();
        int *id = scratch(4);
        if (CALL(timer_create, ANY(0, 1, 2, 3, 7, 20), one_in(9) ? noise() : &e, place(id, 4)) == 0)
            timers = *id;
        break;
    }
    case 13 ... 14: CALL(timer_settime, below(timers + 2), below(3), PLACED(struct itimerspec, { interval(), moment() }), one_in(2) ? NULL : buffer()); break;
    case 15: CALL(timer_gettime, below(timers + 2), buffer()), CALL(timer_getoverrun, below(timers + 2)); break;
    case 16: CALL(timer_delete, below(timers + 2)); break;
    case 17: CALL(setitimer, below(4), PLACED(struct itimerval, { { 0, below(3) * 2000 }, { 0, below(3000) } }), one_in(2) ? NULL : buffer()); break;
    }
}

static void *word(void) { return one_in(30) ? (void *)wild() : one_in(4) ? (void *)((u64)shared() & (one_in(20) ? -1ul : -4ul)) : &words[below(COUNT(words))]; }

static void futexes(void)
{
    u64 private = one_in(3) ? 0 : FUTEX_PRIVATE_FLAG, realtime = one_in(4) ? FUTEX_CLOCK_REALTIME : 0;
    int *w = word(), value = one_in(3) ? (int)below(4) : w >= words && w < words + 16 ? *(volatile int *)w : 0;
    switch (below(20)) {
    case 0 ... 2: CALL(futex, w, FUTEX_WAIT | private, value, timeout()); break;
    case 3: CALL(futex, w, FUTEX_WAIT_BITSET | private | realtime, value, one_in(4) ? NULL : absolute(realtime ? 0 : 1), 0, one_in(3) ? wild() : -1u); break;
    case 4 ... 5: CALL(futex, w, FUTEX_WAKE | private, one_in(9) ? wild() : below(4)); break;
    case 6: CALL(futex, w, FUTEX_WAKE_BITSET | private, below(4), 0, 0, one_in(3) ? wild() : -1u); break;
    case 7: CALL(futex, w, FUTEX_REQUEUE | private, below(3), below(5), word()); break;
    case 8: CALL(futex, w, FUTEX_CMP_REQUEUE | private, below(3), below(5), word(), value); break;
    case 9: CALL(futex, w, FUTEX_WAKE_OP | private, below(3), below(3), word(), one_in(3) ? wild() : FUTEX_OP(below(5), below(4), below(6), below(4))); break;
    case 10: CALL(futex, w, FUTEX_LOCK_PI | private, 0, soon(0)); break;
    case 11: CALL(futex, w, one_in(3) ? FUTEX_TRYLOCK_PI | private : FUTEX_LOCK_PI2 | private | realtime, 0, soon(realtime ? 0 : 1)); break;
    case 12 ... 13: CALL(futex, w, FUTEX_UNLOCK_PI | private); break;
    case 14: CALL(futex, w, FUTEX_WAIT_REQUEUE_PI | private | realtime, value, soon(realtime ? 0 : 1), word()); break;
    case 15: CALL(futex, w, FUTEX_CMP_REQUEUE_PI | private, one_in(5) ? below(3) : 1, below(5), word(), value); break;
    case 16: {
        struct { u64 value, address; unsigned flags, reserved; } *v = scratch(4 * 24);
        for (int i = 0; i < 4; i++) {
            int *each = word();
            v[i].value = each >= words && each < words + 16 ? *(volatile int *)each : 0, v[i].address = (u64)each;
            v[i].flags = one_in(9) ? wild() : 2 | (one_in(2) ? 128 : 0), v[i].reserved = 0;
        }
        CALL(futex_waitv, place(v, 96), one_in(9) ? wild() : 1 + below(4), 0, absolute(1), 1);
        break;
    }
    case 17: words[below(16)] = one_in(3) ? a_thread() | (one_in(2) ? 0x80000000 : 0) : (int)below(3); break;
    case 18 ... 19: if (one_in(2)) words[below(16)] = 0; else CALL(membarrier, ANY(0, 1, 2, 4, 8, 16, 32, 64, 128), SOME(1), 0); break;
    }
}

static void asynchronous(void)
{
    unsigned i = below(4);
    switch (below(6)) {
    case 0: { u64 *c = scratch(8); *c = 0; if (CALL(io_setup, one_in(9) ? wild() % 70000 : 1 + below(40), place(c, 8)) == 0) contexts[i] = *c; break; }
    case 1: CALL(io_destroy, one_in(9) ? wild() : contexts[i]); break;
    case 2 ... 3: {
        struct iocb **list = scratch(64);
        for (int k = 0; k < 8; k++) {
            struct iocb *b = scratch(sizeof *b);
            memset(b, 0, sizeof *b);
            b->aio_lio_opcode = one_in(10) ? below(20) : ANY(IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC, IOCB_CMD_POLL, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV, IOCB_CMD_NOOP);
            b->aio_fildes = fd(), b->aio_buf = (u64)buffer(), b->aio_nbytes = one_in(5) ? length() : b->aio_lio_opcode == IOCB_CMD_POLL ? 0 : below(5), b->aio_offset = offset();
            if (b->aio_lio_opcode == IOCB_CMD_POLL)
                b->aio_buf = 5, b->aio_offset = 0;
            b->aio_flags = one_in(4), b->aio_resfd = fd();
            list[k] = place(b, sizeof *b);
        }
        CALL(io_submit, contexts[i], one_in(9) ? wild() : below(9), place(list, 64));
        if (one_in(3))
            CALL(io_cancel, contexts[i], list[below(8)], buffer());
        break;
    }
    case 4: CALL(io_getevents, contexts[i], below(3), below(10), buffer(), PLACED(struct timespec, moment())); break;
    case 5: CALL(io_pgetevents, contexts[i], below(3), below(10), buffer(), PLACED(struct timespec, moment()), NULL); break;
    }
}

static void messages(void)
{
    const char *name = ANY((u64)"q1", (u64)"q2", (u64)"", (u64)"q/3") ? names[below(4)] : 0;
    int key = 100 + below(3), id = one_in(2) ? below(4) : key;
    long *m = scratch(400);
    switch (below(20)) {
    case 0: CALL(mq_open, name, O_RDWR | SOME(O_CREAT, O_CREAT, O_EXCL, O_NONBLOCK), 0600, one_in(2) ? NULL : PLACED(struct mq_attr, { 0, 1 + below(10), 1 + below(300), 0 })); break;
    case 1: CALL(mq_unlink, name); break;
    case 2: CALL(mq_timedsend, fd(), buffer(), below(300), below(4), absolute(0)); break;
    case 3: CALL(mq_timedreceive, fd(), buffer(), 8192, buffer(), absolute(0)); break;
    case 4: CALL(mq_notify, fd(), one_in(2) ? NULL : (one_in(9) ? noise() : memcpy(scratch(sizeof(struct sigevent)), &(struct sigevent){ .sigev_notify = below(3), .sigev_signo = a_signal() }, sizeof(struct sigevent)))); break;
    case 5: CALL(mq_getsetattr, fd(), one_in(2) ? NULL : buffer(), buffer()); break;
    case 6: CALL(shmget, one_in(3) ? 0 : key, pages(), SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 7 ... 8: CALL(shmat, id, page(), SOME(SHM_RDONLY, 0x4000, SHM_RND, 0100000)); break;
    case 9: CALL(shmdt, page()); break;
    case 10: CALL(shmctl, id, ANY(0, 0, 1, 2, 3, 11, 12, 13, 14, 15), buffer()); break;
    case 11: CALL(semget, one_in(3) ? 0 : key, one_in(20) ? wild() : 1 + below(5), SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 12 ... 13: {
        struct sembuf *s = scratch(6 * 8);
        for (int i = 0; i < 6; i++)
            s[i] = (struct sembuf){ one_in(20) ? (int)wild() : below(4), one_in(20) ? (int)wild() : (int)below(5) - 2, SOME(IPC_NOWAIT, SEM_UNDO) };
        CALL(semtimedop, id, place(s, 36), one_in(20) ? length() : 1 + below(5), PLACED(struct timespec, moment()));
        break;
    }
    case 14: CALL(semctl, id, below(5), ANY(0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19), one_in(2) ? (u64)buffer() : below(4)); break;
    case 15: CALL(msgget, one_in(3) ? 0 : key, SOME(IPC_CREAT, IPC_CREAT, IPC_EXCL) | 0600); break;
    case 16 ... 17: m[0] = 1 + below(4), CALL(msgsnd, id, place(m, 400), one_in(20) ? length() : below(300), SOME(IPC_NOWAIT)); break;
    case 18: CALL(msgrcv, id, place(m, 400), one_in(9) ? length() : 300, (long)below(9) - 4, SOME(IPC_NOWAIT, MSG_NOERROR, MSG_EXCEPT, MSG_COPY)); break;
    case 19: CALL(msgctl, id, ANY(0, 1, 2, 3, 11, 12, 13), buffer()); break;
    }
}

static void scheduling(void)
{
    struct timespec t;
    switch (below(14)) {
    case 0: CALL(sched_setscheduler, a_thread(), below(8), PLACED(int, one_in(9) ? (int)wild() : (int)below(100))); break;
    case 1: CALL(sched_setscheduler, 0, 0, PLACED(int, 0)); break;
    case 2: CALL(sched_setaffinity, one_in(2) ? 0 : a_thread(), one_in(9) ? length() : 8, PLACED(u64, one_in(2) ? -1ul : 1 + below(15))); break;
    case 3: CALL(sched_getaffinity, a_thread(), length(), buffer()); break;
    case 4: CALL(sched_setattr, a_thread(), buffer(), 0), CALL(sched_getattr, a_thread(), buffer(), below(100), 0); break;
    case 5: CALL(setpriority, below(4), a_thread(), (long)below(60) - 30), CALL(getpriority, below(4), a_thread()); break;
    case 6: CALL(sched_yield); break;
    case 7: CALL(clock_nanosleep, ANY(0, 1, 2, 3, 7, 8, 20), 0, PLACED(struct timespec, moment()), one_in(2) ? NULL : buffer()); break;
    case 8: CALL(nanosleep, PLACED(struct timespec, moment()), one_in(2) ? NULL : buffer()); break;
    case 9: {
        int what = ANY(RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK, RLIMIT_DATA);
        struct rlimit limit;
        if (!leaving && getrlimit(what, &limit) == 0) {
            limit.rlim_cur = one_in(3) ? ANY(40, 60, 1 << 16, 64 << 20, 100 << 20) : limit.rlim_max;
            if (what == RLIMIT_NOFILE && limit.rlim_cur < limit.rlim_max)
                limit.rlim_cur = 60 + below(60);
            if (limit.rlim_cur <= limit.rlim_max)
                CALL(prlimit64, 0, what, &limit, one_in(2) ? NULL : buffer());
        }
        break;
    }
    case 10: CALL(getrusage, ANY(0, 1, -1), buffer()), CALL(times, buffer()), CALL(sysinfo, buffer()), CALL(getcpu, buffer(), buffer(), 0); break;
    case 11: CALL(prctl, ANY(PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_GET_DUMPABLE, PR_SET_VMA, PR_SET_THP_DISABLE, PR_GET_SECCOMP, 1000), buffer(), buffer(), below(3), below(3)); break;
    case 12: CALL(waitid, below(4), a_thread(), buffer(), WNOHANG | SOME(2, 4, 8), buffer()), CALL(wait4, -1, buffer(), one_in(2) ? WNOHANG : 0, NULL); break;
    case 13: clock_gettime(CLOCK_MONOTONIC, &t), CALL(clock_gettime, below(14), buffer()), CALL(clock_getres, below(14), buffer()), CALL(get_robust_list, a_thread(), buffer(), buffer()); break;
    }
}

/* What a device or a terminal is asked; what a program may say about itself. */
static void asking(void)
{
    int group[] = { 0, 1, 2, -1 };
    switch (below(10)) {
    case 0: CALL(openat, AT_FDCWD, one_in(2) ? "/dev/ptmx" : "/dev/pts/0", O_RDWR | O_NONBLOCK | O_NOCTTY); break;
    case 1 ... 2: CALL(ioctl, fd(), 0x5400 + below(0x62), one_in(2) ? (u64)buffer() : below(4)); break;
    case 3: CALL(ioctl, fd(), one_in(2) ? ANY(0x80045430, 0x40045431, 0x5441, 0x8004667e, 0x40086602, 0x80086601, 0x8901, 0x8905, 0x8910, 0x8912, 0x8933) : wild(), buffer()); break;
    case 4: {
        /* Not those that end or blind the program: its death signal, traps by the clock, filters, its memory's places. */
        int what = one_in(2) ? below(72) : wild();
        if (what != PR_SET_PDEATHSIG && what != PR_SET_TSC && what != PR_SET_SECCOMP && what != PR_SET_MM && what != PR_SET_SYSCALL_USER_DISPATCH)
            CALL(prctl, what, one_in(2) ? below(8) : wild(), one_in(2) ? buffer() : NULL, one_in(2) ? below(4) : wild(), below(2));
        break;
    }
    case 5: CALL(setgroups, one_in(4) ? length() : below(5), place(memcpy(scratch(16), group, 16), 16)), CALL(getgroups, below(9), buffer()); break;
    case 6: CALL(setresgid, -1, -1, -1), CALL(setresuid, -1, -1, -1), CALL(setfsuid, -1), CALL(setfsgid, -1); break;
    case 7: CALL(capget, buffer(), buffer()); break;
    case 8: CALL(brk, one_in(3) ? wild() : 0); break;
    case 9: CALL(arch_prctl, ANY(0x1003, 0x1004, 0x1011, 0x1021, 0x1022, 0x4001, 0x5003), buffer()), CALL(keyctl, below(32), buffer(), buffer(), length(), 0); break;
    }
}

/* Any number with anything: the calls that would end or blind the program are left out. */
static void anything(void)
{
    long number = below(470);
    switch (number) {
    case SYS_exit: case SYS_exit_group: case SYS_rt_sigreturn: case SYS_pause: case SYS_rt_sigsuspend: case SYS_fork: case SYS_vfork:
    case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_execveat: case SYS_reboot: case SYS_munmap: case SYS_mprotect: case SYS_mremap:
    case SYS_brk: case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: case SYS_close:
    case SYS_close_range: case SYS_dup2: case SYS_dup3: case SYS_arch_prctl: case SYS_madvise: case SYS_chroot: case SYS_mmap: case SYS_rt_sigaction:
    case SYS_rt_sigprocmask: case SYS_setrlimit: case SYS_prlimit64: case SYS_pkey_mprotect: case SYS_seccomp: case SYS_settimeofday:
    case SYS_clock_settime: case SYS_set_tid_address: case SYS_sigaltstack: case SYS_umount2: case SYS_setuid: case SYS_setgid: case SYS_setreuid:
    case SYS_setregid: case SYS_setresuid: case SYS_setresgid: case SYS_setfsuid: case SYS_setfsgid: case SYS_capset: case SYS_prctl: case SYS_shmat:
    case SYS_set_robust_list: case SYS_remap_file_pages: case SYS_alarm: case SYS_pidfd_send_signal: case SYS_ptrace: case SYS_pivot_root:
    case SYS_process_vm_writev: case SYS_unshare: case SYS_setns: case SYS_io_setup: case SYS_timer_create: case SYS_fcntl: case SYS_mlockall: case SYS_shmdt:
    case SYS_read: case SYS_pread64: case SYS_readv: case SYS_preadv: case SYS_process_madvise: case SYS_adjtimex: case SYS_clock_adjtime: case SYS_setgroups:
        return;
    }
#define ARGUMENT ({ u64 w_ = below(5); w_ == 0 ? wild() : w_ == 1 ? (u64)fd() : w_ == 2 ? below(20) : w_ == 3 ? (u64)buffer() : (u64)path(); })
    call(number, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT, ARGUMENT);
}
