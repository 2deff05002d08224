/*
 * A disk with faults, by LD_PRELOAD. FAULTY_FOLDER says below which folder,
 * and FAULT what happens there:
 *
 *   short   a write takes 12,345 bytes at most
 *   slow    a write takes 30 ms
 *   eio     every write fails
 *   badread every read fails
 *   nosync  nothing reaches the disk
 *   nolock  the file system has no locks
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int has_fault(int fd, const char *fault) {
  const char *folder = getenv("FAULTY_FOLDER");
  const char *wanted = getenv("FAULT");
  if (!folder || !wanted || strcmp(wanted, fault) != 0) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strncmp(path, folder, strlen(folder)) == 0;
}

ssize_t write(int fd, const void *buffer, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  if (has_fault(fd, "short") && count > 12345) count = 12345;
  if (has_fault(fd, "slow")) usleep(30000);
  if (has_fault(fd, "eio")) return errno = EIO, -1;
  return real(fd, buffer, count);
}

ssize_t read(int fd, void *buffer, size_t count) {
  static ssize_t (*real)(int, void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "read");
  if (has_fault(fd, "badread")) return errno = EIO, -1;
  return real(fd, buffer, count);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  if (has_fault(fd, "nosync")) return errno = EIO, -1;
  return real(fd);
}

int flock(int fd, int operation) {
  static int (*real)(int, int);
  if (!real) real = dlsym(RTLD_NEXT, "flock");
  if (has_fault(fd, "nolock")) return errno = ENOLCK, -1;
  return real(fd, operation);
}
