/* Giving back what a seed has left behind, and counting what is missing then (word `clean`). */
#include <dirent.h>
#include <sys/xattr.h>

static void remove_all(int directory, const char *name)
{
    if (!unlinkat(directory, name, 0) || !unlinkat(directory, name, AT_REMOVEDIR))
        return;
    int file = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *list = file < 0 ? NULL : fdopendir(file);
    for (struct dirent *each; list && (each = readdir(list));)
        if (strcmp(each->d_name, ".") && strcmp(each->d_name, ".."))
            remove_all(dirfd(list), each->d_name);
    if (list)
        closedir(list);
    unlinkat(directory, name, AT_REMOVEDIR);
}

static void read_file(const char *name, char *text, unsigned size)
{
    int file = open(name, O_RDONLY);
    long n = read(file, text, size - 1);
    text[n > 0 ? n : 0] = 0;
    close(file);
}

static void unmount_all(void)
{
    static char text[65536];
    char where[1000], last[1000];
    int whole;
    do {
        last[0] = 0;
        read_file("/proc/self/mounts", text, sizeof text);
        for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
            if (whole = 0, sscanf(line, "%*s %999s tmpfs %n", where, &whole) == 1 && whole)
                strcpy(last, where);
    } while (last[0] && !umount2(last, MNT_DETACH));
}

static void forget_attributes(const char *name)
{
    lremovexattr(name, "user.a"), lremovexattr(name, "user.b"), lremovexattr(name, "trusted.x");
}

/* All sockets, whose names are random, and what stands where a device was; attributes of what stays. */
static void remove_odd(const char *folder)
{
    DIR *list = opendir(folder);
    struct stat s;
    char name[400];
    forget_attributes(folder);
    for (struct dirent *each; list && (each = readdir(list));) {
        sprintf(name, "%s/%s", folder, each->d_name), forget_attributes(name);
        if (!fstatat(dirfd(list), each->d_name, &s, AT_SYMLINK_NOFOLLOW) && each->d_name[0] != '.'
            && (S_ISSOCK(s.st_mode) || (!strcmp(folder, "/dev") && !S_ISCHR(s.st_mode) && !S_ISLNK(s.st_mode) && strcmp(each->d_name, "shm") && strcmp(each->d_name, "mqueue"))))
            remove_all(dirfd(list), each->d_name);
    }
    if (list)
        closedir(list);
}

static void give_back(void)
{
    static const char *const places[] = { "/", "/tmp", "/tmp/over", "/dev/shm", "/proc", "/sys", "/dev" };
    char name[100];
    chdir("/");
    syscall(SYS_close_range, 3, REPORT - 1, 0), syscall(SYS_close_range, ROOT + 1, -1, 0);
    unmount_all();
    for (unsigned i = 0; i < COUNT(places); i++)
        for (unsigned k = 0; k < 14; k++)
            sprintf(name, "%s/%s", places[i], names[k]), remove_all(AT_FDCWD, name);
    for (unsigned i = 0; i < COUNT(places); i++)
        remove_odd(places[i]);
    remove_all(AT_FDCWD, "/tmp/over"), remove_all(AT_FDCWD, "/dev/shm/x");
    DIR *list = opendir("/tmp");
    for (struct dirent *each; list && (each = readdir(list));)
        if (each->d_name[0] != '.' && strcmp(each->d_name, "chaos"))
            remove_all(dirfd(list), each->d_name);
    if (list)
        closedir(list);
    mq_unlink("/q1"), mq_unlink("/q2");
    for (unsigned i = 0; i < 4; i++)
        mq_unlink(names[i]), sprintf(name, "/%s", names[i]), mq_unlink(name);
    for (int i = 0; i < 4096; i++) {
        struct shmid_ds s;
        struct msqid_ds m;
        struct semid_ds e;
        int id;
        if ((id = syscall(SYS_shmctl, i, SHM_STAT, &s)) >= 0)
            syscall(SYS_shmctl, id, IPC_RMID, 0);
        if ((id = syscall(SYS_msgctl, i, MSG_STAT, &m)) >= 0)
            syscall(SYS_msgctl, id, IPC_RMID, 0);
        if ((id = syscall(SYS_semctl, i, 0, SEM_STAT, &e)) >= 0)
            syscall(SYS_semctl, id, 0, IPC_RMID, 0);
        if (i > 100 && id < 0 && i % 100 == 0)
            break;
    }
    mkdir("/tmp/chaos", 0777), mkdir("/tmp/over", 0777);
    mount("none", "/tmp/chaos", "tmpfs", 0, "size=6m");
    mkdir("/tmp/chaos/m", 0777);
}

static long fact(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? atol(at + strlen(name)) : 0;
}

/* What is in use when nothing should be: pages that are free but for half-empty slabs, and objects. */
static void count(void)
{
    static char text[32768];
    long objects = 0, each, all, size;
    int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
    for (int i = 0; i < 3; i++)
        write(drop, "3", 1), nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    close(drop);
    read_file("/proc/slabinfo", text, sizeof text);
    for (char *line = strstr(text, "kmalloc"); line; line = strstr(line + 1, "kmalloc"))
        if (sscanf(line, "%*s %ld %ld %ld", &each, &all, &size) == 3)
            objects += each * size;
    read_file("/proc/meminfo", text, sizeof text);
    say("memory: unused %ld objects %ld slabs %ld tables %ld stacks %ld shared %ld anonymous %ld committed %ld cached %ld\n", fact(text, "MemFree:") + fact(text, "Slab:"), objects,
        fact(text, "Slab:"), fact(text, "PageTables:"), fact(text, "KernelStack:"), fact(text, "Shmem:"), fact(text, "AnonPages:"), fact(text, "Committed_AS:"), fact(text, "Cached:"));
}
