/* Files by handle: name_to_handle_at, open_by_handle_at. In /dev/shm, which is a tmpfs on both sides. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "show.h"

#define FOLDER "/dev/shm/krait-handles"

struct room {
    struct file_handle head;
    unsigned char rest[200];
};
static struct room room;

/* Which mount mountinfo knows for the longest place that a path begins with. */
static int mount_of(const char *path)
{
    char line[1024], place[512];
    int id, best = -1;
    size_t longest = 0;
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (fgets(line, sizeof line, mounts))
        if (sscanf(line, "%d %*d %*s %*s %511s", &id, place) == 2 && strlen(place) >= longest &&
            !strncmp(path, place, strlen(place)) &&
            (strlen(place) == 1 || path[strlen(place)] == '/' || !path[strlen(place)])) {
            longest = strlen(place);
            best = id;
        }
    fclose(mounts);
    return best;
}

static void named(const char *what, int directory, const char *path, unsigned length, int flags)
{
    int mount = -7;
    room.head.handle_bytes = length;
    room.head.handle_type = 77;
    errno = 0;
    int result = syscall(SYS_name_to_handle_at, directory, path, &room, &mount, flags);
    printf("%s: %d %d, %u bytes, type %d, mount %s\n", what, result, errno, room.head.handle_bytes,
           room.head.handle_type, mount == -7 ? "not said" : mount == mount_of(FOLDER) ? "known" : "?");
}

static int opened(const char *what, int mount, int flags)
{
    char link[64], path[512] = "";
    errno = 0;
    int fd = syscall(SYS_open_by_handle_at, mount, &room, flags);
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (fd >= 0)
        readlink(link, path, sizeof path - 1);
    printf("%s: %s %d %s\n", what, fd < 0 ? "-1" : "open", error, path);
    return fd;
}

/* The mount of a file as statx and fdinfo say it. */
static void mounts(int fd, int expected, const char *what)
{
    struct statx facts;
    char path[64], line[64];
    int id = -1;
    VALUE(statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *info = fopen(path, "r");
    while (fgets(line, sizeof line, info))
        sscanf(line, "mnt_id: %d", &id);
    fclose(info);
    printf("%s: statx %d, fdinfo %d\n", what, facts.stx_mnt_id == expected, id == expected);
}

static void naming(void)
{
    int file = open("file", O_CREAT | O_RDWR, 0600), ends[2];
    symlink("file", "link");
    mkdir("folder", 0700);
    named("no room", AT_FDCWD, "file", 0, 0);
    named("too little", AT_FDCWD, "file", 11, 0);
    named("just enough", AT_FDCWD, "file", 12, 0);
    struct room first = room;
    named("most", AT_FDCWD, "file", 128, 0);
    printf("the same: %d\n", !memcmp(first.rest, room.rest, 12));
    named("too much", AT_FDCWD, "file", 129, 0);
    named("a flag that nobody knows", AT_FDCWD, "file", 128, 0x10);
    named("missing", AT_FDCWD, "missing", 128, 0);
    named("empty", AT_FDCWD, "", 128, 0);
    named("descriptor", file, "", 128, AT_EMPTY_PATH);
    printf("the same: %d\n", !memcmp(first.rest, room.rest, 12));
    named("directory", AT_FDCWD, "", 128, AT_EMPTY_PATH);
    named("link", AT_FDCWD, "link", 128, 0);
    printf("the same: %d\n", !memcmp(first.rest, room.rest, 12));
    named("followed", AT_FDCWD, "link", 128, AT_SYMLINK_FOLLOW);
    printf("the same: %d\n", !memcmp(first.rest, room.rest, 12));
    named("bad descriptor", 99, "file", 128, 0);
    named("proc", AT_FDCWD, "/proc/self/status", 128, 0);
    pipe(ends);
    named("pipe", ends[0], "", 128, AT_EMPTY_PATH);
    int status = open("/proc/self/status", O_RDONLY);
    mounts(file, mount_of(FOLDER), "tmpfs");
    mounts(status, mount_of("/proc/self/status"), "proc");
    mounts(ends[0], mount_of("/"), "pipe is on no other's");
    close(status);
    int mount;
    VALUE(syscall(SYS_name_to_handle_at, AT_FDCWD, 8, &room, &mount, 0));
    VALUE(syscall(SYS_name_to_handle_at, AT_FDCWD, "file", 8, &mount, 0));
    room.head.handle_bytes = 128;
    VALUE(syscall(SYS_name_to_handle_at, AT_FDCWD, "file", &room, 8, 0));
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void opening(void)
{
    int file = open("file", O_RDWR), proc = open("/proc/self/status", O_RDONLY);
    named("file", AT_FDCWD, "file", 128, 0);
    int again = opened("opened", AT_FDCWD, O_RDWR);
    VALUE(write(again, "hello", 5));
    struct stat facts;
    VALUE(fstat(file, &facts));
    printf("size %ld flags %o\n", (long)facts.st_size, fcntl(again, F_GETFL) & O_ACCMODE);
    opened("by a file on the mount", file, O_RDONLY);
    opened("bad descriptor", 99, O_RDONLY);
    opened("path alone", AT_FDCWD, O_PATH);
    opened("as a directory", AT_FDCWD, O_DIRECTORY);
    opened("made", AT_FDCWD, O_CREAT | O_RDWR);
    opened("made and new", AT_FDCWD, O_CREAT | O_EXCL | O_RDWR);
    opened("emptied", AT_FDCWD, O_TRUNC | O_RDWR);
    VALUE(fstat(file, &facts));
    printf("size %ld\n", (long)facts.st_size);
    opened("on another mount", proc, O_RDONLY);
    struct room kept = room;
    room.head.handle_bytes = 0;
    opened("no bytes", AT_FDCWD, 0);
    room.head.handle_bytes = 129;
    opened("too many bytes", AT_FDCWD, 0);
    room.head.handle_bytes = 4;
    opened("too few bytes", AT_FDCWD, 0);
    room.head.handle_bytes = 128;
    opened("more bytes", AT_FDCWD, 0);
    room = kept;
    memset(room.head.f_handle, 0xaa, 12);
    opened("nonsense", AT_FDCWD, 0);
    room = kept;
    room.head.f_handle[0] ^= 1;
    opened("another generation", AT_FDCWD, 0);
    room = kept;
    VALUE(syscall(SYS_open_by_handle_at, AT_FDCWD, 8, 0));
    VALUE(rename("file", "new"));
    opened("renamed", AT_FDCWD, 0);
    VALUE(link("new", "other"));
    VALUE(unlink("new"));
    int fd = syscall(SYS_open_by_handle_at, AT_FDCWD, &room, O_RDONLY);
    printf("under its other name: %d\n", fd >= 0);
    VALUE(unlink("other"));
    fd = syscall(SYS_open_by_handle_at, AT_FDCWD, &room, O_RDONLY);
    printf("without a name: %d\n", fd >= 0);
    close_range(3, ~0u, 0);
    opened("gone", AT_FDCWD, 0);
}

static void directories(void)
{
    named("folder", AT_FDCWD, "folder", 128, 0);
    int folder = opened("folder", AT_FDCWD, O_RDONLY | O_DIRECTORY);
    VALUE(close(openat(folder, "x", O_CREAT | O_RDWR, 0600)));
    VALUE(access("folder/x", F_OK));
    VALUE(access("folder/x", F_OK));
    VALUE(unlink("folder/x"));
    opened("written to", AT_FDCWD, O_RDWR);
    opened("made", AT_FDCWD, O_RDONLY | O_CREAT);
    VALUE(close(folder));
    VALUE(rename("folder", "moved"));
    VALUE(close(opened("moved", AT_FDCWD, 0)));
    VALUE(rmdir("moved"));
    opened("removed", AT_FDCWD, 0);
    named("link", AT_FDCWD, "link", 128, 0);
    opened("link", AT_FDCWD, 0);
    opened("link as a path", AT_FDCWD, O_PATH);
    VALUE(unlink("link"));
}

int main(void)
{
    mkdir(FOLDER, 0700);
    if (chdir(FOLDER))
        return 1;
    close_range(3, ~0u, 0);
    naming();
    opening();
    directories();
    VALUE(rmdir(FOLDER));
    named("nobody's", AT_FDCWD, "/dev/shm", 128, 0);
    VALUE(setuid(65534));
    opened("by nobody", AT_FDCWD, 0);
    return 0;
}
