"""Run as a script: becomes the S3 server on a socket that its parent bound, and ends when the parent dies.

It is asked to end (SIGTERM), not killed: rclone removes an object before it renames the new one into its place, and a
server that is killed in between loses it, which would be the checkpoint of a killed training.
The parent's socket leaves no moment in which another process could take the port. The request to end with the parent is
made here, between fork and exec, because a function in the forked copy of a process with threads could hang.
Arguments: the socket's file descriptor, the parent's process id, then the server's command line.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
FIRST_PASSED_SOCKET = 3  # sd_listen_fds(3): sockets are handed over from descriptor 3 on


def main(socket_descriptor: str, parent: str, *command: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before the server began")
    os.dup2(int(socket_descriptor), FIRST_PASSED_SOCKET, inheritable=True)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
