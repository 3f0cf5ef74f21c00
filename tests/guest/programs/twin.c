/* The same calls on the host and in Krait: random, but harmless, and the same for one seed everywhere.
 *
 *     twin FOLDER SEED SEEDS CALLS [FIRST LAST [CHOSEN]]
 *
 * For each call the result, its errno and all that came back are printed; the two transcripts must be equal. What may differ
 * for good reasons (inode numbers, the time of day, addresses, process ids) is not printed. Only calls FIRST to LAST are
 * shown. CHOSEN is a file with one character for each call; those whose character is not 1 are not made. A call's choices
 * depend on the seed and its own number, so that the rest stays as it was. The next seed begins by execve. */
#include "twin/frame.h"
#include "twin/files.h"
#include "twin/streams.h"
#include <ftw.h>

/* Something of each kind to begin with. */
static void begin(void)
{
    int ends[2];
    mkdir("d", 0755), mkdir("e", 0755), symlink("a", "l"), mkfifo("fifo", 0644);
    int constant = open("constant", O_CREAT | O_RDWR, 0644);
    for (int i = 0; i < 3; i++)
        write(constant, (char *)LASTING + i * 64, 5000);
    dup2(constant, CONSTANT), close(constant), unlink("constant");
    made(open("a", O_CREAT | O_RDWR, 0644)), made(open("d/b", O_CREAT | O_RDWR | O_APPEND, 0600)), made(open("d", O_DIRECTORY));
    for (int i = 0; i < 4; i++) {
        if (i ? socketpair(AF_UNIX, (i == 1 ? SOCK_STREAM : i == 2 ? SOCK_DGRAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, ends) : pipe2(ends, O_NONBLOCK))
            continue;
        made(ends[0]), made(ends[1]);
    }
}

static void one_call(void)
{
    int free = 0, a;
    for (int i = 3; i < DESCRIPTORS; i++)
        free += !kinds[i];
    if (free < 7 && one_in(2)) {
        a = fd(NOTHING), CALL(close, a), made(a);
        return;
    }
    switch (below(20)) {
    case 0 ... 1: name_calls(); break;
    case 2 ... 3: opening(); break;
    case 4: descriptors(); break;
    case 5 ... 7: io(); break;
    case 8: shapes(); break;
    case 9: attributes(); break;
    case 10: extended(); break;
    case 11: locks(); break;
    case 12 ... 13: pipes(); break;
    case 14 ... 15: transfers(); break;
    case 16 ... 19: sockets(); break;
    }
}

static void note_signal(int number, siginfo_t *info, void *context)
{
    if ((number == SIGSEGV || number == SIGBUS) && info->si_code > 0) {
        if (faulting)
            siglongjmp(fault, number);
        say("\n%ld: signal %d at %p\n", now, number, info->si_addr), flush();
        _exit(7);
    }
    if (caught_used < COUNT(caught)) {
        int i = caught_used++;
        caught[i].number = number, caught[i].code = info->si_code, caught[i].thread = thread;
        caught[i].value = info->si_code < 0 && info->si_code != SI_TKILL ? info->si_value.sival_int : info->si_code > 0 ? info->si_fd : 0;
    }
}


static struct { u64 soft, hard; } limits[16];

static void make_folder(const char *folder, const char *seed)
{
    mkdir(folder, 0755);
    sprintf(home, "%s/%s", folder, seed);
    mkdir(home, 0755);
    if (chdir(home))
        perror(home), _exit(8);
    confined = chroot(".") == 0;
    if (confined)
        strcpy(home, "/");
}
static int removed(const char *name, const struct stat *s, int flag, struct FTW *level)
{
    if (flag == FTW_DNR)
        chmod(name, 0700);
    remove(name);
    return 0;
}
static void prepare(void)
{
    if (fcntl(REPORT, F_GETFD) < 0)
        dup2(1, REPORT);
    dup2(open("/proc/self/fd", O_PATH | O_DIRECTORY), OWN_DESCRIPTORS);
    dup2(open("/", O_PATH | O_DIRECTORY), OUTSIDE);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    syscall(SYS_close_range, 3, REPORT - 1, 0);
    syscall(SYS_close_range, OUTSIDE + 1, -1u, 0);
    umask(022);
    for (int i = 0; i < 16; i++)
        syscall(SYS_prlimit64, 0, i, NULL, &limits[i]);
    u64 most[2] = { DESCRIPTORS, limits[7].hard };
    syscall(SYS_prlimit64, 0, 7, most, NULL);
    for (int number = 1; number <= 64; number++) {
        struct sigaction how = { .sa_sigaction = note_signal, .sa_flags = SA_SIGINFO };
        sigfillset(&how.sa_mask), sigdelset(&how.sa_mask, SIGSEGV), sigdelset(&how.sa_mask, SIGBUS);
        if (number == SIGSEGV || number == SIGBUS)
            how.sa_flags |= SA_NODEFER;
        if (number != SIGKILL && number != SIGSTOP && number != 32 && number != 33)
            sigaction(number, &how, NULL);
    }
    sigset_t none;
    sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < SLOTS; i++)
        mmap((void *)(BASE + i * SLOT), SLOT - 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)GIVEN, GIVEN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)READ_ONLY, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)LASTING, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (int i = 0; i < 8192; i++)
        ((char *)LASTING)[i] = 'a' + (i * 11 + i / 300) % 26;
    mprotect((void *)LASTING, 8192, PROT_READ);
    pid = getpid();
}
static void clean_up(const char *folder, const char *seed)
{
    syscall(SYS_close_range, 3, REPORT - 1, 0);
    for (int i = 0; i < 16; i++)
        syscall(SYS_prlimit64, 0, i, &limits[i], NULL);
    for (int number = 1; number <= 64; number++)
        if (number != SIGSEGV && number != SIGBUS)
            signal(number, SIG_IGN); /* what waits is lost */
    fchdir(OUTSIDE);
    if (confined && chroot("."))
        _exit(5);
    static char made_by_it[200];
    sprintf(made_by_it, "%s/%s", folder, seed);
    for (int i = 0; i < 3; i++) /* what could not be entered can be the next time */
        nftw(made_by_it, removed, 20, FTW_DEPTH | FTW_PHYS);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    static char chosen[1 << 16];
    seed = strtoul(argv[2], NULL, 0);
    long seeds = atol(argv[3]), calls = atol(argv[4]);
    if (argc > 6)
        first = atol(argv[5]), last = atol(argv[6]);
    memset(chosen, '1', sizeof chosen);
    if (argc > 7) {
        int file = open(argv[7], O_RDONLY);
        read(file, chosen, sizeof chosen), close(file);
    }
    prepare();
    make_folder(argv[1], argv[2]);
    say("seed %s\n", argv[2]);
    begin();
    holes = seed % 2;
    for (now = 0; now < calls; now++) {
        if (now < sizeof chosen && chosen[now] != '1')
            continue;
        random_state = seed * 1000003 + now;
        bits();
        memset((void *)GIVEN, 0, given_most), given_used = given_most = spoiled = 0;
        one_call();
    }
    clean_up(argv[1], argv[2]);
    flush();
    if (seeds > 1) {
        static char next[24], rest[24];
        sprintf(next, "%lu", seed + 1), sprintf(rest, "%ld", seeds - 1);
        argv[2] = next, argv[3] = rest;
        execve("/proc/self/exe", argv, environ);
        _exit(6);
    }
    return 0;
}
