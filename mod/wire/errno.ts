/**
 * The kernel's error numbers in words, as strerror(3) of the C locale has them.
 *
 * @module
 */

import { ERRNO } from "../core/errors.ts";

/** include/uapi/asm-generic/errno-base.h and errno.h: those that netlink and files give. */
const TEXT: Readonly<Record<number, string>> = {
  1: "Operation not permitted",
  2: "No such file or directory",
  3: "No such process",
  4: "Interrupted system call",
  5: "Input/output error",
  6: "No such device or address",
  7: "Argument list too long",
  9: "Bad file descriptor",
  11: "Resource temporarily unavailable",
  12: "Cannot allocate memory",
  13: "Permission denied",
  14: "Bad address",
  16: "Device or resource busy",
  17: "File exists",
  18: "Invalid cross-device link",
  19: "No such device",
  20: "Not a directory",
  21: "Is a directory",
  22: "Invalid argument",
  23: "Too many open files in system",
  24: "Too many open files",
  26: "Text file busy",
  27: "File too large",
  28: "No space left on device",
  30: "Read-only file system",
  32: "Broken pipe",
  33: "Numerical argument out of domain",
  34: "Numerical result out of range",
  36: "File name too long",
  38: "Function not implemented",
  39: "Directory not empty",
  40: "Too many levels of symbolic links",
  71: "Protocol error",
  74: "Bad message",
  75: "Value too large for defined data type",
  88: "Socket operation on non-socket",
  89: "Destination address required",
  90: "Message too long",
  92: "Protocol not available",
  93: "Protocol not supported",
  95: "Operation not supported",
  97: "Address family not supported by protocol",
  98: "Address already in use",
  99: "Cannot assign requested address",
  100: "Network is down",
  101: "Network is unreachable",
  103: "Software caused connection abort",
  104: "Connection reset by peer",
  105: "No buffer space available",
  107: "Transport endpoint is not connected",
  110: "Connection timed out",
  111: "Connection refused",
  113: "No route to host",
  126: "Required key not available",
};

/** "EINVAL"; the number where the program has no name for it. @param errno positive */
export function errnoName(errno: number): string {
  const known = Object.entries(ERRNO).find(([, one]) => one === errno);
  return known?.[0] ?? String(errno);
}

/** @param errno positive */
export function errnoText(errno: number): string {
  return TEXT[errno] ?? `Error ${errno}`;
}
