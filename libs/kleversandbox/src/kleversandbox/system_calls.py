"""Numbers of system calls for the supported architectures, from the kernel's unistd.h."""

X86_64, AARCH64 = "x86_64", "aarch64"
AUDIT_ARCHITECTURES = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
"""AUDIT_ARCH_… of linux/audit.h, by the machine name in `os.uname`."""
FIRST_UNKNOWN = 470
"""The first number that Linux 6.18 does not use, on all of these architectures."""

_NUMBERS = """
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
process_madvise 440 440
process_mrelease 448 448
pidfd_getfd 438 438
kcmp 312 272
bpf 321 280
perf_event_open 298 241
userfaultfd 323 282
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
fsopen 430 430
fsconfig 431 431
fsmount 432 432
fspick 433 433
move_mount 429 429
open_tree 428 428
open_tree_attr 467 467
mount_setattr 442 442
setns 308 268
unshare 272 97
name_to_handle_at 303 264
open_by_handle_at 304 265
fanotify_init 300 262
inotify_add_watch 254 27
quotactl 179 60
quotactl_fd 443 443
swapon 167 224
swapoff 168 225
reboot 169 142
sethostname 170 161
setdomainname 171 162
init_module 175 105
finit_module 313 273
delete_module 176 106
kexec_load 246 104
kexec_file_load 320 294
acct 163 89
settimeofday 164 170
clock_settime 227 112
clock_adjtime 305 266
adjtimex 159 171
keyctl 250 219
add_key 248 217
request_key 249 218
syslog 103 116
ioperm 173 -
iopl 172 -
vhangup 153 58
shmget 29 194
shmat 30 196
shmctl 31 195
msgget 68 186
msgsnd 69 189
msgrcv 70 188
msgctl 71 187
semget 64 190
semop 65 193
semtimedop 220 192
semctl 66 191
mq_open 240 180
mq_unlink 241 181
setsid 112 157
setpgid 109 154
migrate_pages 256 238
move_pages 279 239
setpriority 141 140
ioprio_set 251 30
sched_setscheduler 144 119
sched_setparam 142 118
sched_setattr 314 274
sched_setaffinity 203 122
prlimit64 302 261
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
clone 56 220
clone3 435 435
socket 41 198
socketpair 53 199
connect 42 203
bind 49 200
listen 50 201
sendto 44 206
sendmsg 46 211
sendmmsg 307 269
ioctl 16 29
execve 59 221
execveat 322 281
chmod 90 -
fchmod 91 52
fchmodat 268 53
fchmodat2 452 452
chown 92 -
fchown 93 55
lchown 94 -
fchownat 260 54
setxattr 188 5
lsetxattr 189 6
fsetxattr 190 7
setxattrat 463 463
removexattr 197 14
lremovexattr 198 15
fremovexattr 199 16
removexattrat 466 466
utime 132 -
utimes 235 -
futimesat 261 -
utimensat 280 88
file_setattr 469 469
"""


def numbers(machine: str) -> dict[str, int]:
    """Return all calls of the table that the machine has. Raises KeyError for an unknown machine."""
    column = 1 + list(AUDIT_ARCHITECTURES).index(machine) if machine in AUDIT_ARCHITECTURES else None
    if column is None:
        raise KeyError(machine)
    rows = (line.split() for line in _NUMBERS.split("\n") if line)
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
