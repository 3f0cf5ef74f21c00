/* System V IPC: shared memory, semaphores, message queues. */
#include "show.h"
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <time.h>

#define KEY 0x6b726974

union value { int val; struct semid_ds *buf; unsigned short *array; };

static void segments(void)
{
    struct shmid_ds ds;
    SHOW(shmget(KEY, 4096, 0));
    int id = shmget(KEY, 10000, IPC_CREAT | IPC_EXCL | 0640);
    SHOW(id);
    SHOW(shmget(KEY, 10000, IPC_CREAT | IPC_EXCL | 0640));
    SHOW(shmget(KEY, 20000, 0));
    VALUE(shmget(KEY, 0, 0) == id);
    SHOW(shmget(IPC_PRIVATE, 0, 0600));
    VALUE(shmctl(id, IPC_STAT, &ds));
    printf("size %ld attached %ld mode %o me %d\n", (long)ds.shm_segsz, (long)ds.shm_nattch, ds.shm_perm.mode, ds.shm_cpid == getpid());
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    SHOW(a == (void *)-1 ? -1 : 0);
    strcpy(a + 9000, "shared");
    printf("%s\n", b + 9000);
    VALUE(shmctl(id, IPC_STAT, &ds));
    printf("attached %ld\n", (long)ds.shm_nattch);
    VALUE(mprotect(b, 4096, PROT_READ | PROT_WRITE));
    SHOW((long)shmat(id, a + 1, 0));
    SHOW((long)shmat(id, a, 0));
    VALUE((char *)shmat(id, a + 5, SHM_RND | SHM_REMAP) == a);
    SHOW((long)shmat(id, NULL, SHM_REMAP));
    SHOW((long)shmat(999999, NULL, 0));
    VALUE(shmdt(a + 4096));
    VALUE(munmap(b, 4096));
    VALUE(shmdt(b));
    VALUE(munmap(b + 4096, 8192));
    VALUE(shmctl(id, IPC_STAT, &ds));
    printf("attached %ld\n", (long)ds.shm_nattch);
    ds.shm_perm.mode = 0600;
    VALUE(shmctl(id, IPC_SET, &ds));
    VALUE(shmctl(id, SHM_LOCK, NULL));
    VALUE(shmctl(id, SHM_UNLOCK, NULL));
    VALUE(shmctl(id, 99, NULL));
    VALUE(shmctl(id, IPC_STAT, (void *)8));
    VALUE(shmctl(id, IPC_RMID, NULL));
    SHOW(shmget(KEY, 0, 0));
    VALUE(shmctl(id, IPC_STAT, &ds));
    printf("mode %o key %d\n", ds.shm_perm.mode, ds.shm_perm.__key);
    b = shmat(id, NULL, 0);
    printf("%s\n", b + 9000);
    VALUE(shmdt(a));
    VALUE(shmdt(b));
    VALUE(shmdt(b));
    VALUE(shmctl(id, IPC_STAT, &ds));
    struct shminfo limits;
    VALUE(shmctl(0, IPC_INFO, (void *)&limits) >= 0);
    printf("least %ld\n", (long)limits.shmmin);
}

static int set;

static void *raise_later(void *unused)
{
    struct sembuf up = { 0, 2, 0 };
    usleep(30000);
    semop(set, &up, 1);
    return NULL;
}

static void *remove_later(void *unused)
{
    usleep(30000);
    semctl(set, 0, IPC_RMID);
    return NULL;
}

static void semaphores(void)
{
    unsigned short values[3] = { 1, 2, 3 };
    union value v = { .array = values };
    struct sembuf ops[3] = { { 0, -1, 0 }, { 1, 5, 0 }, { 2, 0, IPC_NOWAIT } };
    SHOW(semget(KEY, 3, 0));
    SHOW(semget(KEY, 0, IPC_CREAT | 0600));
    SHOW(semget(KEY, -1, IPC_CREAT | 0600));
    set = semget(KEY, 3, IPC_CREAT | 0600);
    SHOW(set);
    SHOW(semget(KEY, 4, 0));
    VALUE(semctl(set, 0, SETALL, v));
    VALUE(semctl(set, 2, GETVAL));
    VALUE(semctl(set, 3, GETVAL));
    VALUE(semop(set, ops, 3));
    VALUE(semctl(set, 0, GETVAL));
    VALUE(semop(set, ops, 2));
    values[0] = values[1] = values[2] = 0;
    VALUE(semctl(set, 0, GETALL, v));
    printf("%d %d %d\n", values[0], values[1], values[2]);
    VALUE(semctl(set, 0, GETPID) == getpid());
    ops[0].sem_op = 32767;
    VALUE(semop(set, ops, 1));
    VALUE(semop(set, ops, 1));
    v.val = 40000;
    VALUE(semctl(set, 0, SETVAL, v));
    v.val = 0;
    VALUE(semctl(set, 0, SETVAL, v));
    ops[0] = (struct sembuf){ 7, 1, 0 };
    VALUE(semop(set, ops, 1));
    VALUE(semop(set, ops, 0));
    VALUE(semop(set, ops, 501));
    ops[0] = (struct sembuf){ 0, -2, 0 };
    struct timespec brief = { 0, 20000000 }, bad = { 0, -1 };
    VALUE(semtimedop(set, ops, 1, &brief));
    VALUE(semtimedop(set, ops, 1, &bad));
    pthread_t t;
    pthread_create(&t, NULL, raise_later, NULL);
    VALUE(semop(set, ops, 1));
    pthread_join(t, NULL);
    VALUE(semctl(set, 0, GETNCNT));
    ops[0] = (struct sembuf){ 0, 3, SEM_UNDO };
    VALUE(semop(set, ops, 1));
    struct semid_ds ds;
    v.buf = &ds;
    VALUE(semctl(set, 0, IPC_STAT, v));
    printf("count %ld mode %o\n", (long)ds.sem_nsems, ds.sem_perm.mode);
    ds.sem_perm.mode = 0644;
    VALUE(semctl(set, 0, IPC_SET, v));
    ops[0] = (struct sembuf){ 0, -100, 0 };
    pthread_create(&t, NULL, remove_later, NULL);
    VALUE(semop(set, ops, 1));
    pthread_join(t, NULL);
    VALUE(semctl(set, 0, GETVAL));
    SHOW(semop(set, ops, 1));
}

struct message { long type; char text[9000]; };

static int queue;

static void *receive_later(void *unused)
{
    static struct message m;
    usleep(30000);
    msgrcv(queue, &m, sizeof m.text, 0, 0);
    return NULL;
}

static void queues(void)
{
    static struct message m = { 5, "five" };
    struct msqid_ds ds;
    SHOW(msgget(KEY, 0));
    queue = msgget(KEY, IPC_CREAT | 0600);
    SHOW(queue);
    VALUE(msgsnd(queue, &m, 5, 0));
    m.type = 3;
    VALUE(msgsnd(queue, &m, 0, 0));
    m.type = 9;
    VALUE(msgsnd(queue, &m, 100, IPC_NOWAIT));
    m.type = 0;
    VALUE(msgsnd(queue, &m, 1, 0));
    m.type = 1;
    VALUE(msgsnd(queue, &m, 8193, 0));
    VALUE(msgsnd(queue, (void *)8, 1, 0));
    VALUE(msgctl(queue, IPC_STAT, &ds));
    printf("%ld messages %ld bytes room %ld\n", (long)ds.msg_qnum, (long)ds.__msg_cbytes, (long)ds.msg_qbytes);
    VALUE(msgrcv(queue, &m, 100, -6, 0));
    printf("type %ld\n", m.type);
    VALUE(msgrcv(queue, &m, 100, 9, MSG_EXCEPT));
    printf("type %ld %s\n", m.type, m.text);
    VALUE(msgrcv(queue, &m, 10, 0, 0));
    VALUE(msgrcv(queue, &m, 10, 0, MSG_COPY | IPC_NOWAIT));
    VALUE(msgrcv(queue, &m, 10, -1, MSG_COPY | IPC_NOWAIT));
    VALUE(msgrcv(queue, &m, 10, 0, MSG_NOERROR));
    VALUE(msgrcv(queue, &m, 10, 0, IPC_NOWAIT));
    m.type = 1;
    VALUE(msgsnd(queue, &m, 8000, IPC_NOWAIT));
    VALUE(msgsnd(queue, &m, 8000, IPC_NOWAIT));
    VALUE(msgsnd(queue, &m, 8000, IPC_NOWAIT));
    pthread_t t;
    pthread_create(&t, NULL, receive_later, NULL);
    VALUE(msgsnd(queue, &m, 8000, 0));
    pthread_join(t, NULL);
    ds.msg_qbytes = 100;
    VALUE(msgctl(queue, IPC_SET, &ds));
    VALUE(msgsnd(queue, &m, 1, IPC_NOWAIT));
    VALUE(msgctl(queue, IPC_RMID, NULL));
    VALUE(msgrcv(queue, &m, 10, 0, 0));
    VALUE(msgctl(queue, 77, NULL));
}

/* There is a bound to what a process has to give back. */
static void much_to_undo(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600), times = 0;
    struct sembuf up = { 0, 1, SEM_UNDO }, down = { 0, -1, 0 };
    while (times < 40000 && semop(id, &up, 1) == 0 && semop(id, &down, 1) == 0)
        times++;
    SHOW(times < 40000 ? -1 : 0);
    VALUE(times);
    semctl(id, 0, IPC_RMID);
}

/* Who gives does what those want who wait, in the order in which they came, before it can take again itself. */
static struct order { struct sembuf ops[2]; int count, result, error; } orders[] = {
    { { { 0, -2, 0 } }, 1 }, { { { 0, -1, 0 }, { 1, 1, 0 } }, 2 }, { { { 1, -1, 0 } }, 1 }, { { { 0, -1, 0 }, { 1, 0, IPC_NOWAIT } }, 2 },
    { { { 0, 0, 0 } }, 1 }, { { { 1, -9, 0 } }, 1 },
};

static void *operate_in_order(void *order)
{
    struct order *o = order;
    o->result = semop(set, o->ops, o->count);
    o->error = o->result < 0 ? errno : 0;
    return NULL;
}

static void *be_disturbed(void *unblocked)
{
    struct sembuf down = { 0, -1, 0 };
    pthread_sigmask(SIG_UNBLOCK, unblocked, NULL);
    SHOW(semop(set, &down, 1) < 0 && errno != EINTR ? -1 : 0);
    return NULL;
}

static void do_nothing(int signo)
{
}

static void orders_of_waiting(void)
{
    enum { COUNT = sizeof orders / sizeof orders[0] };
    pthread_t threads[COUNT], t;
    struct sembuf up = { 0, 1, 0 }, down = { 0, -1, IPC_NOWAIT };
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    set = semget(IPC_PRIVATE, 2, 0600);
    semop(set, &up, 1);
    for (int i = 0; i < COUNT; i++) {
        if (i == 1)
            semop(set, &down, 1); /* or the second would not wait */
        pthread_create(&threads[i], NULL, operate_in_order, &orders[i]);
        usleep(50000);
        if (i == 1)
            VALUE(semctl(set, 0, GETNCNT));
    }
    for (int i = 0; i < 6; i++) {
        VALUE(semop(set, &up, 1));
        VALUE(semctl(set, 0, GETVAL));
        VALUE(semctl(set, 1, GETVAL));
        VALUE(semctl(set, 0, GETNCNT));
        VALUE(semctl(set, 1, GETNCNT));
        VALUE(semctl(set, 0, GETZCNT));
    }
    VALUE(semop(set, &down, 1));
    signal(SIGUSR1, do_nothing);
    pthread_create(&t, NULL, be_disturbed, &mask);
    usleep(100000);
    kill(getpid(), SIGUSR1);
    signal(SIGUSR1, SIG_IGN); /* what ended the wait is no more: that is no reason for EAGAIN */
    usleep(100000);
    semop(set, &up, 1);
    pthread_join(t, NULL);
    semctl(set, 0, IPC_RMID);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        printf("%d: %d %s\n", i, orders[i].result, orders[i].error ? strerrorname_np(orders[i].error) : "");
    }
}

/* Another mapping begins where the attachment still was and goes on behind its end. */
static void covered_segment(void)
{
    int id = shmget(IPC_PRIVATE, 8192, 0600);
    char *start = mmap(NULL, 12288, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VALUE((char *)shmat(id, start, SHM_REMAP) == start);
    VALUE((char *)mmap(start + 4096, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == start + 4096);
    VALUE(shmdt(start));
    VALUE(msync(start, 4096, MS_ASYNC));
    VALUE(msync(start + 4096, 8192, MS_ASYNC));
    shmctl(id, IPC_RMID, NULL);
    munmap(start, 12288);
}

/* A message is for who waits for one of its kind, and not for who comes later. */
static struct reception { long size, type, result, error; } receptions[] = { { 10, 5 }, { 100, 5 }, { 100, -7 }, { 100, 0 }, { 100, 3 } };

static void *receive_one(void *reception)
{
    struct reception *r = reception;
    struct { long type; char text[100]; } m;
    r->result = msgrcv(queue, &m, r->size, r->type, 0);
    r->error = r->result < 0 ? errno : 0;
    return NULL;
}

static void messages_for_waiting(void)
{
    enum { COUNT = sizeof receptions / sizeof receptions[0] };
    struct { long type; char text[100]; } m = { 5 };
    struct msqid_ds ds;
    pthread_t threads[COUNT];
    queue = msgget(IPC_PRIVATE, 0600);
    for (int i = 0; i < COUNT; i++) {
        pthread_create(&threads[i], NULL, receive_one, &receptions[i]);
        usleep(50000);
    }
    VALUE(msgsnd(queue, &m, 50, 0)); /* too long for the first */
    VALUE(msgrcv(queue, &m, 100, 0, IPC_NOWAIT));
    m.type = 7;
    VALUE(msgsnd(queue, &m, 51, 0));
    m.type = 9;
    VALUE(msgsnd(queue, &m, 52, 0));
    m.type = 9;
    VALUE(msgsnd(queue, &m, 53, 0));
    VALUE(msgctl(queue, IPC_STAT, &ds));
    printf("%ld messages\n", (long)ds.msg_qnum);
    VALUE(msgrcv(queue, &m, 100, 0, IPC_NOWAIT));
    VALUE(msgctl(queue, IPC_RMID, NULL));
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        printf("%d: %ld %s\n", i, receptions[i].result, receptions[i].error ? strerrorname_np(receptions[i].error) : "");
    }
}

/* Most of it unmapped: what is left goes without a look at every page. */
static void large_segment(void)
{
    size_t size = 1UL << 44;
    int id = shmget(IPC_PRIVATE, size, 0600 | SHM_NORESERVE);
    char *start = shmat(id, NULL, 0);
    VALUE(munmap(start + 4096, size - 8192));
    VALUE(shmdt(start));
    VALUE(shmdt(start));
    shmctl(id, IPC_RMID, NULL);
}

int main(void)
{
    int id;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((id = shmget(KEY, 0, 0)) >= 0) /* of a run before */
        shmctl(id, IPC_RMID, NULL);
    if ((id = semget(KEY, 0, 0)) >= 0)
        semctl(id, 0, IPC_RMID);
    if ((id = msgget(KEY, 0)) >= 0)
        msgctl(id, IPC_RMID, NULL);
    segments();
    semaphores();
    queues();
    much_to_undo();
    orders_of_waiting();
    covered_segment();
    messages_for_waiting();
    large_segment();
    return 0;
}
