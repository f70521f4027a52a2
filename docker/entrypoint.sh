#!/bin/sh
# Starts llms in a container. The first `serve` makes a key, keeps it in the data directory and prints it once;
# LLMS_API_KEY in the environment takes its place.
set -eu

file="${LLMS_DATA_DIR:-/data}/api_key"

if [ -z "$(printf %s "${LLMS_API_KEY:-}" | tr -d '[:space:]')" ]; then
  LLMS_API_KEY=""
  if [ -f "$file" ]; then
    LLMS_API_KEY="$(tr -d '[:space:]' <"$file")"
  fi
  if [ -z "$LLMS_API_KEY" ] && [ "${1:-}" = serve ]; then
    mkdir -p "$(dirname "$file")"
    LLMS_API_KEY="$(python -c 'from llms.policies.keys import new_key; print(new_key())')"
    (umask 077 && printf '%s\n' "$LLMS_API_KEY" >"$file.new")
    mv "$file.new" "$file"
    echo "Your API key (kept in $file, shown this once): $LLMS_API_KEY"
  fi
  export LLMS_API_KEY
fi

exec llms "$@"
