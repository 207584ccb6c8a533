# The common part of the service scripts, which source it. It reads the two arguments of the script,
# `PORT DIR`, and sets `port`, `folder` and `log`.
#
# A service belongs to its folder: one process per folder, whose id is in the file `pid` and whose
# command line names the folder. Jars are cached in SVC_LIB.

set -euo pipefail
umask 077

fail() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$1" >&2
  exit 1
}

[ $# -eq 2 ] || fail "usage: $(basename "$0") PORT DIR"
port=$1
mkdir -p "$2"
folder=$(realpath "$2")
log=$folder/log
libraries=${SVC_LIB:-$HOME/.cache/drover-services}
# Seconds until a service must answer; a machine that builds at the same time is slow.
patience=90

# Whether a process accepts connections on the port.
is_open() {
  (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The process id of this folder's service, if it runs.
running() {
  [ -s "$folder/pid" ] || return 1
  local pid
  pid=$(<"$folder/pid")
  grep -qsaF -- "-Ddrover.service=$folder" "/proc/$pid/cmdline" || return 1
  printf '%s\n' "$pid"
}

# Ends the script if the service already runs, or cannot start.
unless_running() {
  if running; then exit 0; fi
  local taken
  for taken in "$@"; do
    if is_open "$taken"; then fail "port $taken is taken"; fi
  done
}

# Downloads an artifact and its dependencies into one folder: `jars NAME COORDINATE…`. Sets `jars`.
jars() {
  local name=$1 coordinate
  shift
  jars=$libraries/jars-$name
  mkdir -p "$jars"
  exec 9>"$jars/lock"
  flock 9
  if [ ! -e "$jars/complete" ]; then
    {
      printf '<project><modelVersion>4.0.0</modelVersion><groupId>drover</groupId>'
      printf '<artifactId>service</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
      for coordinate in "$@"; do
        IFS=: read -r group artifact version <<<"$coordinate"
        printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>' \
          "$group" "$artifact" "$version"
      done
      printf '</dependencies></project>\n'
    } >"$jars/pom.xml"
    # Split into words on purpose: MVN_ARGS holds several options.
    # shellcheck disable=SC2086
    mvn --batch-mode --quiet -Dstyle.color=never ${MVN_ARGS:-} --file "$jars/pom.xml" \
      org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DincludeScope=runtime "-DoutputDirectory=$jars" >&2
    if declare -F build >/dev/null; then build; fi
    touch "$jars/complete"
  fi
  exec 9>&-
}

# Starts Java in the background: `launch MEGABYTES ARGUMENT…`. Sets `pid`.
launch() {
  local megabytes=$1
  shift
  : >"$log"
  cd "$folder"
  setsid java "-Ddrover.service=$folder" "-Djava.io.tmpdir=$folder" -XX:+UseSerialGC "-Xmx${megabytes}m" \
    "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$folder/pid"
}

# Prints the process id once the given command reports that the service is ready.
until_ready() {
  local tries=$((patience * 5))
  while [ $tries -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
    if "$@"; then
      printf '%s\n' "$pid"
      exit 0
    fi
    sleep 0.2
    tries=$((tries - 1))
  done
  tail -n 20 "$log" >&2
  kill "$pid" 2>/dev/null || true
  fail 'it did not start'
}

# Whether the service answers HTTP at this path.
answers() {
  is_open "$port" && timeout 5 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET %s HTTP/1.0\r\n\r\n" "$2" >&3 && head -c 5 <&3
  ' answers "$port" "$1" 2>/dev/null | grep -q HTTP/
}
