#!/usr/bin/env bash
# What the tests need beyond Rust and git, installed where it is missing; `./test` sources this. Each piece is asked for
# by the command or module that is used, so a machine that has it by another way is left alone.

# Exactly these, so that a test that passed passes again.
CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2
# The version of the library in benches/counts/Cargo.toml: it works with no other.
GUNGRAUN_VERSION=0.20.0

# What every step needs: a C++ compiler and make, which build jemalloc and libFuzzer, and Rust's own tools.
install_base() {
  if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it by https://rustup.rs and run ./test again" >&2
    return 1
  fi
  packages_for command:g++ g++ command:make make
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    echo "installing rustfmt and clippy with rustup"
    rustup component add rustfmt clippy
  fi
}

# What the step of that name needs besides.
install_for() {
  case "$1" in
    deny) cargo_tool cargo-deny "$CARGO_DENY_VERSION" ;;
    counts) install_counts ;;
    fuzz) cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION" ;;
    e2e) install_e2e ;;
  esac
}

install_counts() {
  packages_for command:valgrind valgrind
  cargo_tool gungraun-runner "$GUNGRAUN_VERSION"
}

install_e2e() {
  # Debian's npm only installs: the tests run on the Node that tests/e2e/package.json names. A font, as a browser
  # without one draws empty boxes into the README's picture. strace says what the server asked of the kernel.
  packages_for command:chromium chromium font:any fonts-dejavu-core command:nginx nginx command:curl curl \
    command:strace strace python:ensurepip python3-venv command:npm "nodejs npm"
  TIDINGS_CHROMIUM=$(command -v chromium)
  echo "npm ci in tests/e2e"
  (cd tests/e2e && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --loglevel=error --prefer-offline)

  local venv="${target:?}/e2e-venv" requirements=tests/e2e/requirements.txt
  TIDINGS_E2E_PYTHON="$venv/bin/python"
  export TIDINGS_CHROMIUM TIDINGS_E2E_PYTHON
  if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "Python packages of $requirements into $venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements"
    # Last, so that an install that was cut short is done again.
    cp "$requirements" "$venv/requirements.txt"
  fi
}

# packages_for WHAT PACKAGES [WHAT PACKAGES]…: installs, at once, the Debian packages of all that is not there.
packages_for() {
  local missing=() more nginx_was_there=yes
  while (($# > 0)); do
    if ! is_there "$1"; then read -ra more <<<"$2" && missing+=("${more[@]}"); fi
    shift 2
  done
  if ((${#missing[@]} == 0)); then return; fi
  if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (names of Debian packages). This is no Debian: install them and run ./test again" >&2
    return 1
  fi
  echo "installing with apt-get: ${missing[*]}"
  if ! command -v nginx >/dev/null; then nginx_was_there=no; fi
  as_root apt-get -q update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}"
  if [ "$nginx_was_there" = no ] && command -v nginx >/dev/null; then stop_nginx; fi
}

is_there() {
  local name=${1#*:}
  case "$1" in
    command:*) command -v "$name" >/dev/null ;;
    python:*) python3 -c "import $name" 2>/dev/null ;;
    font:any) [ -n "$(find /usr/share/fonts -name '*.[ot]tf' -print -quit 2>/dev/null)" ] ;;
  esac
}

# Debian starts nginx as a public server on port 80. The tests start one of their own on loopback, so the one that came
# with the package is neither needed nor asked for.
stop_nginx() {
  if [ -d /run/systemd/system ]; then
    as_root systemctl disable --now nginx
  else
    as_root service nginx stop || true
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "this needs root or sudo: $*" >&2
    return 1
  fi
}

# Another version than ours that is already there is used, and named: replacing it could break other work.
cargo_tool() {
  local name=$1 version=$2 have
  if have=$("$name" --version 2>/dev/null); then
    if [ "$have" != "$name $version" ]; then echo "using $have; the tests are made for $version"; fi
    return
  fi
  echo "installing $name $version with cargo (some minutes)"
  # Built beside, not in this tree's target folder: its crates have other features than ours. And built to be built soon: as
  # it is released, all of cargo-deny is optimised as one crate, which takes a minute more than it ever saves here.
  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --locked "$name" --version "$version"
}
