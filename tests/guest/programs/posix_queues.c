/* POSIX message queues; semaphores and shared memory of the C library, which are files in /dev/shm. */
#include "show.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static mqd_t q;
static volatile int told;

static void on_message(int number, siginfo_t *info, void *context)
{
    told++;
    printf("told: code %d value %d me %d\n", info->si_code, info->si_value.sival_int, info->si_pid == getpid());
}

static void *send_later(void *unused)
{
    usleep(30000);
    mq_send(q, "later", 5, 1);
    return NULL;
}

static void show_attributes(mqd_t queue)
{
    struct mq_attr a;
    VALUE(mq_getattr(queue, &a));
    printf("flags %lx most %ld size %ld now %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void queues(void)
{
    struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 20 };
    char text[100];
    unsigned priority;
    struct timespec past = { 1, 0 }, bad = { 1, -1 };
    SHOW(mq_open("/krait-queue", O_RDWR));
    SHOW(mq_open("/krait/queue", O_RDWR | O_CREAT, 0600, NULL));
    SHOW(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
    a.mq_maxmsg = 0;
    SHOW(mq_open("/krait-queue", O_RDWR | O_CREAT, 0600, &a));
    a.mq_maxmsg = 3;
    q = mq_open("/krait-queue", O_RDWR | O_CREAT | O_EXCL, 0600, &a);
    SHOW(q);
    SHOW(mq_open("/krait-queue", O_RDWR | O_CREAT | O_EXCL, 0600, &a));
    show_attributes(q);
    struct stat st;
    VALUE(fstat(q, &st));
    printf("mode %o\n", st.st_mode);
    VALUE(mq_send(q, "low", 3, 1));
    VALUE(mq_send(q, "high", 4, 9));
    VALUE(mq_send(q, "low too", 7, 1));
    VALUE(mq_timedsend(q, "full", 4, 1, &past));
    VALUE(mq_timedsend(q, "full", 4, 1, &bad));
    VALUE(mq_send(q, text, 21, 1));
    VALUE(mq_send(q, text, 1, 40000));
    show_attributes(q);
    struct pollfd f = { q, POLLIN | POLLOUT, 0 };
    VALUE(poll(&f, 1, 0));
    printf("events %x\n", f.revents);
    VALUE(mq_receive(q, text, 10, NULL));
    for (int i = 0; i < 3; i++) {
        memset(text, 0, sizeof text);
        VALUE(mq_receive(q, text, sizeof text, &priority));
        printf("%s %u\n", text, priority);
    }
    VALUE(mq_timedreceive(q, text, sizeof text, NULL, &past));
    a.mq_flags = O_NONBLOCK;
    VALUE(mq_setattr(q, &a, NULL));
    show_attributes(q);
    VALUE(mq_receive(q, text, sizeof text, NULL));
    a.mq_flags = 0;
    VALUE(mq_setattr(q, &a, NULL));
    pthread_t t;
    pthread_create(&t, NULL, send_later, NULL);
    VALUE(mq_receive(q, text, sizeof text, &priority));
    pthread_join(t, NULL);
    struct sigaction action = { .sa_sigaction = on_message, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 7 };
    VALUE(mq_notify(q, &event));
    VALUE(mq_notify(q, &event));
    VALUE(mq_send(q, "x", 1, 0));
    VALUE(mq_send(q, "x", 1, 0));
    printf("told %d\n", told);
    VALUE(mq_notify(q, &event));
    VALUE(mq_notify(q, NULL));
    event.sigev_signo = 99;
    VALUE(mq_notify(q, &event));
    VALUE(mq_send(0, "x", 1, 0));
    memset(text, 0, sizeof text);
    VALUE(read(q, text, 5));
    VALUE(read(q, text + 5, sizeof text - 6));
    VALUE(read(q, text, 5));
    printf("described %s", text);
    mqd_t reader = mq_open("/krait-queue", O_RDONLY);
    VALUE(mq_send(reader, "x", 1, 0));
    VALUE(mq_unlink("/krait-queue"));
    VALUE(mq_unlink("/krait-queue"));
    VALUE(mq_receive(reader, text, sizeof text, NULL));
    VALUE(mq_close(reader));
    VALUE(mq_close(q));
    VALUE(mq_close(q));
}

static sem_t *s;

static void *post_later(void *unused)
{
    usleep(100000);
    sem_post(s);
    return NULL;
}

static void named(void)
{
    int value;
    sem_unlink("/krait-sem");
    SHOW(sem_open("/krait-sem", 0) == SEM_FAILED ? -1 : 0);
    s = sem_open("/krait-sem", O_CREAT | O_EXCL, 0600, 1);
    SHOW(s == SEM_FAILED ? -1 : 0);
    sem_t *again = sem_open("/krait-sem", 0);
    VALUE(again == s);
    VALUE(sem_wait(s));
    VALUE(sem_trywait(s));
    VALUE(sem_getvalue(s, &value));
    printf("value %d\n", value);
    pthread_t t;
    pthread_create(&t, NULL, post_later, NULL);
    VALUE(sem_wait(again));
    pthread_join(t, NULL);
    struct timespec past = { 1, 0 };
    VALUE(sem_timedwait(s, &past));
    VALUE(sem_close(again));
    VALUE(sem_unlink("/krait-sem"));
    VALUE(sem_unlink("/krait-sem"));
    shm_unlink("/krait-shm");
    SHOW(shm_open("/krait-shm", O_RDWR, 0));
    int fd = shm_open("/krait-shm", O_RDWR | O_CREAT, 0600);
    VALUE(ftruncate(fd, 8192));
    char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *b = mmap(NULL, 8192, PROT_READ, MAP_SHARED, shm_open("/krait-shm", O_RDONLY, 0), 0);
    strcpy(a + 5000, "seen");
    printf("%s\n", b + 5000);
    VALUE(shm_unlink("/krait-shm"));
}

/* A queue for which there is no descriptor is not made. */
static void no_descriptor(void)
{
    struct rlimit before, low = { 3, 0 };
    getrlimit(RLIMIT_NOFILE, &before);
    low.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &low);
    VALUE(mq_open("/krait-none", O_CREAT | O_RDWR, 0600, NULL));
    setrlimit(RLIMIT_NOFILE, &before);
    VALUE(mq_unlink("/krait-none"));
}

static long got;
static unsigned got_priority;

static void *receive_one(void *unused)
{
    char text[20];
    got = mq_receive(q, text, 20, &got_priority);
    return NULL;
}

static void *send_one(void *unused)
{
    got = mq_send(q, "late", 5, 7);
    return NULL;
}

/* Who waits comes first: a message is not for who receives later, and one that waits for room has its place by priority. */
static void waiting(void)
{
    struct mq_attr a = { .mq_maxmsg = 2, .mq_msgsize = 20 };
    struct timespec now = { 1, 0 };
    unsigned priority = 0;
    char text[20];
    pthread_t t;
    q = mq_open("/krait-queue", O_CREAT | O_RDWR, 0600, &a);
    pthread_create(&t, NULL, receive_one, NULL);
    usleep(100000);
    VALUE(mq_send(q, "given", 6, 3));
    VALUE(mq_timedreceive(q, text, 20, &priority, &now));
    show_attributes(q);
    pthread_join(t, NULL);
    printf("%ld of priority %u\n", got, got_priority);
    VALUE(mq_send(q, "a", 2, 1));
    VALUE(mq_send(q, "b", 2, 5));
    pthread_create(&t, NULL, send_one, NULL);
    usleep(100000);
    for (int i = 0; i < 3; i++) {
        VALUE(mq_receive(q, text, 20, &priority));
        printf("priority %u\n", priority);
    }
    pthread_join(t, NULL);
    VALUE(got);
    VALUE(mq_timedsend(q, "c", 2, 1, &now));
    VALUE(mq_timedsend(q, "d", 2, 1, &now));
    VALUE(mq_timedsend(q, "e", 2, 1, &now));
    mq_close(q);
    VALUE(mq_unlink("/krait-queue"));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    no_descriptor();
    mq_unlink("/krait-queue");
    queues();
    named();
    waiting();
    return 0;
}
