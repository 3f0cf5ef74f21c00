/* A few calls with arguments of every kind, for the tracer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void handler(int signo)
{
}

int main(void)
{
    struct stat found;
    char buffer[64];
    sigset_t set;
    struct timespec rest = { 0, 1000 };
    int file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    read(file, buffer, 0);
    close(file);
    open("/nonexistent", O_RDWR | O_CREAT | O_EXCL | O_DIRECTORY, 0640);
    stat("/etc", &found);
    lseek(99, 5, SEEK_END);
    write(1, "tab\tquote\"\001\n", 12);
    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, handler);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    nanosleep(&rest, NULL);
    kill(getpid(), SIGUSR1);
    fcntl(0, F_GETFD);
    access(NULL, R_OK | W_OK);
    _exit(3);
}
