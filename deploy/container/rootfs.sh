#!/usr/bin/env bash
# Lays out the root filesystem of the container: the program, the libraries of glibc that it names, certificates, time zones,
# and nothing else: no shell, no package manager.
#
#   deploy/container/rootfs.sh PROGRAM FOLDER
set -euo pipefail
program=${1:?the program} root=${2:?the folder}
mkdir -p "$root"/{usr/bin,etc/ssl/certs,usr/share,data,photos,tmp,proc,dev,run/secrets}
install -m 755 "$program" "$root/usr/bin/safelight"
# The loader and each library, at the path at which the loader looks for it.
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  install -m 755 "$library" "$root$library"
done
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -f "$certificates" ]; then install -m 644 "$certificates" "$root$certificates"
else echo "rootfs.sh: $certificates is not here: nothing will be reached by TLS" >&2; fi
# Hours of limits and quiet hours are those of TZ.
if [ -d /usr/share/zoneinfo ]; then cp -a /usr/share/zoneinfo "$root/usr/share/"; fi
printf 'safelight:x:10001:10001:Safelight:/data:/nonexistent\n' > "$root/etc/passwd"
printf 'safelight:x:10001:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
chmod 755 "$root" "$root"/{usr,etc,data,photos,proc,dev,run,run/secrets}
