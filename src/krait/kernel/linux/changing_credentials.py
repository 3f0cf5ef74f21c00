"""How a thread gets other credentials (`prepare_creds`, `commit_creds` of Linux).

What threads share is never changed: `to_change` gives a copy, `commit` puts it in place. The files
of the process follow as long as it has one thread; later each thread goes its own way, as system
calls do on Linux, where a C library makes all threads take the same step.
"""

from __future__ import annotations

from krait.kernel.fs.caller import caller
from krait.kernel.fs.credentials import FILE_CAPABILITIES, Credentials
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.lang import u32, u64
from krait.kernel.linux.changing_ids import Ids
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import Task, current_credentials, current_task


def to_change() -> Credentials:
    """Give a copy of the caller's credentials; raises ENOMEM."""
    return current_credentials().copy()


def commit(new: Credentials) -> None:
    """Let the calling thread have these credentials; raises ENOMEM.

    Who changes what others may see of him is hidden from then on (PR_SET_DUMPABLE, prctl(2)).
    """
    task = current_task()
    process = task.process
    old = task.credentials
    files = files_of(task, process)
    if (
        new.euid != old.euid
        or new.egid != old.egid
        or new.fsuid != old.fsuid
        or new.fsgid != old.fsgid
        or new.permitted & ~old.permitted != 0
    ):
        process.dumpable = 0
    task.credentials = new
    files.act_as(new)
    caller.credentials = current_credentials


def files_of(task: Task, process: Process) -> FsContext:
    """Give the view of files that only this thread has."""
    if (own := task.own_files) is not None:
        return own
    if process.task_count <= 1:
        return process.fs
    made = process.fs.copy()
    task.own_files = made
    return made


def take_whole_process(task: Task, process: Process) -> None:
    """Let the process's files follow the one thread that is left (execve(2))."""
    task.own_files = None
    follow(process, task)


def follow(process: Process, task: Task) -> None:
    """Let the process's files be found, made and changed with the rights of its only thread."""
    process.fs.act_as(task.credentials)
    caller.credentials = current_credentials


def users_of(who: Credentials) -> Ids:
    """Give the user ids."""
    return Ids(who.uid, who.euid, who.suid)


def groups_of(who: Credentials) -> Ids:
    """Give the group ids."""
    return Ids(who.gid, who.egid, who.sgid)


def change_users(who: Credentials, ids: Ids) -> None:
    """Set the user ids; leaving root drops capabilities (capabilities(7))."""
    had_root = 0 in (who.uid, who.euid, who.suid)
    was_effective = who.euid == 0
    who.uid = ids.real
    who.euid = ids.effective
    who.suid = ids.saved
    who.fsuid = ids.effective
    has_root = 0 in (ids.real, ids.effective, ids.saved)
    if had_root and not has_root:
        if not who.keep_capabilities:
            who.permitted = 0
            who.effective = 0
        who.ambient = 0
    if was_effective and ids.effective != 0:
        who.effective = 0
    if not was_effective and ids.effective == 0:
        who.effective = who.permitted


def change_groups(who: Credentials, ids: Ids) -> None:
    """Set the group ids."""
    who.gid = ids.real
    who.egid = ids.effective
    who.sgid = ids.saved
    who.fsgid = ids.effective


def change_file_user(who: Credentials, uid: u32) -> None:
    """Set the user for file access alone; the capabilities over files come and go with root."""
    if who.fsuid == 0 and uid != 0:
        who.effective &= ~u64(FILE_CAPABILITIES)
    if who.fsuid != 0 and uid == 0:
        who.effective |= who.permitted & FILE_CAPABILITIES
    who.fsuid = uid


def real_is_effective(who: Credentials) -> bool:
    """Say whether files are found with the rights that the real user has."""
    return (
        who.fsuid == who.uid
        and who.fsgid == who.gid
        and who.effective == capabilities_of_real_user(who)
    )


def real_credentials(who: Credentials) -> Credentials:
    """Make the rights with which access(2) looks: those of the real user; raises ENOMEM."""
    made = who.copy()
    made.fsuid = who.uid
    made.fsgid = who.gid
    made.effective = capabilities_of_real_user(who)
    return made


def capabilities_of_real_user(who: Credentials) -> u64:
    """Give what is effective for access(2): all that root is permitted, nothing for others."""
    return who.permitted if who.uid == 0 else u64(0)
