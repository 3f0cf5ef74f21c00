/* A lock whose owner is ending: its list of locks goes on in a page that comes from the disk, and meanwhile others try. */
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>

#define ROUNDS 15

static __attribute__((aligned(4096))) char cold[16 << 20] = { 1 };
static struct { void *next, *unused; } entry;
static struct robust_list_head head;
static unsigned word;
static volatile int locked, has_waited, ended, both, tried;

static long lock(int how)
{
    return syscall(SYS_futex, &word, how, 0, NULL, NULL, 0);
}

static void *own(void *page)
{
    word = gettid();
    entry.next = page;
    head.list.next = (void *)((uintptr_t)&entry | 1);
    head.futex_offset = (char *)&word - (char *)&entry;
    syscall(SYS_set_robust_list, &head, sizeof head);
    locked = 1;
    usleep(10000);
    syscall(SYS_exit, 0);
    return NULL;
}

static void *wait_for_it(void *unused)
{
    if (lock(FUTEX_LOCK_PI_PRIVATE) < 0)
        perror("FUTEX_LOCK_PI");
    has_waited = 1;
    usleep(10000);
    lock(FUTEX_UNLOCK_PI_PRIVATE);
    ended = 1;
    return NULL;
}

static void try_it(void)
{
    while (!ended)
        if (lock(FUTEX_TRYLOCK_PI_PRIVATE) == 0) {
            int before = has_waited;
            usleep(20000);
            both |= !before && has_waited;
            tried++;
            if (lock(FUTEX_UNLOCK_PI_PRIVATE) < 0)
                perror("FUTEX_UNLOCK_PI");
        }
}

int main(void)
{
    int caches = open("/proc/sys/vm/drop_caches", O_WRONLY);
    write(caches, "3", 1);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t owner, waiter;
        locked = has_waited = ended = word = 0;
        pthread_create(&owner, NULL, own, cold + ((i + 1) << 20));
        while (!locked)
            usleep(100);
        pthread_create(&waiter, NULL, wait_for_it, NULL);
        usleep(2000);
        try_it();
        pthread_join(waiter, NULL);
    }
    printf("two owners: %d\n", both);
    return 0;
}
