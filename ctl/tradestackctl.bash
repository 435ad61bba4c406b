# bash completion for tradestackctl(1)
_tradestackctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="status up down start stop restart hold unhold reset release logs events watch
        check reload alert version"
    local options="--socket --json --no-color --timeout --help --version --file --env-file --project
        --wait --no-wait --follow --tail --since --config --channel"
    case $prev in
    --socket | --file | --env-file | --config)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    alert)
        COMPREPLY=(test)
        return
        ;;
    start | stop | restart | hold | unhold | reset | logs)
        local names
        # The services come last; their probes' names lie deeper. Nothing but plain names: compgen
        # expands the words.
        names=$(tradestackctl --timeout 1s status --json 2>/dev/null |
            sed -n '/^  "services"/,$ s/^      "name": "\([A-Za-z0-9_.-]*\)",*$/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
        return
        ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    esac
}
complete -F _tradestackctl tradestackctl
