/* Does each thing again and again, and looks whether memory is all there afterwards; or lets each
   allocation of it fail in turn (`fail 0`, `fail 1`, with a kernel made for debugging). */
#include "show.h"
#include <aio.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <pthread.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <dirent.h>

#define MIB (1L << 20)
#define MADV_COLLAPSE 25
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char bytes[64 << 10];

/* Everything here undoes what it has done, and goes on where something fails. */

/* Cutting a mapping out of a larger one takes memory: at the second try there is some. */
static void unmap(char *at, long length)
{
    if (munmap(at, length))
        munmap(at, length);
}

static void maps(void)
{
    char *at = mmap(NULL, MIB, RW, ANON, -1, 0);
    if (at == MAP_FAILED)
        return;
    for (int i = 0; i < 256; i += 3)
        madvise(at + i * 4096L, 4096, MADV_POPULATE_WRITE);
    mprotect(at + 40960, 8192, PROT_READ);
    mprotect(at + 81920, 8192, PROT_NONE);
    madvise(at + 122880, 40960, MADV_DONTNEED);
    madvise(at, 4096, MADV_RANDOM);
    munmap(at + 163840, 4096);
    char *moved = mremap(at, 8192, MIB, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED)
        unmap(moved, MIB);
    unmap(at, MIB);
}

static void large(void)
{
    char *at = mmap(NULL, 8 * MIB, RW, ANON, -1, 0);
    if (at == MAP_FAILED)
        return;
    madvise(at, 8 * MIB, MADV_POPULATE_WRITE);
    mprotect(at + 3 * MIB, 4096, PROT_READ);
    munmap(at + 5 * MIB, 4096);
    madvise(at, 4 * MIB, MADV_COLLAPSE);
    char *moved = mremap(at, MIB, 4 * MIB, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED)
        unmap(moved, 4 * MIB);
    unmap(at, 8 * MIB);
}

static void shared(void)
{
    char *at = mmap(NULL, MIB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return;
    madvise(at, MIB, MADV_POPULATE_WRITE);
    madvise(at, MIB / 2, MADV_REMOVE);
    unmap(at, MIB);
}

static void heap(void)
{
    char *end = sbrk(MIB);
    if (end == (void *)-1)
        return;
    madvise((char *)(((long)end + 4095) & -4096L), MIB - 4096, MADV_POPULATE_WRITE);
    brk(end);
}

static void files(void)
{
    char name[64];
    mkdir("/tmp/lost", 0700);
    for (int i = 0; i < 8; i++) {
        sprintf(name, "/tmp/lost/file-%d", i);
        int file = open(name, O_CREAT | O_RDWR, 0600);
        if (file < 0)
            continue;
        write(file, bytes, sizeof bytes);
        pwrite(file, bytes, 100, 200000);
        ftruncate(file, 5000);
        fallocate(file, 0, 0, 40000);
        fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192);
        fsetxattr(file, "user.name", "value", 5, 0);
        flock(file, LOCK_EX);
        struct flock lock = { .l_type = F_WRLCK, .l_start = i, .l_len = 5 };
        fcntl(file, F_SETLK, &lock);
        close(file);
    }
    rename("/tmp/lost/file-0", "/tmp/lost/file-1");
    link("/tmp/lost/file-2", "/tmp/lost/linked");
    symlink("/tmp/lost/file-3", "/tmp/lost/symbolic");
    mkfifo("/tmp/lost/fifo", 0600);
    DIR *folder = opendir("/tmp/lost");
    if (folder) {
        while (readdir(folder))
            ;
        closedir(folder);
    }
    static const char *const more[] = { "/tmp/lost/linked", "/tmp/lost/symbolic", "/tmp/lost/fifo" };
    for (int i = 0; i < 3; i++)
        unlink(more[i]);
    for (int i = 0; i < 8; i++) {
        sprintf(name, "/tmp/lost/file-%d", i);
        unlink(name);
    }
    rmdir("/tmp/lost");
}

static void mapped_files(void)
{
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (file < 0)
        return;
    write(file, bytes, sizeof bytes);
    char *shared = mmap(NULL, sizeof bytes, RW, MAP_SHARED, file, 0);
    char *private = mmap(NULL, sizeof bytes, RW, MAP_PRIVATE, file, 0);
    if (shared != MAP_FAILED)
        madvise(shared, sizeof bytes, MADV_POPULATE_WRITE);
    if (private != MAP_FAILED)
        madvise(private, sizeof bytes, MADV_POPULATE_WRITE);
    ftruncate(file, 4096);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof bytes);
    if (private != MAP_FAILED)
        munmap(private, sizeof bytes);
    close(file);
}

static void memory_files(void)
{
    int file = memfd_create("lost", MFD_ALLOW_SEALING);
    if (file < 0)
        return;
    write(file, bytes, sizeof bytes);
    fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK);
    close(file);
}

static void pipes(void)
{
    int ends[2], others[2];
    if (pipe(ends))
        return;
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 18);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    write(ends[1], bytes, sizeof bytes);
    struct iovec vector = { bytes, 8192 };
    vmsplice(ends[1], &vector, 1, SPLICE_F_NONBLOCK);
    if (!pipe2(others, O_NONBLOCK)) {
        tee(ends[0], others[1], 4096, SPLICE_F_NONBLOCK);
        splice(ends[0], NULL, others[1], NULL, 4096, SPLICE_F_NONBLOCK);
        close(others[0]), close(others[1]);
    }
    read(ends[0], bytes, 10000);
    close(ends[0]), close(ends[1]);
}

static void pass(int socket, int file)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec vector = { bytes, 100 };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &file, sizeof file);
    sendmsg(socket, &message, MSG_DONTWAIT);
}

static void sockets(void)
{
    int pair[2];
    for (int type = 0; type < 3; type++) {
        if (socketpair(AF_UNIX, (int[]){ SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET }[type] | SOCK_NONBLOCK, 0, pair))
            continue;
        send(pair[0], bytes, 5000, MSG_DONTWAIT);
        pass(pair[0], pair[1]);
        recv(pair[1], bytes, 100, MSG_DONTWAIT);
        close(pair[0]), close(pair[1]);
    }
    struct sockaddr_un name = { AF_UNIX, "/tmp/lost-socket" };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), caller = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bind(listener, (struct sockaddr *)&name, sizeof name);
    listen(listener, 5);
    connect(caller, (struct sockaddr *)&name, sizeof name);
    int accepted = accept(listener, NULL, NULL);
    write(caller, bytes, 3000);
    close(caller), close(listener), close(accepted);
    unlink(name.sun_path);
}

/* What could not be added is not there. */
static void watch_event(int poller, int file)
{
    struct epoll_event wanted = { EPOLLIN };
    if (epoll_ctl(poller, EPOLL_CTL_ADD, file, &wanted) && errno == ENOMEM && !epoll_ctl(poller, EPOLL_CTL_DEL, file, &wanted))
        puts("added without memory");
}

static void waits(void)
{
    int poller = epoll_create1(0), event = eventfd(3, EFD_NONBLOCK), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    int nested = epoll_create1(0), signals, watch = inotify_init1(IN_NONBLOCK);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR2);
    signals = signalfd(-1, &set, 0);
    struct epoll_event wanted = { EPOLLIN }, found[4];
    watch_event(poller, event);
    watch_event(poller, timer);
    watch_event(poller, signals);
    watch_event(nested, poller);
    watch_event(nested, event);
    epoll_wait(nested, found, 4, 0);
    epoll_ctl(poller, EPOLL_CTL_DEL, timer, &wanted);
    struct itimerspec soon = { .it_value = { 0, 1 } };
    timerfd_settime(timer, 0, &soon, NULL);
    struct pollfd many[] = { { event, POLLIN }, { timer, POLLIN }, { signals, POLLIN } };
    poll(many, 3, 0);
    inotify_add_watch(watch, "/tmp", IN_ALL_EVENTS);
    int file = open("/tmp/lost-watched", O_CREAT | O_RDWR, 0600);
    close(file), unlink("/tmp/lost-watched");
    read(watch, bytes, 4096);
    close(event); /* while two watch it */
    close(poller), close(timer), close(nested), close(signals), close(watch);
}

/* Take what is pending of the signals that are sent here. */
static void drain(void)
{
    sigset_t set;
    siginfo_t info;
    struct timespec none = { 0, 0 };
    sigemptyset(&set), sigaddset(&set, SIGIO), sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGRTMIN + 1);
    while (sigtimedwait(&set, &info, &none) > 0)
        ;
}

/* O_ASYNC on files of each kind; the owner hears of it, and the signals are taken. */
static void told(void)
{
    int ends[2], pair[2], watch = inotify_init1(IN_NONBLOCK), made[5];
    if (pipe(ends)) ends[0] = ends[1] = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) pair[0] = pair[1] = -1;
    made[0] = ends[0], made[1] = ends[1], made[2] = pair[0], made[3] = pair[1], made[4] = watch;
    for (int i = 0; i < 5; i++) {
        fcntl(made[i], F_SETOWN, getpid());
        fcntl(made[i], F_SETSIG, SIGRTMIN);
        fcntl(made[i], F_SETFL, O_ASYNC | O_NONBLOCK);
    }
    inotify_add_watch(watch, "/tmp", IN_ALL_EVENTS);
    close(open("/tmp/lost-told", O_CREAT | O_RDWR, 0600)), unlink("/tmp/lost-told");
    write(ends[1], bytes, 100), read(ends[0], bytes, 100);
    write(pair[1], bytes, 100), read(pair[0], bytes, 100);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    close(ends[0]), close(ends[1]), close(pair[1]), close(pair[0]), close(watch);
    drain();
}

/* By number: glibc's timer_create takes memory of its own. */
static void timers(void)
{
    static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct itimerspec soon = { .it_value = { 0, 1 } };
    for (unsigned i = 0; i < 2; i++) {
        int timer;
        if (!syscall(SYS_timer_create, clocks[i], &event, &timer)) {
            syscall(SYS_timer_settime, timer, 0, &soon, NULL);
            syscall(SYS_timer_delete, timer);
        } else if (errno != EAGAIN) {
            printf("timer_create: %s\n", strerror(errno));
        }
    }
    drain();
}

static void signals(void)
{
    for (int i = 0; i < 20; i++)
        sigqueue(getpid(), SIGRTMIN + i % 2, (union sigval){ i });
    drain();
}

static void system_v(void)
{
    struct { long type; char text[500]; } message = { 1 };
    int id = msgget(IPC_PRIVATE, 0600);
    if (id >= 0) {
        msgsnd(id, &message, 500, IPC_NOWAIT);
        msgsnd(id, &message, 400, IPC_NOWAIT);
        msgrcv(id, &message, 500, 0, IPC_NOWAIT);
        msgctl(id, IPC_RMID, NULL);
    }
    id = semget(IPC_PRIVATE, 10, 0600);
    if (id >= 0) {
        struct sembuf steps[] = { { 0, 1, SEM_UNDO }, { 1, 2, 0 } };
        semop(id, steps, 2);
        semctl(id, 0, IPC_RMID);
    }
    id = shmget(IPC_PRIVATE, 100000, 0600);
    if (id >= 0) {
        char *at = shmat(id, NULL, 0);
        if (at != (char *)-1) {
            madvise(at, 98304, MADV_POPULATE_WRITE);
            shmdt(at);
        }
        shmctl(id, IPC_RMID, NULL);
    }
}

static void queues(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 1000 };
    int queue = mq_open("/lost", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &attributes);
    if (queue >= 0) {
        mq_send(queue, bytes, 900, 1);
        mq_send(queue, bytes, 800, 2);
        mq_receive(queue, bytes, 1000, NULL);
        close(queue);
    }
    mq_unlink("/lost");
}

static void asynchronous(void)
{
    aio_context_t context = 0;
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (!syscall(SYS_io_setup, 8, &context)) {
        struct iocb one = { .aio_fildes = file, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (long)bytes, .aio_nbytes = 5000 };
        struct iocb *list[] = { &one };
        struct io_event done[2];
        if (syscall(SYS_io_submit, context, 1, list) == 1)
            syscall(SYS_io_getevents, context, 1, 2, done, NULL);
        syscall(SYS_io_destroy, context);
    }
    close(file);
}

static void descriptors(void)
{
    int first = dup(0), last = first, one;
    for (int i = 0; i < 300 && first >= 0 && (one = dup(0)) >= 0; i++)
        last = one;
    for (int fd = first; first >= 0 && fd <= last; fd++)
        close(fd);
    one = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    int source = open("/proc/self/maps", O_RDONLY);
    read(source, bytes, sizeof bytes);
    lseek(source, 0, SEEK_SET);
    sendfile(one, source, NULL, 4096);
    close(source), close(one);
}

static void proc_files(void)
{
    static const char *const names[] = {
        "/proc/self/smaps", "/proc/self/status", "/proc/self/stat", "/proc/self/limits", "/proc/meminfo", "/proc/vmstat",
        "/proc/stat", "/proc/cpuinfo", "/proc/self/mountinfo", "/proc/self/environ", "/sys/devices/system/cpu/online",
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int file = open(names[i], O_RDONLY);
        while (read(file, bytes, sizeof bytes) > 0)
            ;
        close(file);
    }
    readlink("/proc/self/exe", bytes, 100);
    getcwd(bytes, 100);
}

static void mount_and_unmount(int flags)
{
    mkdir("/tmp/lost-mount", 0700);
    if (!mount("none", "/tmp/lost-mount", "tmpfs", 0, "size=1m")) {
        int file = open("/tmp/lost-mount/file", O_CREAT | O_RDWR, 0600);
        write(file, bytes, 9000);
        struct { unsigned length; int type; char rest[128]; } handle = { 128 };
        int id, folder = open("/tmp/lost-mount", O_RDONLY);
        if (!syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/lost-mount/file", &handle, &id, 0))
            close(syscall(SYS_open_by_handle_at, folder, &handle, O_RDONLY));
        handle.length = 128;
        syscall(SYS_name_to_handle_at, AT_FDCWD, "/tmp/lost-mount", &handle, &id, 0);
        close(folder);
        close(file);
        if (umount2("/tmp/lost-mount", flags))
            puts("umount fails");
    }
    rmdir("/tmp/lost-mount");
}

static void mounts(void)
{
    mount_and_unmount(0);
    mount_and_unmount(MNT_DETACH);
}

static int word, several;

static void *sleeper(void *argument)
{
    syscall(SYS_futex, &word, 0x80 /* FUTEX_WAIT | PRIVATE */, 0, NULL);
    return NULL;
}

static void threads(void)
{
    static int rounds; /* at first more: a page stays of as many kernel stacks as there were at once */
    static char stacks[30][32 << 10] __attribute__((aligned(4096))); /* not from libc, which keeps some */
    pthread_t all[30];
    int wanted = several && rounds++ < 3 ? 30 : 20;
    pthread_attr_t attributes;
    int count = 0;
    word = 0;
    pthread_attr_init(&attributes);
    for (; count < wanted; count++) {
        pthread_attr_setstack(&attributes, stacks[count], sizeof stacks[count]);
        if (pthread_create(&all[count], &attributes, sleeper, NULL))
            break;
    }
    word = 1;
    for (int i = 0; i < count; i++) {
        syscall(SYS_futex, &word, 0x81, 1000);
        pthread_join(all[i], NULL);
    }
}

static void vectors(void)
{
    struct iovec many[40];
    for (int i = 0; i < 40; i++)
        many[i] = (struct iovec){ bytes + i * 100, 90 };
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    writev(file, many, 40);
    preadv(file, many, 40, 0);
    int other = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    copy_file_range(file, &(off_t){ 0 }, other, NULL, 2000, 0);
    close(file), close(other);
}

static const struct { const char *name; void (*function)(void); } ways[] = {
    { "maps", maps }, { "large", large }, { "shared", shared }, { "heap", heap }, { "files", files },
    { "mapped files", mapped_files }, { "memory files", memory_files }, { "pipes", pipes }, { "sockets", sockets },
    { "waits", waits }, { "timers", timers }, { "told", told }, { "signals", signals }, { "system v", system_v }, { "queues", queues },
    { "asynchronous", asynchronous }, { "descriptors", descriptors }, { "proc files", proc_files },
    { "mounts", mounts }, { "threads", threads }, { "vectors", vectors },
};
#define WAYS (sizeof ways / sizeof *ways)

/* --- looking --- */

struct facts { long unused, objects, tables, stacks, shared, large, committed, descriptors, files; };

static int meminfo_file, slabs_file, drop_file;

static struct facts look(void)
{
    static char text[8192];
    struct facts facts = { 0 };
    long slabs;
    struct { const char *name; long *value; } wanted[] = {
        { "MemFree:", &facts.unused }, { "Slab:", &slabs }, { "PageTables:", &facts.tables },
        { "KernelStack:", &facts.stacks }, { "Shmem:", &facts.shared }, { "AnonHugePages:", &facts.large },
        { "Committed_AS:", &facts.committed },
    };
    if (write(drop_file, "3", 1) != 1)
        puts("caches stay");
    text[pread(meminfo_file, text, sizeof text - 1, 0)] = 0;
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++)
        *wanted[i].value = atol(strstr(text, wanted[i].name) + strlen(wanted[i].name));
    facts.unused += slabs; /* which slabs are half empty is a matter of chance; their objects are counted: */
    text[pread(slabs_file, text, sizeof text - 1, 0)] = 0;
    for (char *line = strstr(text, "kmalloc"); line; line = strstr(line + 1, "kmalloc")) {
        long count, all, size;
        if (sscanf(line, "%*s %ld %ld %ld", &count, &all, &size) == 3)
            facts.objects += count * size;
    }
    int next = dup(0);
    close(next);
    facts.descriptors = next;
    struct statvfs room;
    if (!statvfs("/tmp", &room))
        facts.files = room.f_ffree;
    return facts;
}

/* Say what is missing; threads that were joined may still be ending, so only what stays missing counts. */
static int report(const char *name, struct facts before)
{
    struct facts now;
    for (int tries = 0; tries < 20; tries++) {
        now = look();
        if (!memcmp(&before, &now, sizeof now))
            return 0;
        usleep(50000);
    }
    printf("%s: unused %+ld objects %+ld tables %+ld stacks %+ld shared %+ld large %+ld committed %+ld descriptors %+ld files %+ld\n", name,
           now.unused - before.unused, now.objects - before.objects, now.tables - before.tables, now.stacks - before.stacks,
           now.shared - before.shared, now.large - before.large, now.committed - before.committed,
           now.descriptors - before.descriptors, now.files - before.files);
    return 1;
}

static int repeat(int rounds)
{
    int lost = 0;
    for (unsigned i = 0; i < WAYS; i++) {
        for (int round = 0; round < 3; round++)
            ways[i].function();
        usleep(100000);
        struct facts before = look();
        for (int round = 0; round < rounds; round++)
            ways[i].function();
        lost += report(ways[i].name, before);
    }
    return lost;
}

/* Let the first, second, ... allocation fail, as long as there is one; of every second kind of work. */
static int fail(unsigned first)
{
    char number[24];
    int lost = 0, file = open("/proc/self/fail-nth", O_RDWR);
    if (file < 0)
        return puts("this kernel cannot make allocations fail"), 1;
    pread(file, number, sizeof number, 0);
    for (unsigned i = first; i < WAYS; i += 2) {
        for (int round = 0; round < 3; round++)
            ways[i].function();
        usleep(100000);
        struct facts before = look();
        long nth = 0;
        do {
            int length = sprintf(number, "%ld", ++nth);
            if (write(file, number, length) != length)
                puts("no failure asked for");
            ways[i].function();
            number[0] = '1';
            pread(file, number, sizeof number, 0);
            if (write(file, "0", 1) != 1)
                puts("no end of failures");
            ways[i].function();
            if (report(ways[i].name, before)) {
                printf("by failure %ld\n", nth);
                before = look();
                lost++;
            }
        } while (number[0] == '0' && nth < 3000);
        printf("%s: %s\n", ways[i].name, nth > 2 ? "failed and recovered" : "never failed");
    }
    close(file);
    return lost;
}

/* A rename that fails has done nothing, and one that has done something does not fail. */
static int renames(const char *folder)
{
    int wrong = 0, file = open("/proc/self/fail-nth", O_RDWR), drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
    char from[200], to[200], number[24];
    for (int i = 0; i < 10; i++) {
        int result = -1;
        sprintf(from, "%s/%d", folder, i);
        sprintf(to, "/tmp/a-name-that-needs-memory-of-its-own-%d", i);
        access(from, F_OK);
        for (long nth = 1; nth < 20 && result; nth++) {
            int length = sprintf(number, "%ld", nth);
            write(file, number, length);
            result = rename(from, to);
            write(file, "0", 1);
            write(drop, "3", 1);
            wrong += (access(from, F_OK) == 0) != (result != 0) || (access(to, F_OK) == 0) != (result == 0);
        }
        wrong += result != 0;
    }
    return wrong;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 1024);
    signal(SIGRTMIN, SIG_IGN), signal(SIGRTMIN + 1, SIG_IGN);
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    memset(bytes, 1, sizeof bytes);
    drop_file = open("/proc/sys/vm/drop_caches", O_WRONLY);
    slabs_file = open("/proc/slabinfo", O_RDONLY);
    meminfo_file = open("/proc/meminfo", O_RDONLY);
    several = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    look(); /* makes the texts of these files longer, which they keep */
    if (count > 1 && !strcmp(words[1], "rename"))
        return printf("wrong %d\n", renames(words[2])), 0;
    int lost = count > 1 && !strcmp(words[1], "fail") ? fail(atoi(words[2])) : repeat(10);
    printf("lost %d\n", lost);
    return 0;
}
