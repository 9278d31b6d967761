/*
 * The executable of `deno task build`: unpacks Deno, the C library that it needs
 * and the bundled program, once, and becomes them. deploy/build.ts makes
 *
 *   +----------+----------------------------+----------+---------+
 *   | this ELF | zstd frames: the files of  | manifest | trailer |
 *   |          | the manifest, end to end   |          |         |
 *   +----------+----------------------------+----------+---------+
 *
 * Trailer: MAGIC, sizes of frames and manifest (16 hex digits each), SHA-256 of
 * the manifest, whose first digits name the runtime. The manifest has a fact a
 * line: "version NAME TEXT", "file MODE SIZE SHA256 PATH", and "arg TEXT" for the
 * command line ('@' is the runtime's directory). An executable without a trailer
 * has its runtime beside it, in FILE.runtime/.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#define MAGIC "clusternet-run1 "
#define TRAILER 115 /* MAGIC, 16, space, 16, space, 64, newline */
#define DIGITS 32   /* of a digest in a directory's name */
#define MOST 64     /* files; arguments */
#define TIME 1      /* mtime of unpacked files, in seconds: a write changes it */
#define TEMPORARY ".unpack"

typedef char hex[2 * SHA256_DIGEST_SIZE + 1];
struct file { mode_t mode; size_t size; hex sum; const char *path; };
struct runtime {
  const uint8_t *text, *frames; /* frames: NULL where they are not in this file */
  size_t text_size, frames_size, files, args;
  hex sum; /* of the text, which is the manifest */
  struct file file[MOST];
  const char *arg[MOST];
};

static char self[PATH_MAX], why[2 * PATH_MAX];
static uid_t self_owner;    /* who wrote this file is trusted with the rest */
static int unpacking = -1; /* the directory in which TEMPORARY grows */

static _Noreturn void die(const char *what, const char *reason) {
  fprintf(stderr, "clusternet: %s: %s\n", what, reason);
  exit(1);
}

/* Keeps the reason for whoever has nothing left to try. */
__attribute__((format(printf, 1, 2))) static bool fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(why, sizeof why, format, args);
  va_end(args);
  return false;
}

static char *join(const char *before, const char *after) {
  char *both;
  if (asprintf(&both, "%s%s", before, after) < 0) die("Cannot start", strerror(errno));
  return both;
}

static const uint8_t *map(int at, const char *path, size_t *size) {
  struct stat st = {0};
  int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0) return NULL;
  *size = (size_t)st.st_size;
  const uint8_t *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  return bytes == MAP_FAILED ? NULL : bytes;
}

static void sum_up(const uint8_t *bytes, size_t size, hex out) {
  struct sha256_ctx hash;
  uint8_t sum[SHA256_DIGEST_SIZE];
  sha256_init(&hash);
  sha256_update(&hash, size, bytes);
  sha256_digest(&hash, sizeof sum, sum);
  for (size_t i = 0; i < sizeof sum; i++) sprintf(out + 2 * i, "%02x", sum[i]);
}

/* A name, or a name in lib/: nothing else is ever written. */
static bool is_path(const char *path) {
  if (strncmp(path, "lib/", 4) == 0) path += 4;
  return path[0] != '\0' && path[0] != '.' && strchr(path, '/') == NULL;
}

static bool parse_manifest(struct runtime *rt) {
  char *rest = strndup((const char *)rt->text, rt->text_size), *line;
  sum_up(rt->text, rt->text_size, rt->sum);
  while ((line = strsep(&rest, "\n")) != NULL && rt->files < MOST && rt->args < MOST) {
    struct file *file = &rt->file[rt->files];
    int at = 0;
    if (strncmp(line, "arg ", 4) == 0) {
      rt->arg[rt->args++] = line + 4;
    } else if (sscanf(line, "file %o %zu %64[0-9a-f] %n", &file->mode, &file->size,
                      file->sum, &at) == 3 && at > 0 && is_path(line + at)) {
      rt->file[rt->files++].path = line + at;
    } else if (line[0] != '\0' && strncmp(line, "version ", 8) != 0) {
      return false;
    }
  }
  return line == NULL && rt->files > 0 && rt->args > 0;
}

/* What is in this file; false: nothing. */
static bool read_self(struct runtime *rt) {
  struct stat st;
  hex sum;
  size_t size = 0;
  const uint8_t *bytes = map(AT_FDCWD, "/proc/self/exe", &size), *end = bytes + size - TRAILER;
  if (bytes == NULL || stat("/proc/self/exe", &st) < 0 ||
      readlink("/proc/self/exe", self, sizeof self - 1) < 0)
    die("Cannot find its own file by /proc/self/exe", "mount /proc; Deno needs it too");
  self_owner = st.st_uid;
  if (size < TRAILER || memcmp(end, MAGIC, strlen(MAGIC)) != 0) return false;
  size_t room = size - TRAILER;
  if (sscanf(strndup((const char *)end, TRAILER), MAGIC "%16zx %16zx %64[0-9a-f]\n",
             &rt->frames_size, &rt->text_size, sum) == 3 &&
      rt->text_size <= room && rt->frames_size <= room - rt->text_size) {
    rt->text = end - rt->text_size;
    rt->frames = rt->text - rt->frames_size;
    if (parse_manifest(rt) && strcmp(rt->sum, sum) == 0) return true;
  }
  die("Cannot unpack its own file, copy it again: its manifest is damaged", self);
}

/* Has it an owner whom we trust, and can nobody else write to it? */
static bool is_safe(const struct stat *st) {
  mode_t others = geteuid() == 0 ? S_IWGRP | S_IWOTH : S_IWOTH;
  return (st->st_uid == 0 || st->st_uid == geteuid() || st->st_uid == self_owner) &&
         ((st->st_mode & others) == 0 || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)));
}

/* And the way to it: whoever can write to a directory can put another in its place. */
static bool is_safe_path(const char *path) {
  char at[PATH_MAX];
  struct stat st;
  for (strcpy(at, path); lstat(at, &st) == 0 && is_safe(&st); *strrchr(at, '/') = '\0')
    if (strrchr(at, '/') == at) return true;
  return fail("%s has an owner or a mode by which others could change it", at);
}

/*
 * Is everything there as it was unpacked? Found out by a few stats, without
 * reading it. `ours`: unpacked by us, so that times count.
 */
static bool is_whole(int dir, const struct runtime *rt, bool ours) {
  struct stat st;
  if (fstat(dir, &st) < 0 || !is_safe(&st) || fstatat(dir, "lib", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
      !is_safe(&st))
    return fail("its owner or mode is not as it should be");
  for (const struct file *file = rt->file; file < rt->file + rt->files; file++)
    if (fstatat(dir, file->path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        !is_safe(&st) || (st.st_mode & 07777) != file->mode ||
        (size_t)st.st_size != file->size || (ours && st.st_mtim.tv_sec != TIME))
      return fail("%s in it is missing or not as it should be", file->path);
  return true;
}

static bool has_sums(int dir, const struct runtime *rt) {
  for (const struct file *file = rt->file; file < rt->file + rt->files; file++) {
    hex sum = "";
    size_t size;
    const uint8_t *bytes = map(dir, file->path, &size);
    if (bytes != NULL) sum_up(bytes, size, sum), munmap((void *)bytes, size);
    if (strcmp(sum, file->sum) != 0) return fail("%s is damaged", file->path);
  }
  return true;
}

/* Locks the directory for as long as this process lives, and what it becomes. */
static bool hold(const char *path, const struct runtime *rt, bool ours) {
  int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (dir < 0) return fail("%s", strerror(errno));
  flock(dir, LOCK_SH);
  if (is_whole(dir, rt, ours)) return true;
  close(dir);
  return false;
}

static void remove_tree(int at, const char *name) {
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    const char *child = entry->d_name;
    if (strcmp(child, ".") != 0 && strcmp(child, "..") != 0 && unlinkat(fd, child, 0) < 0)
      remove_tree(fd, child);
  }
  if (dir != NULL) closedir(dir);
  unlinkat(at, name, AT_REMOVEDIR);
}

/* Removes the other runtimes that no process holds. */
static void prune(const char *base, const char *keep) {
  DIR *dir = opendir(base);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    if (strspn(name, "0123456789abcdef") != DIGITS || strcmp(name, keep) == 0) continue;
    int fd = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) remove_tree(dirfd(dir), name);
    if (fd >= 0) close(fd);
  }
  if (dir != NULL) closedir(dir);
}

static bool unpack_file(int dir, const struct file *file, ZSTD_DStream *zstd, ZSTD_inBuffer *in) {
  static uint8_t buffer[128 * 1024];
  struct timespec times[2] = {{.tv_sec = TIME}, {.tv_sec = TIME}};
  int fd = openat(dir, file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
  bool good = out != NULL;
  for (size_t left = file->size; good && left > 0;) {
    ZSTD_outBuffer some = {buffer, left < sizeof buffer ? left : sizeof buffer, 0};
    size_t before = in->pos, status = ZSTD_decompressStream(zstd, &some, in);
    if (ZSTD_isError(status) || (some.pos == 0 && in->pos == before))
      die("Cannot unpack its own file, copy it again: it is damaged", self);
    good = fwrite(buffer, 1, some.pos, out) == some.pos;
    left -= some.pos;
  }
  good = good && fflush(out) == 0 && fchmod(fd, file->mode) == 0 && futimens(fd, times) == 0 &&
         fsync(fd) == 0;
  if (!good) fail("%s: %s", file->path, strerror(errno));
  if (out != NULL) fclose(out);
  return good;
}

/* Into a directory that takes its name only when all of it is right, and on the disk. */
static bool unpack(int base, const struct runtime *rt, const char *name) {
  ZSTD_inBuffer in = {rt->frames, rt->frames_size, 0};
  ZSTD_DStream *zstd = ZSTD_createDStream();
  remove_tree(base, TEMPORARY);
  unpacking = base;
  mkdirat(base, TEMPORARY, 0755);
  int dir = openat(base, TEMPORARY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool good = dir >= 0 && mkdirat(dir, "lib", 0755) == 0;
  int lib = openat(dir, "lib", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (!good) fail("%s", strerror(errno));
  for (size_t i = 0; good && i < rt->files; i++) good = unpack_file(dir, &rt->file[i], zstd, &in);
  if (good && !has_sums(dir, rt))
    die("Cannot unpack its own file, copy it again: it is damaged", self);
  if (good) {
    remove_tree(base, name);
    good = fsync(lib) == 0 && fsync(dir) == 0 && renameat(base, TEMPORARY, base, name) == 0 &&
           fsync(base) == 0;
    if (!good) fail("%s", strerror(errno));
  }
  close(lib);
  close(dir);
  ZSTD_freeDStream(zstd);
  if (!good) remove_tree(base, TEMPORARY);
  unpacking = -1;
  return good;
}

/* Of the runtime below `base`, unpacked if need be; NULL: why. */
static const char *path_below(char *base, const struct runtime *rt) {
  char real[PATH_MAX], name[DIGITS + 1] = "";
  struct statvfs fs;
  for (char *at = base; at != NULL; *at = '/') {
    if ((at = strchr(at + 1, '/')) != NULL) *at = '\0';
    int failed = mkdir(base, 0755) < 0 ? errno : 0;
    if (failed != 0 && failed != EEXIST) return fail("%s: %s", base, strerror(failed)), NULL;
    if (at == NULL) break;
  }
  if (realpath(base, real) == NULL) return fail("%s: %s", base, strerror(errno)), NULL;
  if (!is_safe_path(real)) return NULL;
  if (statvfs(real, &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0)
    return fail("%s: it is mounted noexec", base), NULL;
  const char *path = join(join(real, "/"), memcpy(name, rt->sum, DIGITS));
  if (hold(path, rt, true)) return path;
  int dir = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  flock(dir, LOCK_EX);
  bool good = hold(path, rt, true);
  if (!good && (good = unpack(dir, rt, name) && hold(path, rt, true))) prune(real, name);
  close(dir);
  return good ? path : NULL;
}

/* The first place that will do; ends the process where there is none. */
static const char *find_runtime(struct runtime *rt, const char *given) {
  bool embedded = read_self(rt);
  char *beside = join(self, ".runtime"), *reasons = "";
  struct runtime other = {0};
  other.text = map(AT_FDCWD, join(beside, "/manifest"), &other.text_size);
  if (other.text != NULL && parse_manifest(&other) &&
      (!embedded || strcmp(other.sum, rt->sum) == 0)) {
    if (!hold(beside, &other, false)) die(join("Cannot use the runtime in ", beside), why);
    *rt = other;
    return beside;
  }
  if (!embedded) die("Cannot start: the file is cut short, or its runtime is not in", beside);
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *bases[] = {strdup("/var/lib/clusternet/runtime"),
                   cache != NULL && cache[0] == '/' ? join(cache, "/clusternet/runtime") : NULL,
                   home != NULL && home[0] == '/' ? join(home, "/.cache/clusternet/runtime") : NULL};
  if (given != NULL) bases[0] = strdup(given), bases[1] = bases[2] = NULL;
  for (int i = 0; i < 3; i++) {
    const char *path = bases[i] == NULL ? NULL : path_below(bases[i], rt);
    if (path != NULL) return path;
    if (bases[i] != NULL) reasons = join(reasons, join(i == 0 ? "" : "; ", why));
  }
  die("Cannot unpack the runtime, give a directory with --runtime-dir", reasons);
}

static int print_info(const char *path, const struct runtime *rt) {
  int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  printf("runtime %s\ndigest %s\n%.*s", path, rt->sum, (int)rt->text_size, (const char *)rt->text);
  if (!has_sums(dir, rt)) die(join("Cannot trust the runtime, remove ", path), why);
  return 0;
}

static _Noreturn void become(const char *path, const struct runtime *rt, char **args, int count) {
  char *argv[MOST + count + 1];
  size_t at = 0;
  for (; at < rt->args; at++) {
    argv[at] = "";
    char *rest = strdup(rt->arg[at]), *part = strsep(&rest, "@");
    for (argv[at] = part; (part = strsep(&rest, "@")) != NULL;)
      argv[at] = join(join(argv[at], path), part);
  }
  memcpy(argv + at, args, sizeof *args * ((size_t)count + 1));
  for (char **one = environ; *one != NULL;) {
    if (strncmp(*one, "LD_", 3) == 0) unsetenv(strndup(*one, strcspn(*one, "="))), one = environ;
    else one++;
  }
  setenv("CLUSTERNET_EXECUTABLE", self, 1);
  setenv("CLUSTERNET_RUNTIME", path, 1);
  setenv("DENO_DIR", "/dev/null/deno", 1);
  setenv("DENO_NO_UPDATE_CHECK", "1", 1);
  execv(join(path, "/clusternet"), argv);
  die(join("Cannot execute the runtime in ", path), strerror(errno));
}

int main(int argc, char **argv) {
  struct runtime rt = {0};
  const char *dir = getenv("CLUSTERNET_RUNTIME_DIR");
  bool info = false;
  for (; argc > 1; argc--, argv++) {
    if (strcmp(argv[1], "--runtime-info") == 0) info = true;
    else if (strncmp(argv[1], "--runtime-dir=", 14) == 0) dir = argv[1] + 14;
    else if (strcmp(argv[1], "--runtime-dir") == 0 && argc > 2) dir = argv[2], argc--, argv++;
    else break;
  }
  mode_t mask = umask(022);
  const char *path = find_runtime(&rt, dir);
  umask(mask);
  if (info) return print_info(path, &rt);
  become(path, &rt, argv + 1, argc - 1);
}
