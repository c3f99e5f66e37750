"""What a workflow tells people: a comment on the pull request, a message in Slack."""
