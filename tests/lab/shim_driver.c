/*
 * The shim as a program without a libc: sends the netlink messages of its
 * standard input, one by one, and writes what the kernel answers to its
 * standard output. Before that it calls the rest of the shim, and ends with the
 * number of the first line that was not as it should be.
 */
#include "../../ffi/netlink.c"

#if defined(__x86_64__)
enum { EXIT = 60 };
/* The kernel starts a program with another alignment than a call does. */
#define ENTRY __attribute__((force_align_arg_pointer))
#else
enum { EXIT = 93 };
#define ENTRY
#endif
enum { LOCK_EX = 2, LOCK_NB = 4, ENOENT = 2, ENOTDIR = 20, EAGAIN = 11, EAFNOSUPPORT = 97,
       ENETUNREACH = 101, ECONNREFUSED = 111 };

static uint8_t request[65536], answer[65536];

static void end(int code) { CALL(EXIT, code, 0, 0, 0, 0, 0); }
#define EXPECT(claim) do { if (!(claim)) end(__LINE__); } while (0)

static void check_files(void) {
  uint8_t stat[256];
  int32_t dir = cn_open("/proc/self", 1u << 29, 0);
  EXPECT(dir >= 0 && cn_stat(dir, stat) == 0);
  EXPECT((stat[29] & 0xf0) == 0x40); /* stx_mode: a directory */
  EXPECT(cn_entries(dir, answer, sizeof answer) > 19 && cn_entries(dir, answer, sizeof answer) == 0);
  EXPECT(cn_disk(dir, stat) == 0 && stat[0] == 0xa0 && stat[1] == 0x9f); /* PROC_SUPER_MAGIC */
  EXPECT(cn_open("/proc/version", 1u << 29, 0) == -ENOTDIR);
  EXPECT(cn_open("/nowhere", 0, 0) == -ENOENT);
  int32_t file = cn_open("/proc/version", 0, 0);
  EXPECT(file >= 0 && cn_read(file, answer, 5) == 5 && answer[0] == 'L');
  EXPECT(cn_flock(file, LOCK_EX | LOCK_NB) == 0);
  EXPECT(cn_open("/proc/self/root", 1u << 30, 0) == -40); /* ELOOP */
  EXPECT(cn_close(file) == 0 && cn_close(dir) == 0);
}

static void check_waiting(void) {
  static const uint8_t one[8] = {1}, nobody[] = {AF_UNIX, 0, 0, 'c', 'n', '?'};
  int32_t wake = cn_eventfd(), other = cn_eventfd();
  EXPECT(cn_wait(wake, other, 1) == 0);
  EXPECT(cn_write(other, one, 8) == 8 && cn_wait(wake, other, -1) == 2);
  EXPECT(cn_write(wake, one, 8) == 8 && cn_wait(wake, -1, -1) == 1);
  int32_t unix_socket = cn_unix();
  EXPECT(cn_send(unix_socket, one, 8, nobody, sizeof nobody) == -ECONNREFUSED);
  EXPECT(cn_close(wake) == 0 && cn_close(other) == 0 && cn_close(unix_socket) == 0);
}

/* Nobody is at 127.0.0.1:9, once there is a loopback. */
static void check_probe(void) {
  static const uint8_t discard[16] = {AF_INET, 0, 0, 9, 127, 0, 0, 1}, nothing[16] = {99};
  EXPECT(cn_probe(nothing, sizeof nothing) == -EAFNOSUPPORT);
  int32_t fd = cn_probe(discard, sizeof discard);
  EXPECT(fd == -ENETUNREACH || (fd >= 0 && cn_read(fd, answer, 1) == -EAGAIN && cn_close(fd) == 0));
}

ENTRY void _start(void) {
  uint32_t port = 0;
  EXPECT(cn_abi() == ABI);
  check_files();
  check_waiting();
  check_probe();
  int32_t fd = cn_netlink(0, 1 << 20, &port);
  EXPECT(fd >= 0 && port != 0 && cn_join(fd, 1) == 0);
  EXPECT(cn_recv(fd, answer, sizeof answer, 0x40) == -EAGAIN);
  int32_t length = cn_read(0, request, sizeof request);
  for (int32_t at = 0; at < length;) {
    uint32_t size = request[at] | request[at + 1] << 8;
    EXPECT(cn_send(fd, request + at, size, NULL, 0) == 0);
    while (cn_wait(fd, -1, 300) == 1) {
      int32_t received = cn_recv(fd, answer, sizeof answer, 0x40);
      EXPECT(received > 0 && cn_write(1, answer, received) == received);
    }
    at += size;
  }
  end(0);
}
