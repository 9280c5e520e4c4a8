#!/usr/bin/env bash
# Opens the stack's drift issue, comments on the open one, or closes it. It needs TITLE, GH_TOKEN and the variables of
# GitHub's runner. Usage: drift-issue.sh OUTCOME FILE
set -euo pipefail
outcome=$1 file=$2
run_url="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
open=$(gh issue list --repo "$GITHUB_REPOSITORY" --state open --search "in:title \"$TITLE\"" \
  --json number,title --jq "[.[] | select(.title == env.TITLE)][0].number // empty")
if [ "$outcome" = success ]; then
  [ -z "$open" ] || gh issue close "$open" --repo "$GITHUB_REPOSITORY" --comment "What runs is what is declared again: $run_url"
  exit 0
fi
body=$(mktemp)
{
  printf 'The nightly drift check did not succeed: %s\n\n```\n' "$run_url"
  # An issue holds 65,536 characters. The end of the output says the most.
  if [ -s "$file" ]; then tail -c 50000 "$file"; else echo "(the run failed before the check began)"; fi
  # shellcheck disable=SC2016 # The backticks are Markdown.
  printf '\n```\n\n`npm run drift` shows it again. Its last lines say what to do.\n'
} > "$body"
if [ -n "$open" ]; then
  gh issue comment "$open" --repo "$GITHUB_REPOSITORY" --body-file "$body"
else
  gh issue create --repo "$GITHUB_REPOSITORY" --title "$TITLE" --body-file "$body"
fi
