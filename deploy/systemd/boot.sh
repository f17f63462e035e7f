#!/usr/bin/env bash
# What test.sh does inside of the systemd that it boots; nothing for a machine that is anybody's.
set -uo pipefail
[ -d /safelight-test ] || { echo "this runs in the overlay that test.sh makes" >&2; exit 2; }
cd /safelight-test || exit 2
ok() { printf 'ok: under a real systemd: %s\n' "$*"; }
bad() { printf 'FAILED: under a real systemd: %s\n' "$*"; }
# is NAME COMMAND…: the command succeeds; isnt: it does not.
is() { local name=$1; shift; if "$@" >&2; then ok "$name"; else bad "$name"; fi; }
isnt() { local name=$1; shift; if "$@" >&2; then bad "$name"; else ok "$name"; fi; }
# start UNIT: runs it to its end; what it said goes to our own stderr.
start() { systemctl start "$1"; local status=$?; journalctl --no-pager --output=cat -u "$1" >&2; systemctl reset-failed "$1" 2>/dev/null; return "$status"; }
# comes FILE: waits for a file that another unit writes.
comes() { for _ in $(seq 100); do [ -s "$1" ] && return 0; sleep 0.1; done; return 1; }
photos() { [ "$(find "$1" -type f -size +1k | wc -l)" -ge "$2" ]; }

printf 'booted: %s\n' "$(systemctl --version | head -n 1)"
unset SAFELIGHT_LIBRARY SAFELIGHT_KEY_FILE
useradd --system --home-dir /var/lib/safelight --create-home --shell /usr/sbin/nologin safelight
chmod 700 /var/lib/safelight
mkdir -p /srv/camera /srv/nas /srv/told /mnt/backup /srv/plain /etc/safelight
chown safelight /srv/camera /srv/nas /srv/told /mnt/backup /srv/plain
install -d -m 700 -o safelight /safelight-test/keys
picture() { cp "pictures/$2.png" "$1/$2.png" && chown safelight "$1/$2.png"; } # FOLDER NAME
picture /srv/camera one; picture /srv/camera two
as() { runuser -u safelight -- env HOME=/var/lib/safelight /usr/bin/safelight --library /var/lib/safelight/library "$@"; }
head -c 24 /dev/urandom | base64 > keys/passphrase
chown safelight keys/passphrase; chmod 600 keys/passphrase
is "a library is made" as --passphrase-file /safelight-test/keys/passphrase init --recovery-file /safelight-test/keys/words
as --passphrase-file /safelight-test/keys/passphrase key add --new-key-file /safelight-test/keys/key --label timer >&2
as --key-file /safelight-test/keys/key source add /srv/camera --remove-after-proof >&2
as --key-file /safelight-test/keys/key remote add nas folder:/srv/nas >&2

# ---- the units as they lie in deploy/systemd, the key sealed to this machine by hand ----------------------
install -m 644 ./*.service ./*.timer /etc/systemd/system/
mkdir -p /etc/credstore.encrypted
systemd-creds setup >&2
is "the key file is sealed" systemd-creds encrypt --with-key=host --name=safelight.key keys/key /etc/credstore.encrypted/safelight.key
mkdir -p /etc/systemd/system/safelight-{sync,failed@}.service.d
printf '[Service]\nReadWritePaths=/srv/nas /srv/camera\n' > /etc/systemd/system/safelight-sync.service.d/folders.conf
printf '[Service]\nReadWritePaths=/srv/told\n' > '/etc/systemd/system/safelight-failed@.service.d/folders.conf'
printf '#!/bin/sh\nprintf "%%s %%s %%s\\n" "$1" "$MONITOR_SERVICE_RESULT" "$MONITOR_EXIT_STATUS" >> /srv/told/told\n' > /etc/safelight/on-failure
chmod 755 /etc/safelight/on-failure
systemctl daemon-reload
is "safelight-sync.service runs" start safelight-sync.service
is "the watched folder is empty, since its photos were proven to be in the library" [ -z "$(ls -A /srv/camera)" ]
is "they have gone to the remote" [ "$(as --key-file /safelight-test/keys/key --json remote show nas | grep -o '"safe_originals": *[0-9]*' | grep -o '[0-9]*$')" = 2 ]
is "their previews were made, by workers in their sandbox" [ "$(as --key-file /safelight-test/keys/key --json status | grep -c '"previews_pending": 0\|"undecodable": 0')" = 2 ]
is "safelight-check.service finds all well" start safelight-check.service
is "safelight-backup.service runs" start safelight-backup.service
is "the backup is there" photos /mnt/backup 1
mkdir -p /srv/photos; picture /srv/photos three; chmod -R a+rX /srv/photos
printf 'PLAIN_FOLDER=/srv/photos\nPLAIN_ADDRESS=folder:/srv/plain\nPLAIN_OPTIONS=\n' > /etc/safelight/plain.conf
mkdir -p /etc/systemd/system/safelight-plain.service.d
printf '[Service]\nReadWritePaths=/srv/plain\n' > /etc/systemd/system/safelight-plain.service.d/folders.conf
systemctl daemon-reload
is "safelight-plain.service runs" start safelight-plain.service
is "the plain copy holds the file under its hash" [ -n "$(find /srv/plain -name three.png)" ]

# ---- what fails is told -----------------------------------------------------------------------------------
mv /srv/nas /srv/nas-away
isnt "a sync without its remote fails" start safelight-sync.service
is "the command on failure is run" comes /srv/told/told
is "it is told which unit failed, and with which exit code" grep -qx 'safelight-sync.service exit-code [0-9]*' /srv/told/told
mv /srv/nas-away /srv/nas

# ---- service install --------------------------------------------------------------------------------------
install_service() { /usr/bin/safelight --library /var/lib/safelight/library --key-file /safelight-test/keys/key service "$@"; }
isnt "service install leaves units alone that it did not write" install_service install --system
rm -rf /etc/systemd/system/safelight-*.service /etc/systemd/system/safelight-*.timer /etc/systemd/system/safelight-*.d /etc/credstore.encrypted/safelight.key
systemctl daemon-reload
chown -R safelight /srv/camera
is "service install" install_service install --system --every 1h --backup /mnt/backup
is "nothing of the library came to belong to root" [ -z "$(find /var/lib/safelight/library -not -user safelight)" ]
is "the key is sealed" test -s /etc/credstore.encrypted/safelight.key
is "its timer runs" systemctl is-active safelight-sync.timer
is "and is there after the next start" systemctl is-enabled safelight-sync.timer safelight-check.timer safelight-backup.timer
cp keys/key /root/kept-key
rm -rf /safelight-test/keys
picture /srv/camera four
is "safelight-sync.service runs as installed" start safelight-sync.service
is "the new photo was taken in and its file is gone" [ -z "$(ls -A /srv/camera)" ]
is "safelight-backup.service runs as installed" start safelight-backup.service
is "safelight-check.service runs as installed" start safelight-check.service
is "service status" install_service status --system
systemctl stop safelight-check.timer
isnt "service status where a timer is stopped" install_service status --system
is "service install once more, without a backup" /usr/bin/safelight --library /var/lib/safelight/library --key-file /root/kept-key service install --system
is "the stopped timer runs again" systemctl is-active safelight-check.timer
isnt "the backup's timer has stopped" systemctl is-active safelight-backup.timer
is "the backup's units are gone" [ -z "$(find /etc/systemd/system -name 'safelight-backup*')" ]
is "service remove" install_service remove --system
is "nothing is left" [ -z "$(find /etc/systemd/system /etc/credstore.encrypted -name 'safelight*' -not -name safelight-test.service)" ]
isnt "the timer has stopped" systemctl is-active safelight-sync.timer

# ---- the same for a user ----------------------------------------------------------------------------------
useradd --create-home --shell /bin/bash ada
number=$(id -u ada)
# A manager of hers, as a log-in would start it, without what a log-in takes.
cat > /etc/systemd/system/manager-of-ada.service <<UNIT
[Service]
User=ada
Type=notify
Delegate=yes
Environment=XDG_RUNTIME_DIR=/run/user/$number HOME=/home/ada
ExecStart=$(ls /lib/systemd/systemd /usr/lib/systemd/systemd 2>/dev/null | head -n 1) --user
UNIT
systemctl daemon-reload
install -d -m 700 -o ada -g ada "/run/user/$number"
timeout 60 systemctl start manager-of-ada.service >&2 || journalctl --no-pager -u manager-of-ada.service >&2
hers() { runuser -u ada -- env HOME=/home/ada XDG_RUNTIME_DIR="/run/user/$number" SAFELIGHT_LIBRARY=/home/ada/library "$@"; }
if ! hers systemctl --user show --property=Version >&2; then
  echo "skipped: under a real systemd: no manager of a user starts here: what install writes for a user was not run"
else
  hers mkdir -p /home/ada/photos /home/ada/nas /home/ada/.config/safelight
  hers bash -c 'umask 077; head -c 64 /dev/urandom > /home/ada/key; head -c 24 /dev/urandom | base64 > /home/ada/passphrase'
  hers safelight --passphrase-file /home/ada/passphrase --key-file /home/ada/key init --recovery-file /home/ada/words >&2
  rm /home/ada/passphrase
  hers safelight --key-file /home/ada/key source add /home/ada/photos >&2
  hers safelight --key-file /home/ada/key remote add nas folder:/home/ada/nas >&2
  cp pictures/*.png /home/ada/photos/; chown -R ada /home/ada/photos
  is "service install for a user" hers safelight --key-file /home/ada/key service install
  is "her timer runs" hers systemctl --user is-active safelight-sync.timer
  is "her safelight-sync.service runs" hers systemctl --user start safelight-sync.service
  is "her photos are safe in two places" grep -q '"places": 2' <(hers safelight --key-file /home/ada/key --json status)
  is "their previews were made" grep -q '"previews_pending": 0' <(hers safelight --key-file /home/ada/key --json status)
  is "her safelight-check.service runs" hers systemctl --user start safelight-check.service
  printf '#!/bin/sh\necho "$1" > /home/ada/told\n' > /home/ada/.config/safelight/on-failure
  chmod 755 /home/ada/.config/safelight/on-failure
  mv /home/ada/nas /home/ada/nas-away
  isnt "her sync without its remote fails" hers systemctl --user start safelight-sync.service
  is "her command on failure is run" comes /home/ada/told
  is "service status tells of it" grep -q '^safelight-sync.service *failed' <(hers safelight service status)
  is "service remove for a user" hers safelight service remove
  is "nothing of it is left" [ -z "$(find /home/ada/.config/systemd -name 'safelight*')" ]
fi
echo ended
