/* Directory notices (fcntl F_NOTIFY), and whom a file's signals go to: F_SETOWN, F_SETSIG. */
#include "show.h"
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#define FOLDER "/tmp/krait-notices"
#define ALL (DN_ACCESS | DN_MODIFY | DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB)

static volatile int hits, number, code, descriptor, taker;
static volatile long band;

static void on_signal(int signo, siginfo_t *info, void *context)
{
    hits++;
    number = signo;
    code = info->si_code;
    band = info->si_band;
    descriptor = info->si_fd;
    taker = syscall(SYS_gettid);
}

/* Do something and say how many signals came of it. */
#define COUNT(call) (hits = 0, VALUE(call), printf("    signals %d\n", hits))

static void write_to(const char *name, int flags)
{
    int file = open(name, flags | O_WRONLY, 0600);
    VALUE(write(file, "text", 4));
    close(file);
}

static int read_from(const char *name)
{
    char text[8];
    int file = open(name, O_RDONLY), count = read(file, text, 8);
    close(file);
    return count;
}

/* Each kind of event alone, then all at once, with a signal that queues. */
static void events(int folder)
{
    static const unsigned kinds[] = {DN_ACCESS, DN_MODIFY, DN_CREATE, DN_DELETE, DN_RENAME, DN_ATTRIB, ALL};
    VALUE(fcntl(folder, F_SETSIG, SIGRTMIN + 1));
    printf("%d\n", fcntl(folder, F_GETSIG) == SIGRTMIN + 1);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
    {
        printf("kind %x\n", kinds[i]);
        VALUE(fcntl(folder, F_NOTIFY, kinds[i] | DN_MULTISHOT));
        COUNT((write_to("a", O_CREAT), 0));
        COUNT((write_to("a", O_APPEND), 0));
        COUNT(read_from("a"));
        COUNT(chmod("a", 0640));
        COUNT(truncate("a", 2));
        COUNT(link("a", "b"));
        COUNT(rename("b", "c"));
        COUNT(rename("c", "below/c"));
        COUNT(rename("below/c", "c"));
        COUNT(unlink("c"));
        COUNT(mkdir("folder", 0700));
        COUNT(chmod("folder", 0755));
        COUNT(rmdir("folder"));
        COUNT(unlink("a"));
        COUNT(fchmod(folder, 0755));
        VALUE(fcntl(folder, F_NOTIFY, 0));
        COUNT(mkdir("folder", 0700));
        COUNT(rmdir("folder"));
    }
    printf("own number %d code %d band %lx\n", descriptor == folder, code, band);
}

/* Once only; more events for the same folder; ends. */
static void lives(int folder)
{
    VALUE(fcntl(folder, F_NOTIFY, DN_CREATE));
    COUNT(mkdir("one", 0700));
    COUNT(mkdir("two", 0700));
    VALUE(fcntl(folder, F_NOTIFY, DN_CREATE));
    VALUE(fcntl(folder, F_NOTIFY, DN_DELETE));
    COUNT(rmdir("one"));
    COUNT(mkdir("one", 0700));
    VALUE(fcntl(folder, F_NOTIFY, DN_CREATE));
    VALUE(fcntl(folder, F_NOTIFY, DN_MULTISHOT | DN_DELETE));
    COUNT(rmdir("two"));
    COUNT(mkdir("two", 0700));
    COUNT(mkdir("three", 0700));
    int again = dup(folder);
    VALUE(fcntl(again, F_NOTIFY, DN_MULTISHOT | DN_ATTRIB));
    COUNT(rmdir("three"));
    printf("number of the last %d\n", descriptor == again);
    close(again); /* which ends it although the first is open */
    COUNT(rmdir("two"));
    int second = open(".", O_RDONLY);
    VALUE(fcntl(second, F_NOTIFY, DN_MULTISHOT | DN_CREATE));
    VALUE(fcntl(folder, F_NOTIFY, DN_MULTISHOT | DN_CREATE));
    COUNT(mkdir("two", 0700)); /* the second says SIGIO */
    VALUE(dup2(1, second) == second);
    COUNT(rmdir("two"));
    COUNT(mkdir("two", 0700));
    VALUE(rmdir("two") | rmdir("one"));
    close(second);
    VALUE(fcntl(folder, F_NOTIFY, 0));
    VALUE(fcntl(folder, F_NOTIFY, DN_MULTISHOT));
    int file = open("file", O_CREAT | O_RDONLY, 0600), path = open(".", O_PATH);
    VALUE(fcntl(file, F_NOTIFY, DN_ACCESS));
    VALUE(fcntl(file, F_NOTIFY, 0));
    VALUE(fcntl(path, F_NOTIFY, DN_ACCESS));
    VALUE(fcntl(99, F_NOTIFY, DN_ACCESS));
    VALUE(fcntl(0, F_NOTIFY, DN_ACCESS));
    VALUE(fcntl(folder, F_NOTIFY, 0x40));
    unlink("file");
    close(file);
    close(path);
    mkdir("gone", 0700);
    int gone = open("gone", O_RDONLY);
    VALUE(fcntl(gone, F_NOTIFY, DN_MULTISHOT | DN_ATTRIB));
    COUNT(rmdir("gone"));
    close(gone);
}

static void *ask(void *argument)
{
    int folder = *(int *)argument;
    struct f_owner_ex owner = {F_OWNER_TID, syscall(SYS_gettid)};
    VALUE(fcntl(folder, F_SETOWN_EX, &owner));
    COUNT(mkdir("x", 0700));
    printf("own thread %d\n", taker == syscall(SYS_gettid));
    return NULL;
}

/* Who is told, and by which signal. */
static void owners(void)
{
    int folder = open(".", O_RDONLY);
    struct f_owner_ex owner = {9, 9};
    VALUE(fcntl(folder, F_GETOWN));
    VALUE(fcntl(folder, F_GETSIG));
    VALUE(fcntl(folder, F_GETOWN_EX, &owner));
    printf("%d %d\n", owner.type, owner.pid);
    VALUE(fcntl(folder, F_SETSIG, 65));
    VALUE(fcntl(folder, F_SETSIG, -1));
    VALUE(fcntl(folder, F_SETOWN, 999999));
    VALUE(fcntl(folder, F_SETOWN, -999999));
    VALUE(fcntl(folder, F_SETOWN, 1 << 31));
    VALUE(fcntl(folder, F_SETOWN, -getpgrp()));
    VALUE(fcntl(folder, F_GETOWN) == -getpgrp());
    VALUE(fcntl(folder, F_SETOWN, 0));
    VALUE(fcntl(folder, F_GETOWN));
    VALUE(fcntl(folder, F_NOTIFY, DN_MULTISHOT | DN_CREATE | DN_DELETE));
    VALUE(fcntl(folder, F_GETOWN) == getpid());
    VALUE(fcntl(folder, F_GETOWN_EX, &owner));
    printf("%d %d\n", owner.type, owner.pid == getpid());
    COUNT(mkdir("x", 0700));
    printf("SIGIO %d code %d\n", number == SIGIO, code);
    VALUE(fcntl(folder, F_SETSIG, SIGIO));
    COUNT(rmdir("x"));
    printf("SIGIO %d code %d\n", number == SIGIO, code);
    VALUE(fcntl(folder, F_SETSIG, SIGCHLD));
    COUNT(mkdir("x", 0700));
    printf("SIGCHLD %d code %d\n", number == SIGCHLD, code);
    owner = (struct f_owner_ex){F_OWNER_PGRP, getpgrp()};
    VALUE(fcntl(folder, F_SETOWN_EX, &owner));
    VALUE(fcntl(folder, F_GETOWN_EX, &owner));
    printf("%d %d\n", owner.type, owner.pid == getpgrp());
    owner.type = 3;
    VALUE(fcntl(folder, F_SETOWN_EX, &owner));
    owner = (struct f_owner_ex){F_OWNER_TID, 999999};
    VALUE(fcntl(folder, F_SETOWN_EX, &owner));
    owner.pid = getpid();
    VALUE(fcntl(folder, F_SETOWN_EX, &owner));
    VALUE(fcntl(folder, F_GETOWN) == getpid());
    VALUE(fcntl(folder, F_SETOWN_EX, NULL));
    VALUE(fcntl(folder, F_GETOWN_EX, NULL));
    COUNT(rmdir("x"));
    pthread_t thread;
    pthread_create(&thread, NULL, ask, &folder);
    pthread_join(thread, NULL);
    COUNT(rmdir("x")); /* the thread that was told is no more */
    close(folder);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigaction(SIGIO, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    mkdir(FOLDER, 0755);
    if (chdir(FOLDER) || mkdir("below", 0755))
        return 1;
    int folder = open(".", O_RDONLY);
    events(folder);
    lives(folder);
    owners();
    close(folder);
    rmdir("below");
    chdir("/");
    rmdir(FOLDER);
    return 0;
}
