/* Policies, priorities and nice values of threads; barriers; names. Run by root on both sides. */
#include "show.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static volatile int going, other;

static void *idler(void *argument)
{
    other = syscall(SYS_gettid);
    while (going)
        usleep(1000);
    return NULL;
}

static void policies(void)
{
    struct sched_param level = { 5 };
    struct timespec turn;
    VALUE(sched_getscheduler(0));
    VALUE(sched_getscheduler(other));
    VALUE(sched_getscheduler(-1));
    VALUE(sched_getscheduler(99999));
    VALUE(sched_setscheduler(other, SCHED_FIFO, &level));
    VALUE(sched_getscheduler(other));
    VALUE(sched_getscheduler(0));
    VALUE(sched_getparam(other, &level));
    printf("level %d\n", level.sched_priority);
    VALUE(sched_rr_get_interval(other, &turn));
    printf("turn %ld\n", turn.tv_nsec);
    level.sched_priority = 9;
    VALUE(sched_setparam(other, &level));
    VALUE(sched_setscheduler(other, SCHED_RR | SCHED_RESET_ON_FORK, &level));
    VALUE(sched_getscheduler(other));
    VALUE(sched_rr_get_interval(other, &turn));
    printf("turn %ld\n", turn.tv_nsec);
    VALUE(sched_setscheduler(other, SCHED_OTHER, &level));
    level.sched_priority = 0;
    VALUE(sched_setscheduler(other, SCHED_RR, &level));
    VALUE(sched_setscheduler(other, 77, &level));
    VALUE(sched_setscheduler(other, 4, &level));
    VALUE(sched_setscheduler(other, SCHED_BATCH, &level));
    VALUE(sched_setscheduler(other, SCHED_IDLE, &level));
    VALUE(sched_setscheduler(other, SCHED_OTHER, NULL));
    VALUE(sched_setscheduler(other, SCHED_OTHER, &level));
    for (int policy = 0; policy < 7; policy++) {
        VALUE(sched_get_priority_min(policy));
        VALUE(sched_get_priority_max(policy));
    }
    struct attributes found, wanted = { sizeof wanted, SCHED_BATCH, SCHED_FLAG_RESET_ON_FORK, 7, 0 };
    VALUE(syscall(SYS_sched_setattr, other, &wanted, 0));
    VALUE(syscall(SYS_sched_getattr, other, &found, sizeof found, 0));
    printf("policy %u flags %lu nice %d priority %u\n", found.policy, (long)found.flags, found.nice, found.priority);
    VALUE(syscall(SYS_sched_getattr, other, &found, 20, 0));
    VALUE(syscall(SYS_sched_getattr, other, &found, sizeof found, 1));
    wanted.size = 20;
    VALUE(syscall(SYS_sched_setattr, other, &wanted, 0));
    wanted.size = 48;
    wanted.policy = SCHED_FIFO;
    VALUE(syscall(SYS_sched_setattr, other, &wanted, 0));
    wanted.flags = 1 << 20;
    VALUE(syscall(SYS_sched_setattr, other, &wanted, 0));
}

static void nice_values(void)
{
    errno = 0;
    VALUE(getpriority(PRIO_PROCESS, 0));
    VALUE(setpriority(PRIO_PROCESS, other, 5));
    VALUE(getpriority(PRIO_PROCESS, other));
    VALUE(getpriority(PRIO_PROCESS, 0));
    VALUE(getpriority(PRIO_PROCESS, 99999));
    VALUE(getpriority(9, 0));
    VALUE(setpriority(PRIO_PROCESS, other, -50));
    VALUE(syscall(SYS_getpriority, PRIO_PROCESS, other));
    VALUE(syscall(SYS_ioprio_get, 1, other));
    VALUE(syscall(SYS_ioprio_set, 1, other, 3 << 13));
    VALUE(syscall(SYS_ioprio_get, 1, other));
    VALUE(syscall(SYS_ioprio_set, 1, other, 5 << 13));
    VALUE(syscall(SYS_ioprio_set, 9, other, 3 << 13));
    VALUE(syscall(SYS_ioprio_set, 1, 99999, 3 << 13));
}

static void barriers(void)
{
    static const int commands[] = { 8, 16, 8, 32, 64, 32, 4, 2, 1, 512, 3, 1024 };
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        printf("%d ", commands[i]);
        VALUE(syscall(SYS_membarrier, commands[i], 0, 0));
    }
    VALUE(syscall(SYS_membarrier, 0, 1, 0));
}

static void show_file(const char *format)
{
    char path[100], text[100];
    snprintf(path, sizeof path, format, other);
    FILE *file = fopen(path, "r");
    printf("%s", file && fgets(text, sizeof text, file) ? text : "nothing\n");
    if (file)
        fclose(file);
}

static void names(pthread_t thread)
{
    char name[16];
    VALUE(prctl(PR_SET_NAME, "a name that is much too long"));
    VALUE(prctl(PR_GET_NAME, name));
    puts(name);
    VALUE(pthread_setname_np(thread, "the other"));
    VALUE(pthread_getname_np(thread, name, sizeof name));
    puts(name);
    VALUE(pthread_setname_np(thread, "a name that is much too long"));
    show_file("/proc/self/task/%d/comm");
    show_file("/proc/self/comm");
}

int main(void)
{
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setpriority(PRIO_PROCESS, 0, 0);
    going = 1;
    pthread_create(&thread, NULL, idler, NULL);
    while (!other)
        usleep(1000);
    policies();
    nice_values();
    barriers();
    names(thread);
    going = 0;
    pthread_join(thread, NULL);
    return 0;
}
