#!/bin/sh
# Starts llms in a container. At the first start a key is made, kept in the data directory and printed once;
# LLMS_API_KEY in the environment takes its place.
set -eu
data="${LLMS_DATA_DIR:-/data}"
if [ -z "${LLMS_API_KEY:-}" ]; then
  file="$data/api_key"
  if [ ! -s "$file" ]; then
    mkdir -p "$data"
    (umask 077 && python -c "from llms.policies.keys import new_key; print(new_key())" >"$file.new")
    mv "$file.new" "$file"
    echo "Your API key (kept in $file, shown this once): $(cat "$file")"
  fi
  LLMS_API_KEY="$(cat "$file")"
  export LLMS_API_KEY
fi
exec llms "$@"
