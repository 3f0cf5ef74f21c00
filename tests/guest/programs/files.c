/* The file system calls, good and bad. */
#include "show.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

static char buffer[65536];

static void names(void)
{
    SHOW(mkdir("/tmp/kt", 0755));
    SHOW(mkdir("/tmp/kt", 0755));
    SHOW(mkdir("/tmp/kt/none/x", 0755));
    SHOW(mkdir("/tmp/kt/d", 0700));
    SHOW(mkdir("", 0700));
    SHOW(rmdir("/tmp/kt"));
    SHOW(open("/tmp/kt/f", O_RDONLY));
    int fd = open("/tmp/kt/f", O_RDWR | O_CREAT | O_EXCL, 0640);
    SHOW(fd);
    SHOW(open("/tmp/kt/f", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(open("/tmp/kt/f/x", O_RDONLY));
    SHOW(open("/tmp/kt/f", O_RDONLY | O_DIRECTORY));
    SHOW(open("/tmp/kt/d", O_WRONLY));
    VALUE(write(fd, "0123456789", 10));
    close(fd);
    SHOW(link("/tmp/kt/f", "/tmp/kt/g"));
    SHOW(link("/tmp/kt/f", "/tmp/kt/g"));
    SHOW(link("/tmp/kt/d", "/tmp/kt/e"));
    SHOW(symlink("f", "/tmp/kt/s"));
    SHOW(symlink("s2", "/tmp/kt/s1"));
    SHOW(symlink("s1", "/tmp/kt/s2"));
    SHOW(open("/tmp/kt/s1", O_RDONLY));
    SHOW(open("/tmp/kt/s", O_RDONLY | O_NOFOLLOW));
    VALUE(readlink("/tmp/kt/s", buffer, 100));
    SHOW(readlink("/tmp/kt/f", buffer, 100));
    SHOW(unlink("/tmp/kt/d"));
    SHOW(rmdir("/tmp/kt/f"));
    SHOW(rename("/tmp/kt/f", "/tmp/kt/d"));
    SHOW(rename("/tmp/kt/d", "/tmp/kt/f"));
    SHOW(rename("/tmp/kt/d", "/tmp/kt/d/below"));
    SHOW(rename("/tmp/kt/g", "/tmp/kt/d/h"));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "/tmp/kt/f", AT_FDCWD, "/tmp/kt/d/h", 1));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "/tmp/kt/f", AT_FDCWD, "/tmp/kt/d/h", 2));
    SHOW(access("/tmp/kt/f", R_OK | W_OK));
    SHOW(access("/tmp/kt/f", X_OK));
    SHOW(access("/tmp/kt/nothing", F_OK));
    char *many = memset(buffer, 'n', 300);
    many[300] = 0;
    SHOW(open(many, O_RDONLY));
    memset(buffer, '/', 5000);
    buffer[5000] = 0;
    SHOW(open(buffer, O_RDONLY));
    SHOW(open("/tmp/kt/f/", O_RDONLY));
    SHOW(open("/tmp/kt//d/../d/./h", O_RDONLY));
    SHOW(mknod("/tmp/kt/fifo", S_IFIFO | 0600, 0));
    SHOW(unlink("/tmp/kt/fifo"));
}

static void contents(void)
{
    struct stat st;
    int fd = open("/tmp/kt/data", O_RDWR | O_CREAT | O_TRUNC, 0644);
    VALUE(write(fd, "hello world", 11));
    VALUE(lseek(fd, 0, SEEK_CUR));
    VALUE(lseek(fd, -5, SEEK_END));
    VALUE(lseek(fd, -50, SEEK_CUR));
    VALUE(lseek(fd, 0, 77));
    VALUE(pread(fd, buffer, 5, 6));
    printf("%.5s\n", buffer);
    VALUE(pread(fd, buffer, 5, 100));
    VALUE(pread(fd, buffer, 5, -1));
    VALUE(pwrite(fd, "X", 1, 20000));
    fstat(fd, &st);
    printf("size %ld links %ld mode %o\n", (long)st.st_size, (long)st.st_nlink, st.st_mode);
    VALUE(pread(fd, buffer, 64, 15000));
    printf("hole %d %d\n", buffer[0], buffer[63]);
    VALUE(lseek(fd, 0, SEEK_DATA));
    VALUE(lseek(fd, 19000, SEEK_HOLE));
    VALUE(ftruncate(fd, 5));
    VALUE(ftruncate(fd, -1));
    VALUE(ftruncate(fd, 100));
    VALUE(pread(fd, buffer, 200, 0));
    printf("%.5s %d\n", buffer, buffer[7]);
    struct iovec v[3] = { { buffer, 3 }, { buffer + 10, 0 }, { buffer + 20, 4 } };
    lseek(fd, 0, SEEK_SET);
    VALUE(readv(fd, v, 3));
    VALUE(readv(fd, v, -1));
    VALUE(readv(fd, v, 2000));
    v[0].iov_len = -1;
    VALUE(readv(fd, v, 3));
    VALUE(fcntl(fd, F_GETFL));
    int dup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 50);
    VALUE(dup_fd);
    VALUE(fcntl(dup_fd, F_GETFD));
    VALUE(dup2(dup_fd, 60));
    VALUE(fcntl(60, F_GETFD));
    VALUE(dup2(fd, -1));
    VALUE(dup3(fd, fd, 0));
    VALUE(fcntl(fd, F_DUPFD, 1 << 30));
    close(60);
    close(dup_fd);
    VALUE(read(60, buffer, 1));
    int ro = open("/tmp/kt/data", O_RDONLY);
    VALUE(write(ro, "x", 1));
    VALUE(ftruncate(ro, 1));
    int ap = open("/tmp/kt/data", O_WRONLY | O_APPEND);
    VALUE(write(ap, "end", 3));
    VALUE(lseek(ap, 0, SEEK_CUR));
    VALUE(read(ap, buffer, 1));
    VALUE(fallocate(fd, 0, 0, 5000));
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    VALUE(fallocate(fd, 3, 0, 4096));
    VALUE(fsync(fd));
    VALUE(flock(fd, LOCK_EX | LOCK_NB));
    VALUE(flock(ro, LOCK_EX | LOCK_NB));
    VALUE(flock(fd, LOCK_UN));
    VALUE(flock(ro, LOCK_SH | LOCK_NB));
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    VALUE(fcntl(fd, F_SETLK, &lock));
    VALUE(fcntl(fd, F_GETLK, &lock));
    printf("lock type %d\n", lock.l_type);
    int path = open("/tmp/kt/data", O_PATH);
    VALUE(read(path, buffer, 1));
    VALUE(fstat(path, &st));
    close(path);
    int temporary = open("/tmp/kt", O_TMPFILE | O_RDWR, 0600);
    show("O_TMPFILE", temporary);
    VALUE(write(temporary, "t", 1));
    close(temporary);
    close(ro);
    close(ap);
    close(fd);
}

static void directories(void)
{
    for (int i = 0; i < 300; i++) {
        snprintf(buffer, 100, "/tmp/kt/d/entry-%d", i);
        close(open(buffer, O_CREAT | O_WRONLY, 0600));
    }
    DIR *dir = opendir("/tmp/kt/d");
    int count = 0, dots = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        count++;
        dots += e->d_name[0] == '.';
    }
    printf("entries %d dots %d\n", count, dots);
    rewinddir(dir);
    printf("again %d\n", readdir(dir) != NULL);
    closedir(dir);
    int fd = open("/tmp/kt/d", O_RDONLY);
    VALUE(syscall(SYS_getdents64, fd, buffer, 10));
    VALUE(syscall(SYS_getdents64, 0x7fff, buffer, 1000));
    VALUE(read(fd, buffer, 10));
    VALUE(fchdir(fd));
    printf("%s\n", getcwd(buffer, 1000));
    VALUE(syscall(SYS_getcwd, buffer, 3));
    VALUE(openat(fd, "entry-7", O_RDONLY));
    VALUE(openat(-5, "entry-7", O_RDONLY));
    VALUE(unlinkat(fd, "entry-7", 0));
    VALUE(unlinkat(fd, "entry-7", 0));
    VALUE(unlinkat(fd, "entry-8", 0x4000));
    VALUE(chdir("/tmp/kt/f"));
    VALUE(chdir("/"));
    for (int i = 0; i < 300; i++) {
        snprintf(buffer, 100, "/tmp/kt/d/entry-%d", i);
        unlink(buffer);
    }
    close(fd);
}

static void attributes(void)
{
    struct stat st;
    struct statfs fs;
    SHOW(chmod("/tmp/kt/f", 04711));
    stat("/tmp/kt/f", &st);
    printf("mode %o\n", st.st_mode);
    SHOW(chown("/tmp/kt/f", 12, 34));
    stat("/tmp/kt/f", &st);
    printf("owner %d %d\n", st.st_uid, st.st_gid);
    struct timespec times[2] = { { 1000, 5 }, { 2000, 999999999 } };
    SHOW(utimensat(AT_FDCWD, "/tmp/kt/f", times, 0));
    stat("/tmp/kt/f", &st);
    printf("times %ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = 1000000000;
    SHOW(utimensat(AT_FDCWD, "/tmp/kt/f", times, 0));
    SHOW(lstat("/tmp/kt/s", &st));
    printf("link %d size %ld\n", S_ISLNK(st.st_mode), (long)st.st_size);
    SHOW(stat("/tmp/kt/none", &st));
    SHOW(stat("/dev/null", &st));
    printf("null %d %lx\n", S_ISCHR(st.st_mode), (long)st.st_rdev);
    SHOW(statfs("/tmp/kt", &fs));
    SHOW(truncate("/tmp/kt/d", 5));
    SHOW(truncate("/tmp/kt/f", 5));
    VALUE(umask(027));
    VALUE(umask(022));
    struct statx sx;
    SHOW(statx(AT_FDCWD, "/tmp/kt/f", 0, STATX_BASIC_STATS, &sx));
    printf("statx %o %ld\n", sx.stx_mode, (long)sx.stx_size);
}

static void devices(void)
{
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
    VALUE(write(null, buffer, 100));
    VALUE(read(null, buffer, 100));
    memset(buffer, 1, 100);
    VALUE(read(zero, buffer, 100));
    printf("zeroed %d\n", buffer[99]);
    VALUE(write(full, buffer, 1));
    VALUE(read(open("/dev/urandom", O_RDONLY), buffer, 100));
    SHOW(open("/dev/nothing", O_RDWR));
    VALUE(readlink("/proc/self/exe", buffer, sizeof buffer) > 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    int lines = 0, stack = 0;
    while (maps && fgets(buffer, sizeof buffer, maps)) {
        lines++;
        stack += strstr(buffer, "[stack]") != NULL;
    }
    printf("maps %d stack %d\n", lines > 3, stack);
    SHOW(open("/proc/self/nothing", O_RDONLY));
    SHOW(open("/proc/self/fd/0", O_RDONLY));
}

static void memfd(void)
{
    int fd = memfd_create("krait", MFD_ALLOW_SEALING);
    VALUE(write(fd, "sealed", 6));
    VALUE(fcntl(fd, F_GET_SEALS));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    VALUE(ftruncate(fd, 3));
    VALUE(ftruncate(fd, 30));
    VALUE(pwrite(fd, "S", 1, 0));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    VALUE(pwrite(fd, "S", 1, 0));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    VALUE(memfd_create("x", 0x4000));
    VALUE(fcntl(0, F_GET_SEALS));
}

int main(void)
{
    names();
    contents();
    directories();
    attributes();
    devices();
    memfd();
    return 0;
}
