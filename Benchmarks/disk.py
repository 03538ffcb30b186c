"""Where outputs go."""
import os
import shutil
import subprocess


class Disk:
    """A freshly made ext4 in a file, the same for each run; a plain folder without root."""

    def __init__(self, work, gigabytes=6, bytes_an_inode=16_384):
        self.file, self.path = os.path.join(work, "ext4"), os.path.join(work, "output")
        os.makedirs(self.path)
        self.mounted = False
        self.is_root = os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
        self.gigabytes, self.bytes_an_inode = gigabytes, bytes_an_inode
        self.description = "a new ext4 for each run" if self.is_root else "a folder of the file system that is there (not root)"

    def renew(self):
        if not self.is_root:
            shutil.rmtree(self.path)
            os.makedirs(self.path)
            return self.path
        self.unmount()
        if os.path.exists(self.file):
            os.remove(self.file)
        with open(self.file, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.gigabytes << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-i", str(self.bytes_an_inode), "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file], check=True)
        subprocess.run(["mount", "-o", "loop", self.file, self.path], check=True)
        self.mounted = True
        return self.path

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)
            self.mounted = False
