#!/bin/sh
# Installs what some tests drive and Python packages cannot bring, where the system's package manager may be used.
# Where it may not, those tests skip and say what is missing.
set -u
wanted=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || wanted="$wanted chromium"
command -v redis-server >/dev/null || wanted="$wanted redis-server"
command -v node >/dev/null || wanted="$wanted nodejs"
command -v npm >/dev/null || wanted="$wanted npm"
command -v curl >/dev/null || wanted="$wanted curl"
[ -n "$wanted" ] || exit 0
sudo=""
if [ "$(id -u)" != 0 ]; then
  sudo="sudo -n"
  $sudo true 2>/dev/null || { echo "not installed (no right to):$wanted"; exit 0; }
fi
command -v apt-get >/dev/null || { echo "not installed (no apt-get here):$wanted"; exit 0; }
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $wanted >/dev/null || echo "not installed (apt-get failed):$wanted"
