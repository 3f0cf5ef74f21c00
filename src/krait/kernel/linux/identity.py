"""What the machine is called: uname(2) and /proc/sys/kernel.

The release says which Linux the ABI is modelled on; C libraries refuse to run on one they think too
old.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, Text, inline, text, u8, u64

RELEASE: Final = b"6.1.0-krait"
VERSION: Final = b"#1 SMP PREEMPT_DYNAMIC Krait"
NAME_LIMIT: Final = 64
DEFAULT_HOST: Final = b"krait"


class MachineIdentity(Struct):
    """Names that can change."""

    host: Array[u8] = inline(NAME_LIMIT)
    host_length: u64 = 0
    domain: Array[u8] = inline(NAME_LIMIT)
    domain_length: u64 = 0

    def host_name(self) -> Text:
        """Give the node name."""
        if self.host_length == 0:
            return text(DEFAULT_HOST)
        return self.host.part(0, self.host_length)

    def domain_name(self) -> Text:
        """Give the NIS domain name."""
        if self.domain_length == 0:
            return text(b"(none)")
        return self.domain.part(0, self.domain_length)

    def set_host_name(self, name: Text) -> None:
        """Set the node name, cut to 64 bytes."""
        length = min(name.length, u64(NAME_LIMIT))
        self.host.part(0, length).copy_from(name.part(0, length))
        self.host_length = length

    def set_domain_name(self, name: Text) -> None:
        """Set the domain name, cut to 64 bytes."""
        length = min(name.length, u64(NAME_LIMIT))
        self.domain.part(0, length).copy_from(name.part(0, length))
        self.domain_length = length

    def release(self) -> Text:
        """Give the release."""
        return text(RELEASE)

    def version(self) -> Text:
        """Give the version."""
        return text(VERSION)


machine_identity = MachineIdentity()
