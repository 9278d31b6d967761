/*
 * The system calls that Deno has no name for, and nothing else: no netlink
 * knowledge, no allocation, no state, no libc. Every function returns >= 0 or
 * -errno. Layouts and constants live in mod/wire and mod/sys/ffi.ts, save those
 * of the calls made here. Built by ffi/build.ts.
 */
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* Raise with any change of a signature; mod/sys/ffi.ts refuses another number. */
#define ABI 4

/* arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h */
#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, SOCKET = 41, CONNECT = 42, SENDTO = 44, RECVFROM = 45,
       BIND = 49, GETSOCKNAME = 51, SETSOCKOPT = 54, GETSOCKOPT = 55, FLOCK = 73, FSYNC = 74,
       FSTATFS = 138, GETDENTS64 = 217, OPENAT = 257, SYMLINKAT = 266, PPOLL = 271,
       EVENTFD2 = 290, STATX = 332 };
enum { O_DIRECTORY = 0x10000, O_NOFOLLOW = 0x20000 };

static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall" : "=a"(result)
                   : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, CLOSE = 57, SOCKET = 198, CONNECT = 203, SENDTO = 206, RECVFROM = 207,
       BIND = 200, GETSOCKNAME = 204, SETSOCKOPT = 208, GETSOCKOPT = 209, FLOCK = 32, FSYNC = 82,
       FSTATFS = 44, GETDENTS64 = 61, OPENAT = 56, SYMLINKAT = 36, PPOLL = 73,
       EVENTFD2 = 19, STATX = 291 };
enum { O_DIRECTORY = 0x4000, O_NOFOLLOW = 0x8000 };

static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
       x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "netlink.c knows x86-64 and aarch64"
#endif
#define CALL(n, a, b, c, d, e, f) \
  call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* include/uapi/linux/netlink.h, include/linux/socket.h, asm-generic/socket.h */
enum { AF_UNIX = 1, AF_INET = 2, AF_NETLINK = 16, AF_PACKET = 17, SOCK_DGRAM = 2, SOCK_RAW = 3,
       SOCK_CLOEXEC = 02000000, SOCK_NONBLOCK = 04000, SOL_SOCKET = 1, SOL_NETLINK = 270,
       SO_RCVBUF = 8, SO_ATTACH_FILTER = 26, SO_RCVBUFFORCE = 33, NETLINK_ADD_MEMBERSHIP = 1, NETLINK_CAP_ACK = 10,
       NETLINK_EXT_ACK = 11, MSG_NOSIGNAL = 0x4000 };
enum { AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, STATX_BASIC_STATS = 0x7ff,
       O_CLOEXEC = 02000000, EFD_NONBLOCK = 04000, POLLIN = 1, EMSGSIZE = 90 };

/* include/uapi/linux/in.h, in6.h: SOL_IP and SOL_IPV6, what to do where a packet is too large */
enum { SOL_IP = 0, SOL_IPV6 = 41, IP_MTU_DISCOVER = 10, IPV6_MTU_DISCOVER = 23, PMTUDISC_PROBE = 3 };

/* include/uapi/linux/if_packet.h, if_ether.h, filter.h */
enum { SOL_PACKET = 263, PACKET_STATISTICS = 6, ETH_P_ALL = 3 };

struct sockaddr_ll { uint16_t family, protocol; int32_t interface; uint16_t hatype; uint8_t rest[10]; };
struct sock_fprog { uint16_t length; const uint8_t *filter; };
struct sockaddr_nl { uint16_t family, pad; uint32_t port, groups; };
struct pollfd { int32_t fd; int16_t events, revents; };
struct timespec { int64_t seconds, nanoseconds; };

static long set_option(int32_t fd, int level, int option, int32_t value) {
  return CALL(SETSOCKOPT, fd, level, option, &value, sizeof value, 0);
}

/* In bytes, 0 for the system's default; past the limit only if root. */
static long set_receive_buffer(int32_t fd, int32_t bytes) {
  if (bytes <= 0 || set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) >= 0) return 0;
  return set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

EXPORT int32_t cn_abi(void) { return ABI; }
EXPORT int32_t cn_close(int32_t fd) { return CALL(CLOSE, fd, 0, 0, 0, 0, 0); }

/* A nonblocking netlink socket. Short errors, in words; its port id goes to *port.
 * rcvbuf as set_receive_buffer() takes it. */
EXPORT int32_t cn_netlink(int32_t protocol, int32_t rcvbuf, uint32_t *port) {
  struct sockaddr_nl self = {.family = AF_NETLINK};
  uint32_t length = sizeof self;
  long fd = CALL(SOCKET, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, 0, 0, 0);
  if (fd < 0) return fd;
  long error = set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  if (error == 0) error = set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  if (error == 0) error = set_receive_buffer(fd, rcvbuf);
  if (error == 0) error = CALL(BIND, fd, &self, sizeof self, 0, 0, 0);
  if (error == 0) error = CALL(GETSOCKNAME, fd, &self, &length, 0, 0, 0);
  if (error < 0) {
    cn_close(fd);
    return error;
  }
  *port = self.port;
  return fd;
}

/* Join one multicast group, by number (RTNLGRP_…). */
EXPORT int32_t cn_join(int32_t fd, uint32_t group) {
  return set_option(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
}

/* A nonblocking packet(7) socket that sees one interface, from the network header on: what its
 * filter, so many of struct sock_filter, accepts. For cn_read(). */
EXPORT int32_t cn_packet(int32_t interface, const uint8_t *filter, uint32_t instructions,
                         int32_t rcvbuf) {
  struct sockaddr_ll self = {.family = AF_PACKET, .protocol = ETH_P_ALL << 8, .interface = interface};
  struct sock_fprog program = {.length = instructions, .filter = filter};
  /* Protocol 0: nothing arrives before the filter is there. */
  long fd = CALL(SOCKET, AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
  if (fd < 0) return fd;
  long error = CALL(SETSOCKOPT, fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program, 0);
  if (error == 0) error = set_receive_buffer(fd, rcvbuf);
  if (error == 0) error = CALL(BIND, fd, &self, 20, 0, 0, 0);
  if (error == 0) return fd;
  cn_close(fd);
  return error;
}

/* Packets that a packet socket had no room for since the last time this was asked. */
EXPORT int32_t cn_packet_drops(int32_t fd) {
  uint32_t counts[2] = {0, 0}; /* struct tpacket_stats: packets, drops */
  uint32_t length = sizeof counts;
  long error = CALL(GETSOCKOPT, fd, SOL_PACKET, PACKET_STATISTICS, counts, &length, 0);
  return error < 0 ? error : (int32_t)counts[1];
}

/* A nonblocking UDP socket to one address (AF_INET or AF_INET6). What is written to it is never
 * fragmented, whatever the path is thought to carry; cn_read() says ECONNREFUSED and the like
 * once somebody has refused it. */
EXPORT int32_t cn_probe(const uint8_t *address, uint32_t length) {
  int four = address[0] == AF_INET;
  long fd = CALL(SOCKET, address[0], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
  if (fd < 0) return fd;
  long error = set_option(fd, four ? SOL_IP : SOL_IPV6,
                          four ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
  if (error == 0) error = CALL(CONNECT, fd, address, length, 0, 0, 0);
  if (error == 0) return fd;
  cn_close(fd);
  return error;
}

/* An unbound datagram socket of the unix family, blocking never. */
EXPORT int32_t cn_unix(void) {
  return CALL(SOCKET, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
}

/* Send one datagram; address NULL is the kernel, for netlink. A short send is an error. */
EXPORT int32_t cn_send(int32_t fd, const uint8_t *data, uint32_t length,
                       const uint8_t *address, uint32_t address_length) {
  long sent = CALL(SENDTO, fd, data, length, MSG_NOSIGNAL, address, address_length);
  if (sent < 0) return sent;
  return (uint32_t)sent == length ? 0 : -EMSGSIZE;
}

/* Receive one netlink datagram. 0: one that did not come from the kernel, thrown away. */
EXPORT int32_t cn_recv(int32_t fd, uint8_t *data, uint32_t length, int32_t flags) {
  struct sockaddr_nl from = {0};
  uint32_t from_length = sizeof from;
  long received = CALL(RECVFROM, fd, data, length, flags, &from, &from_length);
  return received >= 0 && from.port != 0 ? 0 : received;
}

/* Wait for either descriptor: bit 0 is fd, bit 1 is wake (-1: none); 0 is the time-out. */
EXPORT int32_t cn_wait(int32_t fd, int32_t wake, int32_t milliseconds) {
  struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  long ready = CALL(PPOLL, fds, 2, milliseconds < 0 ? NULL : &limit, NULL, 8, 0);
  return ready < 0 ? ready : (fds[0].revents != 0) | (fds[1].revents != 0) << 1;
}

EXPORT int32_t cn_eventfd(void) { return CALL(EVENTFD2, 0, O_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0); }

/* open(2); in flags, bits 30 and 29 stand for O_NOFOLLOW and O_DIRECTORY, which
 * have other numbers on each machine. */
EXPORT int32_t cn_open(const char *path, uint32_t flags, uint32_t mode) {
  uint32_t own = flags & ~(1u << 30 | 1u << 29);
  own |= (flags >> 30 & 1 ? O_NOFOLLOW : 0) | (flags >> 29 & 1 ? O_DIRECTORY : 0);
  return CALL(OPENAT, AT_FDCWD, path, own | O_CLOEXEC, mode, 0, 0);
}

EXPORT int32_t cn_read(int32_t fd, uint8_t *data, uint32_t length) {
  return CALL(READ, fd, data, length, 0, 0, 0);
}

EXPORT int32_t cn_write(int32_t fd, const uint8_t *data, uint32_t length) {
  return CALL(WRITE, fd, data, length, 0, 0, 0);
}

/* statx(2) of an open file; data has room for struct statx, 256 bytes. */
EXPORT int32_t cn_stat(int32_t fd, uint8_t *data) {
  return CALL(STATX, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, data, 0);
}

/* Some of what is in an open directory, as struct linux_dirent64; bytes, 0 at the end. */
EXPORT int32_t cn_entries(int32_t fd, uint8_t *data, uint32_t length) {
  return CALL(GETDENTS64, fd, data, length, 0, 0, 0);
}

/* fstatfs(2); data has room for struct statfs, 120 bytes. */
EXPORT int32_t cn_disk(int32_t fd, uint8_t *data) {
  return CALL(FSTATFS, fd, data, 0, 0, 0, 0);
}

EXPORT int32_t cn_fsync(int32_t fd) { return CALL(FSYNC, fd, 0, 0, 0, 0, 0); }

EXPORT int32_t cn_flock(int32_t fd, int32_t operation) {
  return CALL(FLOCK, fd, operation, 0, 0, 0, 0);
}

/* symlink(2): Deno's own wants unlimited read and write permissions. */
EXPORT int32_t cn_symlink(const char *target, const char *path) {
  return CALL(SYMLINKAT, target, AT_FDCWD, path, 0, 0, 0);
}
