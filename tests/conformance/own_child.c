/*
 * LD_PRELOAD library: a program that forks its workers becomes its own worker, and the next one.
 *
 * stress-ng forks each stressor and waits for it. Here the first OWN_CHILD_FORKS calls of fork
 * return 0, so the process goes on as the child would; further ones fail with ENOSYS, as they do
 * in a machine that has no fork. When the worker exits, the process executes the program again for
 * the next name in OWN_CHILD_QUEUE, so that one machine runs many; the same happens on the host.
 *
 * OWN_CHILD_COMMAND is the command without the stressor, separated by spaces; OWN_CHILD_QUEUE holds
 * words FORKS:NAME. Standard error gets a record when a worker starts, with the free memory in KiB,
 * and when it ends, with its status. A worker that outlives OWN_CHILD_LIMIT_S kills the process by a
 * timer of its own, which no handler can catch; address space and size of files are limited, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/tmp/krait-own-child"
#define NOBODY 65534
#define SPACE_BYTES (768UL << 20)
#define FILE_BYTES (512UL << 20)
#define WORDS_MAX 64

static int forks;
static int forks_allowed;
static pid_t first;

static void say(const char *word, const char *name, long value)
{
    char line[128];
    int length = snprintf(line, sizeof line, "@@ %s %s %ld\n", word, name, value);
    if (write(2, line, length) != length)
        syscall(SYS_exit_group, 120);
}

/* What can be had: free, or in caches that are given back. */
static long free_kib(void)
{
    char line[128];
    long free = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %ld", &free) == 1)
            break;
    if (file)
        fclose(file);
    return free;
}

/* Start the limit's timer; as root, become nobody, since stressors try what root may do. */
__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("OWN_CHILD_NAME");
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {.tv_sec = 0}};
    struct rlimit space = {SPACE_BYTES, SPACE_BYTES}, file = {FILE_BYTES, FILE_BYTES};
    timer_t timer;

    if (!name)
        return;
    if (mkdir(FOLDER, 0777) == 0 && chmod(FOLDER, 0777))
        syscall(SYS_exit_group, 124);
    if (syscall(SYS_getuid) == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        syscall(SYS_exit_group, 121);
    first = syscall(SYS_getpid);
    limit.it_value.tv_sec = atoi(getenv("OWN_CHILD_LIMIT_S"));
    forks_allowed = atoi(getenv("OWN_CHILD_FORKS"));
    if (setrlimit(RLIMIT_AS, &space) || setrlimit(RLIMIT_FSIZE, &file)
        || timer_create(CLOCK_MONOTONIC, &event, &timer)
        || timer_settime(timer, 0, &limit, NULL))
        syscall(SYS_exit_group, 122);
    say("start", name, free_kib());
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    return place->level ? remove(path) : 0;
}

/* Nothing of this worker may reach the next: what execve keeps is put back. */
static void next(void)
{
    const char *queue = getenv("OWN_CHILD_QUEUE");
    char option[64], name[60];
    char *words[WORDS_MAX + 3], *rest = strdup(getenv("OWN_CHILD_COMMAND")), *word;
    int count, used = 0, length = 0;
    cpu_set_t cpus;
    sigset_t none;
    struct itimerval never = {{0, 0}, {0, 0}};
    struct sched_param other = {0};

    if (!queue || sscanf(queue, "%d:%59s %n", &count, name, &used) != 2)
        return;
    char forks_text[2] = {'0' + count, 0};
    setenv("OWN_CHILD_FORKS", forks_text, 1);
    setenv("OWN_CHILD_NAME", name, 1);
    setenv("OWN_CHILD_QUEUE", queue + used, 1);
    setitimer(ITIMER_REAL, &never, NULL);
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    memset(&cpus, 0xff, sizeof cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    sched_setscheduler(0, SCHED_OTHER, &other);
    syscall(SYS_close_range, 3, ~0U, 0);
    snprintf(option, sizeof option, "--%s", name);
    nftw(FOLDER, remove_entry, 10, FTW_DEPTH | FTW_PHYS); /* a worker's parent would have done it */
    while (length < WORDS_MAX && (word = strsep(&rest, " ")))
        words[length++] = word;
    words[length++] = option;
    words[length++] = "1";
    words[length] = NULL;
    execv(words[0], words);
    syscall(SYS_exit_group, 123);
}

static void end(int status)
{
    const char *name = getenv("OWN_CHILD_NAME");
    if (name && syscall(SYS_getpid) == first)
    {
        say("end", name, status);
        next();
    }
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

void _exit(int status)
{
    end(status);
    __builtin_unreachable();
}

void exit(int status)
{
    fflush(NULL);
    end(status);
    __builtin_unreachable();
}

/* Before the first fork the process is the parent, whose id is another than the worker's. */
pid_t getpid(void)
{
    return syscall(SYS_getpid) + (forks_allowed && !forks);
}

pid_t fork(void)
{
    if (forks < forks_allowed)
    {
        forks++;
        return 0;
    }
    errno = ENOSYS;
    return -1;
}

pid_t vfork(void)
{
    errno = ENOSYS;
    return -1;
}

int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    errno = ENOSYS;
    return -1;
}
