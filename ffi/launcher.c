/*
 * The executable of `deno task build`: unpacks Deno, the C library that it needs and the
 * program, once, and becomes them. What lies behind its code: deploy/manifest.ts.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <nettle/sha2.h>
#include <stdbool.h>
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
enum { TRAILER = 115, DIGITS = 32 /* of its sum name a runtime */, MOST = 64 /* files; arguments */ };

typedef char hex[2 * SHA256_DIGEST_SIZE + 1];
struct runtime {
  const uint8_t *text /* the manifest */, *frames /* NULL: not in this executable */;
  size_t text_size, frames_size, files, args;
  hex sum; /* of the text */
  struct file { mode_t mode; size_t size; hex sum; char *name; } file[MOST];
  char *arg[MOST];
};

static char *self, *unpacking /* not NULL: half a runtime */, *why /* something failed last */;

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  return (void)st, (void)flag, (void)ftw, remove(path);
}
static void remove_tree(const char *path) { nftw(path, unlink_one, 8, FTW_DEPTH | FTW_PHYS); }

static _Noreturn void die(const char *what, const char *reason) {
  if (unpacking != NULL) remove_tree(unpacking);
  fprintf(stderr, "clusternet: %s: %s\n", what, reason);
  exit(1);
}

static char *join(const char *one, const char *two, const char *three) {
  char *all;
  return one == NULL || asprintf(&all, "%s%s%s", one, two, three) < 0 ? NULL : all;
}

static bool fail(const char *at, const char *reason) { return why = join(at, ": ", reason), false; }

static const uint8_t *map(const char *path, size_t *size) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0) return NULL;
  void *bytes = mmap(NULL, *size = (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  return close(fd), bytes == MAP_FAILED ? NULL : bytes;
}

static void sum_up(const uint8_t *bytes, size_t size, hex out) {
  struct sha256_ctx hash;
  uint8_t sum[SHA256_DIGEST_SIZE];
  sha256_init(&hash);
  sha256_update(&hash, size, bytes);
  sha256_digest(&hash, sizeof sum, sum);
  for (size_t i = 0; i < sizeof sum; i++) sprintf(out + 2 * i, "%02x", sum[i]);
}

static bool parse_manifest(struct runtime *rt) {
  char *rest = strndup((const char *)rt->text, rt->text_size), *line;
  sum_up(rt->text, rt->text_size, rt->sum);
  while ((line = strsep(&rest, "\n")) != NULL && rt->files < MOST && rt->args < MOST) {
    struct file *file = &rt->file[rt->files];
    if (sscanf(line, "file %o %zu %64[0-9a-f] %ms", &file->mode, &file->size, file->sum, &file->name) == 4 &&
        strchr(file->name, '/') == NULL) rt->files++;
    else if (strncmp(line, "arg ", 4) == 0) rt->arg[rt->args++] = line + 4;
    else if (line[0] != '\0' && strncmp(line, "version ", 8) != 0) return false;
  }
  return line == NULL && rt->files > 0 && rt->args > 0;
}

/* Finds this executable, and what is in it; false: nothing. */
static bool read_self(struct runtime *rt) {
  hex sum;
  size_t size;
  const uint8_t *bytes = map("/proc/self/exe", &size), *end = bytes + size - TRAILER;
  if (bytes == NULL || (self = realpath("/proc/self/exe", NULL)) == NULL)
    die("Cannot find its own file by /proc/self/exe", "mount /proc, Deno needs it too");
  if (memcmp(end, MAGIC, strlen(MAGIC)) != 0) return false;
  if (sscanf(strndup((const char *)end, TRAILER), MAGIC "%16zx %16zx %64[0-9a-f]\n",
             &rt->frames_size, &rt->text_size, sum) == 3 &&
      rt->text_size < size - TRAILER && rt->frames_size < size - TRAILER - rt->text_size) {
    rt->frames = (rt->text = end - rt->text_size) - rt->frames_size;
    if (parse_manifest(rt) && strcmp(rt->sum, sum) == 0) return true;
  }
  die("Cannot unpack its own file, copy it again, its manifest is damaged", self);
}

/* Has it an owner whom we trust, and can nobody else write to it? */
static bool is_safe(const struct stat *st) {
  return (st->st_uid == 0 || st->st_uid == geteuid()) &&
         ((st->st_mode & 022) == 0 || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0));
}

/* And the way to it: whoever can write to a directory can put another in its place. */
static bool is_safe_path(const char *path) {
  struct stat st;
  for (char *at = strdup(path); lstat(at, &st) == 0 && is_safe(&st); at = dirname(at))
    if (strcmp(at, "/") == 0) return true;
  return fail(path, "another user could change it, or a directory above it");
}

/* Is the runtime there whole, by a few stats? `ours`, which we unpacked, have the time 0. */
static bool hold(const char *path, const struct runtime *rt, bool ours) {
  struct stat st;
  int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  bool good = dir >= 0 && fstat(dir, &st) == 0 && is_safe(&st);
  if (ours) flock(dir, LOCK_SH); /* for as long as this process lives, and what it becomes */
  for (const struct file *file = rt->file; good && file < rt->file + rt->files; file++)
    good = fstatat(dir, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_safe(&st) &&
           st.st_mode == (S_IFREG | file->mode) && (size_t)st.st_size == file->size &&
           (!ours || st.st_mtim.tv_sec == 0);
  return good || (close(dir), fail(path, "files are missing, have changed or are another user's"));
}

static bool has_sums(const char *path, const struct runtime *rt) {
  for (const struct file *file = rt->file; file < rt->file + rt->files; file++) {
    hex sum = "";
    size_t size;
    const uint8_t *bytes = map(join(path, "/", file->name), &size);
    if (bytes != NULL) sum_up(bytes, size, sum), munmap((void *)bytes, size);
    if (strcmp(sum, file->sum) != 0) return fail(path, join(file->name, " is damaged", ""));
  }
  return true;
}

/* Removes the other runtimes that no process holds. */
static void prune(const char *base, const char *keep) {
  DIR *dir = opendir(base);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    const char *path = join(base, "/", entry->d_name);
    if (strspn(entry->d_name, "0123456789abcdef") != DIGITS || strcmp(path, keep) == 0) continue;
    int held = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (flock(held, LOCK_EX | LOCK_NB) == 0) remove_tree(path);
  }
}

/* Into a directory that takes its name only when all of it is right, and on the disk. */
static bool unpack(int base, const char *path, const struct runtime *rt) {
  static uint8_t buffer[128 * 1024];
  ZSTD_inBuffer in = {rt->frames, rt->frames_size, 0};
  ZSTD_DStream *zstd = ZSTD_createDStream();
  unpacking = join(dirname(strdup(path)), "/.unpack", "");
  remove_tree(unpacking);
  bool good = mkdir(unpacking, 0700) == 0;
  for (const struct file *file = rt->file; good && file < rt->file + rt->files; file++) {
    FILE *to = fopen(join(unpacking, "/", file->name), "wxe");
    good = to != NULL;
    for (size_t left = file->size; good && left > 0;) {
      ZSTD_outBuffer out = {buffer, left < sizeof buffer ? left : sizeof buffer, 0};
      size_t before = in.pos, status = ZSTD_decompressStream(zstd, &out, &in);
      if (ZSTD_isError(status) || (out.pos == 0 && in.pos == before))
        die("Cannot unpack its own file, copy it again, it is damaged", self);
      good = fwrite(buffer, 1, out.pos, to) == out.pos;
      left -= out.pos;
    }
    good = good && fflush(to) == 0 && futimens(fileno(to), (struct timespec[2]){{0}}) == 0 &&
           fchmod(fileno(to), file->mode) == 0 && fsync(fileno(to)) == 0 && fclose(to) == 0;
  }
  if (good && !has_sums(unpacking, rt)) die("Cannot unpack its own file, copy it again", why);
  if (good) remove_tree(path);
  good = good && fsync(open(unpacking, O_RDONLY | O_CLOEXEC)) == 0 &&
         rename(unpacking, path) == 0 && fsync(base) == 0;
  if (!good) fail(path, strerror(errno));
  remove_tree(unpacking);
  return unpacking = NULL, good;
}

static bool make_path(const char *path) {
  return mkdir(path, 0700) == 0 || errno == EEXIST ||
         (errno == ENOENT && make_path(dirname(strdup(path))) && (mkdir(path, 0700) == 0 || errno == EEXIST));
}

/* The runtime's directory below `base`, unpacked if need be; NULL: why. */
static const char *path_below(const char *base, const struct runtime *rt) {
  struct statvfs fs;
  char *real = make_path(base) ? realpath(base, NULL) : NULL;
  if (real == NULL || statvfs(real, &fs) < 0) return fail(base, strerror(errno)), NULL;
  if ((fs.f_flag & ST_NOEXEC) != 0) return fail(base, "it is mounted noexec"), NULL;
  const char *path = join(real, "/", rt->sum + sizeof rt->sum - 1 - DIGITS);
  int dir = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  flock(dir, LOCK_EX); /* until exec: another start may be at it */
  if (!is_safe_path(real)) return NULL;
  if (hold(path, rt, true)) return path;
  if (!unpack(dir, path, rt) || !hold(path, rt, true)) return NULL;
  return prune(real, path), path;
}

/* The first place that will do. */
static const char *find_runtime(struct runtime *rt, const char *given) {
  bool embedded = read_self(rt);
  const char *beside = join(self, ".runtime", ""), *reasons = "", *path;
  struct runtime other = {0};
  other.text = map(join(beside, "/manifest", ""), &other.text_size);
  if (other.text != NULL && parse_manifest(&other) && (!embedded || strcmp(other.sum, rt->sum) == 0)) {
    if (!hold(beside, &other, false)) die("Cannot use the runtime", why);
    return *rt = other, beside;
  }
  if (!embedded) die("Cannot start, the file is cut short or its runtime is not beside it", beside);
  const char *bases[] = {given != NULL ? given : "/var/lib/clusternet/runtime",
                         join(getenv("XDG_CACHE_HOME"), "/clusternet/runtime", ""),
                         join(getenv("HOME"), "/.cache/clusternet/runtime", "")};
  for (int i = 0; i < (given != NULL ? 1 : 3); i++) {
    if (bases[i] != NULL && (path = path_below(bases[i], rt)) != NULL) return path;
    if (bases[i] != NULL) reasons = join(reasons, i == 0 ? "" : "; ", why);
  }
  die("Cannot unpack the runtime, name another directory with --runtime-dir", reasons);
}

int main(int argc, char **argv) {
  struct runtime rt = {0};
  const char *given = getenv("CLUSTERNET_RUNTIME_DIR");
  bool info = false;
  for (; argc > 1; argc--, argv++) {
    if (strcmp(argv[1], "--runtime-info") == 0) info = true;
    else if (strcmp(argv[1], "--runtime-dir") == 0 && argc > 2) given = argv[2], argc--, argv++;
    else break;
  }
  const char *path = find_runtime(&rt, given);
  if (info) printf("runtime %s\ndigest %s\n%.*s", path, rt.sum, (int)rt.text_size, (char *)rt.text);
  if (info) return has_sums(path, &rt) ? 0 : (die("Cannot trust the runtime, remove it", why), 1);
  char *args[MOST + argc + 1], **to = environ;
  for (size_t i = 0; i < rt.args; i++) {
    char *rest = rt.arg[i], *before = strsep(&rest, "@");
    args[i] = rest == NULL ? before : join(before, path, rest);
  }
  memcpy(args + rt.args, argv + 1, sizeof *argv * (size_t)argc);
  for (char **from = environ; *from != NULL; from++)
    if (strncmp(*from, "LD_", 3) != 0) *to++ = *from; /* those are for another C library */
  *to = NULL;
  setenv("CLUSTERNET_EXECUTABLE", self, 1);
  setenv("CLUSTERNET_RUNTIME", path, 1);
  setenv("DENO_DIR", "/dev/null/deno", 1);       /* Deno writes nothing */
  setenv("DENO_LOG", "info,deno::cache=off", 1); /* nor tells a terminal that it could not */
  setenv("DENO_NO_UPDATE_CHECK", "1", 1);        /* and asks nobody */
  if (getenv("OTEL_DENO") != NULL) { /* docs/tracing.md; what is set already stays */
    setenv("OTEL_SERVICE_NAME", "clusternet", 0);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500", 0); /* milliseconds: an end waits as long for a collector */
    setenv("OTEL_DENO_METRICS", "false", 0);        /* /metrics has them */
    setenv("OTEL_DENO_CONSOLE", "ignore", 0);       /* the log is where it was */
  }
  execv(join(path, "/clusternet", ""), args);
  die(join("Cannot execute the runtime in ", path, ""), strerror(errno));
}
