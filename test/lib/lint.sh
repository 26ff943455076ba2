# Sourced by test/run: rules about the tree that no compiler checks.

# Succeeds when a pattern occurs nowhere in the given files.
nowhere() {  # PATTERN FILE…
  local pattern=$1; shift
  [ $# -gt 0 ] || return 0
  ! grep -nE "$pattern" "$@"
}

sources() { find "$@" -name '*.h' -o -name '*.cpp' | sort; }

run_lint() {
  cd "$SOURCE"
  local files=(src test extension sql demo bench docs README.md CONTRIBUTING.md CHANGELOG.md Makefile)
  check "core knows neither PostgreSQL, nor curl, nor the layers above" \
    nowhere '#include *[<"](postgres|c\.h|fmgr|curl/|net/|pg/)' $(sources src/core)
  check "net knows neither PostgreSQL nor the layer above" \
    nowhere '#include *[<"](postgres|c\.h|fmgr|pg/)' $(sources src/net)
  check "our tables are reached through the catalog room, in worker, capture and launcher" \
    nowhere '(FROM|INTO|UPDATE|JOIN) polyglot\.' $(sources src/pg/worker src/pg/capture src/pg/launcher)
  check "requests to the search server are named in search_api.cpp, by the worker" \
    nowhere '(->|\.)(Ask|AskUrgently)\(|EncodePath\(|"(GET|POST|PUT|DELETE)"' \
    $(sources src/pg/worker | grep -v '^src/pg/worker/search/search_api\.cpp$')
  check "rooms include only those before them, headers in no circle; documents name files that exist" \
    python3 test/lib/rooms.py .
  check "pg leaves curl and RapidJSON to the layers below" \
    nowhere '#include *[<"](curl/|rapidjson/)' $(sources src/pg)
  check "postgres.h is included by the prelude only" \
    nowhere '#include *"postgres\.h"' $(sources src | grep -v '^src/pg/prelude\.h$')
  check "PostgreSQL's version is asked for in the prelude only" \
    nowhere 'PG_VERSION_NUM' $(sources src | grep -v '^src/pg/prelude\.h$')
  check "clang-format has nothing to change" \
    clang-format-19 --dry-run --Werror $(sources src test/unit test/fuzz)
  check "no paths of one machine" no_machine_paths "${files[@]}"
  check "lines of at most 100 columns, 110 in tests" short_lines
  check "files of at most 450 lines" short_files
  check "every regression test has its expected output" expected_exists sql expected sql
  check "every isolation test has its expected output" \
    expected_exists test/isolation/specs test/isolation/expected spec
  check "nothing unfinished" nowhere '(TO''DO|FIX''ME|XX''X)' $(sources src) extension/*.sql
}

no_machine_paths() {
  local found
  found=$(grep -rnsE '(^|[^a-zA-Z.}])/(wor[k]|op[t])/' "$@") || true
  [ -z "$found" ] || { echo "$found"; return 1; }
}

short_lines() {
  python3 - $(sources src test) $(find test demo bench -name '*.py') <<'END'
import sys
long = [f"{name}:{number}: {len(line)} columns"
        for name in sys.argv[1:]
        for number, line in enumerate(open(name, encoding="utf-8").read().split("\n"), 1)
        if len(line) > (100 if name.startswith("src/") else 110)]
print("\n".join(long))
sys.exit(bool(long))
END
}

short_files() {
  ! wc -l $(sources src) | awk '$1 > 450 && $2 != "total" { print; found = 1 } END { exit !found }'
}

expected_exists() {  # FOLDER EXPECTED-FOLDER SUFFIX
  local file missing=0
  for file in "$1"/*."$3"; do
    [ -e "$file" ] || continue
    [ -e "$2/$(basename "$file" ".$3").out" ] || { echo "no expected output for $file"; missing=1; }
  done
  return $missing
}
