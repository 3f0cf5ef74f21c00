/* Locks of byte ranges and of whole files; seals of memory files. */
#include "show.h"
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

static long set(int fd, int command, int kind, long start, long length)
{
    struct flock l = { .l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    return fcntl(fd, command, &l);
}

static void ask(int fd, int command, int kind, long start, long length)
{
    struct flock l = { .l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    long r = fcntl(fd, command, &l);
    printf("%ld %s: type %d start %ld length %ld pid %s\n", r, r ? strerrorname_np(errno) : "ok", l.l_type,
           (long)l.l_start, (long)l.l_len, l.l_pid == getpid() ? "me" : l.l_pid == -1 ? "-1" : "other");
}

static int one, other;

static void *unlock_later(void *unused)
{
    usleep(30000);
    set(one, F_OFD_SETLK, F_UNLCK, 0, 0);
    return NULL;
}

static void *close_later(void *unused)
{
    usleep(30000);
    close(one);
    return NULL;
}

static void *wait_for_range(void *fd)
{
    VALUE(set(*(int *)fd, F_SETLKW, F_WRLCK, 0, 5));
    return NULL;
}

/* A descriptor that was closed while a call waited for its lock has none afterwards. */
static void closed_meanwhile(void)
{
    pthread_t t;
    one = open("/tmp/krait-locks", O_RDWR | O_CREAT, 0600);
    other = open("/tmp/krait-locks", O_RDWR);
    int reader = open("/tmp/krait-locks", O_RDWR);
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 0, 0));
    pthread_create(&t, NULL, wait_for_range, &other);
    usleep(30000);
    close(other);
    VALUE(set(one, F_OFD_SETLK, F_UNLCK, 0, 0));
    pthread_join(t, NULL);
    ask(reader, F_OFD_GETLK, F_WRLCK, 0, 0);
    close(reader);
    close(one);
}

static void *lock_alone(void *fd)
{
    return (void *)(long)flock(*(int *)fd, LOCK_EX);
}

/* Who wants a shared lock for itself gives it up first. */
static void upgrades(void)
{
    pthread_t t;
    void *result;
    one = open("/tmp/krait-locks", O_RDWR | O_CREAT, 0600);
    other = open("/tmp/krait-locks", O_RDWR);
    VALUE(flock(one, LOCK_SH));
    VALUE(flock(other, LOCK_SH));
    VALUE(flock(one, LOCK_EX | LOCK_NB));
    VALUE(flock(other, LOCK_EX | LOCK_NB));
    VALUE(flock(other, LOCK_SH));
    VALUE(flock(one, LOCK_SH));
    pthread_create(&t, NULL, lock_alone, &one);
    usleep(30000);
    VALUE(flock(other, LOCK_EX));
    VALUE(flock(other, LOCK_UN));
    pthread_join(t, &result);
    VALUE((long)result);
    close(one);
    close(other);
}

/* A lock that is split keeps its rear part, whatever closed files held; and so do those of files with other locks. */
static void splits(void)
{
    pthread_t t;
    one = open("/tmp/krait-locks", O_RDWR);
    other = open("/tmp/krait-locks", O_RDWR);
    int closed = open("/tmp/krait-locks", O_RDWR);
    VALUE(set(closed, F_OFD_SETLK, F_WRLCK, 200, 10));
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 0, 100));
    close(closed);
    VALUE(set(one, F_OFD_SETLK, F_UNLCK, 40, 10));
    ask(other, F_OFD_GETLK, F_WRLCK, 45, 100);
    VALUE(flock(one, LOCK_UN));
    pthread_create(&t, NULL, close_later, NULL);
    VALUE(set(other, F_OFD_SETLKW, F_WRLCK, 0, 0));
    pthread_join(t, NULL);
    close(other);
    unlink("/tmp/krait-locks");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *name = "/tmp/krait-locks";
    one = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    other = open(name, O_RDWR);
    int reader = open(name, O_RDONLY);
    VALUE(set(one, F_SETLK, F_WRLCK, 10, 10));
    VALUE(set(other, F_SETLK, F_WRLCK, 10, 10));
    ask(other, F_GETLK, F_WRLCK, 0, 0);
    ask(other, F_OFD_GETLK, F_RDLCK, 0, 0);
    VALUE(set(other, F_OFD_SETLK, F_RDLCK, 15, 1));
    VALUE(set(other, F_OFD_SETLK, F_RDLCK, 20, 5));
    VALUE(set(one, F_SETLK, F_UNLCK, 13, 3));
    ask(other, F_OFD_GETLK, F_WRLCK, 0, 0);
    ask(other, F_OFD_GETLK, F_WRLCK, 13, 3);
    ask(other, F_OFD_GETLK, F_WRLCK, 14, 100);
    VALUE(set(one, F_SETLK, F_RDLCK, 0, 30));
    VALUE(set(one, F_SETLK, F_WRLCK, 0, 30));
    ask(other, F_OFD_GETLK, F_WRLCK, 0, 0);
    close(reader);
    ask(other, F_OFD_GETLK, F_WRLCK, 0, 0);
    ask(one, F_GETLK, F_WRLCK, 0, 0);
    reader = open(name, O_RDONLY);
    VALUE(set(reader, F_SETLK, F_WRLCK, 0, 0));
    VALUE(set(reader, F_OFD_SETLK, F_RDLCK, 0, 0));
    VALUE(set(reader, F_OFD_SETLK, F_RDLCK, -1, 0));
    VALUE(set(reader, F_OFD_SETLK, 9, 0, 0));
    VALUE(set(reader, F_OFD_SETLK, F_RDLCK, 5, -6));
    VALUE(set(reader, F_OFD_SETLK, F_RDLCK, 5, -5));
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 0, 5));
    struct flock l = { .l_type = F_RDLCK, .l_pid = 5 };
    VALUE(fcntl(one, F_OFD_SETLK, &l));
    VALUE(fcntl(one, F_OFD_SETLK, (void *)8));
    close(reader);
    VALUE(set(other, F_OFD_SETLK, F_UNLCK, 0, 0));
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 0, 5));
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 5, 5));
    ask(other, F_OFD_GETLK, F_WRLCK, 0, 0);
    pthread_t t;
    pthread_create(&t, NULL, unlock_later, NULL);
    VALUE(set(other, F_OFD_SETLKW, F_WRLCK, 0, 0));
    pthread_join(t, NULL);
    VALUE(set(other, F_OFD_SETLK, F_UNLCK, 0, 0));
    VALUE(set(one, F_OFD_SETLK, F_WRLCK, 0, 5));
    pthread_create(&t, NULL, close_later, NULL);
    VALUE(set(other, F_OFD_SETLKW, F_WRLCK, 0, 0));
    pthread_join(t, NULL);
    one = open(name, O_RDWR);
    VALUE(flock(one, LOCK_EX | LOCK_NB));
    VALUE(flock(other, LOCK_EX | LOCK_NB));
    VALUE(flock(other, LOCK_SH | LOCK_NB));
    pthread_create(&t, NULL, close_later, NULL);
    VALUE(flock(other, LOCK_EX));
    pthread_join(t, NULL);
    VALUE(flock(other, 16));
    VALUE(flock(other, LOCK_UN));
    unlink(name);
    closed_meanwhile();
    upgrades();
    splits();
    int m = memfd_create("sealed", MFD_ALLOW_SEALING);
    VALUE(ftruncate(m, 8192));
    VALUE(fcntl(m, F_GET_SEALS));
    char *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    a[0] = 1;
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    VALUE(munmap(a, 4096));
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    VALUE(ftruncate(m, 4096));
    VALUE(ftruncate(m, 10000));
    VALUE(pwrite(m, "x", 1, 9000));
    VALUE(pwrite(m, "x", 1, 0));
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    VALUE(pwrite(m, "x", 1, 0));
    VALUE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED);
    VALUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, m, 0) == MAP_FAILED);
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
    VALUE(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
    VALUE(fcntl(m, F_GET_SEALS));
    VALUE(fcntl(memfd_create("plain", 0), F_ADD_SEALS, F_SEAL_GROW));
    VALUE(fcntl(0, F_GET_SEALS));
    VALUE(fcntl(m, F_ADD_SEALS, 999));
    return 0;
}
