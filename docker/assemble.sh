#!/usr/bin/env bash
# Puts a program and everything that it needs at run time into a folder, which becomes an image's root.
#
#   assemble.sh ROOT PROGRAM
#
# These are the shared libraries that the loader finds for it, CA certificates, the files that name users and the order of host lookups,
# folders to write to, and Swift's crash reporter. Each library's package is listed with its licence, and with its version where scanners
# look for it.
set -euo pipefail

root=$1 program=$2
name=$(basename "$program")

# copy PATH: the file, and the links that lead to it.
copy() {
  local path=$1 target
  while :; do
    mkdir -p "$root$(dirname "$path")"
    cp -a --no-clobber "$path" "$root$path"
    [[ -L $path ]] || return 0
    target=$(readlink "$path")
    [[ $target == /* ]] || target=$(dirname "$path")/$target
    path=$target
  done
}

mkdir -p "$root"/{etc,data,state,tmp,usr/bin,usr/lib,usr/libexec,var/lib/dpkg/status.d}
# As on a merged Debian: the loader and the packages' file lists use both names.
ln -s usr/lib "$root/lib"
[[ ! -e /lib64 ]] || { mkdir "$root/usr/lib64" && ln -s usr/lib64 "$root/lib64"; }

# Keep the names of this product's functions for crash reports: 0.4 MB. All names would be 4 MB.
keep=()
for module in Audit Bucket Cluster Configuration Consumer DeadLetters Doctor Kafka Messaging Output Page Platform Producer S3 SQLite \
  Telemetry Wire image_pipeline integration_test; do
  keep+=(--keep-symbol "\$s${#module}$module*")
done
objcopy --strip-all --wildcard "${keep[@]}" "$program" "$root/usr/bin/$name"
# Without its symbols it is 3 MB smaller and works as well.
strip -o "$root/usr/libexec/swift-backtrace" \
  "$(dirname "$(readlink -f "$(command -v swift)")")/../libexec/swift/linux/swift-backtrace-static"

# The loader has a path of its own; for each library, ldd prints the path that it found.
ldd "$program" "$root/usr/libexec/swift-backtrace" |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 } NF == 2 && $1 ~ /^\/.*\/ld-/ { print $1 }' | sort -u >/tmp/libraries
while IFS= read -r library; do copy "$library"; done </tmp/libraries

copy /etc/ssl/certs/ca-certificates.crt
# OpenSSL's own default paths.
mkdir -p "$root/usr/lib/ssl" && ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"

echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'pipeline:x:10001:10001:image-pipeline:/data:/sbin/nologin' >"$root/etc/passwd"
echo 'pipeline:x:10001:' >"$root/etc/group"

# A new volume inherits these permissions, so any user that the container runs as can write.
chmod 1777 "$root/state" "$root/tmp" "$root/data"

# dpkg lists files by their paths from before the merge of /usr, or from after it.
for library in $(cat /tmp/libraries) /etc/ssl/certs/ca-certificates.crt; do
  real=$(readlink -f "$library")
  { dpkg -S "$real" || dpkg -S "${real#/usr}" || echo ca-certificates: ; } 2>/dev/null | cut -d : -f 1 | head -n 1
done | sort -u >/tmp/packages
while IFS= read -r package; do
  dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done </tmp/packages

# Check that it starts in this root. (Without /proc it sees no arguments, and prints its usage.)
{ chroot "$root" "/usr/bin/$name" 2>&1 || true; } | grep -q '^usage: '
du -sb "$root" | awk '{ printf "assembled: %.1f MB\n", $1 / 1e6 }'
