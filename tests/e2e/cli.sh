#!/bin/bash
# What holds for every command, from the command's own table: help, usage errors, completion, manual.
. "$(dirname "$0")/lib.sh"
man_dir=$(dirname "$0")/../../docs/man

nouns=$("$PLEIAD" --help | sed -n 's/^  pleiad \([a-z-]*\) .*/\1/p')
ok "there are nouns" test -n "$nouns"
ok "help ends well" run 0 "$PLEIAD" --help
ok "version" run 0 "$PLEIAD" --version
ok "no command is a usage error" run 2 "$PLEIAD"
ok "an unknown noun is a usage error" run 2 "$PLEIAD" nonsense
ok "it is named" says 'no command nonsense'
ok "a full standard output is an error" bash -c '! "$0" --help > /dev/full 2> /dev/null' "$PLEIAD"

# The manual page of a noun must name every verb and every option that the table has.
manual_is_whole() {
    page=$man_dir/pleiad-$1.1
    [ -f "$page" ] || { echo "# no manual page $page"; return 1; }
    mandoc -Tutf8 "$page" | col -bx > "$work/page"
    shift
    for word in "$@"; do
        grep -qF -e "$word" "$work/page" || { echo "# $page does not mention $word"; return 1; }
    done
}

check_command() { # noun verb
    ok "$*: help" run 0 "$PLEIAD" "$@" --help
    ok "$*: help has an example that starts with the command" prints '^  pleiad '"$*|^  .*pleiad $*"
    options=$(sed -n 's/^.*[ ]\(--[a-z0-9-]*\)[ ].*/\1/p' "$work/out" | grep -vxE -e '--(json|verbose|help)')
    # shellcheck disable=SC2086
    ok "$*: the manual page is whole" manual_is_whole "$1" "${2:-$1}" $options
    ok "$*: an unknown option is a usage error" run 2 "$PLEIAD" "$@" --no-such-option
    ok "$*: says so" says 'no option --no-such-option'
}

for noun in $nouns; do
    run 0 "$PLEIAD" "$noun" --help
    verbs=$(sed -n "s/^  pleiad $noun \([a-z-]*\) .*/\1/p" "$work/out")
    ok "$noun: an unknown verb is a usage error" run 2 "$PLEIAD" "$noun" --no-such-option
    if [ -z "$verbs" ]; then check_command "$noun"; fi
    for verb in $verbs; do check_command "$noun" "$verb"; done
done

for page in "$man_dir"/*.[138]; do
    ok "mandoc finds nothing in $(basename "$page")" mandoc -Tlint -Wwarning "$page"
done

"$PLEIAD" completion bash > "$work/completion"
ok "the completion is bash" bash -n "$work/completion"
complete_words() { # words..., the last is being completed
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pleiad; printf "%s\n" "${COMPREPLY[@]}"' \
        "$work/completion" "$@"
}
ok "it completes nouns" test "$(complete_words pleiad comp)" = completion
ok "it completes verbs" test "$(complete_words pleiad completion b)" = bash
ok "it completes options" test "$(complete_words pleiad completion bash --ver)" = --verbose
finish
