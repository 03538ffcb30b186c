#!/usr/bin/env bash
# Puts a program and all that it needs at run time into a folder that becomes an image's root.
#
#   assemble.sh ROOT PROGRAM
#
# That is: the shared libraries that the loader finds for it, CA certificates, the names of users and of hosts' sources, folders to
# write to, Swift's crash reporter; and of each library's package the licence, and its version where scanners look for it.
set -euo pipefail

root=$1 program=$2
name=$(basename "$program")

# copy PATH: the file with the links that lead to it.
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
# As on a merged Debian: the loader and the packages' file lists know the libraries by either name.
ln -s usr/lib "$root/lib"
[[ ! -e /lib64 ]] || { mkdir "$root/usr/lib64" && ln -s usr/lib64 "$root/lib64"; }

# Names of functions of the product's own modules stay, for crash reports: 0.4 MB. The rest would be 4 MB.
keep=()
for module in ImagePipeline Kafka Platform SQLite Telemetry image_pipeline integration_test; do
  keep+=(--keep-symbol "\$s${#module}$module*")
done
objcopy --strip-all --wildcard "${keep[@]}" "$program" "$root/usr/bin/$name"
cp "$(dirname "$(readlink -f "$(command -v swift)")")/../libexec/swift/linux/swift-backtrace-static" "$root/usr/libexec/swift-backtrace"

# The loader by its own path, then each library by the path that was found.
ldd "$program" "$root/usr/libexec/swift-backtrace" |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 } NF == 2 && $1 ~ /^\/.*\/ld-/ { print $1 }' | sort -u >/tmp/libraries
while IFS= read -r library; do copy "$library"; done </tmp/libraries

copy /etc/ssl/certs/ca-certificates.crt
# Where OpenSSL looks by itself.
mkdir -p "$root/usr/lib/ssl" && ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"

echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'pipeline:x:10001:10001:image-pipeline:/data:/sbin/nologin' >"$root/etc/passwd"
echo 'pipeline:x:10001:' >"$root/etc/group"

# A new volume takes these over: whoever runs the container, also as another user, can write.
chmod 1777 "$root/state" "$root/tmp" "$root/data"

# dpkg knows files by their paths of before the merge, or of after it.
for library in $(cat /tmp/libraries) /etc/ssl/certs/ca-certificates.crt; do
  real=$(readlink -f "$library")
  { dpkg -S "$real" || dpkg -S "${real#/usr}" || echo ca-certificates: ; } 2>/dev/null | cut -d : -f 1 | head -n 1
done | sort -u >/tmp/packages
while IFS= read -r package; do
  dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done </tmp/packages

# Does it start with what this very root has? (Without /proc it sees no arguments, and says how it is used.)
{ chroot "$root" "/usr/bin/$name" 2>&1 || true; } | grep -q '^usage: '
du -sb "$root" | awk '{ printf "assembled: %.1f MB\n", $1 / 1e6 }'
