# What a process may do where this runs, one line for each question: run by
# sandbox_test.ts in the sandbox of a unit. perl is on every Debian, and can
# make any system call.
use strict;
use warnings;

sub say_that { my ($what, $answer) = @_; print "$what: $answer\n"; }

# The answer of a child, since a filter may kill it.
sub tried {
  my ($what, $deed) = @_;
  my $pid = fork() // die "Cannot fork: $!";
  if ($pid == 0) {
    $! = 0;
    my $result = $deed->();
    exit(defined $result && $result >= 0 ? 0 : $! + 0 || 255);
  }
  waitpid($pid, 0);
  my $signal = $? & 127;
  local $! = $? >> 8;
  say_that($what, $signal ? "killed by signal $signal" : $? == 0 ? "works" : "$!");
}

sub first_line {
  my ($file) = @_;
  open(my $in, '<', $file) or return "$!";
  my $line = <$in>;
  chomp $line if defined $line;
  return $line // "";
}

open(my $status, '<', '/proc/self/status') or die;
while (<$status>) {
  say_that($1, $2) if /^(Cap(?:Eff|Bnd|Amb)|NoNewPrivs|Umask):\s*(\S+)/;
}
say_that("oom_score_adj", first_line("/proc/self/oom_score_adj"));
open(my $limits, '<', '/proc/self/limits') or die;
while (<$limits>) { say_that("core limit", $1) if /^Max core file size\s+\S+\s+(\S+)/; }

# Files.
for my $dir (qw(/usr /etc /var/lib /opt /run)) {
  tried("writes to $dir", sub {
    open(my $out, '>', "$dir/.probe") or return -1;
    unlink("$dir/.probe"); return 0;
  });
}
for my $dir (qw(/var/lib/clusternet /run/clusternet /run/clusternet-cni /run/wireguard /etc/cni/net.d)) {
  tried("writes to $dir", sub {
    open(my $out, '>', "$dir/.probe") or return -1;
    unlink("$dir/.probe"); return 0;
  });
}
for my $name (qw(/proc/sys/kernel/panic_on_oops /proc/sys/net/ipv4/ip_forward)) {
  tried("opens $name for writing", sub { open(my $out, '+<', $name) ? 0 : -1 });
}
for my $name (qw(/home/probe /root/probe /run/user/probe /tmp/probe /var/tmp/probe)) {
  say_that("sees $name", -e $name ? "yes" : "no");
}
for my $name (qw(/var/lib/clusternet /run/clusternet /run/clusternet-cni /run/wireguard)) {
  my $mode = (stat $name)[2];
  say_that("mode of $name", defined $mode ? sprintf("%o", $mode) : "$!");
}
for my $name (qw(/dev/net/tun /dev/probe /dev/null /usr/lib/modules/probe)) {
  say_that("sees $name", -e $name ? "yes" : "no");
}
my %mounts;
open(my $mounts, '<', '/proc/self/mounts') or die;
while (<$mounts>) {
  my (undef, $where, undef, $options) = split ' ';
  $mounts{$where} = $options;
}
say_that("options of /proc", join ",", grep { /hidepid|subset/ } split /,/, $mounts{'/proc'});
for my $where (sort keys %mounts) {
  next unless $where =~ m{^/sys/fs/cgroup(/systemd|/unified)?$};
  say_that("options of $where", ($mounts{$where} =~ /^(r[ow])/)[0]);
}
for my $name (qw(/proc/kmsg /proc/kallsyms /proc/sysrq-trigger)) {
  my $mode = (stat $name)[2];
  say_that("mode of $name", defined $mode ? sprintf("%o", $mode) : "$!");
}

# Namespaces of its own.
for my $kind (qw(ipc uts net pid user)) {
  say_that("$kind namespace", (readlink("/proc/self/ns/$kind") // "$!") eq ($ENV{"PROBE_$kind"} // "") ? "the machine's" : "its own");
}

# System calls, by their numbers on x86-64.
my %number = (
  socket => 41, personality => 135, mount => 165, unshare => 272, chmod => 90,
  sched_setscheduler => 144, pkey_alloc => 330, adjtimex => 159,
  getpid => 39, mmap => 9, syslog => 103, bpf => 321, reboot => 169,
);
for my $family ([unix => 1], [inet => 2], [inet6 => 10], [netlink => 16], [packet => 17], [vsock => 40], [alg => 38]) {
  my ($name, $value) = @$family;
  tried("socket of family $name", sub { syscall($number{socket}, $value, $value == 38 ? 5 : $value == 17 ? 3 : 2, 0) });
}
tried("another personality", sub { syscall($number{personality}, 0x0008) });
tried("a user namespace", sub { syscall($number{unshare}, 0x10000000) });
tried("realtime scheduling", sub { my $param = pack("i", 1); syscall($number{sched_setscheduler}, 0, 1, $param) });
tried("a set-user-ID file", sub {
  my ($dir) = grep { -w $_ } qw(/var/lib/clusternet /run/wireguard);
  my $file = "$dir/.suid";
  open(my $out, '>', $file) or return -1;
  my $path = "$file\0"; my $result = syscall($number{chmod}, $path, 04755);
  my $errno = $! + 0; unlink $file; $! = $errno; return $result;
});
tried("mount", sub { my $none = "none\0"; my $where = "/mnt\0"; my $type = "tmpfs\0"; syscall($number{mount}, $none, $where, $type, 0, 0) });
tried("reboot", sub { syscall($number{reboot}, 0, 0, 0, 0) });
tried("bpf", sub { my $attr = "\0" x 64; syscall($number{bpf}, 999, $attr, 64) });
tried("protection keys", sub { my $r = syscall($number{pkey_alloc}, 0, 0); $r < 0 && ($!{ENOSPC} || $!{EINVAL} || $!{ENOSYS}) ? 0 : $r });
tried("writable and executable memory", sub { my $at = syscall($number{mmap}, 0, 4096, 7, 0x22, -1, 0); $at == -1 ? -1 : 0 });
tried("a call of another architecture", sub { syscall(0x40000000 + $number{getpid}) });
tried("reading the kernel's log", sub { syscall($number{syslog}, 10, 0, 0) });
tried("reading the clock's state", sub { my $buffer = "\0" x 256; syscall($number{adjtimex}, $buffer) });
