#!/bin/sh
# capture.sh NAME COMMAND…: runs COMMAND and writes its netlink traffic to /out/NAME.txt: each
# message as strace reads it, followed by a hex dump of the bytes that were sent or received.
name=$1
shift
mkdir -p /out
exec strace -f -o "/out/$name.txt" -s 65536 -e trace=sendto,sendmsg,recvfrom,recvmsg \
  -e read=all -e write=all "$@"
