#!/usr/bin/env bash
# Runs every check of the project, after installing what the checks need: a C compiler, redis-server and Python.
# It never stops at the first failure; the summary at the end names each. It leaves no server running.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [--no-bench] [--matrix]

  --no-bench      leave out the benchmark, and with it the release build
  --matrix        test single servers, Sentinel and Cluster on the servers of scripts/servers.sh as well, which come from
                  Debian's packages; one that cannot be had is a failure

environment:
  REDIS_SERVER        the server program to test against, instead of redis-server from PATH
  JSON_SERVER_PYTHON  a Python that has the packages of tests/json_server.txt, instead of one that is set up in the
                      target directory
TEXT
}

bench=yes
matrix=no
for argument in "$@"; do
    case $argument in
        --no-bench) bench=no ;;
        --matrix) matrix=yes ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
readonly scratch
policy=/usr/sbin/policy-rc.d
is_our_policy=no
failures=0

say() { printf '%s\n' "$*"; }
die() { say "error: $*" >&2 && exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- what the tests need ---------------------------------------------------------------------------------------------

as_root() {
    say "+ $*"
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

package_manager() {
    local manager
    for manager in apt-get dnf apk brew; do
        if has "$manager"; then
            say "$manager"
            return
        fi
    done
}

# Debian starts a service as soon as it is installed. A policy-rc.d that says no prevents that; one that is there
# already is left alone. Nobody had this service before, so none is taken away.
apt_install() {
    as_root apt-get update -q || say "the package lists could not be renewed; trying those at hand"
    if [ ! -e "$policy" ]; then
        is_our_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$scratch/policy-rc.d"
        as_root install -m 755 "$scratch/policy-rc.d" "$policy" || return
    fi
    local installed=yes
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" || installed=no
    remove_policy
    [ "$installed" = yes ]
}

remove_policy() {
    if [ "$is_our_policy" = yes ]; then
        as_root rm -f "$policy"
        is_our_policy=no
    fi
}

install_compiler() {
    say "There is no C compiler (cc), and the tests' SQLite is built from source. Installing one."
    case $1 in
        apt-get) apt_install gcc libc6-dev ;;
        dnf) as_root dnf install -y gcc ;;
        apk) as_root apk add build-base ;;
        brew) die "install the command line tools: xcode-select --install" ;;
        *) die "no apt-get, dnf, apk or brew: install a C compiler, so that cc is in PATH" ;;
    esac
}

install_server() {
    say "There is no redis-server, and the integration tests start real ones. Installing it."
    case $1 in
        apt-get)
            apt_install redis-server || return
            # It would start when the machine does.
            if [ -d /run/systemd/system ]; then as_root systemctl disable --now redis-server; fi
            ;;
        dnf) as_root dnf install -y redis || as_root dnf install -y valkey ;;
        apk) as_root apk add redis || as_root apk add valkey ;;
        brew) brew install redis ;;
        *) die "no apt-get, dnf, apk or brew: install redis-server, or say where it is with REDIS_SERVER" ;;
    esac
}

install_python() {
    say "There is no Python that can make virtual environments, and a tests' server is written in it. Installing it."
    case $1 in
        apt-get) apt_install python3 python3-venv ;;
        dnf) as_root dnf install -y python3 ;;
        apk) as_root apk add python3 ;;
        brew) brew install python ;;
        *) die "no apt-get, dnf, apk or brew: install Python 3.11 or later, with venv and pip" ;;
    esac
}

# Debian keeps ensurepip, without which there is no pip in a virtual environment, in a package of its own.
has_python() { python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Sets up the Python of the JSON server, in a virtual environment where the tests look for it. The list of its packages is
# copied into it at the end, so that one that was left half done, or has other versions, is made anew.
prepare_json_server() {
    local list=tests/json_server.txt environment=${CARGO_TARGET_DIR:-target}/json_server
    if ! cmp -s "$list" "$environment/installed.txt" || ! "$environment/bin/python" -c 'import fakeredis'; then
        has_python || install_python "$(package_manager)" || die "Python could not be installed"
        has_python || die "Python was installed, but python3 is older than 3.11, or cannot make virtual environments"
        say "Installing the packages of $list into $environment."
        rm -rf "$environment"
        python3 -m venv "$environment" || die "the virtual environment $environment could not be made"
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$list" ||
            die "pip could not install the packages of $list"
        cp "$list" "$environment/installed.txt"
    fi
    JSON_SERVER_PYTHON=$(cd "$environment/bin" && pwd)/python
}

prepare() {
    has cargo || die "cargo is not in PATH: install Rust first"
    has cc || install_compiler "$(package_manager)" || die "the C compiler could not be installed"
    has cc || die "a C compiler was installed, but cc is not in PATH"
    if [ -n "${REDIS_SERVER:-}" ]; then
        has "$REDIS_SERVER" || die "REDIS_SERVER=$REDIS_SERVER is no program"
    else
        has redis-server || has valkey-server || install_server "$(package_manager)" ||
            die "redis-server could not be installed"
        REDIS_SERVER=$(command -v redis-server || command -v valkey-server) ||
            die "redis-server was installed, but it is not in PATH"
    fi
    if [ -n "${JSON_SERVER_PYTHON:-}" ]; then
        has "$JSON_SERVER_PYTHON" || die "JSON_SERVER_PYTHON=$JSON_SERVER_PYTHON is no program"
    else
        prepare_json_server
    fi
    export REDIS_SERVER JSON_SERVER_PYTHON
    for component in fmt:rustfmt clippy:clippy; do
        cargo "${component%%:*}" --version >/dev/null 2>&1 && continue
        say "There is no cargo ${component%%:*}. Installing it with rustup."
        rustup component add "${component##*:}" || die "rustup could not add ${component##*:}"
    done
    # The tests say themselves what the environment holds.
    for variable in $(compgen -e | grep -E '^(ENABLE_REDIS|REDIS_.*)$' | grep -vx REDIS_SERVER); do
        unset "$variable"
    done
    say "$(cargo --version); $("$REDIS_SERVER" --version); $("$JSON_SERVER_PYTHON" --version)"
}

# --- the steps -------------------------------------------------------------------------------------------------------

# Runs a step in a subshell, so that what it traps is undone when it ends, and notes what came of it.
step() {
    local name=$1 began=$SECONDS status outcome=ok
    shift
    say && say "==> $name"
    # Not `if (…)`: that would let the step go on after its first failed command.
    set +e
    (set -e; "$@")
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then outcome=FAILED; fi
    note "$outcome" $((SECONDS - began)) "$name"
}

# Puts a line into the summary: note OUTCOME SECONDS NAME.
note() {
    if [ "$1" != ok ]; then failures=$((failures + 1)); fi
    printf '    %-10s %4d s   %s\n' "$@" | tee -a "$scratch/summary"
}

# Runs cargo test. Its closing lines are kept for the summary, so that each stands in the output once, with the `flavour` of the
# servers if it was said.
run_tests() {
    cargo --color never test --workspace --all-features --no-fail-fast "$@" 2>&1 | awk \
        -v results="$scratch/results" -v flavour="${flavour:-}" '
        /^ *(Running|Doc-tests) / {
            heading = $0
            sub(/^ */, "", heading)
            sub(/\(.*\//, "(", heading)
            sub(/-[0-9a-f]*\)$/, ")", heading)
            if (flavour != "") heading = heading " on " flavour
        }
        /^test result: / { print heading "\n" $0 >> results; next }
        { print; fflush() }'
}

# Runs the integration tests on each server of scripts/servers.sh, but for the one that they run on anyway.
run_matrix() {
    local flavour
    for flavour in $(scripts/servers.sh --list); do
        if is_flavour "$flavour" "$REDIS_SERVER"; then
            say && say "$flavour is what the integration tests run on."
        elif scripts/servers.sh "$flavour" >"$scratch/server"; then
            step "integration tests on $flavour" run_tests_on "$flavour" "$(cat "$scratch/server")"
        else
            note "NOT TESTED" 0 "integration tests on $flavour, which cannot be had here"
        fi
    done
}

run_tests_on() {
    local flavour=$1
    REDIS_SERVER=$2 run_tests --test it --test topology
}

# Says whether this program is, for instance, a redis-7.
is_flavour() {
    "$2" --version | tr '[:upper:]' '[:lower:]' | grep -q "^${1%-*} server v=${1#*-}\."
}

document() {
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps "$@"
}

# As far as one toolchain can tell: what is used of std is clippy's incompatible_msrv to check, and what the packages
# that a user builds ask for is compared here. Without jq or Python, since a machine with Rust need not have them.
check_msrv() {
    local stated
    stated=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    cargo metadata --format-version 1 --locked --all-features |
        grep -oE '"name":"[^"]*","version":"[^"]*","id":|"rust_version":("[^"]*"|null)' |
        awk -F '"' '
            $2 == "name" { package = $4 " v" $8 }
            $2 == "rust_version" { print "asks", package, $4 }' >"$scratch/asks"
    cargo tree --locked --all-features --edges normal,build --target all --prefix none --format '{p}' |
        awk '{ print "uses", $1, $2 }' | sort -u >"$scratch/uses"
    awk -v stated="$stated" '
        function number(version, parts) {
            split(version, parts, ".")
            return parts[1] * 1000000 + parts[2] * 1000 + parts[3]
        }
        $1 == "asks" { known[$2, $3] = 1; asks[$2, $3] = $4 }
        $1 == "uses" {
            count++
            if (!(($2, $3) in known)) { print $2, $3, "is not in the metadata"; bad++ }
            else if (number(asks[$2, $3]) > number(stated)) { print $2, $3, "needs Rust", asks[$2, $3]; bad++ }
            else if (number(asks[$2, $3]) > number(most)) { most = asks[$2, $3] }
        }
        END {
            print count, "packages; the most that one asks for is Rust", most ", stated is Rust", stated
            exit (bad > 0 || count < 2)
        }' "$scratch/asks" "$scratch/uses"
}

# Prints the first line of a server's reply: ask PORT COMMAND. Fails without a word if nobody listens.
ask() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" &&
            printf '%s\r\n' "$2" >&3 &&
            read -r -t 1 reply <&3 &&
            say "${reply%$'\r'}"
    ) 2>/dev/null
}

# Starts a server on a free port of the loopback interface and sets `port`. The server ends with the step.
start_server() {
    local patience log=$scratch/redis.log
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 12000))
        if ask "$port" PING >"$scratch/taken"; then continue; fi
        "$REDIS_SERVER" --port "$port" --bind 127.0.0.1 --dir "$scratch" --save '' --appendonly no >"$log" 2>&1 &
        server=$!
        trap 'kill "$server" 2>/dev/null || true' EXIT
        trap 'exit 143' INT TERM
        for ((patience = 50; patience > 0; patience--)); do
            kill -0 "$server" 2>/dev/null || break
            if [ "$(ask "$port" PING)" = +PONG ]; then return; fi
            sleep 0.1
        done
        kill "$server" 2>/dev/null || true
    done
    cat "$log" >&2
    die "$REDIS_SERVER does not start"
}

run_examples() {
    for example in examples/*.rs; do
        example=$(basename "$example" .rs)
        say "--- $example"
        cargo run --quiet --all-features --example "$example"
    done
}

run_examples_on_a_server() {
    start_server
    export ENABLE_REDIS=true REDIS_URL="redis://127.0.0.1:$port"
    run_examples | tee "$scratch/examples"
    grep -q "Ready on 127.0.0.1:$port" "$scratch/examples" || die "the quickstart did not find the server"
    [ "$(ask "$port" DBSIZE)" = :0 ] || die "the examples left keys behind"
}

smoke_bench() {
    local suite suites="fallback operations throughput outage topology cache"
    if grep -q '^near-cache ' Cargo.toml; then suites="$suites near"; fi
    for suite in $suites; do
        cargo run --release --package bench --all-features -- "$suite" --quick --server "$REDIS_SERVER" \
            --json "$scratch/bench.json"
        [ -s "$scratch/bench.json" ] || die "the suite $suite left no figures"
        rm "$scratch/bench.json"
    done
}

# --- the whole -------------------------------------------------------------------------------------------------------

finish() {
    local status=$?
    if [ -e "$scratch/summary" ]; then
        say && say "==> Summary"
        cat "$scratch/summary"
        if [ -e "$scratch/results" ]; then say && cat "$scratch/results"; fi
        say
        if [ "$status" -eq 0 ]; then say "All is well, after $SECONDS s."; else say "FAILED, after $SECONDS s."; fi
    fi
    rm -rf "$scratch"
    remove_policy
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

prepare
step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets --all-features -- -D warnings
step "lints without features" cargo clippy --all-targets -- -D warnings
step "unit and integration tests" run_tests --lib --bins --tests
if [ "$matrix" = yes ]; then run_matrix; fi
step "documentation tests" run_tests --doc
step "documentation" document --all-features
step "documentation with private items" document --all-features --document-private-items
step "documentation without features" document
step "minimum Rust version" check_msrv
step "examples without a server" run_examples
step "examples on a server" run_examples_on_a_server
if [ "$bench" = yes ]; then step "benchmark smoke" smoke_bench; fi
[ "$failures" -eq 0 ]
