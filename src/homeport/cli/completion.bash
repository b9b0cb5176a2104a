_homeport_jobs() {
  local typed=$1 quote= names name i
  local -a where=()
  # A job that is left out cannot run, but why it is out can be explained.
  [[ ${COMP_WORDS[1]} == explain ]] && where+=(--all)
  for ((i = 1; i + 1 < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -C | --directory | -f | --file)
        where+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]/#\~/$HOME}")
        ;;
    esac
  done
  case $typed in
    [\'\"]*) quote=${typed:0:1} typed=${typed:1} ;;
    *) typed=${typed//\\/} ;;
  esac
  names=$(homeport list --names "${where[@]}" 2>/dev/null </dev/null)
  while IFS= read -r name; do
    [[ -n $name && $name == "$typed"* ]] || continue
    case $quote in
      \') printf '%s\n' "${name//\'/\'\\\'\'}" ;;
      \") sed 's/[\\"$`]/\\&/g' <<<"$name" ;;
      *) printf '%q\n' "$name" ;;
    esac
  done <<<"$names"
}

# Bash ends a word at a colon, and the names of jobs have some: put the words together again, and
# leave out of each reply what stands before the last colon, which Bash does not replace.
_homeport() {
  local rest=$COMP_LINE word previous= i place=0 colons
  local -a joined=()
  for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
    word=${COMP_WORDS[i]}
    if ((i)) && [[ $rest != [[:space:]]* && ($word == :* || $previous == *:) ]]; then
      joined[${#joined[@]} - 1]+=$word
    else
      joined+=("$word")
    fi
    ((i == COMP_CWORD)) && place=$((${#joined[@]} - 1))
    rest=${rest#"${rest%%[![:space:]]*}"}
    rest=${rest#"$word"}
    previous=$word
  done
  local -a COMP_WORDS=("${joined[@]}")
  local COMP_CWORD=$place
  _shtab_homeport
  word=${joined[place]}
  [[ $word == [\'\"]* ]] && return
  for ((colons = 0; ${#word}; colons++)); do
    [[ $word == *:* ]] || break
    word=${word#*:}
  done
  for i in "${!COMPREPLY[@]}"; do
    for ((place = 0; place < colons; place++)); do
      COMPREPLY[i]=${COMPREPLY[i]#*:}
    done
  done
}
