/* Linux AIO by its system calls. */
#include "show.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

static aio_context_t context;
static char buffer[4096];
static int p[2];

static long submit(int operation, int fd, void *data, long length, long offset, int resfd)
{
    static struct iocb requests[100];
    static int used;
    struct iocb *r = &requests[used++];
    *r = (struct iocb){ .aio_data = used, .aio_lio_opcode = operation, .aio_fildes = fd, .aio_buf = (long)data,
                        .aio_nbytes = length, .aio_offset = offset };
    if (resfd >= 0) {
        r->aio_flags = IOCB_FLAG_RESFD;
        r->aio_resfd = resfd;
    }
    return syscall(SYS_io_submit, context, 1L, &r);
}

static void take(long least, long most, struct timespec *timeout)
{
    struct io_event events[20];
    long n = syscall(SYS_io_getevents, context, least, most, events, timeout);
    printf("%ld events%s%s\n", n, n < 0 ? " " : "", n < 0 ? strerrorname_np(errno) : "");
    for (int i = 0; i < n; i++)
        printf("  data %lld result %lld %lld\n", events[i].data, events[i].data >= 16 ? events[i].res & POLLIN : events[i].res, events[i].res2);
}

static void *write_later(void *unused)
{
    usleep(30000);
    write(p[1], "x", 1);
    return NULL;
}

/* The eventfd counts completions, not what might have been one. */
static void counted(void)
{
    int e = eventfd(0, EFD_NONBLOCK), q[2];
    uint64_t n = 0;
    struct timespec none = { 0, 0 };
    pipe(q);
    VALUE(submit(IOCB_CMD_POLL, q[0], (void *)POLLIN, 0, 0, e));
    write(q[1], "x", 1);
    take(1, 5, &none);
    VALUE(read(e, &n, 8));
    VALUE(n);
    VALUE(submit(IOCB_CMD_POLL, q[0], (void *)POLLPRI, 0, 0, e));
    write(q[1], "x", 1);
    struct pollfd f = { e, POLLIN, 0 };
    VALUE(poll(&f, 1, 10));
    VALUE(read(e, &n, 8));
    close(q[1]);
    VALUE(poll(&f, 1, 10));
    VALUE(read(e, &n, 8));
    VALUE(n);
    take(1, 5, &none);
    close(q[0]);
    close(e);
}

static void *read_one(void *from)
{
    struct iocb r = { .aio_data = 1000, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = *(int *)from, .aio_buf = (long)buffer,
                      .aio_nbytes = 1 }, *list = &r;
    return (void *)syscall(SYS_io_submit, context, 1L, &list);
}

/* A context has room for each completion, and one for a program that follows ends what waits. */
static void several(char *self)
{
    int q[2];
    pthread_t t[8];
    void *done;
    struct timespec none = { 0, 0 };
    pipe(q);
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, read_one, &q[0]);
    usleep(30000);
    write(q[1], buffer, 8);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], &done);
    take(8, 20, &none);
    char number[10];
    sprintf(number, "%d", q[1]);
    fcntl(q[0], F_SETFD, FD_CLOEXEC);
    VALUE(submit(IOCB_CMD_POLL, q[0], (void *)POLLIN, 0, 0, -1));
    execl(self, "again", number, NULL);
}

/* Eventfds that are told of each other's completions, in a ring, and of their own. */
static void told_of_each_other(void)
{
    enum { MANY = 300 };
    static struct iocb requests[MANY];
    static struct io_event events[MANY];
    aio_context_t contexts[3] = { 0 };
    int ends[MANY], counted = 0;
    uint64_t n;
    for (int i = 0; i < MANY; i++)
        ends[i] = eventfd(0, EFD_NONBLOCK);
    for (int i = 0; i < 3; i++)
        syscall(SYS_io_setup, MANY, &contexts[i]);
    for (int i = 0; i < MANY; i++) {
        struct iocb *r = &requests[i];
        *r = (struct iocb){ .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = ends[i], .aio_buf = POLLIN, .aio_flags = IOCB_FLAG_RESFD,
                            .aio_resfd = ends[i == MANY - 2 ? 0 : i == MANY - 1 ? i : i + 1] };
        syscall(SYS_io_submit, contexts[i % 3], 1L, &r);
    }
    n = 1;
    VALUE(write(ends[0], &n, 8));
    VALUE(write(ends[MANY - 1], &n, 8));
    for (int i = 0; i < 3; i++)
        VALUE(syscall(SYS_io_getevents, contexts[i], MANY / 3L, (long)MANY, events, NULL));
    for (int tries = 0; tries < 1000 && counted < MANY + 2; tries++, usleep(1000))
        for (int i = 0; i < MANY; i++)
            if (read(ends[i], &n, 8) == 8)
                counted += n;
    printf("told %d times\n", counted);
    for (int i = 0; i < 3; i++)
        syscall(SYS_io_destroy, contexts[i]);
    for (int i = 0; i < MANY; i++)
        close(ends[i]);
}

static int second(int end)
{
    signal(SIGPIPE, SIG_IGN);
    VALUE(write(end, "x", 1));
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2)
        return second(atoi(arguments[1]));
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct timespec none = { 0, 0 }, brief = { 0, 20000000 };
    int fd = open("/tmp/krait-aio", O_RDWR | O_CREAT | O_TRUNC, 0600), e = eventfd(0, EFD_NONBLOCK);
    VALUE(syscall(SYS_io_setup, 0, &context));
    VALUE(syscall(SYS_io_setup, 8, (void *)8));
    context = 5;
    VALUE(syscall(SYS_io_setup, 8, &context));
    context = 0;
    VALUE(submit(IOCB_CMD_PREAD, fd, buffer, 10, 0, -1));
    VALUE(syscall(SYS_io_setup, 8, &context));
    VALUE(syscall(SYS_io_submit, context, -1L, NULL));
    VALUE(syscall(SYS_io_submit, context, 0L, NULL));
    VALUE(syscall(SYS_io_submit, context, 1L, NULL));
    VALUE(submit(IOCB_CMD_PWRITE, fd, "hello world", 11, 0, e));
    VALUE(submit(IOCB_CMD_PREAD, fd, buffer, 100, 6, e));
    VALUE(submit(IOCB_CMD_FSYNC, fd, NULL, 0, 0, e));
    take(3, 10, NULL);
    printf("%.5s\n", buffer);
    uint64_t value = 0;
    VALUE(read(e, &value, 8));
    printf("counted %ld\n", (long)value);
    struct iovec v[2] = { { buffer, 3 }, { buffer + 100, 4 } };
    VALUE(submit(IOCB_CMD_PREADV, fd, v, 2, 0, -1));
    VALUE(submit(IOCB_CMD_PWRITEV, fd, v, 2, 20, -1));
    take(2, 2, NULL);
    printf("%.3s %.4s\n", buffer, buffer + 100);
    VALUE(submit(IOCB_CMD_PREAD, fd, (void *)8, 10, 0, -1));
    VALUE(submit(IOCB_CMD_PREAD, fd, buffer, 10, -1, -1));
    take(0, 10, &none);
    VALUE(submit(IOCB_CMD_PREAD, 99, buffer, 10, 0, -1));
    VALUE(submit(77, fd, buffer, 10, 0, -1));
    VALUE(submit(IOCB_CMD_FSYNC, fd, NULL, 5, 0, -1));
    VALUE(submit(IOCB_CMD_PREAD, fd, buffer, 10, 0, fd));
    take(0, 0, &none);
    take(3, 2, &none);
    take(-1, 2, &none);
    take(1, 2, &brief);
    pipe(p);
    VALUE(submit(IOCB_CMD_PREAD, p[1], buffer, 10, 0, -1));
    VALUE(submit(IOCB_CMD_PWRITE, p[1], "pipe", 4, 0, -1));
    VALUE(submit(IOCB_CMD_PREAD, p[0], buffer, 10, 0, -1));
    take(2, 2, NULL);
    VALUE(submit(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0, e));
    take(0, 5, &none);
    pthread_t t;
    pthread_create(&t, NULL, write_later, NULL);
    struct pollfd f = { e, POLLIN, 0 };
    VALUE(poll(&f, 1, 3000));
    take(1, 5, NULL);
    pthread_join(t, NULL);
    VALUE(submit(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0, -1));
    take(1, 5, NULL);
    struct iocb cancelled = { .aio_data = 500, .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = p[0], .aio_buf = POLLPRI }, *c = &cancelled;
    VALUE(syscall(SYS_io_submit, context, 1L, &c));
    struct io_event event;
    VALUE(syscall(SYS_io_cancel, context, c, &event));
    take(1, 5, &brief);
    VALUE(syscall(SYS_io_cancel, context, c, &event));
    struct { void *mask; long size; } with = { NULL, 8 };
    VALUE(syscall(SYS_io_pgetevents, context, 0L, 1L, &event, &none, &with));
    counted();
    told_of_each_other();
    VALUE(syscall(SYS_io_destroy, context));
    VALUE(syscall(SYS_io_destroy, context));
    unlink("/tmp/krait-aio");
    context = 0;
    VALUE(syscall(SYS_io_setup, 2, &context));
    several(arguments[0]);
    return 1;
}
