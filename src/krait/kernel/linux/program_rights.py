"""With whose rights a program runs: set-id bits, and what execve(2) does to capabilities.

The first program is started by the user of the host, and its set-id bits mean what they mean there.
No file has capabilities of its own here.
"""

from __future__ import annotations

from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.modes import GROUP_EXECUTE, SET_GID, SET_UID
from krait.kernel.lang import u32
from krait.kernel.linux.changing_credentials import take_whole_process
from krait.kernel.linux.loader import PreparedProgram
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import Task


def has_set_id(prepared: PreparedProgram) -> bool:
    """Say whether a program's file has bits that say whose rights it runs with."""
    return prepared.dentry.present().mode & (SET_UID | SET_GID) != 0


def credentials_after(task: Task, prepared: PreparedProgram) -> Credentials:
    """Say with whose rights the new program will run: set-id bits, capabilities; ENOMEM.

    The bits of a program that its group may not execute have another meaning (inode(7)). None
    counts under PR_SET_NO_NEW_PRIVS or on a nosuid mount.
    """
    who = task.credentials.copy()
    vnode = prepared.dentry.present()
    heeds = not who.no_new_privileges and vnode.heeds_set_id()
    both = u32(SET_GID | GROUP_EXECUTE)
    run_program(
        who,
        vnode.uid,
        vnode.gid,
        as_owner=heeds and vnode.mode & SET_UID != 0,
        as_group=heeds and vnode.mode & both == both,
    )
    return who


def take_credentials(task: Task, process: Process, prepared: PreparedProgram) -> None:
    """Run with the new program's rights, and be visible if they are the user's own."""
    if (who := prepared.credentials) is not None:
        task.credentials = who
        process.dumpable = 1 if who.euid == who.uid and who.egid == who.gid else 0
    take_whole_process(task, process)


def run_program(
    who: Credentials, owner: u32, group: u32, *, as_owner: bool, as_group: bool
) -> None:
    """Become what a thread is after execve(2) of a file, which may say whose rights it runs with.

    A root user, real or effective, gets all that the bounding set leaves, anybody else his ambient
    set ("Transformation of capabilities during execve", capabilities(7)).
    """
    old_uid = who.euid
    old_gid = who.egid
    if as_owner:
        who.euid = owner
    if as_group:
        who.egid = group
    if who.euid != old_uid or who.egid != old_gid:
        who.ambient = 0
    if who.uid == 0 or who.euid == 0:
        who.permitted = who.inheritable | who.bounding
    else:
        who.permitted = who.ambient
    who.effective = who.permitted if who.euid == 0 else who.ambient
    who.suid = who.euid
    who.fsuid = who.euid
    who.sgid = who.egid
    who.fsgid = who.egid
    who.keep_capabilities = False
