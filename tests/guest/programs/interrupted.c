/* What a signal does to every call that waits: handled, handled with SA_RESTART, stopped and continued (signal(7)). */
#include "show.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static char folder[] = "/tmp/krait-interrupted-XXXXXX";
static char full[1 << 20];
static int p[2], full_pipe[2], s[2], full_socket[2], listener = -1, queue, set, epoll, counter, timer_file, watch, signals,
    locked, locks, mq, mq_full, first = -1;
static aio_context_t context;
static atomic_uint word, held;
static volatile int hits, done;
static pthread_t main_thread;
static int main_tid;
static struct sockaddr_un address = { AF_UNIX };

struct message { long type; char text[8]; };

static struct timespec *in(long milliseconds)
{
    static struct timespec t;
    t = (struct timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000 };
    return &t;
}

static struct timespec *at(clockid_t clock, long milliseconds)
{
    static struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += milliseconds * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return &t;
}

#define WAIT(name, call) static long name(void) { return call; }
static struct iovec vector = { full, 1 }, long_vector = { full, sizeof full };
static struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };
static struct mmsghdr headers;
static char byte;
static struct pollfd polled;
static struct epoll_event event;
static struct message message = { 1, "text" };
static struct sembuf down = { 0, -1, 0 };
static struct io_event completion;
static sigset_t none, rtmin;

static long wait_select(long how)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    if (how == 0)
        return select(p[0] + 1, &set, NULL, NULL, NULL);
    if (how == 1)
        return select(p[0] + 1, &set, NULL, NULL, &(struct timeval){ 20, 0 });
    return pselect(p[0] + 1, &set, NULL, NULL, in(20000), NULL);
}

static long wait_vector(void)
{
    struct { uint64_t value, address; uint32_t flags, reserved; } one = { 0, (uintptr_t)&word, 2, 0 };
    return syscall(449, &one, 1, 0, NULL, 0);
}

static long connect_more(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    long result = connect(fd, (void *)&address, sizeof address);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long lock_range(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(locks, F_OFD_SETLKW, &lock);
}

static void timeouts(int seconds)
{
    struct timeval limit = { seconds, 0 };
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(full_socket[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static long limited_receive(void)
{
    timeouts(20);
    long result = recv(s[0], &byte, 1, 0);
    int error = errno;
    timeouts(0);
    errno = error;
    return result;
}

static long limited_send(void)
{
    timeouts(20);
    long result = send(full_socket[0], full, 1, 0);
    int error = errno;
    timeouts(0);
    errno = error;
    return result;
}

WAIT(read_pipe, read(p[0], &byte, 1))
WAIT(read_vector, readv(p[0], &vector, 1))
WAIT(write_pipe, write(full_pipe[1], "x", 1))
WAIT(write_vector, writev(full_pipe[1], &vector, 1))
WAIT(open_fifo, open("fifo", O_RDONLY))
WAIT(take_flock, flock(locks, LOCK_EX))
WAIT(wait_futex, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0))
WAIT(wait_futex_limit, syscall(SYS_futex, &word, FUTEX_WAIT, 0, in(20000), NULL, 0))
WAIT(wait_futex_until, syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, at(CLOCK_MONOTONIC, 20000), NULL, 1))
WAIT(lock_futex, syscall(SYS_futex, &held, FUTEX_LOCK_PI, 0, NULL, NULL, 0))
static long accept_one(void)
{
    close(accept(listener, NULL, NULL)); /* the first, which keeps others out */
    return accept(listener, NULL, NULL);
}

WAIT(receive, recv(s[0], &byte, 1, 0))
WAIT(receive_message, recvmsg(s[0], &header, 0))
WAIT(receive_many, recvmmsg(s[0], &headers, 1, 0, NULL))
WAIT(send_one, send(full_socket[0], full, 1, 0))
WAIT(send_message, sendmsg(full_socket[0], &header, 0))
WAIT(wait_poll, poll(&polled, 1, 20000))
WAIT(wait_poll_forever, poll(&polled, 1, -1))
WAIT(wait_ppoll, ppoll(&polled, 1, in(20000), &none))
WAIT(wait_select_forever, wait_select(0))
WAIT(wait_select_limit, wait_select(1))
WAIT(wait_pselect, wait_select(2))
WAIT(wait_epoll, epoll_wait(epoll, &event, 1, -1))
WAIT(wait_epoll_mask, epoll_pwait(epoll, &event, 1, 20000, &none))
WAIT(wait_epoll_2, syscall(SYS_epoll_pwait2, epoll, &event, 1, in(20000), NULL, 8))
WAIT(sleep_for, syscall(SYS_nanosleep, in(150), NULL))
WAIT(sleep_clock, clock_nanosleep(CLOCK_MONOTONIC, 0, in(150), NULL))
WAIT(sleep_until, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at(CLOCK_MONOTONIC, 150), NULL))
WAIT(wait_signal, sigtimedwait(&rtmin, NULL, in(20000)))
WAIT(wait_signal_forever, sigwaitinfo(&rtmin, NULL))
WAIT(lower, semop(set, &down, 1))
WAIT(lower_limit, semtimedop(set, &down, 1, in(20000)))
WAIT(receive_type, msgrcv(queue, &message, 8, 2, 0))
WAIT(send_type, msgsnd(queue, &message, 4, 0))
WAIT(completions, syscall(SYS_io_getevents, context, 1L, 1L, &completion, NULL))
WAIT(completions_mask, syscall(SYS_io_pgetevents, context, 1L, 1L, &completion, in(20000), NULL))
WAIT(queue_receive, mq_timedreceive(mq, full, 8, NULL, at(CLOCK_REALTIME, 20000)))
WAIT(queue_send, mq_send(mq_full, "x", 1, 0))
WAIT(read_counter, read(counter, full, 8))
WAIT(read_timer, read(timer_file, full, 8))
WAIT(read_watch, read(watch, full, 1000))
WAIT(read_signals, read(signals, full, sizeof(struct signalfd_siginfo)))
WAIT(splice_pipe, splice(p[0], NULL, full_pipe[1], NULL, 1, 0))
WAIT(tee_pipe, tee(p[0], full_pipe[1], 1, 0))
WAIT(vmsplice_pipe, vmsplice(full_pipe[1], &vector, 1, 0))
WAIT(send_file, sendfile(full_pipe[1], locked, NULL, 1))

static const struct { const char *name; long (*wait)(void); } cases[] = {
#define CASE(name) { #name, name }
    CASE(read_pipe), CASE(read_vector), CASE(write_pipe), CASE(write_vector), CASE(open_fifo), CASE(take_flock),
    CASE(lock_range), CASE(wait_futex), CASE(wait_futex_limit), CASE(wait_futex_until), CASE(lock_futex),
    CASE(wait_vector), CASE(accept_one), CASE(connect_more), CASE(receive), CASE(receive_message), CASE(receive_many),
    CASE(limited_receive), CASE(send_one), CASE(send_message), CASE(limited_send), CASE(wait_poll),
    CASE(wait_poll_forever), CASE(wait_ppoll), CASE(wait_select_forever), CASE(wait_select_limit), CASE(wait_pselect),
    CASE(wait_epoll), CASE(wait_epoll_mask), CASE(wait_epoll_2), CASE(sleep_for), CASE(sleep_clock), CASE(sleep_until),
    CASE(wait_signal), CASE(wait_signal_forever), CASE(lower), CASE(lower_limit), CASE(receive_type), CASE(send_type),
    CASE(completions), CASE(completions_mask), CASE(queue_receive), CASE(queue_send), CASE(read_counter),
    CASE(read_timer), CASE(read_watch), CASE(read_signals), CASE(splice_pipe), CASE(tee_pipe), CASE(vmsplice_pipe),
    CASE(send_file),
};

static void fill_pipe(void)
{
    fcntl(full_pipe[1], F_SETFL, O_NONBLOCK);
    for (int size = 4096; size; size /= 4)
        while (write(full_pipe[1], full, size) > 0)
            ;
    fcntl(full_pipe[1], F_SETFL, 0);
}

static void fill_socket(void)
{
    for (int size = sizeof full; size; size /= 4)
        while (send(full_socket[0], full, size, MSG_DONTWAIT) > 0)
            ;
}

/* Everything is full, empty or held by somebody else, as each case wants it. */
static void prepare(void)
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    fcntl(locks, F_OFD_SETLK, &lock);
    flock(locks, LOCK_UN);
    lock.l_type = F_WRLCK;
    fcntl(locked, F_OFD_SETLK, &lock);
    flock(locked, LOCK_EX | LOCK_NB);
    lseek(locked, 0, SEEK_SET);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    while (read(p[0], full, 100) > 0)
        ;
    fcntl(p[0], F_SETFL, 0);
    while (recv(s[0], full, 100, MSG_DONTWAIT) > 0)
        ;
    fill_pipe();
    fill_socket();
    close(listener);
    unlink("socket");
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (void *)&address, sizeof address);
    listen(listener, 0);
    close(first);
    first = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(first, (void *)&address, sizeof address);
    word = 0;
    while (msgrcv(queue, &message, 8, 2, IPC_NOWAIT) > 0)
        ;
    message.type = 1;
    while (!msgsnd(queue, &message, 4, IPC_NOWAIT))
        ;
    semctl(set, 0, SETVAL, 0);
    uint64_t count;
    fcntl(counter, F_SETFL, O_NONBLOCK);
    read(counter, &count, 8);
    fcntl(counter, F_SETFL, 0);
    timerfd_settime(timer_file, 0, &(struct itimerspec){ { 0, 0 }, { 0, 0 } }, NULL);
    fcntl(watch, F_SETFL, O_NONBLOCK);
    while (read(watch, full, 1000) > 0)
        ;
    fcntl(watch, F_SETFL, 0);
    while (sigtimedwait(&rtmin, NULL, in(0)) > 0)
        ;
    fcntl(mq_full, F_SETFL, O_NONBLOCK);
    while (!mq_send(mq_full, "x", 1, 0))
        ;
    fcntl(mq_full, F_SETFL, 0);
    fcntl(mq, F_SETFL, O_NONBLOCK);
    while (mq_receive(mq, full, 8, NULL) >= 0)
        ;
    fcntl(mq, F_SETFL, 0);
    memset(full, 0, 1000);
}


/* Ends whatever wait the main thread is in. */
static void release(long (*wait)(void))
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    uint64_t one = 1;
    if (wait == open_fifo)
        close(open("fifo", O_WRONLY));
    if (wait == take_flock)
        flock(locked, LOCK_UN);
    if (wait == lock_range)
        fcntl(locked, F_OFD_SETLK, &lock);
    if (wait == lock_futex)
        syscall(SYS_futex, &held, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    if (wait == wait_futex || wait == wait_futex_limit || wait == wait_futex_until || wait == wait_vector)
        syscall(SYS_futex, &word, FUTEX_WAKE, 9, NULL, NULL, 0);
    if (wait == accept_one)
        connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address);
    if (wait == connect_more)
        close(accept(listener, NULL, NULL));
    if (wait == send_one || wait == send_message || wait == limited_send)
        for (int i = 0; i < 50; i++)
            recv(full_socket[1], full, sizeof full, MSG_DONTWAIT);
    if (wait == wait_signal || wait == wait_signal_forever || wait == read_signals)
        pthread_kill(main_thread, SIGRTMIN);
    if (wait == lower || wait == lower_limit)
        semop(set, &(struct sembuf){ 0, 1, 0 }, 1);
    struct message other = { 2, "text" }, taken;
    if (wait == receive_type) {
        msgrcv(queue, &taken, 8, 1, IPC_NOWAIT);
        msgsnd(queue, &other, 4, IPC_NOWAIT);
    }
    if (wait == send_type)
        msgrcv(queue, &taken, 8, 1, IPC_NOWAIT);
    if (wait == queue_receive)
        mq_send(mq, "x", 1, 0);
    if (wait == queue_send)
        mq_receive(mq_full, full, 8, NULL);
    if (wait == read_counter)
        write(counter, &one, 8);
    if (wait == read_timer)
        timerfd_settime(timer_file, 0, &(struct itimerspec){ { 0, 0 }, { 0, 1 } }, NULL);
    if (wait == read_watch)
        mkdir("made", 0700), rmdir("made");
    if (wait == write_pipe || wait == write_vector || wait == vmsplice_pipe || wait == send_file)
        read(full_pipe[0], full, 4096);
    write(p[1], "xx", 2);
    write(s[1], "xx", 2);
    if (wait == splice_pipe || wait == tee_pipe)
        read(full_pipe[0], full, 4096);
}

static char state_of_main(void)
{
    char name[64], text[200] = "";
    snprintf(name, sizeof name, "/proc/self/task/%d/stat", main_tid);
    int fd = open(name, O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    char *end = strrchr(text, ')');
    return end ? end[2] : '?';
}

static void until_asleep(void)
{
    int seen = 0;
    while (!done && seen < 4) {
        seen = state_of_main() == 'S' ? seen + 1 : 0;
        usleep(1000);
    }
}

static volatile int number = -1, mode, finished;

static void *interrupter(void *unused)
{
    struct sigevent at_end = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, &at_end, &timer);
    for (int last = -1; !finished;) {
        if (number == last) {
            usleep(200);
            continue;
        }
        last = number;
        if (cases[last % 1000].wait == lock_futex)
            syscall(SYS_futex, &held, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
        done = 2; /* ready */
        while (done == 2)
            usleep(100);
        until_asleep();
        hits = 0;
        if (mode < 2) {
            pthread_kill(main_thread, SIGUSR1);
            while (!hits)
                usleep(100);
        } else {
            /* Late enough to come behind the stop, and again should it come before. */
            timer_settime(timer, 0, &(struct itimerspec){ { 0, 40000000 }, { 0, 40000000 } }, NULL);
            kill(getpid(), SIGSTOP);
        }
        until_asleep();
        while (!done) {
            release(cases[last % 1000].wait);
            for (int i = 0; i < 300 && !done; i++)
                usleep(1000);
        }
        if (cases[last % 1000].wait == lock_futex)
            syscall(SYS_futex, &held, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
        timer_settime(timer, 0, &(struct itimerspec){ { 0, 0 }, { 0, 0 } }, NULL);
        done = 3; /* cleared up */
    }
    return NULL;
}

static void on_signal(int signo) { hits++; }

static const char *tried(int place)
{
    static char text[32];
    prepare();
    done = 0;
    number = mode * 1000 + place;
    while (done != 2)
        usleep(100);
    done = 0;
    errno = 0;
    long result = cases[place].wait();
    int error = errno;
    done = 1;
    while (done != 3)
        usleep(100);
    if (cases[place].wait == lock_futex)
        syscall(SYS_futex, &held, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    if ((cases[place].wait == sleep_clock || cases[place].wait == sleep_until) && result > 0)
        error = result, result = -1;
    if (cases[place].wait == open_fifo || cases[place].wait == accept_one)
        close(result), result = result < 0 ? -1 : 0;
    if (cases[place].wait == wait_signal || cases[place].wait == wait_signal_forever)
        result = result == SIGRTMIN ? 0 : result;
    snprintf(text, sizeof text, result < 0 ? "%s" : "%s%ld", result < 0 ? strerrorname_np(error) : "", result);
    return text;
}

int main(void)
{
    pthread_t thread;
    struct sigaction action = { .sa_handler = on_signal };
    struct iocb request = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN }, *requests = &request;
    struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 8 };
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdtemp(folder);
    chdir(folder);
    strcpy(address.sun_path, "socket");
    main_thread = pthread_self();
    main_tid = getpid();
    sigemptyset(&none);
    sigemptyset(&rtmin);
    sigaddset(&rtmin, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &rtmin, NULL);
    headers.msg_hdr = header;
    pipe(p);
    pipe(full_pipe);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    socketpair(AF_UNIX, SOCK_STREAM, 0, full_socket);
    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    epoll = epoll_create1(0);
    event = (struct epoll_event){ .events = EPOLLIN };
    epoll_ctl(epoll, EPOLL_CTL_ADD, p[0], &event);
    polled = (struct pollfd){ p[0], POLLIN, 0 };
    counter = eventfd(0, 0);
    timer_file = timerfd_create(CLOCK_MONOTONIC, 0);
    watch = inotify_init();
    inotify_add_watch(watch, ".", IN_CREATE);
    signals = signalfd(-1, &rtmin, 0);
    mkfifo("fifo", 0600);
    locked = open("lock", O_RDWR | O_CREAT, 0600);
    write(locked, "some text", 9);
    locks = open("lock", O_RDWR);
    mq_unlink("/krait-interrupted");
    mq_unlink("/krait-interrupted-full");
    mq = mq_open("/krait-interrupted", O_RDWR | O_CREAT, 0600, &attributes);
    mq_full = mq_open("/krait-interrupted-full", O_RDWR | O_CREAT, 0600, &attributes);
    syscall(SYS_io_setup, 4, &context);
    pthread_create(&thread, NULL, interrupter, NULL);
    for (int place = 0; place < sizeof cases / sizeof *cases; place++) {
        printf("%s:", cases[place].name);
        for (mode = 0; mode < 3; mode++) {
            action.sa_flags = mode ? SA_RESTART : 0;
            sigaction(SIGUSR1, &action, NULL);
            if (cases[place].wait == completions || cases[place].wait == completions_mask) {
                prepare();
                request.aio_fildes = p[0];
                syscall(SYS_io_submit, context, 1L, &requests);
            }
            printf(" %s", tried(place));
            if (cases[place].wait == completions || cases[place].wait == completions_mask)
                syscall(SYS_io_getevents, context, 0L, 1L, &completion, in(0));
        }
        puts("");
    }
    finished = 1;
    number = -2;
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
    mq_unlink("/krait-interrupted");
    mq_unlink("/krait-interrupted-full");
    unlink("fifo");
    unlink("lock");
    unlink("socket");
    chdir("/");
    rmdir(folder);
    return 0;
}
