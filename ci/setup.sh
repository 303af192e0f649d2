# shellcheck shell=bash
# What ./check and ./demo begin with: packages and a build. Sourced from the root of the tree.

# Package groups that the named suites need; without names those of the check tier, or of all with --long.
suite_groups() {
    awk -F'\t' -v names="$*" 'BEGIN { n = split(names, a, " "); for (i = 1; i <= n; i++)
            if (a[i] !~ /^-/) { want[a[i]] = 1; some = 1 } else if (a[i] == "--long") long = 1 }
        !/^#/ && NF && (some ? $1 in want : $2 == "check" || long) { gsub(",", "\n", $4); print $4 }' ci/suites.tsv
}

# Packages of the groups that are not installed.
missing_packages() {
    awk -F'\t' -v groups="$*" 'BEGIN { n = split(groups, a, " "); for (i = 1; i <= n; i++) want[a[i]] = 1 }
        !/^#/ && NF { n = split($2, g, ","); for (i = 1; i <= n; i++) if (g[i] in want) { print $1, $3; next } }' \
        ci/packages.txt | while read -r package program; do
        [[ -n $program ]] && command -v "$program" >/dev/null && continue
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# Installs what is missing; says what it does, and does nothing when nothing is missing.
install_groups() {
    local missing sudo=''
    mapfile -t missing < <(missing_packages "$@")
    [[ ${#missing[@]} == 0 ]] && return
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || { echo "Please install these Debian packages: ${missing[*]}" >&2; exit 1; }
        sudo='sudo'
    fi
    echo "Installing ${missing[*]}" >&2
    {
        $sudo apt-get update -q &&
            $sudo env DEBIAN_FRONTEND=noninteractive \
                apt-get install -qy --no-install-recommends "${missing[@]}"
    } >&2 </dev/null || { echo "Could not install: ${missing[*]}" >&2; exit 1; }
}

# An ordinary build in build/gcc, with its programs in build/bin.
build_programs() { /usr/bin/python3 ci/meson.py build gcc; }
